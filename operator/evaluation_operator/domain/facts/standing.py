"""Where a Job with its pods stands, of a run or of a table check: pure, and total over whatever
may be missing or may have been put there by somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.facts.pod import PodFacts
from evaluation_operator.domain.facts.troubles import (
    OF_WARNINGS,
    Trouble,
    WarningFacts,
    of_companion,
    of_creation,
    of_deletion,
    of_end,
    of_loss,
    of_orphan,
    of_scheduling,
    of_suspension,
    of_waiting,
    of_warning,
)
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason

HELD_BY_QUEUE = "a queue holds the Job"
PATIENCE = timedelta(minutes=1)
"""For what ends by itself, if it does: a pod that was told to, a container beside the run's."""


class Phase(StrEnum):
    """The states of a run, which are also those of an EvaluationJobVersion."""

    CREATING = "Creating"
    QUEUING = "Queuing"
    RUNNING = "Running"
    ENDED = "Ended"


@dataclass(frozen=True, slots=True)
class Standing:
    """`is_held_up`: somebody may have to do something; `trouble`: what Kubernetes says to it.

    `again_at`: when more is to be seen, though no change of what is watched will tell.
    """

    phase: Phase
    reason: Reason
    message: str = ""
    is_held_up: bool = False
    trouble: Trouble | None = None
    again_at: datetime | None = None


def stand(
    job: JobFacts,
    pods: Sequence[PodFacts],
    warnings: Sequence[WarningFacts],
    now: datetime,
    policy: Policy,
) -> Standing:
    """Of a Job that has not ended. `warnings` are Events about what `asked_about` names."""
    if job.deletion_time is not None:
        until = job.deletion_time + policy.create_deadline if job.finalizers else None
        return _held(of_deletion(job), Phase.QUEUING, until)
    if job.suspended and job.has_queue:
        return Standing(Phase.QUEUING, Reason.QUEUED, HELD_BY_QUEUE, is_held_up=True)
    if job.suspended or job.parallelism == 0:
        return _held(of_suspension(job), Phase.QUEUING)
    earlier = last_trouble(pods)
    if job.failing_since is not None:
        # It has been given up, and waits for its pods to end; nobody tells that they never do.
        return Standing(
            Phase.RUNNING, Reason.RUNNING, "the Job ends", again_at=job.failing_since + PATIENCE
        )
    if (pod := _live(pods)) is not None:
        return _of_pod(job, pod, _newest(warnings), earlier, now)
    if (going := _going(pods)) is not None:
        return _of_going(going, now)
    until = _just_ended_until(pods, now, policy)
    if any(pod.has_succeeded for pod in pods) or (until is not None and now < until):
        # What comes next is the Job controller's to say: the end, or another pod.
        return Standing(Phase.RUNNING, Reason.RUNNING, "the pod has ended", again_at=until)
    if (warning := _newest(warnings)) is not None:
        return _held(of_creation(job, warning, policy), Phase.QUEUING)
    if earlier is not None:
        return _held(earlier, Phase.QUEUING)
    return Standing(Phase.QUEUING, Reason.STARTING, "waiting for a pod")


def stand_without_job(pods: Sequence[PodFacts], now: datetime) -> Standing:
    """Of a run whose Job is gone before its pods: no other Job is made while one of them lives,
    since its pod would write the same files."""
    if (going := _going(pods)) is not None:
        return _of_going(going, now)
    pod = _live(pods)
    assert pod is not None, "one of them lives"
    phase = Phase.RUNNING if pod.started else Phase.QUEUING
    if not pod.owner_uid:
        return _held(of_orphan(pod), phase)
    # Its Job was deleted, and so it goes too: nobody tells if it does not.
    return Standing(phase, Reason.STARTING, f"pod {pod.name} goes first", again_at=now + PATIENCE)


def asked_about(
    job: JobFacts, pods: Sequence[PodFacts], now: datetime, policy: Policy
) -> str | None:
    """The uid of what may be in a trouble that only Events tell; None for nothing as yet."""
    if job.finished or job.suspended or job.parallelism == 0 or job.deleting:
        return None
    if (pod := _live(pods)) is not None:
        is_still = not pod.started and bool(pod.node) and not pod.waiting
        return pod.uid if is_still and _is_old(pod.create_time, now, policy) else None
    if job.active_pods or any(not pod.has_failed for pod in pods):
        return None
    since = max([job.create_time, *(pod.create_time for pod in pods)])
    return job.uid if _is_old(since, now, policy) else None


def has_come_to_its_end(
    job: JobFacts, pods: Sequence[PodFacts], now: datetime, policy: Policy
) -> bool:
    """Whether nothing more comes of the Job, also where Kubernetes cannot say so for what others
    have put into its way."""
    if job.finished:
        return True
    if job.failing_since is not None and now - job.failing_since >= PATIENCE:
        return True
    if job.deletion_time is not None and job.finalizers:
        return now - job.deletion_time >= policy.create_deadline
    return any(is_kept_alive(pod, now) for pod in pods)


def later(time: datetime | None, now: datetime) -> datetime | None:
    """The time if it is still to come: what was to be seen then is seen by now."""
    return time if time is not None and time > now else None


def is_at_work(pods: Sequence[PodFacts]) -> bool:
    """Whether the program of one of them runs, and has not been told to end."""
    return any(
        pod.started and pod.exit_code is None and not pod.has_ended and pod.deletion_time is None
        for pod in pods
    )


def is_kept_alive(pod: PodFacts, now: datetime) -> bool:
    """By a container that somebody put beside the run's: without it the pod would have ended."""
    if pod.has_ended or not pod.still_running or pod.finish_time is None:
        return False
    return now - pod.ended_at(now) >= PATIENCE


def has_pod(pods: Sequence[PodFacts]) -> bool:
    """One that is to start, or goes on."""
    return _live(pods) is not None


def last_failed(pods: Sequence[PodFacts]) -> PodFacts | None:
    """The pod that failed last, if any did by itself."""
    failed = [pod for pod in pods if pod.has_failed and not pod.was_stopped]
    return max(failed, key=lambda pod: (pod.finish_time or pod.create_time, pod.name), default=None)


def last_trouble(pods: Sequence[PodFacts]) -> Trouble | None:
    """How the pod that failed last ended."""
    pod = last_failed(pods)
    if pod is None:
        return None
    if pod.verdict is None or pod.ending:
        return of_end(pod)
    said = f"pod {pod.name}: {pod.verdict.failure.message}"
    return Trouble(Reason.POD_FAILED, said, "the run is tried again")


def _held(trouble: Trouble, phase: Phase, again_at: datetime | None = None) -> Standing:
    return Standing(phase, trouble.reason, str(trouble), True, trouble, again_at)


def _of_pod(
    job: JobFacts,
    pod: PodFacts,
    warning: WarningFacts | None,
    earlier: Trouble | None,
    now: datetime,
) -> Standing:
    if pod.exit_code is not None and pod.still_running:
        return _held(of_companion(pod), Phase.RUNNING, pod.ended_at(now) + PATIENCE)
    if pod.waiting:
        return _held(of_waiting(job, pod), Phase.QUEUING)
    if pod.started and earlier is not None:
        # Not taken back when the next pod starts: it may well end like the last one.
        return _held(earlier, Phase.RUNNING)
    if pod.started or pod.phase == "Running":
        return Standing(Phase.RUNNING, Reason.RUNNING)
    if pod.unschedulable:
        return _held(of_scheduling(job, pod), Phase.QUEUING)
    if warning is not None:
        return _held(of_warning(pod, warning), Phase.QUEUING)
    if earlier is not None:
        return _held(earlier, Phase.QUEUING)
    return Standing(Phase.QUEUING, Reason.STARTING, "the pod is starting")


def _of_going(pod: PodFacts, now: datetime) -> Standing:
    """Another pod comes once it has ended: two would write the same files."""
    assert pod.deletion_time is not None, "that is what going means"
    until = pod.deletion_time + PATIENCE
    if pod.node and now >= until:
        return _held(of_loss(pod), Phase.QUEUING)
    text = f"pod {pod.name} is being deleted; another takes its place"
    return Standing(Phase.QUEUING, Reason.STARTING, text, again_at=until)


def _just_ended_until(pods: Sequence[PodFacts], now: datetime, policy: Policy) -> datetime | None:
    pod = last_failed(pods)
    return pod.ended_at(now) + policy.trouble_after if pod else None


def _live(pods: Sequence[PodFacts]) -> PodFacts | None:
    live = [pod for pod in pods if not pod.has_ended and pod.deletion_time is None]
    return max(live, key=lambda pod: (pod.create_time, pod.name), default=None)


def _going(pods: Sequence[PodFacts]) -> PodFacts | None:
    return next((pod for pod in pods if not pod.has_ended and pod.deletion_time), None)


def _newest(warnings: Sequence[WarningFacts]) -> WarningFacts | None:
    told = [item for item in warnings if item.reason in OF_WARNINGS]
    return max(told, key=lambda item: item.time, default=None)


def _is_old(time: datetime, now: datetime, policy: Policy) -> bool:
    """Of what was made in the future, by another clock, nobody can say: rather ask than wait."""
    return abs(now - time) >= policy.trouble_after
