"""Where one run stands, from its Dataset, its Job and the status of its pods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from evaluation_operator.api.codes import Code
from evaluation_operator.api.dataset import RunResult
from evaluation_operator.domain.conditions import clip
from evaluation_operator.domain.facts.dataset import DatasetFacts, Failure, Outcome
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.facts.obstacle import Obstacle
from evaluation_operator.domain.facts.pod import PodFacts, Verdict
from evaluation_operator.domain.facts.standing import (
    Phase,
    Standing,
    has_come_to_its_end,
    has_pod,
    last_failed,
    last_trouble,
    stand,
    stand_without_job,
)
from evaluation_operator.domain.facts.steps import Step, begun_at, step_of
from evaluation_operator.domain.facts.troubles import Trouble, of_deletion, of_end, told_before
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.snapshot import Run

MESSAGE_BYTES = 512
_REASONS = frozenset(map(str, Reason))
NO_LABELER = (
    f"{Reason.BACKEND_UNAVAILABLE}: no labeler works in the namespace: people are not asked, and "
    "answers not fetched"
)


@dataclass(frozen=True, slots=True)
class Progress:
    """`failure` is set when the run has ended without an outcome and so must be failed.

    `is_held_up`: it waits for something that somebody may have to do something about; `trouble`
    where Kubernetes says what. `again_at`: when more is to be seen, though nobody tells.
    """

    phase: Phase
    reason: Reason
    message: str = ""
    outcome: Outcome | None = None
    failure: Outcome | None = None
    verdict_reason: str = ""
    is_held_up: bool = False
    trouble: Trouble | None = None
    again_at: datetime | None = None


def observe(
    run: Run, now: datetime, policy: Policy, *, has_labeler: bool = True, told: str | None = None
) -> Progress:
    """Classify a run; pure and total over every combination of what may be missing.

    `told` is what its status says of it: a trouble that was seen then may be gone now, with the
    pods that had it.
    """
    dataset, job, pods = run.dataset, run.job, run.pods
    if dataset.outcome is not None:
        verdict = _last_verdict_reason(pods) if dataset.outcome.result is RunResult.FAILED else ""
        return Progress(
            Phase.ENDED,
            Reason.COMPLETED,
            outcome=dataset.outcome,
            verdict_reason=verdict,
        )
    if step_of(dataset) is Step.LABEL:
        return _with_people(dataset, has_labeler)
    if job is None and not pods:
        return Progress(Phase.CREATING, Reason.STARTING, "the Job is being created")
    if job is None:
        return _of_standing(stand_without_job(pods, now))
    if has_come_to_its_end(job, pods, now, policy):
        return Progress(
            Phase.ENDED,
            Reason.FAILED,
            failure=_failed_outcome(job, pods, now, told),
            verdict_reason=_last_verdict_reason(pods),
        )
    standing = stand(job, pods, run.warnings, now, policy)
    if told is not None and told_before(told) and not standing.is_held_up and not has_pod(pods):
        # At a deadline the pod goes before the Job has ended: what was told is not forgotten then.
        phase = Phase.RUNNING if any(pod.started for pod in pods) else Phase.QUEUING
        reason = Reason(told.partition(":")[0])
        return Progress(phase, reason, told, is_held_up=True, again_at=standing.again_at)
    return _of_standing(standing)


def _of_standing(standing: Standing) -> Progress:
    return Progress(
        standing.phase,
        standing.reason,
        standing.message,
        is_held_up=standing.is_held_up,
        trouble=standing.trouble,
        again_at=standing.again_at,
    )


def held_up_by(progress: Progress) -> tuple[Reason, str]:
    """The reason for a status, and the message, which begins with it: people see mostly that. What
    the labeler or Kubernetes say has a reason of their own in front."""
    told = progress.message.partition(": ")[0]
    if told in _REASONS:
        return Reason(told), clip(progress.message, MESSAGE_BYTES)
    return progress.reason, clip(f"{progress.reason}: {progress.message}", MESSAGE_BYTES)


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
    failure = Failure(Code.INTERNAL, obstacle.message)
    return Outcome(RunResult.FAILED, now, message=obstacle.message, partial_failures=(failure,))


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


def _failed_outcome(
    job: JobFacts, pods: Sequence[PodFacts], now: datetime, told: str | None
) -> Outcome:
    """The words of the program where it left some, else of Kubernetes."""
    failures = _failures(job, pods, told)
    return Outcome(
        result=RunResult.FAILED,
        time=min(job.finish_time or now, now),
        message="; ".join(item.message for item in failures[:2]),
        partial_failures=failures[:10],
    )


def _failures(job: JobFacts, pods: Sequence[PodFacts], told: str | None) -> tuple[Failure, ...]:
    last = last_failed(pods)
    if job.reason == Reason.DEADLINE_EXCEEDED:
        seconds = f" ({job.deadline_seconds} s)" if job.deadline_seconds else ""
        text = f"{job.reason}: the run exceeded runTemplate.activeDeadlineSeconds{seconds}"
        trouble = last_trouble(pods)
        known = trouble.failure if trouble is not None else told_before(told)
        return (Failure(Code.DEADLINE_EXCEEDED, text), *((known,) if known else ()))
    if last is not None and last.verdict is not None:
        return (_own_words(last.verdict), *last.verdict.partial_failures)
    if last is not None:
        return (of_end(last).failure,)
    if job.deleting:
        return (of_deletion(job).failure,)
    if any(pod.has_succeeded for pod in pods) or job.complete:
        return (Failure(Code.INTERNAL, "the Job completed without writing what came out"),)
    known = told_before(told)
    own = Failure(Code.UNKNOWN, job.message or job.reason or "the Job failed")
    return (own, known) if known else (own,)


def _own_words(verdict: Verdict) -> Failure:
    """With the reason in front, like all that is told of a run: by it people find the cure."""
    code, message = verdict.failure.code, verdict.failure.message
    is_known = verdict.reason in _REASONS and not message.startswith(verdict.reason)
    return Failure(code, f"{verdict.reason}: {message}" if is_known else message)


def _last_verdict_reason(pods: Sequence[PodFacts]) -> str:
    last = last_failed(pods)
    return last.verdict.reason if last is not None and last.verdict is not None else ""
