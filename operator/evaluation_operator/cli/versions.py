"""EvaluationJobVersions: asked for, and followed to their end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from evaluation_operator.api.base import API_VERSION, TimeSpan
from evaluation_operator.api.codes import Code
from evaluation_operator.api.evaluation_job_version import (
    FINAL_VERSION_STATES,
    EvaluationJobVersion,
    VersionState,
)
from evaluation_operator.cli import errors
from evaluation_operator.cli.errors import CliError, one_line
from evaluation_operator.cli.following import News, follow
from evaluation_operator.kube import (
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    EVALUATIONS,
    Kube,
    NotFound,
)
from evaluation_operator.offline import read_manifests

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a version stands, with its Evaluation when it has one."""

    version: EvaluationJobVersion
    body: Body
    evaluation: Body | None = None


@dataclass(slots=True)
class Options:
    """What the version sets anew; what is empty stays as the job has it."""

    file: str | None = None
    description: str | None = None
    window: TimeSpan | None = None
    dataset: str | None = None
    labels: list[str] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    queue_name: str | None = None


def build_version(job: str, name: str | None, options: Options) -> Body:
    """The manifest of a version of `job`; without a name the API server adds five characters."""
    spec = _spec_of_file(options.file) if options.file else {}
    named = spec.setdefault("evaluationJob", job)
    if named != job:
        raise CliError(
            f"-f: {options.file} is of EvaluationJob {named!r}, not {job!r}: name that job"
        )
    if options.description is not None:
        spec["description"] = options.description
    if options.window is not None:
        spec["window"] = options.window.to_dict()
    if options.dataset is not None:
        spec["dataset"] = options.dataset
    if options.labels:
        spec["labels"] = options.labels
    if options.thresholds:
        spec["scoreThresholds"] = options.thresholds
    if options.queue_name is not None:
        spec["runTemplate"] = spec.get("runTemplate", {}) | {"queueName": options.queue_name}
    if "window" in spec and "dataset" in spec:
        raise CliError("--window and --dataset exclude each other: leave one of them out")
    metadata = {"name": name} if name else {"generateName": f"{job}-"}
    return {
        "apiVersion": API_VERSION,
        "kind": EvaluationJobVersion.KIND,
        "metadata": metadata,
        "spec": spec,
    }


def _spec_of_file(file: str) -> Body:
    """The spec of the EvaluationJobVersion in a file."""
    try:
        found = [it.body for it in read_manifests(file)]
    except ValueError as error:
        raise CliError(f"{error}; write YAML or JSON") from error
    versions = [body for body in found if body.get("kind") == EvaluationJobVersion.KIND]
    if len(versions) != 1:
        raise CliError(
            f"-f: {file} holds {len(versions)} EvaluationJobVersions: give a file of one"
        )
    return dict(versions[0].get("spec") or {})


async def create_version(kube: Kube, namespace: str, body: Body) -> Standing:
    """The version as it was stored; NotFound when its job does not exist."""
    await kube.get(EVALUATION_JOBS, namespace, body["spec"]["evaluationJob"])
    metadata = body["metadata"] | {"namespace": namespace}
    stored = await kube.create(EVALUATION_JOB_VERSIONS, namespace, body | {"metadata": metadata})
    return Standing(EvaluationJobVersion.from_dict(stored), stored)


async def run_version(
    kube: Kube, namespace: str, body: Body, timeout_seconds: float | None
) -> Standing:
    """Create it and follow it to its end."""
    created = await create_version(kube, namespace, body)
    return await follow_version(kube, namespace, created.version.name, timeout_seconds)


async def follow_version(
    kube: Kube, namespace: str, name: str, timeout_seconds: float | None
) -> Standing:
    """Tell every change of state until the last one, or until it can go no further.

    CliError with exit code 3 when the time is over: the version goes on without us.
    """

    async def look() -> News[Standing]:
        standing = await _look(kube, namespace, name)
        text = f"{name}: {_news(standing.version)}"
        ended = standing.version.status.state in FINAL_VERSION_STATES
        return News(text, standing if ended else None)

    return await follow(look, timeout_seconds, f"kubectl get evjv {name} -n {namespace}")


async def _look(kube: Kube, namespace: str, name: str) -> Standing:
    body = await kube.get(EVALUATION_JOB_VERSIONS, namespace, name)
    version = EvaluationJobVersion.from_dict(body)
    return Standing(version, body, await _evaluation(kube, namespace, version))


def failure_of(version: EvaluationJobVersion) -> CliError | None:
    """Why a version that has ended is no success; None when it is."""
    status = version.status
    if status.state is VersionState.COMPLETED:
        return None
    details = [failure.message for failure in status.partial_failures]
    message = status.message or "no reason is given"
    if status.state is VersionState.TERMINATED:
        return CliError(
            f"EvaluationJobVersion {version.name} was terminated: {message}",
            code=Code.ABORTED,
            exit_code=errors.EXIT_NOT_ENDED,
        )
    return CliError(
        f"EvaluationJobVersion {version.name} failed: {message}",
        code=Code.FAILED_PRECONDITION,
        details=[detail for detail in details if one_line(detail) != one_line(message)],
    )


def _news(version: EvaluationJobVersion) -> str:
    status = version.status
    if status.state is None:
        return "waits for the operator"
    return f"{status.state}: {status.message}" if status.message else str(status.state)


async def _evaluation(kube: Kube, namespace: str, version: EvaluationJobVersion) -> Body | None:
    if version.status.evaluation is None:
        return None
    try:
        return await kube.get(EVALUATIONS, namespace, version.status.evaluation)
    except NotFound:
        return None
