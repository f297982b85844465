"""What is kept of an object that tenants write: what decisions read of it, and no more.

No schema bounds metadata, so of it only what is read is taken. What is still large is not kept at
all but for a digest, and is read again when it is worked on: few of many are at any one time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.names import (
    ResourceNameError,
    parse_annotation_spec_set_name,
    parse_instruction_name,
)
from evaluation_operator.domain.facts.logger import logger_target
from evaluation_operator.domain.facts.reading import parse_time
from evaluation_operator.domain.jobs.revisions import REQUEST_LENGTH
from evaluation_operator.domain.naming import (
    ANNOTATION_REEVALUATE,
    FINALIZER,
    FINALIZER_ORPHAN,
)
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.tables import table_source

Body = dict[str, Any]

LARGE_BYTES = 16 * 1024
"""What is larger than that is not kept."""

_TAKEN = f'"{Reason.MODEL_VERSION_TAKEN}"'.encode()

METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
)
DIGEST_SPEC = ("modelVersion", "evaluationJob")
DIGEST_STATUS = (
    "state",
    "number",
    "latestEvaluation",
    "lastSuccessTime",
    "nextRunTime",
    "failedRuns",
)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as compact JSON; of a large one only its digest, and `is_whole` is False.

    A digest has the metadata, what other objects' decisions look at, and what metrics show.
    `number`: that of a version, once it has one. `held_by`: of one that was deleted, whose
    finalizers keep it; None of all others. `waits_in`: the namespace of a job that waits for its
    model version, which another one evaluates.
    """

    uid: str
    resource_version: str
    body: bytes
    is_whole: bool
    refers_to: tuple[str, ...]
    create_time: datetime
    owner_uid: str = ""
    number: int | None = None
    held_by: tuple[str, ...] | None = None
    waits_in: str = ""

    def parse(self) -> Body:
        parsed: Body = json.loads(self.body)
        return parsed

    @classmethod
    def from_body(cls, kind: str, body: Mapping[str, Any]) -> StoredObject:
        kept = trimmed(kind, body)
        meta, data = kept["metadata"], b""
        if not _is_larger(kept, LARGE_BYTES):
            data = _encode(kept)
        is_whole = 0 < len(data) <= LARGE_BYTES
        told = data if is_whole else _encode(_digest(kept))
        return cls(
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            body=told,
            is_whole=is_whole,
            refers_to=_references(kind, kept),
            create_time=parse_time(meta["creationTimestamp"]),
            number=kept["status"].get("number") if kind == "EvaluationJobVersion" else None,
            held_by=_held_by(meta) if "deletionTimestamp" in meta else None,
            waits_in=meta["namespace"] if _TAKEN in told else "",
        )


def trimmed(kind: str, body: Mapping[str, Any]) -> Body:
    """`metadata`, `spec` and `status`, without what no decision reads."""
    spec = body.get("spec") or {}
    if kind == "AnnotationSpecSet":
        items = spec.get("annotationSpecs") or ()
        spec = {"annotationSpecs": [{"displayName": item["displayName"]} for item in items]}
    metadata = trimmed_metadata(body["metadata"])
    return {"metadata": metadata, "spec": spec, "status": body.get("status") or {}}


def trimmed_metadata(metadata: Mapping[str, Any]) -> Body:
    """Of lists without a bound, what is looked for in them, and one more where there are more:
    whether a list is empty decides how to add to it, and whether an object is gone."""
    kept: Body = {key: metadata[key] for key in METADATA if key in metadata}
    annotation = (metadata.get("annotations") or {}).get(ANNOTATION_REEVALUATE)
    if annotation is not None:
        kept["annotations"] = {ANNOTATION_REEVALUATE: annotation[:REQUEST_LENGTH]}
    finalizers = metadata.get("finalizers") or []
    if finalizers:
        read = [item for item in finalizers if item in (FINALIZER, FINALIZER_ORPHAN)]
        kept["finalizers"] = read + [item for item in finalizers if item not in read][:1]
    owners = metadata.get("ownerReferences") or []
    if owners:
        controllers = [item for item in owners if item.get("controller")]
        kept["ownerReferences"] = controllers[:1] or owners[:1]
    return kept


def _held_by(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Nobody's as long as it waits for us. Kubernetes' own, without a domain, go by themselves."""
    finalizers = metadata.get("finalizers") or ()
    if FINALIZER in finalizers:
        return ()
    return tuple(str(item) for item in finalizers if "/" in str(item))


def _is_larger(value: object, size: int) -> bool:
    """Whether the texts in it alone have more characters than that; no more than that is read,
    since what is far too large would take long to be encoded."""
    left, stack = size, [value]
    while stack and left >= 0:
        match stack.pop():
            case str() as text:
                left -= len(text)
            case dict() as fields:
                left -= len(fields)
                stack.extend(fields.values())
            case list() as items:
                left -= len(items)
                stack.extend(items)
    return left < 0


def _digest(kept: Body) -> Body:
    spec, status = kept["spec"], kept["status"]
    config = spec.get("evaluationJobConfig") or {}
    alert = {key: config[key] for key in ("evaluationJobAlertConfig",) if key in config}
    conditions = status.get("conditions") or ()
    return {
        "metadata": kept["metadata"],
        "spec": _some(spec, DIGEST_SPEC) | {"evaluationJobConfig": alert},
        "status": _some(status, DIGEST_STATUS)
        | {"active": [_some(item, ("name",)) for item in status.get("active") or ()]}
        | {"conditions": [_some(item, ("type", "status", "reason")) for item in conditions]},
    }


def _some(values: Mapping[str, Any], keys: tuple[str, ...]) -> Body:
    return {key: values[key] for key in keys if key in values}


def _encode(body: Body) -> bytes:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def _references(kind: str, body: Body) -> tuple[str, ...]:
    """What a job or a version stands on, as `kind/name`; nothing for a spec that is wrong."""
    if kind == "EvaluationJobVersion":
        return (f"job/{body['spec'].get('evaluationJob', '')}",)
    if kind != "EvaluationJob":
        return ()
    try:
        job = EvaluationJob.from_dict(body)
        return tuple(_job_references(job, body["metadata"]["namespace"]))
    except (ValidationError, ResourceNameError):
        return ()


def _job_references(job: EvaluationJob, namespace: str) -> list[str]:
    spec_set = parse_annotation_spec_set_name(job.spec.annotation_spec_set, namespace=namespace)
    references = [f"set/{spec_set}", f"table/{table_source(job).digest[:16]}"]
    human = job.spec.evaluation_job_config.human_annotation_config
    if human is not None:
        name = parse_instruction_name(human.instruction, namespace=namespace)
        references.append(f"instruction/{name}")
    if (service := logger_target(job)) is not None:
        references.append(f"logger/{service}")
    return references
