"""Carrying out a plan: every step may have been done before, by a run of the operator that died.

Creating something that exists means reading it and adopting it, if it has the owner that it
should have; anything else in its place is an obstacle that a person has to remove.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from evaluation_operator.api.base import ObjectMeta, OwnerReference
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.controller.claims import Claims
from evaluation_operator.controller.keys import Key
from evaluation_operator.controller.places import Places
from evaluation_operator.controller.refusals import kserve_fault
from evaluation_operator.controller.stored import trimmed_metadata
from evaluation_operator.domain.facts.dataset import DatasetFacts, Outcome, RevisionFacts
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.facts.logger import LoggerRefusal
from evaluation_operator.domain.facts.obstacle import Obstacle
from evaluation_operator.domain.facts.reading import controller_uid
from evaluation_operator.domain.facts.steps import step_of
from evaluation_operator.domain.facts.troubles import of_refusal
from evaluation_operator.domain.jobs.revisions import build_revision
from evaluation_operator.domain.naming import (
    FIELD_MANAGER,
    FINALIZER,
    LABEL_MANAGED_BY,
    MANAGED_BY,
)
from evaluation_operator.domain.plan import (
    Action,
    AddFinalizer,
    ApplyLogger,
    CreateRevision,
    CreateRun,
    CreateRunJob,
    CreateTableCheck,
    DeleteDataset,
    DeleteJob,
    EventRecord,
    OwnVersion,
    RemoveFinalizer,
    StopRun,
    TakeClaim,
    WriteOutcome,
)
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.kube import (
    DATASETS,
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    INFERENCE_SERVICES,
    JOBS,
    LEASES,
    AlreadyExists,
    ApiError,
    ApiServer,
    Conflict,
    Forbidden,
    NotFound,
    Rejected,
    Transient,
)
from evaluation_operator.kube.resources import Resource

KSERVE_SECONDS = 5.0
Body = dict[str, Any]
T = TypeVar("T")
Learn = Callable[[Key | None, str, Mapping[str, Any], bool], None]
"""(who knows it already, kind, object as the API server showed it, whether it is gone)"""


class Obstructed(Exception):
    """An action cannot be done for now; the obstacle says why, in words for the status."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.message)
        self.obstacle = obstacle


@dataclass
class Turn:
    """The object that is worked on, as it was when the decision was made.

    Every write of the object itself demands that nobody wrote in between: the store may have
    learned of a newer version meanwhile, but the decision has not. Own writes move the mark.
    """

    key: Key
    metadata: ObjectMeta

    @property
    def resource(self) -> Resource:
        return EVALUATION_JOBS if self.key.kind == "EvaluationJob" else EVALUATION_JOB_VERSIONS


class LoggerRefused(Exception):
    """The logger of an InferenceService cannot be set; nothing else is held up by that."""

    def __init__(self, refusal: LoggerRefusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Actor:
    """Performs actions for one object after another.

    `learn` takes in what the API server answered. The watch that shows it later is no news any
    more, so it is `learn` that has to wake everybody whom it concerns: the others, when the
    object was written for this key; this key too, when it was found there.
    """

    def __init__(self, kube: ApiServer, claims: Claims, places: Places, learn: Learn) -> None:
        self._kube = kube
        self._claims = claims
        self._places = places
        self._learn = learn

    async def perform(self, turn: Turn, action: Action) -> list[EventRecord]:
        """Events that the action gives rise to.

        Raises Obstructed, LoggerRefused, Conflict or another ApiError.
        """
        key = turn.key
        match action:
            case CreateRun(dataset, job):
                with self._places.taken(key, job["metadata"]["name"]):
                    return await self._create_run(key, dataset, job)
            case CreateRevision(root, revision):
                return await self._create_revision(key, root, revision)
            case CreateRunJob(dataset_facts, job):
                with self._places.taken(key, job["metadata"]["name"]):
                    await self._create_job(key, job, dataset_facts.uid)
            case CreateTableCheck(job):
                with self._places.taken(key, job["metadata"]["name"]):
                    await self._create_check(key, job)
            case WriteOutcome(dataset_facts, outcome):
                await self._write_outcome(key, dataset_facts, outcome)
            case TakeClaim(lease):
                await self._take_claim(key, lease)
            case AddFinalizer():
                known = bool(turn.metadata.finalizers)
                await self._edit_own(turn, _append("finalizers", FINALIZER, known))
            case RemoveFinalizer():
                await self._remove_finalizer(turn)
            case OwnVersion(owner):
                await self._own_version(turn, owner)
            case DeleteJob(facts):
                await self._delete(key, JOBS, facts.name, facts.uid, dict(facts.labels))
            case StopRun(dataset_facts, facts):
                await self._stop_run(key, dataset_facts, facts)
            case ApplyLogger(service, uid, logger):
                await self._apply_logger(key, service, uid, logger)
            case DeleteDataset(facts):
                await self._delete(key, DATASETS, facts.name, facts.uid, {})
        return []

    async def write_status(self, turn: Turn, status: Mapping[str, Any]) -> None:
        """One PUT of the whole status, on top of what the decision was made on."""
        body = {
            "apiVersion": turn.resource.api_version,
            "kind": turn.resource.kind,
            "metadata": {
                "name": turn.key.name,
                "namespace": turn.key.namespace,
                "uid": turn.metadata.uid,
                "resourceVersion": turn.metadata.resource_version,
            },
            "status": dict(status),
        }
        body = await self._kube.replace_status(turn.resource, turn.key.namespace, body)
        self._written(turn, body)

    async def _create_run(
        self, key: Key, dataset: Dataset, job: Mapping[str, Any]
    ) -> list[EventRecord]:
        name, owner = dataset.metadata.name, dataset.metadata.controller_uid() or ""
        body, created = await self._create(DATASETS, key, dataset.to_dict(), owner)
        self._learn(key if created else None, "Dataset", body, False)
        await self._create_job(key, job, body["metadata"]["uid"])
        return [EventRecord(Reason.RUN_CREATED, f"created run {name}")] if created else []

    async def _create_revision(
        self, key: Key, root: DatasetFacts, revision: RevisionFacts
    ) -> list[EventRecord]:
        """Raises Conflict when the run is another one by now, or the revision was there unseen:
        it may have ended and be recorded, so that the decision is to be made anew."""
        stored = await self._kube.get(DATASETS, root.namespace, root.name)
        if stored["metadata"]["uid"] != root.uid:
            self._learn(key, "Dataset", stored, False)
            raise Conflict(f"Dataset {root.name} was replaced")
        wanted = build_revision(Dataset.from_dict(stored), revision)
        owner = wanted.metadata.controller_uid() or ""
        body, created = await self._create(DATASETS, key, wanted.to_dict(), owner)
        self._learn(key if created else None, "Dataset", body, False)
        if not created:
            raise Conflict(f"Dataset {body['metadata']['name']} is there already")
        why = "on request" if revision.request is not None else f"{root.new_label_count} new labels"
        text = f"created run {body['metadata']['name']}: evaluates {root.name} again ({why})"
        return [EventRecord(Reason.RUN_CREATED, text)]

    async def _create_job(self, key: Key, job: Mapping[str, Any], owner: str) -> None:
        wanted = copy.deepcopy(dict(job))
        wanted["metadata"]["ownerReferences"][0]["uid"] = owner
        body, created = await self._create(JOBS, key, wanted, owner)
        self._learn(key if created else None, "Job", body, False)

    async def _create_check(self, key: Key, job: Mapping[str, Any]) -> None:
        """Shared by all jobs with the same table, so whoever comes second finds it there."""
        body, created = await self._create(JOBS, key, job, owner="")
        self._learn(key if created else None, "Job", body, False)

    async def _create(
        self, resource: Resource, key: Key, wanted: Mapping[str, Any], owner: str
    ) -> tuple[Body, bool]:
        """The object, and whether it was made just now."""
        name = wanted["metadata"]["name"]
        try:
            return await self._kube.create(resource, key.namespace, dict(wanted)), True
        except AlreadyExists:
            existing = await self._kube.get(resource, key.namespace, name)
        except (Rejected, Forbidden) as error:
            text = of_refusal(resource.kind, name, error.message)
            permanent = isinstance(error, Rejected)
            raise Obstructed(Obstacle(Reason.CREATE_REFUSED, text, permanent)) from error
        if controller_uid(existing["metadata"]) != owner:
            text = (
                f"{resource.kind} {name!r} exists and belongs to something else: "
                f"kubectl delete -n {key.namespace} {resource.plural} {name}"
            )
            raise Obstructed(Obstacle(Reason.NAME_CONFLICT, text))
        labels = existing["metadata"].get("labels") or {}
        if resource is JOBS and labels.get(LABEL_MANAGED_BY) != MANAGED_BY:
            text = (
                f"Job {name!r} has lost the label by which it is watched: "
                f"kubectl label -n {key.namespace} job {name} {LABEL_MANAGED_BY}={MANAGED_BY}"
            )
            raise Obstructed(Obstacle(Reason.NAME_CONFLICT, text))
        return existing, False

    async def _write_outcome(self, key: Key, dataset: DatasetFacts, outcome: Outcome) -> None:
        """Raises Conflict when the run has committed in the meantime, or has come to its next
        step: its word stands."""
        body = await self._kube.get(DATASETS, dataset.namespace, dataset.name)
        found = DatasetFacts.from_body(body)
        is_other = found.uid != dataset.uid or found.outcome is not None
        if is_other or step_of(found) is not step_of(dataset):
            self._learn(key, "Dataset", body, False)
            raise Conflict(f"Dataset {dataset.name} has an outcome already, or its run went on")
        body["status"] = (body.get("status") or {}) | {"outcome": outcome.as_operator().to_dict()}
        body = await self._kube.replace_status(DATASETS, dataset.namespace, body)
        self._learn(key, "Dataset", body, False)

    async def _take_claim(self, key: Key, lease: Mapping[str, Any]) -> None:
        name = lease["metadata"]["name"]
        taking_over = "resourceVersion" in lease["metadata"]
        try:
            if taking_over:
                body = await self._kube.replace(LEASES, key.namespace, dict(lease))
            else:
                body = await self._kube.create(LEASES, key.namespace, dict(lease))
        except NotFound as error:
            self._claims.forget(key.namespace, name)
            if error.reason == Reason.NAMESPACE_TERMINATING:
                raise
            raise Conflict(f"Lease {name} is gone: {error.message}") from error
        except Conflict:
            self._claims.forget(key.namespace, name)
            raise
        self._claims.remember(body)

    async def _apply_logger(
        self, key: Key, service: str, uid: str, logger: Mapping[str, Any] | None
    ) -> None:
        body: Body = {
            "apiVersion": INFERENCE_SERVICES.api_version,
            "kind": INFERENCE_SERVICES.kind,
            "metadata": {"name": service, "namespace": key.namespace, "uid": uid},
        }
        if logger is not None:
            body["spec"] = {"predictor": {"logger": dict(logger)}}
        try:
            await answered_soon(
                self._kube.apply(
                    INFERENCE_SERVICES, key.namespace, body, field_manager=FIELD_MANAGER
                )
            )
        except ApiError as error:
            raise LoggerRefused(
                LoggerRefusal(service, Reason.LOGGER_REFUSED, kserve_fault(error).message)
            ) from error

    async def _own_version(self, turn: Turn, owner: OwnerReference) -> None:
        """Raises Conflict when the job is another one by now, or goes: the garbage collector would
        take the version along, though its owner may have wanted it to stay."""
        key, name = turn.key, owner.name
        try:
            body = await self._kube.get(EVALUATION_JOBS, key.namespace, name)
        except NotFound as error:
            raise Conflict(f"EvaluationJob {name} is gone: {error.message}") from error
        metadata = body["metadata"]
        if metadata["uid"] != owner.uid or "deletionTimestamp" in metadata:
            self._learn(key, EVALUATION_JOBS.kind, body, False)
            raise Conflict(f"EvaluationJob {name} is being deleted, or another one by now")
        known = bool(turn.metadata.owner_references)
        await self._edit_own(turn, _append("ownerReferences", owner.to_dict(), known))

    async def _remove_finalizer(self, turn: Turn) -> None:
        """The decision does not know the whole list, which may be long: look where it stands."""
        body = await self._kube.get(turn.resource, turn.key.namespace, turn.key.name)
        if body["metadata"]["resourceVersion"] != turn.metadata.resource_version:
            self._learn(turn.key, turn.resource.kind, body, False)
            raise Conflict(f"{turn.key} has changed")
        place = body["metadata"]["finalizers"].index(FINALIZER)
        del body
        await self._edit_own(turn, {"op": "remove", "path": f"/metadata/finalizers/{place}"})

    async def _edit_own(self, turn: Turn, operation: Body) -> None:
        """Change one entry of a list: others' entries may be many, and are not sent back."""
        version = turn.metadata.resource_version
        lock = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
        body = await self._kube.edit(
            turn.resource, turn.key.namespace, turn.key.name, [lock, operation]
        )
        self._written(turn, body)

    def _written(self, turn: Turn, body: Body) -> None:
        turn.metadata = ObjectMeta.from_dict(trimmed_metadata(body["metadata"]))
        gone = turn.metadata.deletion_timestamp is not None and not turn.metadata.finalizers
        self._learn(turn.key, turn.resource.kind, body, gone)

    async def _stop_run(self, key: Key, dataset: DatasetFacts, job: JobFacts) -> None:
        """The API server is asked, since the garbage collector takes owners away just before the
        finalizer by which the decision would have seen that, and the store may lag behind."""
        try:
            stored = await self._kube.get(DATASETS, dataset.namespace, dataset.name)
        except NotFound:
            stored = None
        if stored is not None and not controller_uid(stored["metadata"]):
            self._learn(key, "Dataset", stored, False)
            return
        await self._delete(key, JOBS, job.name, job.uid, dict(job.labels))

    async def _delete(
        self, key: Key, resource: Resource, name: str, uid: str, labels: dict[str, str]
    ) -> None:
        """Gone already, or replaced by a namesake, is as good as deleted."""
        try:
            await self._kube.delete(resource, key.namespace, name, uid=uid)
        except NotFound:
            pass
        except Conflict as error:
            if "uid" not in error.message.lower():
                raise
        metadata = {"namespace": key.namespace, "name": name, "uid": uid, "labels": labels}
        self._learn(key, resource.kind, {"metadata": metadata}, True)


def _append(field: str, item: object, is_there: bool) -> Body:
    path = f"/metadata/{field}"
    if is_there:
        return {"op": "add", "path": f"{path}/-", "value": item}
    return {"op": "add", "path": path, "value": [item]}


async def answered_soon(call: Awaitable[T]) -> T:
    """What a call for an InferenceService gives. It goes through webhooks that are not ours, and
    the job's runs, which come in the same turn, do not wait for those. Raises Transient."""
    try:
        async with asyncio.timeout(KSERVE_SECONDS):
            return await call
    except TimeoutError as error:
        text = f"no answer in {KSERVE_SECONDS:g} s: see whether KServe's webhooks work"
        raise Transient(text) from error
