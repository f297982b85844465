"""The operator's own picture of the cluster: the few fields that matter of what it watches.

Filled by watch events, by the answers to the operator's own writes (so that it reads what it
wrote) and by sweeps, which find what a watch has missed. Older versions never replace newer
ones. Every change names the keys that have to be looked at again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.instruction import InstructionSpec
from evaluation_operator.api.names import (
    ResourceNameError,
    parse_annotation_spec_set_name,
    parse_instruction_name,
)
from evaluation_operator.controller.collection import Collection, Known, Name
from evaluation_operator.controller.keys import Key, job_key, version_key
from evaluation_operator.domain.facts import DatasetFacts, JobFacts, PodFacts, parse_time
from evaluation_operator.domain.logger_slot import logger_target
from evaluation_operator.domain.naming import LABEL_JOB, LABEL_TABLE, LABEL_VERSION
from evaluation_operator.domain.tables import table_source


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object kept as compact JSON, since few of many are looked at at any one time."""

    uid: str
    resource_version: str
    body: bytes
    refers_to: tuple[str, ...] = ()
    owner_uid: str = ""
    create_time: datetime | None = None

    def parse(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


@dataclass(frozen=True, slots=True)
class SpecSetFacts:
    uid: str
    resource_version: str
    labels: tuple[str, ...]
    owner_uid: str = ""


@dataclass(frozen=True, slots=True)
class InstructionFacts:
    uid: str
    resource_version: str
    spec: InstructionSpec
    owner_uid: str = ""


class Store:
    """Everything that the operator knows, and which keys a change concerns."""

    def __init__(self) -> None:
        self.jobs: Collection[StoredObject] = Collection()
        self.versions: Collection[StoredObject] = Collection()
        self.spec_sets: Collection[SpecSetFacts] = Collection()
        self.instructions: Collection[InstructionFacts] = Collection()
        self.datasets: Collection[DatasetFacts] = Collection()
        self.batch_jobs: Collection[JobFacts] = Collection()
        self.pods: Collection[PodFacts] = Collection()
        self._referring: defaultdict[tuple[str, str], set[Key]] = defaultdict(set)
        self._references: dict[Key, frozenset[tuple[str, str]]] = {}

    def apply(self, kind: str, body: Mapping[str, Any], *, deleted: bool = False) -> set[Key]:
        """Take in one object as the API server showed it; gives the keys to look at again."""
        meta = body["metadata"]
        name = (meta["namespace"], meta["name"])
        collection = self.collection(kind)
        if deleted:
            changed = collection.remove(name, meta["uid"])
        else:
            changed = collection.put(name, _facts(kind, body))
        return self._changed(kind, name, meta) if changed else set()

    def vanished(
        self, kind: str, names: set[Name], started: float, namespace: str | None
    ) -> set[Key]:
        """Forget what a list no longer shows; gives the keys to look at again."""
        keys: set[Key] = set()
        collection = self.collection(kind)
        for name, value in collection.unseen_since(names, started):
            if namespace not in (None, name[0]):
                continue
            collection.remove(name, value.uid)
            meta = {"namespace": name[0], "name": name[1], "labels": _labels_of(value)}
            keys |= self._changed(kind, name, meta)
        return keys

    def collection(self, kind: str) -> Collection[Any]:
        collections: dict[str, Collection[Any]] = {
            "EvaluationJob": self.jobs,
            "EvaluationJobVersion": self.versions,
            "AnnotationSpecSet": self.spec_sets,
            "Instruction": self.instructions,
            "Dataset": self.datasets,
            "Job": self.batch_jobs,
            "Pod": self.pods,
        }
        return collections[kind]

    def all_keys(self) -> list[Key]:
        jobs = [job_key(*name) for name, _ in self.jobs.items()]
        return jobs + [version_key(*name) for name, _ in self.versions.items()]

    def versions_of(self, namespace: str, job: str) -> list[tuple[Name, StoredObject]]:
        """The versions of a job, by name."""
        keys = self._referring_to(namespace, f"job/{job}")
        names = sorted((key.namespace, key.name) for key in keys)
        found = [(name, self.versions.get(name)) for name in names]
        return [(name, value) for name, value in found if value is not None]

    def jobs_logging(self, namespace: str, service: str) -> list[StoredObject]:
        """Jobs that want the logger of that InferenceService to be managed."""
        keys = self._referring_to(namespace, f"logger/{service}")
        found = [self.jobs.get((key.namespace, key.name)) for key in keys]
        return [stored for stored in found if stored is not None]

    def _index(self, kind: str, name: Name) -> None:
        key = job_key(*name) if kind == "EvaluationJob" else version_key(*name)
        stored = self.jobs.get(name) if kind == "EvaluationJob" else self.versions.get(name)
        wanted = frozenset((name[0], item) for item in (stored.refers_to if stored else ()))
        for place in self._references.pop(key, frozenset()) - wanted:
            self._referring[place].discard(key)
            if not self._referring[place]:
                del self._referring[place]
        for place in wanted:
            self._referring[place].add(key)
        if wanted:
            self._references[key] = wanted

    def _changed(self, kind: str, name: Name, meta: Mapping[str, Any]) -> set[Key]:
        """Whoever stood beside the object before, or stands there now."""
        keys = self._concerned(kind, name, meta)
        if kind in ("EvaluationJob", "EvaluationJobVersion"):
            self._index(kind, name)
            keys |= self._concerned(kind, name, meta)
        return keys

    def _concerned(self, kind: str, name: Name, meta: Mapping[str, Any]) -> set[Key]:
        namespace, plain = name
        match kind:
            case "EvaluationJob":
                versions = self._referring_to(namespace, f"job/{plain}")
                return {job_key(namespace, plain)} | versions | self._rivals(namespace, plain)
            case "EvaluationJobVersion":
                key = version_key(namespace, plain)
                return {key} | self._siblings(key)
            case "AnnotationSpecSet":
                return self._referring_to(namespace, f"set/{plain}")
            case "Instruction":
                return self._referring_to(namespace, f"instruction/{plain}")
            case _:
                return self._labelled(namespace, meta.get("labels") or {})

    def _referring_to(self, namespace: str, reference: str) -> set[Key]:
        return set(self._referring.get((namespace, reference), ()))

    def _rivals(self, namespace: str, job: str) -> set[Key]:
        stored = self.jobs.get((namespace, job))
        if stored is not None:
            return set()
        # A job is gone: whoever waits for its model version may take it now. The index of the
        # gone job is gone too, so every stalled job of the namespace has a look.
        return {
            job_key(*name)
            for name, other in self.jobs.items()
            if name[0] == namespace and b'"ModelVersionTaken"' in other.body
        }

    def _siblings(self, key: Key) -> set[Key]:
        """Versions that stand on the same job."""
        places = self._references.get(key, frozenset())
        return {other for place in places for other in self._referring.get(place, ())}

    def _labelled(self, namespace: str, labels: Mapping[str, str]) -> set[Key]:
        if table := labels.get(LABEL_TABLE):
            return self._referring_to(namespace, f"table/{table}")
        if version := labels.get(LABEL_VERSION):
            return {version_key(namespace, version)}
        if job := labels.get(LABEL_JOB):
            return {job_key(namespace, job)}
        return set()


def _labels_of(value: object) -> dict[str, str]:
    labels = getattr(value, "labels", ())
    return dict(labels) if isinstance(labels, tuple) else {}


def _facts(kind: str, body: Mapping[str, Any]) -> Known:
    meta = body["metadata"]
    match kind:
        case "Dataset":
            return DatasetFacts.from_body(body)
        case "Job":
            return JobFacts.from_body(body)
        case "Pod":
            return PodFacts.from_body(body)
        case "AnnotationSpecSet":
            specs = (body.get("spec") or {}).get("annotationSpecs") or []
            labels = tuple(str(item["displayName"]) for item in specs)
            return SpecSetFacts(meta["uid"], meta["resourceVersion"], labels)
        case "Instruction":
            spec = InstructionSpec.from_dict(body.get("spec") or {})
            return InstructionFacts(meta["uid"], meta["resourceVersion"], spec)
        case _:
            return _stored(kind, body)


def _stored(kind: str, body: Mapping[str, Any]) -> StoredObject:
    meta = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    annotations = meta.get("annotations") or {}
    annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    kept = {"metadata": meta, "spec": body.get("spec") or {}, "status": body.get("status") or {}}
    return StoredObject(
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        body=json.dumps(kept, separators=(",", ":")).encode(),
        refers_to=_references(kind, kept),
        create_time=parse_time(meta["creationTimestamp"]),
    )


def _references(kind: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    """What a job or a version stands on, as `kind/name`; nothing for a spec that is wrong."""
    if kind == "EvaluationJobVersion":
        return (f"job/{body['spec'].get('evaluationJob', '')}",)
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
