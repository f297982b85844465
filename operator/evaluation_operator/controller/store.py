"""The operator's own picture of the cluster: the few fields that matter of what it watches.

Filled by watch events, by the answers to the operator's own writes (so that it reads what it
wrote) and by sweeps, which find what a watch has missed. Older versions never replace newer
ones. Every change names the keys that have to be looked at again.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from evaluation_operator.controller.collection import Collection, Known, Name
from evaluation_operator.controller.keys import Key, job_key, version_key
from evaluation_operator.controller.places import Places
from evaluation_operator.controller.siblings import Siblings
from evaluation_operator.controller.stored import StoredObject
from evaluation_operator.domain.facts.dataset import DatasetFacts
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.facts.pod import PodFacts
from evaluation_operator.domain.naming import LABEL_JOB, LABEL_TABLE, LABEL_VERSION
from evaluation_operator.domain.snapshot import Sibling

logger = logging.getLogger(__name__)


class Store:
    """Everything that the operator knows, and which keys a change concerns."""

    def __init__(self, places: Places | None = None) -> None:
        self.places = places or Places()
        self.jobs: Collection[StoredObject] = Collection(lambda job: (job.waits_in,))
        self.versions: Collection[StoredObject] = Collection()
        self.spec_sets: Collection[StoredObject] = Collection()
        self.instructions: Collection[StoredObject] = Collection()
        self.datasets: Collection[DatasetFacts] = Collection()
        self.batch_jobs: Collection[JobFacts] = Collection()
        self.pods: Collection[PodFacts] = Collection(lambda pod: (pod.owner_uid, pod.run))
        self._referring: defaultdict[tuple[str, str], set[Key]] = defaultdict(set)
        self._references: dict[Key, frozenset[tuple[str, str]]] = {}
        self._siblings = Siblings()

    def apply(self, kind: str, body: Mapping[str, Any], *, deleted: bool = False) -> set[Key]:
        """Take in one object as the API server showed it; gives the keys to look at again.

        One that cannot be read is left out: whatever it holds, others are taken in after it.
        """
        meta = body["metadata"]
        name = (meta["namespace"], meta["name"])
        collection = self.collection(kind)
        if deleted:
            changed = collection.remove(name, meta["uid"])
        elif collection.is_news(name, meta["resourceVersion"]):
            try:
                facts = _facts(kind, body)
            except Exception as error:
                logger.error("%s %s/%s cannot be read, and is left out: %r", kind, *name, error)
                return set()
            changed = collection.put(name, facts)
        else:
            changed = False
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

    def keys_of(self, job: JobFacts) -> set[Key]:
        """Whom news of a Job concerns."""
        return self._labelled(job.namespace, dict(job.labels))

    def siblings_of(self, namespace: str, job: str) -> list[Sibling]:
        """Of the versions of a job the oldest without a number, and the one with the highest."""
        return self._siblings.of((namespace, f"job/{job}"))

    def jobs_logging(self, namespace: str, service: str) -> list[str]:
        """Names of the jobs that want the logger of that InferenceService to be managed."""
        return sorted(key.name for key in self._referring_to(namespace, f"logger/{service}"))

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
        if kind == "EvaluationJobVersion":
            self._siblings.note(name, self.versions.get(name))
        keys = self._concerned(kind, name, meta)
        if kind == "Job":
            job = self.batch_jobs.get(name)
            self.places.note(*name, is_active=job is not None and not job.finished)
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
                return {key} | self._next_version(key)
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
        if stored is not None and stored.held_by is None:
            return set()
        # A job is gone, or goes: whoever waits for its model version may take it, or say for what
        # it waits. Which one that is nobody knows of a job that is gone, so every job of the
        # namespace that waits for a model version has a look.
        return {job_key(*name) for name in self.jobs.names_by(namespace)}

    def _next_version(self, key: Key) -> set[Key]:
        """The version of the same job that is numbered next. All others wait for that one, or have
        their number, and so for no news of their siblings."""
        names = (self._siblings.next(place) for place in self._references.get(key, frozenset()))
        return {version_key(key.namespace, name) for name in names if name is not None}

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
    match kind:
        case "Dataset":
            return DatasetFacts.from_body(body)
        case "Job":
            return JobFacts.from_body(body)
        case "Pod":
            return PodFacts.from_body(body)
        case _:
            return StoredObject.from_body(kind, body)
