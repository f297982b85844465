"""Starting the runs that are due: `status.nextRunTime` is a promise, kept and then made anew."""

from __future__ import annotations

from datetime import datetime, timedelta

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import ActiveRun, RunPhase
from evaluation_operator.domain.conditions import Judgement, clip
from evaluation_operator.domain.cover import Window, plan_runs, uncovered
from evaluation_operator.domain.facts.dataset import DatasetFacts
from evaluation_operator.domain.facts.standing import HELD_BY_QUEUE
from evaluation_operator.domain.facts.steps import Step, step_of
from evaluation_operator.domain.flushing import (
    SAMPLER_BEHIND,
    judge_flushing,
    sampler_behind,
)
from evaluation_operator.domain.jobs.draft import JobDraft
from evaluation_operator.domain.jobs.readiness import Readiness
from evaluation_operator.domain.jobs.recording import retry_windows, windows_of
from evaluation_operator.domain.jobs.slots import due_slot, promised_time
from evaluation_operator.domain.manifests.dataset import build_dataset
from evaluation_operator.domain.manifests.run_job import build_run_job, first_job
from evaluation_operator.domain.plan import CreateRun, EventRecord
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.runs.phase import no_place
from evaluation_operator.domain.schedule import next_run_time, parse_schedule
from evaluation_operator.domain.snapshot import JobSnapshot

MAX_RUNS_PER_SLOT = 10
MAX_ACTIVE_RUNS = 20
LABEL_FASTER = (
    "if that goes on, set spec.labeling.deadline, lower exampleCount, or choose a longer schedule"
)
WAITING = "Waiting"
"""The condition of a job that has a run to start, and no place for it."""


def follow_schedule(
    draft: JobDraft, snapshot: JobSnapshot, readiness: Readiness, now: datetime, policy: Policy
) -> None:
    """Keep the promise of `status.nextRunTime`, then make the next one."""
    job = snapshot.job
    schedule = parse_schedule(job.spec.schedule)
    promise = promised_time(job, schedule, now)
    draft.status = draft.status.changed(
        interval_days=schedule.interval_days,
        schedule_explanation=clip(schedule.explanation, 512),
        schedule_warnings=[clip(text, 512) for text in schedule.warnings][:10],
    )
    if job.spec.is_paused:
        draft.status = draft.status.changed(next_run_time=None)
        return
    if promise <= now and readiness.ready:
        # Of the job, not of the draft: a turn that was cut off in this slot is to be completed.
        slot = due_slot(job, now)
        if slot is not None:
            look_again = _held_until(draft, snapshot, slot, now, policy)
            if look_again is not None:
                draft.status = draft.status.changed(next_run_time=promise)
                draft.wake_times.append(look_again)
                return
            if not _start_runs(draft, snapshot, slot, policy):
                draft.status = draft.status.changed(next_run_time=promise)
                return
        promise = next_run_time(job.created, schedule.interval_days, now)
    draft.status = draft.status.changed(next_run_time=promise)
    if promise > now:
        draft.wake_times.append(promise)


def _held_until(
    draft: JobDraft, snapshot: JobSnapshot, slot: datetime, now: datetime, policy: Policy
) -> datetime | None:
    """When to look again whether the rows up to the slot are all there; None: start its runs.

    Runs of a slot that has begun are completed without another look: what it waited for has
    been.
    """
    if not _begun(snapshot, slot):
        if now < slot + policy.settle:
            return slot + policy.settle
        if judge_flushing(snapshot.replicas, slot, now).waits_for:
            return now + policy.flush_retry
    without = judge_flushing(snapshot.replicas, slot, now).goes_without
    known = any(item.type == SAMPLER_BEHIND for item in snapshot.job.status.conditions)
    if without or known:
        draft.told[SAMPLER_BEHIND] = sampler_behind(without)
    return None


def _begun(snapshot: JobSnapshot, slot: datetime) -> list[DatasetFacts]:
    """The runs of the slot that exist. Slots are days apart, so minutes tell them apart."""
    until = slot + timedelta(minutes=MAX_RUNS_PER_SLOT)
    return [
        run.dataset
        for run in snapshot.runs
        if slot <= run.dataset.scheduled_time < until and run.dataset.revision is None
    ]


def _start_runs(draft: JobDraft, snapshot: JobSnapshot, slot: datetime, policy: Policy) -> bool:
    """Create the runs of a slot, or those of them that a turn which was cut off did not.

    False: they wait for a place. Where there are fewer places than runs, the next slot takes the
    rows of those that get none.
    """
    job = snapshot.job
    begun = _begun(snapshot, slot)
    room = min(MAX_RUNS_PER_SLOT - len(begun), MAX_ACTIVE_RUNS - len(draft.status.active))
    runs = plan_runs(_pieces(draft, snapshot, slot, [w for it in begun for w in it.windows]))
    if runs and room > 0 and not begun and draft.free_places == 0:
        draft.take_place(slot)
        message = f"the run of {slot:%Y-%m-%d %H:%M} UTC: {no_place(job.namespace, policy)}"
        draft.told[WAITING] = Judgement(True, Reason.TOO_MANY_RUNS, message)
        return False
    if not begun:
        _tell_why_none(draft, job, slot, runs, room)
        _tell_people_are_behind(draft, snapshot)
    active = list(draft.status.active)
    # A minute's offset gives runs of one slot names of their own.
    first = max((it.scheduled_time for it in begun), default=slot - timedelta(minutes=1))
    for index, windows in enumerate(runs[: max(room, 0)]):
        if draft.free_places == 0:
            break
        draft.take_place(slot)
        time = first + timedelta(minutes=index + 1)
        dataset = build_dataset(
            job, time, windows, labels=snapshot.labels or (), instruction=snapshot.instruction
        )
        name, template = dataset.metadata.name, job.spec.run_template
        run_job = build_run_job(dataset.metadata, first_job(dataset), job, template, policy)
        draft.actions.append(CreateRun(dataset, run_job))
        active.append(_new_run(job, name, time))
        draft.status = draft.status.changed(last_run_time=time)
    draft.status = draft.status.changed(active=active)
    return True


def _new_run(job: EvaluationJob, name: str, time: datetime) -> ActiveRun:
    """A Job for a queue is created suspended: known at once, it costs no write of its own."""
    if job.spec.run_template is None or not job.spec.run_template.queue_name:
        return ActiveRun(name=name, scheduled_time=time)
    return ActiveRun(
        name=name,
        scheduled_time=time,
        phase=RunPhase.QUEUING,
        reason=Reason.QUEUED,
        message=f"{Reason.QUEUED}: {HELD_BY_QUEUE}",
    )


def _pieces(
    draft: JobDraft, snapshot: JobSnapshot, slot: datetime, begun: list[Window]
) -> tuple[Window, ...]:
    running = {item.name for item in draft.status.active}
    active = [
        w for run in snapshot.runs if run.dataset.name in running for w in run.dataset.windows
    ]
    return uncovered(
        snapshot.job.created,
        slot - timedelta(seconds=snapshot.job.spec.label_delay_seconds),
        cover=windows_of(draft.status.cover),
        active=(*active, *begun),
        retry=retry_windows(draft.status),
    )


def _tell_why_none(
    draft: JobDraft,
    job: EvaluationJob,
    slot: datetime,
    runs: tuple[tuple[Window, ...], ...],
    room: int,
) -> None:
    if not runs:
        waits = slot - timedelta(seconds=job.spec.label_delay_seconds) <= job.created
        message = (
            "labelDelay leaves no rows to cover yet"
            if waits
            else "every row up to now is covered by other runs"
        )
        draft.events.append(EventRecord(Reason.NOTHING_TO_COVER, message))
    elif room <= 0:
        message = f"{MAX_ACTIVE_RUNS} runs have not ended; the next one takes the rows of this slot"
        if job.spec.label_missing_ground_truth:
            message = f"{message}; {LABEL_FASTER}"
        draft.events.append(EventRecord(Reason.TOO_MANY_RUNS, message, warning=True))


def _tell_people_are_behind(draft: JobDraft, snapshot: JobSnapshot) -> None:
    """Runs may overlap, and nothing is lost; but whoever asks should know that it piles up."""
    running = {item.name for item in draft.status.active}
    waiting = [
        run.dataset
        for run in snapshot.runs
        if run.dataset.name in running and step_of(run.dataset) is Step.LABEL
    ]
    if not waiting:
        return
    count = "1 earlier run waits" if len(waiting) == 1 else f"{len(waiting)} earlier runs wait"
    message = f"{count} for people to label while the next is due; {LABEL_FASTER}"
    draft.events.append(EventRecord(Reason.LABELING_BEHIND, message, warning=True))
