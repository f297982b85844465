"""What a job's status says of its state, and what is told when its readiness changes."""

from __future__ import annotations

from datetime import datetime

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import JobState
from evaluation_operator.domain.conditions import Judgement, condition
from evaluation_operator.domain.flushing import SAMPLER_BEHIND
from evaluation_operator.domain.jobs.draft import JobDraft
from evaluation_operator.domain.jobs.logger import LOGGER_MANAGED
from evaluation_operator.domain.jobs.quality import quality_condition
from evaluation_operator.domain.jobs.readiness import Readiness
from evaluation_operator.domain.plan import EventRecord
from evaluation_operator.domain.readable import PREDICTIONS_READABLE, judge_answers
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.snapshot import JobSnapshot

QUALITY = "QualityAcceptable"
STALLED = "Stalled"
LASTING = frozenset({SAMPLER_BEHIND, LOGGER_MANAGED, PREDICTIONS_READABLE})
"""Conditions that say what was found when it was looked into, which is not in every turn."""


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
    draft.status = draft.status.changed(
        state=state,
        stalled=STALLED if readiness.stalled else None,
        observed_generation=job.metadata.generation,
        model_version_lease=claim.name if claim is not None and holds else None,
    )
    if readiness.stalled:
        draft.status = draft.status.changed(next_run_time=None)
    if (quality := quality_condition(job, draft.status, now)) is not None:
        if quality.wake_at is not None:
            draft.wake_times.append(quality.wake_at)
        if quality.event is not None:
            draft.events.append(quality.event)
    told = _of_readiness(readiness, paused) | draft.told
    if snapshot.answers is not None:
        told[PREDICTIONS_READABLE] = judge_answers(snapshot.answers, job.status.conditions)
    if quality is not None:
        told[QUALITY] = Judgement(quality.status, quality.reason, quality.message)
    before, generation = job.status.conditions, job.metadata.generation
    kept = [item for item in before if item.type in LASTING and item.type not in told]
    made = [
        condition(kind, *what, generation=generation, now=now, before=before)
        for kind, what in told.items()
        if what is not None
    ]
    draft.status = draft.status.changed(conditions=[*made, *kept])
    _tell_readiness(draft, job, readiness)


def _of_readiness(readiness: Readiness, paused: bool) -> dict[str, Judgement | None]:
    settled = readiness.ready or readiness.stalled
    ready_reason = Reason.PAUSED if readiness.ready and paused else readiness.reason
    return {
        "Ready": Judgement(readiness.ready, ready_reason, readiness.message),
        "Reconciling": Judgement(
            not settled,
            Reason.SETTLED if settled else Reason.PROGRESSING,
            "" if settled else readiness.message,
        ),
        "Stalled": Judgement(
            readiness.stalled,
            readiness.reason if readiness.stalled else Reason.SETTLED,
            readiness.message if readiness.stalled else "",
        ),
    }


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
