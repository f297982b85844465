"""Where one run stands, from its Dataset, its Job and the status of its pods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from evaluation_operator.domain.facts import (
    DatasetFacts,
    Failure,
    JobFacts,
    Outcome,
    PodFacts,
    Result,
)
from evaluation_operator.domain.plan import Obstacle
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.snapshot import Run
from evaluation_operator.domain.steps import Step, begun_at, step_of

DEADLINE_EXCEEDED = 4
CANCELLED = 1
UNKNOWN = 2
INTERNAL = 13
UNAVAILABLE = 14
HELD_BY_QUEUE = "suspended: a queue holds the Job"
NO_LABELER = "no labeler works in the namespace: people are not asked, and answers not fetched"


class Phase(StrEnum):
    """The states of a run, which are also those of an EvaluationJobVersion."""

    CREATING = "Creating"
    QUEUING = "Queuing"
    RUNNING = "Running"
    ENDED = "Ended"


@dataclass(frozen=True, slots=True)
class Progress:
    """`failure` is set when the run has ended without an outcome and so must be failed.

    `is_held_up`: it waits for something that somebody may have to do something about.
    """

    phase: Phase
    reason: Reason
    message: str = ""
    outcome: Outcome | None = None
    failure: Outcome | None = None
    verdict_reason: str = ""
    is_held_up: bool = False


def observe(
    dataset: DatasetFacts,
    job: JobFacts | None,
    pods: Sequence[PodFacts],
    now: datetime,
    *,
    has_labeler: bool = True,
) -> Progress:
    """Classify a run; pure and total over every combination of what may be missing."""
    if dataset.outcome is not None:
        verdict = _last_verdict_reason(pods) if dataset.outcome.result is Result.FAILED else ""
        return Progress(
            Phase.ENDED,
            Reason.COMPLETED,
            outcome=dataset.outcome,
            verdict_reason=verdict,
        )
    if step_of(dataset) is Step.LABEL:
        return _with_people(dataset, has_labeler)
    if job is None:
        return Progress(Phase.CREATING, Reason.STARTING, "the Job is being created")
    if job.finished:
        return Progress(
            Phase.ENDED,
            Reason.FAILED,
            failure=_failed_outcome(job, pods, now),
            verdict_reason=_last_verdict_reason(pods),
        )
    if job.suspended:
        return Progress(Phase.QUEUING, Reason.QUEUED, HELD_BY_QUEUE, is_held_up=True)
    return _from_pods(pods)


def no_place(namespace: str, policy: Policy) -> str:
    """Why a Job is not created for now."""
    return (
        f"{policy.max_active_runs} Jobs of namespace {namespace!r} have not ended, and "
        "EVALUATION_MAX_ACTIVE_RUNS allows no more at once: it starts when one of them ends"
    )


def never_created(
    run: Run, obstacle: Obstacle | None, now: datetime, policy: Policy
) -> Outcome | None:
    """A Job that the API server keeps refusing is a failed run, not a wait for ever."""
    if run.job is not None or obstacle is None or obstacle.reason is not Reason.CREATE_REFUSED:
        return None
    if step_of(run.dataset) is Step.LABEL:
        return None
    patience = begun_at(run.dataset) + policy.create_deadline
    if not obstacle.permanent and now < patience:
        return None
    failure = Failure(INTERNAL, obstacle.message)
    return Outcome(Result.FAILED, now, message=obstacle.message, partial_failures=(failure,))


def _with_people(dataset: DatasetFacts, has_labeler: bool) -> Progress:
    """They may take days, and nothing is to be said of that; only of what is in their way."""
    labeling = dataset.labeling
    assert labeling is not None, "the step tells"
    if not has_labeler:
        return Progress(Phase.RUNNING, Reason.LABELING, NO_LABELER, is_held_up=True)
    if labeling.reason in ("", Reason.LABELING):
        return Progress(Phase.RUNNING, Reason.LABELING)
    text = f"{labeling.reason}: {labeling.message}".rstrip(": ")
    return Progress(Phase.RUNNING, Reason.LABELING, text, is_held_up=True)


def _from_pods(pods: Sequence[PodFacts]) -> Progress:
    live = [pod for pod in pods if pod.phase in ("Pending", "Running")]
    if not live:
        return Progress(Phase.QUEUING, Reason.STARTING, "waiting for a pod")
    pod = live[-1]
    if pod.trouble:
        return Progress(Phase.QUEUING, Reason.STARTING, pod.trouble, is_held_up=True)
    if pod.unschedulable:
        message = pod.unschedulable[:512]
        return Progress(Phase.QUEUING, Reason.UNSCHEDULABLE, message, is_held_up=True)
    if pod.started or pod.phase == "Running":
        return Progress(Phase.RUNNING, Reason.RUNNING)
    return Progress(Phase.QUEUING, Reason.STARTING, "the pod is starting")


def _failed_outcome(job: JobFacts, pods: Sequence[PodFacts], now: datetime) -> Outcome:
    """The words of the program where it left some, else of the Job controller."""
    ended = _ended_pods(pods)
    last = ended[-1] if ended else None
    if job.reason == "DeadlineExceeded":
        trouble = next((pod.trouble or pod.unschedulable for pod in pods), "")
        message = "the run exceeded runTemplate.activeDeadlineSeconds"
        failures: tuple[Failure, ...] = (
            Failure(DEADLINE_EXCEEDED, f"{message}; {trouble}" if trouble else message),
        )
    elif last is not None and last.verdict is not None:
        failures = (last.verdict.failure, *last.verdict.partial_failures)
    elif last is not None:
        failures = (Failure(UNKNOWN, f"pod {last.name} ended with exit code {last.exit_code}"),)
    elif job.complete:
        failures = (Failure(INTERNAL, "the Job completed without writing what came out"),)
    else:
        failures = (Failure(UNKNOWN, job.message or job.reason or "the Job failed"),)
    return Outcome(
        result=Result.FAILED,
        time=now,
        message=failures[0].message,
        partial_failures=failures[:10],
    )


def _ended_pods(pods: Sequence[PodFacts]) -> list[PodFacts]:
    ended = [pod for pod in pods if pod.finish_time is not None and pod.exit_code != 0]
    return sorted(ended, key=lambda pod: (pod.finish_time, pod.name))


def _last_verdict_reason(pods: Sequence[PodFacts]) -> str:
    ended = _ended_pods(pods)
    verdict = ended[-1].verdict if ended else None
    return verdict.reason if verdict is not None else ""
