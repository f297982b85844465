"""Runs evaluated again on request: asked for in the job's annotation, and followed to their end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from evaluation_operator.api.base import format_time
from evaluation_operator.api.codes import Code
from evaluation_operator.api.dataset import Dataset, RunResult
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.cli.errors import CliError
from evaluation_operator.cli.following import News, follow
from evaluation_operator.cli.output import PROGRAM
from evaluation_operator.domain.naming import ANNOTATION_REEVALUATE, LABEL_JOB
from evaluation_operator.kube import (
    DATASETS,
    EVALUATION_JOBS,
    EVALUATIONS,
    Kube,
    NotFound,
)

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: `value` is the annotation, by which the revision is known."""

    job: str
    run: str
    value: str


async def request_revision(kube: Kube, namespace: str, name: str) -> Request:
    """Touches the job's annotation alone. CliError when the run cannot be evaluated again."""
    run = await _revisable(kube, namespace, name)
    job = run.spec.evaluation_job.name
    body = await kube.get(EVALUATION_JOBS, namespace, job)
    if body["metadata"]["uid"] != run.spec.evaluation_job.uid:
        raise _refused(
            f"run {name!r} is of an EvaluationJob {job!r} that is gone: name a newer run"
        )
    await _check_nothing_waits(kube, namespace, EvaluationJob.from_dict(body))
    value = f"{name} {format_time(datetime.now(UTC))}"
    patch = {"metadata": {"annotations": {ANNOTATION_REEVALUATE: value}}}
    await kube.patch(EVALUATION_JOBS, namespace, job, patch, field_manager=PROGRAM)
    return Request(job, name, value)


async def _revisable(kube: Kube, namespace: str, name: str) -> Dataset:
    try:
        run = Dataset.from_dict(await kube.get(DATASETS, namespace, name))
    except NotFound:
        raise CliError(
            f"run {name!r} does not exist: see which there are with "
            f"`kubectl get datasets -n {namespace}`",
            code=Code.NOT_FOUND,
        ) from None
    spec, outcome = run.spec, run.status.outcome
    if spec.evaluation_job_version is not None:
        job = spec.evaluation_job.name
        raise _refused(
            f"run {name!r} is of a version, which reads the labels of its own time: make another "
            f"version with `kubectl evaluations run {job}`"
        )
    if spec.revision is not None:
        raise _refused(
            f"{name!r} is an earlier answer to that wish: name the run itself, {spec.revision.run}"
        )
    if outcome is None:
        raise _refused(f"run {name!r} has not ended: wait for its Evaluation")
    if outcome.result is not RunResult.SUCCEEDED:
        raise _refused(
            f"run {name!r} ended as {outcome.result}, so it has no Evaluation to make anew; rows "
            "of a failed run go to the next one"
        )
    return run


async def _check_nothing_waits(kube: Kube, namespace: str, job: EvaluationJob) -> None:
    """There is room for one request, and a new one would take the place of the last."""
    waiting = job.metadata.annotations.get(ANNOTATION_REEVALUATE, "")
    datasets = await _datasets(kube, namespace, job.name)
    is_known = any(item.name == waiting.split(" ")[0] for item in datasets)
    taken_up = any(
        item.spec.revision and item.spec.revision.request == waiting for item in datasets
    )
    if is_known and not taken_up:
        raise _refused(
            f"EvaluationJob {job.name} has a request that the operator has not taken up: "
            f"{waiting!r}; wait until `kubectl evaluations describe {job.name}` shows its run, or "
            f"take it back with `kubectl annotate evj {job.name} {ANNOTATION_REEVALUATE}-`"
        )


async def follow_revision(
    kube: Kube, namespace: str, request: Request, timeout_seconds: float | None
) -> Body:
    """The new Evaluation. CliError when the revision fails, or with exit code 3 when the time is
    over: it goes on without us."""

    async def look() -> News[Dataset]:
        revision = await _revision(kube, namespace, request)
        if revision is None:
            return News(await _why_none(kube, namespace, request))
        outcome = revision.status.outcome
        if outcome is None:
            return News(f"{revision.name}: evaluates")
        return News(f"{revision.name}: {outcome.result}", revision)

    revision = await follow(look, timeout_seconds, f"kubectl evaluations describe {request.job}")
    outcome = revision.status.outcome
    assert outcome is not None, "it has ended"
    if outcome.result is not RunResult.SUCCEEDED:
        raise _refused(
            f"{revision.name} ended as {outcome.result}: {outcome.message or 'no reason given'}"
        )
    return await kube.get(EVALUATIONS, namespace, outcome.evaluation or revision.name)


async def _revision(kube: Kube, namespace: str, request: Request) -> Dataset | None:
    for dataset in await _datasets(kube, namespace, request.job):
        if dataset.spec.revision and dataset.spec.revision.request == request.value:
            return dataset
    return None


async def _datasets(kube: Kube, namespace: str, job: str) -> list[Dataset]:
    found = kube.list(DATASETS, namespace, label_selector=f"{LABEL_JOB}={job}")
    return [Dataset.from_dict(body) async for body in found]


async def _why_none(kube: Kube, namespace: str, request: Request) -> str:
    job = EvaluationJob.from_dict(await kube.get(EVALUATION_JOBS, namespace, request.job))
    found = next((it for it in job.status.conditions if it.type == "Ready"), None)
    if found is None or found.status == "True":
        return f"{request.run}: waits for the operator"
    return f"{request.run}: the job is not ready: {found.reason}: {found.message}"


def _refused(message: str) -> CliError:
    return CliError(message, code=Code.FAILED_PRECONDITION)
