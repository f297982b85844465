"""What the sampler needs of an EvaluationJob, and why nothing is sampled for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from pydantic import ValidationError

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import JobState
from evaluation_operator.api.faults import first_fault
from evaluation_operator.api.kubernetes import Body, StoredMeta
from evaluation_operator.api.names import (
    ResourceNameError,
    parse_annotation_spec_set_name,
    parse_model_version,
)
from evaluation_operator.api.table_address import shown_address
from evaluation_operator.api.table_schemes import OPENED, RESULTS_OPENED
from evaluation_operator.domain.answer_spec import AnswerSpec
from evaluation_operator.domain.conditions import message_of
from evaluation_operator.domain.tables import TableSource, is_found_good, table_source


@dataclass(frozen=True, slots=True)
class SampledJob:
    """What the sampler knows of an EvaluationJob. `is_sampling`: SCHEDULED or RUNNING.

    `created` and `interval_days` give the grid of its intervals. `table_uri` is opened as it is;
    `payload_uri` is the folder for large payloads. `is_one_item`: a request is one item, whatever
    its first dimensions are. `spec_set` is the name of its AnnotationSpecSet; `answers` is None, or
    without labels, where those are not known.
    """

    namespace: str
    name: str
    uid: str
    model: str
    version: str
    selector: Mapping[str, str]
    fraction: float
    cap: int
    created: datetime
    interval_days: int
    table_uri: str
    payload_uri: str
    is_sampling: bool
    is_one_item: bool = False
    spec_set: str = ""
    answers: AnswerSpec | None = None


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


def read_job(body: Body) -> KnownJob:
    """What the sampler needs of an EvaluationJob as the API server gives it. Raises nothing."""
    meta = cast(StoredMeta, body["metadata"])
    try:
        job = EvaluationJob.from_dict(body)
        sampled = _sampled(job)
    except ValidationError as error:
        why = f"{first_fault(error)}: write it as `kubectl explain evaluationjob` says"
        return KnownJob(meta["uid"], meta["name"], None, why)
    except (CannotSample, ResourceNameError) as error:
        return KnownJob(meta["uid"], meta["name"], None, str(error))
    return KnownJob(job.uid, job.name, sampled, "" if sampled.is_sampling else _why_not(job))


def with_labels(job: SampledJob, labels: Sequence[str]) -> SampledJob:
    """The job with the labels of its set."""
    if job.answers is None:
        return job
    return replace(job, answers=replace(job.answers, labels=tuple(labels)))


def _sampled(job: EvaluationJob) -> SampledJob:
    spec, days = job.spec, job.status.interval_days
    config = spec.evaluation_job_config
    version = parse_model_version(spec.model_version, namespace=job.namespace)
    if days is None:
        raise CannotSample(
            "status.intervalDays: not set: the operator has not accepted the job yet; see its "
            "condition Stalled, and whether the operator runs"
        )
    source = table_source(job)
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
        table_uri=_writable(source.uri, "inputUri", OPENED),
        payload_uri=_payload_uri(source),
        is_sampling=not _why_not(job),
        is_one_item=config.input_config.is_one_item,
        spec_set=parse_annotation_spec_set_name(spec.annotation_spec_set, namespace=job.namespace),
        answers=AnswerSpec((), config.input_config, config.bigquery_import_keys),
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
