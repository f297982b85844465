"""Whole manifests: what the API server would refuse, and what the operator would make Stalled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from evaluation_operator.api.annotation_spec_set import AnnotationSpecSet
from evaluation_operator.api.base import API_VERSION, DNS_SUBDOMAIN, Resource
from evaluation_operator.api.crd import KINDS, build_schema
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersion
from evaluation_operator.api.names import parse_annotation_spec_set_name, parse_model_version
from evaluation_operator.domain.answer_classes import unknown_classes
from evaluation_operator.domain.faults import Fault
from evaluation_operator.domain.stalled import Limits, job_faults, version_faults

from .rules import rule_faults
from .structural import (
    PRESERVES_UNKNOWN,
    Schema,
    structural_faults,
    unknown_field_faults,
    without_nulls,
)

Manifest = Mapping[str, Any]

# What the operator of some cluster allows besides its own image is not known on a laptop.
OFFLINE_LIMITS = Limits(allowed_images=None, allowances=None)

_KINDS = {kind.KIND: kind for kind in KINDS}
_STRING_MAP = {"type": "object", "additionalProperties": {"type": "string"}}
_FREE_LIST = {"type": "array", "maxItems": 10_000, "items": {}}
_METADATA: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": DNS_SUBDOMAIN},
        "generateName": {"type": "string"},
        "namespace": {
            "type": "string",
            "maxLength": 63,
            "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        },
        "labels": _STRING_MAP,
        "annotations": _STRING_MAP,
        "finalizers": {"type": "array", "maxItems": 10_000, "items": {"type": "string"}},
        "ownerReferences": _FREE_LIST,
        "managedFields": _FREE_LIST,
        "uid": {"type": "string"},
        "resourceVersion": {"type": "string"},
        "selfLink": {"type": "string"},
        "generation": {"type": "integer"},
        "creationTimestamp": {"type": "string"},
        "deletionTimestamp": {"type": "string"},
        "deletionGracePeriodSeconds": {"type": "integer"},
    },
}


def validate_manifest(
    manifest: Manifest, *, limits: Limits = OFFLINE_LIMITS, namespace: str | None = None
) -> list[Fault]:
    """Faults of one object, in the order of its fields; empty when it may be applied.

    `namespace` is where a manifest that names none goes; None: a `projects/` part is believed.
    """
    return list(_faults(manifest, None, limits, namespace))


def validate_update(
    old: Manifest,
    new: Manifest,
    *,
    limits: Limits = OFFLINE_LIMITS,
    namespace: str | None = None,
) -> list[Fault]:
    """Faults of `new` where `old` is stored: also what must not change."""
    return list(_faults(new, old, limits, namespace))


def validate_manifests(
    manifests: Sequence[Manifest],
    *,
    limits: Limits = OFFLINE_LIMITS,
    namespace: str | None = None,
) -> list[list[Fault]]:
    """Faults of each of several objects that are applied together.

    Beyond the faults of each: a model version has one job, so the second one would be Stalled; and
    the classes of a model are labels of the job's set, where that is among them.
    """
    results = [validate_manifest(it, limits=limits, namespace=namespace) for it in manifests]
    holders: dict[tuple[str, str, str], str] = {}
    sets = _label_sets(manifests, results)
    for manifest, faults in zip(manifests, results, strict=True):
        if faults or manifest.get("kind") != EvaluationJob.KIND:
            continue
        job = EvaluationJob.from_dict(_admitted(manifest))
        home = job.namespace or namespace or believed_namespace(job)
        name = parse_annotation_spec_set_name(job.spec.annotation_spec_set, namespace=home)
        if (labels := sets.get(name)) is not None:
            faults += unknown_classes(job.spec.evaluation_job_config.input_config, labels)
        version = parse_model_version(job.spec.model_version, namespace=home)
        holder = holders.setdefault((home, version.model, version.version), job.name)
        if holder != job.name:
            message = f"EvaluationJob {holder} evaluates it already: delete one of the two"
            faults.append(Fault("spec.modelVersion", repr(str(version)), message, "Name"))
    return results


def _label_sets(
    manifests: Sequence[Manifest], faults: Sequence[list[Fault]]
) -> dict[str, list[str]]:
    """Labels by the set's name. Of two sets of one name, in different namespaces say, neither."""
    found: dict[str, list[list[str]]] = {}
    for manifest, of_one in zip(manifests, faults, strict=True):
        if manifest.get("kind") == AnnotationSpecSet.KIND and not of_one:
            one = AnnotationSpecSet.from_dict(_admitted(manifest))
            found.setdefault(one.name, []).append(one.labels())
    return {name: sets[0] for name, sets in found.items() if len(sets) == 1}


def is_ours(manifest: Manifest) -> bool:
    """Whether the manifest is of this API group, whatever its version and kind."""
    return str(manifest.get("apiVersion", "")).partition("/")[0] == API_VERSION.partition("/")[0]


@lru_cache
def _schema(kind: type[Resource]) -> Schema:
    return build_schema(kind)


def _faults(
    manifest: Manifest, old: Manifest | None, limits: Limits, namespace: str | None
) -> Iterator[Fault]:
    version, kind = manifest.get("apiVersion"), _KINDS.get(str(manifest.get("kind")))
    if version != API_VERSION:
        yield Fault("apiVersion", repr(version), f"write {API_VERSION}", "Schema")
        return
    if kind is None:
        cure = f"write one of {', '.join(_KINDS)}"
        yield Fault("kind", repr(manifest.get("kind")), cure, "Schema")
        return
    schema = _schema(kind)
    faults = [*_metadata_faults(manifest), *_body_faults(manifest, schema)]
    if not faults:
        judged = _named(manifest)
        before = {} if old is None else {"old": _named(old)}
        faults = list(rule_faults(judged, _rules_schema(kind), "", **before))
    yield from faults or _operator_faults(kind, manifest, limits, namespace)


@lru_cache
def _rules_schema(kind: type[Resource]) -> Schema:
    """The kind's schema with the one part of metadata that rules may look at, without status."""
    schema = _schema(kind)
    name = {"type": "object", "properties": {"name": {"type": "string"}}}
    properties = {**schema["properties"], "metadata": name}
    properties.pop("status", None)
    return {**schema, "properties": properties}


def _named(manifest: Manifest) -> dict[str, Any]:
    """The manifest with the name that the API server would give it, at its full length."""
    metadata = manifest["metadata"]
    name = metadata.get("name") or f"{metadata['generateName']}xxxxx"
    return {**manifest, "metadata": {"name": name}}


def _metadata_faults(manifest: Manifest) -> Iterator[Fault]:
    metadata = manifest.get("metadata") or {}
    yield from structural_faults(metadata, _METADATA, "metadata")
    if isinstance(metadata, dict) and not (metadata.get("name") or metadata.get("generateName")):
        yield Fault("metadata.name", "", "required: name the object", "Schema")


def _body_faults(manifest: Manifest, schema: Schema) -> Iterator[Fault]:
    """The API server drops `status` from what users write, but not before it knows its fields."""
    properties = schema["properties"]
    anything = {PRESERVES_UNKNOWN: True}
    skipped = {name: anything for name in ("metadata", "status") if name in properties}
    rest = {**schema, "properties": {**properties, **skipped}}
    for fault in structural_faults(dict(manifest), rest, ""):
        yield Fault(fault.field.removeprefix("."), fault.value, fault.message, fault.reason)
    if "status" in properties and manifest.get("status") is not None:
        yield from unknown_field_faults(manifest["status"], properties["status"], "status")


def _operator_faults(
    kind: type[Resource], manifest: Manifest, limits: Limits, namespace: str | None
) -> list[Fault]:
    if kind is EvaluationJob:
        job = EvaluationJob.from_dict(_admitted(manifest))
        home = job.namespace or namespace or believed_namespace(job)
        return job_faults(job, home, limits=limits)
    if kind is EvaluationJobVersion:
        version = EvaluationJobVersion.from_dict(_admitted(manifest))
        return version_faults(version, limits=limits)
    return []


def _admitted(manifest: Manifest) -> dict[str, object]:
    """The manifest as the API server would hand it to the operator."""
    return {key: without_nulls(part) for key, part in manifest.items() if key != "status"}


def believed_namespace(job: EvaluationJob) -> str:
    """The namespace of a manifest that names none: the first project that it speaks of."""
    for name in (job.spec.model_version, job.spec.annotation_spec_set):
        if match := re.match("projects/([^/]+)/", name):
            return match[1]
    return "default"
