"""What a job's status says of its state, and what is told when its readiness changes."""

from __future__ import annotations

from datetime import datetime

from evaluation_operator.api.evaluation_job import EvaluationJob, JobState
from evaluation_operator.domain.conditions import condition
from evaluation_operator.domain.draft import JobDraft
from evaluation_operator.domain.flushing import Replica
from evaluation_operator.domain.plan import EventRecord
from evaluation_operator.domain.quality import quality_condition
from evaluation_operator.domain.readiness import Readiness
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.snapshot import JobSnapshot

Value = tuple[str, bool | None, Reason, str]
"""A condition's type, status, reason and message."""
SAMPLER_BEHIND = "SamplerBehind"
MOST_NAMED = 5


def report(draft: JobDraft, snapshot: JobSnapshot, readiness: Readiness, now: datetime) -> None:
    job = snapshot.job
    paused = job.spec.is_paused
    state = None
    if not readiness.stalled:
        state = (
            JobState.PAUSED
            if paused
            else JobState.RUNNING
            if draft.status.active
            else JobState.SCHEDULED
        )
    claim = snapshot.claim
    holds = claim is not None and claim.holder_uid == job.metadata.uid
    draft.update(
        state=state,
        observed_generation=job.metadata.generation,
        model_version_lease=claim.name if claim is not None and holds else None,
    )
    if readiness.stalled:
        draft.update(next_run_time=None)
    if (quality := quality_condition(job, draft.status, now)) is not None:
        if quality.wake_at is not None:
            draft.wake_times.append(quality.wake_at)
        if quality.event is not None:
            draft.events.append(quality.event)
    values = _of_readiness(readiness, paused)
    if quality is not None:
        values.append(("QualityAcceptable", quality.status, quality.reason, quality.message))
    before, generation = job.status.conditions, job.metadata.generation
    behind = next((item for item in before if item.type == SAMPLER_BEHIND), None)
    kept = [behind] if behind is not None and draft.goes_without is None else []
    if draft.goes_without or (behind is not None and not kept):
        values.append(_sampler_behind(draft.goes_without or ()))
    made = [
        condition(kind, value, why, text, generation=generation, now=now, before=before)
        for kind, value, why, text in values
    ]
    draft.update(conditions=[*made, *kept])
    _tell_readiness(draft, job, readiness)


def _of_readiness(readiness: Readiness, paused: bool) -> list[Value]:
    settled = readiness.ready or readiness.stalled
    ready_reason = Reason.PAUSED if readiness.ready and paused else readiness.reason
    return [
        ("Ready", readiness.ready, ready_reason, readiness.message),
        (
            "Reconciling",
            not settled,
            Reason.SETTLED if settled else Reason.PROGRESSING,
            "" if settled else readiness.message,
        ),
        (
            "Stalled",
            readiness.stalled,
            readiness.reason if readiness.stalled else Reason.SETTLED,
            readiness.message if readiness.stalled else "",
        ),
    ]


def _sampler_behind(replicas: tuple[Replica, ...]) -> Value:
    """Told with the runs that it speaks of, and so never worth a write of its own."""
    if not replicas:
        message = "every replica of the sampler has written its rows"
        return (SAMPLER_BEHIND, False, Reason.ALL_FLUSHED, message)
    names = ", ".join(replica.name for replica in replicas[:MOST_NAMED])
    more = f" and {len(replicas) - MOST_NAMED} more" if len(replicas) > MOST_NAMED else ""
    leases = " ".join(replica.lease for replica in replicas[:MOST_NAMED])
    message = (
        f"the last run went on without rows that {names}{more} may still hold; a later run takes "
        f"them. See why it does not write its table; if it is gone for good: kubectl delete "
        f"lease {leases}"
    )
    return (SAMPLER_BEHIND, True, Reason.REPLICAS_BEHIND, message)


def _tell_readiness(draft: JobDraft, job: EvaluationJob, readiness: Readiness) -> None:
    """An Event when the answer to "is it ready" changes, not each time that it is asked."""
    previous = next((item for item in job.status.conditions if item.type == "Ready"), None)
    if previous is not None and previous.reason == readiness.reason:
        return
    if readiness.reason in (Reason.PROGRESSING, Reason.TABLE_CHECKING):
        return
    if previous is not None and previous.reason == Reason.PAUSED and readiness.ready:
        return
    draft.events.append(
        EventRecord(readiness.reason, readiness.message, warning=not readiness.ready)
    )
