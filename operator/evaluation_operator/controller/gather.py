"""Gathering a Snapshot: from the store, and by a few reads of what is not watched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import (
    FINAL_VERSION_STATES,
    EvaluationJobVersion,
)
from evaluation_operator.api.instruction import InstructionSpec
from evaluation_operator.api.names import (
    ResourceNameError,
    parse_annotation_spec_set_name,
    parse_instruction_name,
    parse_model_version,
)
from evaluation_operator.controller.act import Learn, answered_soon
from evaluation_operator.controller.claims import Claims
from evaluation_operator.controller.complaints import Complaints
from evaluation_operator.controller.keys import Key, job_key
from evaluation_operator.controller.labelers import Labelers
from evaluation_operator.controller.presence import Presence
from evaluation_operator.controller.refusals import kserve_fault
from evaluation_operator.controller.replicas import Replicas
from evaluation_operator.controller.store import Store
from evaluation_operator.controller.stored import trimmed
from evaluation_operator.domain.allowances import is_claim_for_tables
from evaluation_operator.domain.facts.claim import Claim
from evaluation_operator.domain.facts.dataset import DatasetFacts
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.facts.logger import LoggerRefusal, LoggerSlot, logger_target
from evaluation_operator.domain.facts.obstacle import Obstacle
from evaluation_operator.domain.facts.pod import PodFacts, run_of
from evaluation_operator.domain.facts.replica import Replica
from evaluation_operator.domain.facts.steps import current_job
from evaluation_operator.domain.jobs.slots import due_slot
from evaluation_operator.domain.naming import (
    LABEL_DATASET,
    model_version_lease_name,
    table_check_name,
    version_run_name,
)
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.readable import Answers
from evaluation_operator.domain.snapshot import (
    JobSnapshot,
    Run,
    Sibling,
    TableCheck,
    VersionSnapshot,
)
from evaluation_operator.domain.tables import table_source
from evaluation_operator.kube import (
    ANNOTATION_SPEC_SETS,
    CLAIMS,
    DATASETS,
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    INFERENCE_SERVICES,
    INSTRUCTIONS,
    PODS,
    SERVICE_ACCOUNTS,
    ApiError,
    ApiServer,
    NotFound,
)
from evaluation_operator.kube.resources import Resource


class Gatherer:
    """Reads what a decision needs. What exists is believed for a minute; what lacks never is."""

    def __init__(
        self,
        store: Store,
        kube: ApiServer,
        claims: Claims,
        complaints: Complaints,
        policy: Policy,
        learn: Learn,
        answers_of: Callable[[str, str], Answers | None] = lambda _, __: None,
    ) -> None:
        self._store = store
        self._kube = kube
        self._claims = claims
        self._complaints = complaints
        self._policy = policy
        self._learn = learn
        self._answers_of = answers_of
        self._replicas = Replicas(kube)
        self._labelers = Labelers(kube)
        self._presence = Presence(kube)

    async def job(
        self,
        key: Key,
        obstacle: Obstacle | None,
        now: datetime,
        refusals: tuple[LoggerRefusal, ...] = (),
    ) -> JobSnapshot | None:
        """None when the job does not exist."""
        job = await self._job(key, key.name)
        if job is None:
            return None
        if job.metadata.deletion_timestamp is not None:
            return JobSnapshot(
                job,
                runs=tuple(await self._runs(key, job)),
                loggers=await self._loggers(job),
                logger_refusals=refusals,
            )
        runs = tuple(await self._runs(key, job))
        check = await self._check(key, job)
        stands_still = any(_stands_still(item) for item in (*runs, check) if item is not None)
        lacks, claim_is_for_tables = await self._namespace(job, anew=stands_still)
        return JobSnapshot(
            job=job,
            runs=runs,
            claim=await self._claim(job),
            labels=await self._labels(job),
            instruction=await self._instruction(job),
            has_labeler=await self._has_labeler(job),
            namespace_lacks=lacks,
            claim_is_for_tables=claim_is_for_tables,
            table_check=check,
            obstacle=obstacle,
            replicas=await self._replicas_for(job, now),
            loggers=await self._loggers(job),
            logger_refusals=refusals,
            free_places=self._store.places.free_for(key),
            answers=self._answers_of(key.namespace, key.name),
        )

    async def version(self, key: Key, obstacle: Obstacle | None) -> VersionSnapshot | None:
        """None when the version does not exist."""
        body = await self._whole(key, EVALUATION_JOB_VERSIONS, key.name)
        if body is None:
            return None
        version = EvaluationJobVersion.from_dict(body)
        job = await self._job(key, version.spec.evaluation_job)
        dataset = self._store.datasets.get((key.namespace, version_run_name(key.name)))
        if dataset is not None and dataset.owner_uid != version.metadata.uid:
            dataset = None
        elif dataset is not None and _is_doubtful(version, dataset):
            # The watch may lag behind our own write: ask before the state is not believed.
            dataset = await self._read_dataset(key, dataset.name)
        return VersionSnapshot(
            version=version,
            job=job,
            siblings=tuple(self._siblings(version)),
            run=await self._run(key, dataset) if dataset is not None else None,
            labels=await self._labels(job) if job is not None else None,
            source_dataset_found=self._source_found(version, job),
            obstacle=obstacle,
            free_places=self._store.places.free_for(key),
        )

    async def _job(self, key: Key, name: str) -> EvaluationJob | None:
        body = await self._whole(key, EVALUATION_JOBS, name)
        return EvaluationJob.from_dict(body) if body is not None else None

    async def _whole(self, key: Key, resource: Resource, name: str) -> dict[str, Any] | None:
        """What decisions read of an object; it is read anew where the store has only a digest.

        What is read may be newer than what the store knows, so the store learns of it.
        """
        stored = self._store.collection(resource.kind).get((key.namespace, name))
        if stored is None or stored.is_whole:
            return stored.parse() if stored is not None else None
        try:
            body = await self._kube.get(resource, key.namespace, name)
        except NotFound:
            return None
        self._learn(key, resource.kind, body, False)
        return trimmed(resource.kind, body)

    async def _replicas_for(self, job: EvaluationJob, now: datetime) -> tuple[Replica, ...]:
        """Only when runs are due are Leases read."""
        slot = due_slot(job, now)
        if slot is None or now < slot + self._policy.settle:
            return ()
        return await self._replicas.get(job.metadata.namespace, slot, now)

    async def _loggers(self, job: EvaluationJob) -> dict[str, LoggerSlot]:
        """Read for the few jobs that have asked for it, or have to give one back."""
        names = {logger_target(job), job.status.managed_logger} - {None}
        return {name: await self._logger(job, name) for name in sorted(filter(None, names))}

    async def _logger(self, job: EvaluationJob, service: str) -> LoggerSlot:
        namespace = job.metadata.namespace
        try:
            body = await answered_soon(self._kube.get(INFERENCE_SERVICES, namespace, service))
        except ApiError as error:
            return LoggerSlot(service, problem=kserve_fault(error))
        others = []
        for name in self._store.jobs_logging(namespace, service):
            other = await self._job(job_key(namespace, name), name) if name != job.name else None
            if other is not None and other.metadata.deletion_timestamp is None:
                others.append(other)
            await asyncio.sleep(0)  # they may be thousands, and other turns go on meanwhile
        return LoggerSlot.from_body(body, others)

    async def _runs(self, key: Key, job: EvaluationJob) -> Sequence[Run]:
        datasets = {item.name: item for item in self._store.datasets.owned_by(job.metadata.uid)}
        for active in job.status.active:
            if active.name not in datasets:
                # The watch may lag behind our own write: ask before believing that it is gone.
                found = await self._read_dataset(key, active.name)
                if found is not None and found.owner_uid == job.metadata.uid:
                    datasets[found.name] = found
        return [await self._run(key, dataset) for dataset in datasets.values()]

    async def _read_dataset(self, key: Key, name: str) -> DatasetFacts | None:
        try:
            body = await self._kube.get(DATASETS, key.namespace, name)
        except NotFound:
            return None
        self._learn(key, "Dataset", body, False)
        return DatasetFacts.from_body(body)

    async def _run(self, key: Key, dataset: DatasetFacts) -> Run:
        job = current_job(dataset, self._store.batch_jobs.owned_by(dataset.uid))
        pods = self._pods(job) if job is not None else self._pods_without_job(dataset)
        if job is not None and job.failed and dataset.outcome is None and not _told(pods):
            pods = await self._list_pods(key, job, f"{LABEL_DATASET}={dataset.name}")
        if job is None or dataset.outcome is not None:
            return Run(dataset, job, pods)
        return Run(dataset, job, pods, await self._complaints.about(job, pods))

    def _pods(self, job: JobFacts) -> tuple[PodFacts, ...]:
        return tuple(self._store.pods.owned_by(job.uid))

    def _pods_without_job(self, dataset: DatasetFacts) -> tuple[PodFacts, ...]:
        """Of a Job that was deleted, or of one that cannot be seen any more."""
        pods = self._store.pods.owned_by(run_of(dataset.namespace, dataset.name))
        return tuple(pod for pod in pods if not pod.has_ended and pod.exit_code is None)

    async def _list_pods(self, key: Key, job: JobFacts, selector: str) -> tuple[PodFacts, ...]:
        """Pods and Jobs are watched apart: the Job may be seen to fail before its pod is."""
        async for body in self._kube.list(PODS, job.namespace, label_selector=selector):
            self._learn(key, "Pod", body, False)
        return self._pods(job)

    async def _check(self, key: Key, job: EvaluationJob) -> TableCheck | None:
        name = table_check_name(table_source(job).digest)
        found = self._store.batch_jobs.get((job.metadata.namespace, name))
        if found is None:
            return None
        pods = self._pods(found)
        if found.failed and not _told(pods):
            pods = await self._list_pods(key, found, f"batch.kubernetes.io/job-name={name}")
        return TableCheck(found, pods, await self._complaints.about(found, pods))

    async def _claim(self, job: EvaluationJob) -> Claim | None:
        namespace = job.metadata.namespace
        try:
            model = parse_model_version(job.spec.model_version, namespace=namespace)
        except ResourceNameError:
            return None
        name = model_version_lease_name(model.model, model.version)
        return await self._claims.get(namespace, name)

    async def _labels(self, job: EvaluationJob) -> tuple[str, ...] | None:
        namespace = job.metadata.namespace
        try:
            name = parse_annotation_spec_set_name(job.spec.annotation_spec_set, namespace=namespace)
        except ResourceNameError:
            return None
        body = await self._whole(job_key(namespace, job.name), ANNOTATION_SPEC_SETS, name)
        if body is None:
            return None
        return tuple(item["displayName"] for item in body["spec"]["annotationSpecs"])

    async def _instruction(self, job: EvaluationJob) -> InstructionSpec | None:
        human = job.spec.evaluation_job_config.human_annotation_config
        namespace = job.metadata.namespace
        if human is None:
            return None
        try:
            name = parse_instruction_name(human.instruction, namespace=namespace)
        except ResourceNameError:
            return None
        body = await self._whole(job_key(namespace, job.name), INSTRUCTIONS, name)
        return InstructionSpec.from_dict(body["spec"]) if body is not None else None

    async def _has_labeler(self, job: EvaluationJob) -> bool:
        """Only for a job that needs one is its Lease read."""
        if not job.spec.label_missing_ground_truth:
            return False
        return await self._labelers.work_in(job.metadata.namespace)

    async def _namespace(self, job: EvaluationJob, *, anew: bool) -> tuple[tuple[str, ...], bool]:
        """What the namespace lacks for the job's pods, and whether jobs may have its volume claim.
        `anew`: what was found a moment ago may be what a run stands still for now.

        A claim that does not exist may still be made right: it is missed, not refused.
        """
        namespace, template = job.metadata.namespace, job.spec.run_template
        account = (template.service_account_name if template else None) or (
            self._policy.service_account
        )
        lacks = []
        if await self._presence.judge(SERVICE_ACCOUNTS, namespace, account, anew=anew) is None:
            lacks.append(f"ServiceAccount {account!r}")
        claim = table_source(job).volume_claim
        if claim is None:
            return tuple(lacks), True
        is_for_tables = await self._presence.judge(
            CLAIMS,
            namespace,
            claim,
            lambda labels: is_claim_for_tables(claim, labels),
            anew=anew,
        )
        if is_for_tables is None:
            lacks.append(f"PersistentVolumeClaim {claim!r}")
        return tuple(lacks), is_for_tables is not False

    def _siblings(self, version: EvaluationJobVersion) -> list[Sibling]:
        """Those that decide which number is next."""
        found = self._store.siblings_of(version.namespace, version.spec.evaluation_job)
        return [item for item in found if item.name != version.name]

    def _source_found(self, version: EvaluationJobVersion, job: EvaluationJob | None) -> bool:
        if version.spec.dataset is None or job is None:
            return False
        dataset = self._store.datasets.get((version.metadata.namespace, version.spec.dataset))
        return dataset is not None and dataset.job_uid == job.metadata.uid


def _stands_still(item: Run | TableCheck) -> bool:
    return bool(item.warnings) or any(pod.unschedulable for pod in item.pods)


def _is_doubtful(version: EvaluationJobVersion, dataset: DatasetFacts) -> bool:
    return version.status.state in FINAL_VERSION_STATES and dataset.outcome is None


def _told(pods: Sequence[PodFacts]) -> bool:
    return any(pod.verdict is not None for pod in pods)
