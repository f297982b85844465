"""Which jobs the sampler samples for, kept up to date by watching their namespace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import JobState
from evaluation_operator.api.names import ResourceNameError, parse_model_version
from evaluation_operator.api.table_address import shown_address
from evaluation_operator.api.table_schemes import OPENED, RESULTS_OPENED
from evaluation_operator.domain.conditions import message_of
from evaluation_operator.domain.tables import TableSource, is_found_good, table_source
from evaluation_operator.kube import EVALUATION_JOBS, Gone, Kube, News, Seen, Synced, follow
from evaluation_operator.sampling.records import ImportKeys, SampledJob

PAYLOAD_FOLDER = "_payloads"
_SAMPLING = (JobState.SCHEDULED, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class KnownJob:
    """A job of the namespace. `job` is None where nothing can be sampled for it as it is.

    `why_not`: in a sentence, why nothing is sampled now; empty when it is.
    """

    uid: str
    name: str
    job: SampledJob | None
    why_not: str = ""


class CannotSample(ValueError):
    """Why nothing can be sampled for a job: names the field, the value and the cure."""


def read_job(body: Mapping[str, Any]) -> KnownJob:
    """What the sampler needs of an EvaluationJob as the API server gives it. Raises nothing."""
    meta = body["metadata"]
    try:
        job = EvaluationJob.from_dict(body)
        sampled = _sampled(job)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        why = f"{place}: {fault['msg']}: write it as `kubectl explain evaluationjob` says"
        return KnownJob(meta["uid"], meta["name"], None, why)
    except (CannotSample, ResourceNameError) as error:
        return KnownJob(meta["uid"], meta["name"], None, str(error))
    return KnownJob(job.uid, job.name, sampled, "" if sampled.is_sampling else _why_not(job))


def _sampled(job: EvaluationJob) -> SampledJob:
    spec, days = job.spec, job.status.interval_days
    config = spec.evaluation_job_config
    version = parse_model_version(spec.model_version, namespace=job.namespace)
    if days is None:
        raise CannotSample(
            "status.intervalDays: not set: the operator has not accepted the job yet; see its "
            "condition Stalled, and whether the operator runs"
        )
    source, keys = table_source(job), config.bigquery_import_keys
    return SampledJob(
        namespace=job.namespace,
        name=job.name,
        uid=job.uid,
        model=version.model,
        version=version.version,
        selector=dict(spec.model_selector),
        fraction=config.example_sample_percentage,
        cap=config.example_count,
        created=job.created,
        interval_days=days,
        keys=ImportKeys(
            data=keys.data_json_key,
            reference=keys.reference_json_key,
            label=keys.label_json_key,
            score=keys.label_score_json_key,
        ),
        table_uri=_writable(source.uri, "inputUri", OPENED),
        payload_uri=_payload_uri(source),
        is_sampling=not _why_not(job),
    )


def _payload_uri(source: TableSource) -> str:
    if source.scheme in RESULTS_OPENED:
        return f"{source.uri.rstrip('/')}/{PAYLOAD_FOLDER}"
    return f"{_writable(source.results_uri, 'spec.resultsUri', RESULTS_OPENED)}/{PAYLOAD_FOLDER}"


def _writable(uri: str, name: str, schemes: tuple[str, ...]) -> str:
    if uri.partition("://")[0] not in schemes:
        known = ", ".join(f"{scheme}://" for scheme in schemes)
        raise CannotSample(
            f"{name}: {shown_address(uri)}: the sampler cannot write there; use one of {known}, "
            "or let somebody else fill the table"
        )
    return uri


def _why_not(job: EvaluationJob) -> str:
    if job.metadata.deletion_timestamp is not None:
        return "metadata.deletionTimestamp: the job is being deleted"
    if job.spec.is_paused:
        return "spec.paused: true: set it to false to go on"
    state = job.status.state
    if state not in _SAMPLING:
        return (
            f"status.state: {state or 'not set'}: nothing is sampled until it is SCHEDULED or "
            "RUNNING; the job's conditions say what is missing"
        )
    if not is_found_good(job):
        said = message_of(job.status.conditions, "Ready") or "the operator has not said yet"
        return (
            "status.sampledTableDigest: not that of the spec's table: nothing is sampled before a "
            f"check has found it good; condition Ready says: {said}"
        )
    return ""


@dataclass
class JobTable:
    """All jobs of a namespace. `on_change` hears what can be sampled for whenever it differs."""

    namespace: str
    on_change: Callable[[tuple[SampledJob, ...]], None]
    is_synced: bool = False
    _by_uid: dict[str, KnownJob] = field(default_factory=dict)
    _by_name: dict[str, KnownJob] = field(default_factory=dict)
    _told: tuple[SampledJob, ...] | None = None

    def find(self, name: str) -> KnownJob | None:
        return self._by_name.get(name)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._by_name)

    async def watch(self, kube: Kube) -> None:
        """Runs for ever."""
        async with aclosing(follow(kube, EVALUATION_JOBS, self.namespace)) as stream:
            async for news in stream:
                self.hear(news)

    def hear(self, news: News) -> None:
        """Until the first list is complete nothing is told: half of the jobs would be unknown."""
        match news:
            case Synced():
                self.is_synced = True
                self._tell()
            case Gone(uid):
                self._forget(uid)
            case Seen(body):
                known = read_job(body)
                before = self._by_uid.get(known.uid)
                if known == before:
                    return
                self._by_uid[known.uid] = self._by_name[known.name] = known
                if before is None or before.job != known.job:
                    self._tell()

    def _forget(self, uid: str) -> None:
        known = self._by_uid.pop(uid, None)
        if known is None:
            return
        # A job of the same name may be there already: made anew while the watch was away.
        if self._by_name.get(known.name) is known:
            del self._by_name[known.name]
        self._tell()

    def _tell(self) -> None:
        jobs = tuple(known.job for known in self._by_uid.values() if known.job is not None)
        if self.is_synced and jobs != self._told:
            self._told = jobs
            self.on_change(jobs)
