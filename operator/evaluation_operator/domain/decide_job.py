"""What to do about an EvaluationJob, as one pure and total function of what is the case.

Deciding again on the resulting state asks for nothing: that is what makes a crash between any
two writes harmless.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from evaluation_operator.api.evaluation_job import (
    ActiveRun,
    EvaluationJob,
    JobState,
    PausedSpan,
    RunPhase,
)
from evaluation_operator.domain import naming
from evaluation_operator.domain.conditions import clip
from evaluation_operator.domain.cover import Window, plan_runs, subtract, uncovered
from evaluation_operator.domain.draft import JobDraft
from evaluation_operator.domain.facts import DatasetFacts, Result
from evaluation_operator.domain.families import families, prune
from evaluation_operator.domain.faults import listed
from evaluation_operator.domain.flushing import (
    SAMPLER_BEHIND,
    judge_flushing,
    sampler_behind,
)
from evaluation_operator.domain.logger_slot import follow_logger, release_logger
from evaluation_operator.domain.manifests import build_dataset, build_run_job
from evaluation_operator.domain.plan import (
    AddFinalizer,
    CreateRun,
    CreateRunJob,
    DeleteJob,
    EventRecord,
    Plan,
    RemoveFinalizer,
    TakeClaim,
    WriteOutcome,
)
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.progress import (
    HELD_BY_QUEUE,
    Phase,
    Progress,
    never_created,
    observe,
)
from evaluation_operator.domain.readiness import Readiness, judge
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.recording import (
    is_recorded,
    record,
    record_missing,
    retry_windows,
    windows_of,
)
from evaluation_operator.domain.reporting import report
from evaluation_operator.domain.revisions import MAX_ACTIVE_REVISIONS, due_revisions
from evaluation_operator.domain.schedule import (
    next_run_time,
    parse_schedule,
)
from evaluation_operator.domain.slots import due_slot, promised_time
from evaluation_operator.domain.snapshot import JobSnapshot, Run
from evaluation_operator.domain.stalled import pod_faults
from evaluation_operator.domain.steps import Step, StepJob, step_job, step_of

MAX_RUNS_PER_SLOT = 10
MAX_ACTIVE_RUNS = 20
MAX_PAUSED_SPANS = 50
LABEL_FASTER = (
    "if that goes on, set spec.labeling.deadline, lower exampleCount, or choose a longer schedule"
)
TABLE_REASONS = frozenset({Reason.TABLE_INVALID, Reason.TABLE_UNAVAILABLE})


def decide_job(snapshot: JobSnapshot, now: datetime, policy: Policy) -> Plan:
    """Gathered facts in, plan out; never raises on anything that the API server admits."""
    job = snapshot.job
    draft = JobDraft(job.status)
    if job.metadata.deletion_timestamp is not None:
        return _stop(draft, snapshot)
    if naming.FINALIZER not in job.metadata.finalizers:
        draft.actions.append(AddFinalizer())
    draft.update(create_time=job.metadata.creation_timestamp)
    _follow_runs(draft, snapshot, now, policy)
    readiness = judge(snapshot, now, policy)
    if readiness.action is not None:
        draft.actions.append(readiness.action)
        if isinstance(readiness.action, TakeClaim):
            # Nothing is to be told before the job holds its model version: save a write.
            return Plan(actions=tuple(draft.actions), wake_at=now)
    if readiness.retry_at is not None:
        draft.wake_times.append(readiness.retry_at)
    if readiness.table_digest is not None and not _table_failed(draft, snapshot):
        draft.update(table_digest=readiness.table_digest)
    if not readiness.stalled:
        _follow_pauses(draft, job, now)
        _follow_schedule(draft, snapshot, readiness, now, policy)
        if readiness.ready:
            _follow_late_labels(draft, snapshot, now)
        prune(draft, snapshot)
        if snapshot.obstacle is None:
            follow_logger(draft, job, snapshot.loggers, snapshot.logger_refusals, now, policy)
    report(draft, snapshot, readiness, now)
    return draft.plan(job)


def _stop(draft: JobDraft, snapshot: JobSnapshot) -> Plan:
    """Stop the active runs and let the job go; owner references take the rest along."""
    if naming.FINALIZER not in snapshot.job.metadata.finalizers:
        return Plan()
    if draft.status.state is not JobState.STOPPED:
        draft.update(state=JobState.STOPPED, next_run_time=None)
        draft.events.append(EventRecord(Reason.STOPPED, "stopped, because it is being deleted"))
    for run in snapshot.runs:
        if run.job is not None and not run.job.finished and not run.job.deleting:
            draft.actions.append(DeleteJob(run.job))
    release_logger(draft, snapshot.job, snapshot.loggers, snapshot.logger_refusals)
    draft.final_actions.append(RemoveFinalizer())
    return draft.plan(snapshot.job)


def _follow_runs(draft: JobDraft, snapshot: JobSnapshot, now: datetime, policy: Policy) -> None:
    """Record what has ended, start Jobs that are missing, and list what goes on."""
    known = {run.dataset.name for run in snapshot.runs}
    for missing in [item for item in draft.status.active if item.name not in known]:
        draft.status, events = record_missing(draft.status, missing, now)
        draft.events.extend(events)
    active: list[ActiveRun] = []
    for run in sorted(snapshot.runs, key=lambda item: item.dataset.scheduled_time):
        if _is_to_be_listed(snapshot, run):
            # Its Job waits for that: an outcome of a run that no status lists would be lost.
            active.append(
                ActiveRun(name=run.dataset.name, scheduled_time=run.dataset.scheduled_time)
            )
            draft.wake_times.append(now)
            continue
        if is_recorded(snapshot.job.status, run.dataset):
            continue
        progress = observe(run.dataset, run.job, run.pods, now, has_labeler=snapshot.has_labeler)
        if progress.reason is Reason.LABELING:
            draft.wake_times.append(now + policy.labeler_retry)
        outcome = (
            progress.outcome
            or progress.failure
            or never_created(run, snapshot.obstacle, now, policy)
        )
        if outcome is None:
            if run.job is None and (held := _held_back(snapshot.job, progress, policy)):
                progress = held
            else:
                _ensure_job(draft, snapshot, run, policy)
            active.append(_active_run(run, progress))
            continue
        if run.dataset.outcome is None:
            draft.actions.append(WriteOutcome(run.dataset, outcome))
        draft.status, events = record(draft.status, run.dataset, outcome)
        draft.events.extend(events)
        if outcome.result is Result.FAILED and progress.verdict_reason in TABLE_REASONS:
            _check_table_again(draft, snapshot, now)
    newest = max((item.scheduled_time for item in active), default=None)
    times = [time for time in (draft.status.last_run_time, newest) if time is not None]
    draft.update(active=active, last_run_time=max(times, default=None))


def _is_to_be_listed(snapshot: JobSnapshot, run: Run) -> bool:
    """Whether it is a revision that was created just now."""
    if run.dataset.revision is None or run.dataset.outcome is not None:
        return False
    return all(item.name != run.dataset.name for item in snapshot.job.status.active)


def _active_run(run: Run, progress: Progress) -> ActiveRun:
    """Only what holds a run up is worth a write: one that simply goes on costs none."""
    return ActiveRun(
        name=run.dataset.name,
        scheduled_time=run.dataset.scheduled_time,
        phase=RunPhase(progress.phase) if progress.is_held_up else None,
        message=clip(progress.message, 512) if progress.is_held_up else None,
    )


def _held_back(job: EvaluationJob, progress: Progress, policy: Policy) -> Progress | None:
    """The template may have been edited since the run began: it is judged for each pod anew."""
    faults = pod_faults(job.spec.run_template, policy.limits)
    if not faults or progress.reason is Reason.LABELING:
        return None
    return Progress(Phase.QUEUING, Reason.NOT_ALLOWED, listed(faults), is_held_up=True)


def _ensure_job(draft: JobDraft, snapshot: JobSnapshot, run: Run, policy: Policy) -> None:
    step = step_job(run.dataset.name, step_of(run.dataset))
    if step is not None and run.job is None and not run.dataset.deleting:
        body = _job_body_for(snapshot.job, run, step, policy)
        draft.actions.append(CreateRunJob(run.dataset, body))


def _job_body_for(job: EvaluationJob, run: Run, step: StepJob, policy: Policy) -> dict[str, Any]:
    dataset = build_dataset(job, run.dataset.scheduled_time, run.dataset.windows, labels=())
    dataset["metadata"] |= {"name": run.dataset.name, "uid": run.dataset.uid}
    dataset["metadata"]["labels"][naming.LABEL_DATASET] = run.dataset.name
    return build_run_job(dataset, job, job.spec.run_template, policy, step)


def _check_table_again(draft: JobDraft, snapshot: JobSnapshot, now: datetime) -> None:
    """The old check goes before the status forgets it, or the next turn would believe it."""
    draft.update(table_digest=None)
    draft.wake_times.append(now)
    check = snapshot.table_check
    if check is not None and check.job.complete and not check.job.deleting:
        draft.actions.append(DeleteJob(check.job))


def _table_failed(draft: JobDraft, snapshot: JobSnapshot) -> bool:
    return snapshot.job.status.table_digest is not None and draft.status.table_digest is None


def _follow_pauses(draft: JobDraft, job: EvaluationJob, now: datetime) -> None:
    """Remember when the job was paused: tables that others fill have rows of that time."""
    spans = list(draft.status.paused_spans)
    open_span = bool(spans) and spans[-1].end_time is None
    if job.spec.is_paused and not open_span:
        spans.append(PausedSpan(start_time=now))
    if not job.spec.is_paused and open_span:
        spans[-1] = PausedSpan(start_time=spans[-1].start_time, end_time=now)
    cover = windows_of(draft.status.cover)
    kept = [
        span
        for span in spans
        if span.end_time is None or subtract((Window(span.start_time, span.end_time),), cover)
    ]
    draft.update(paused_spans=kept[-MAX_PAUSED_SPANS:])


def _follow_schedule(
    draft: JobDraft, snapshot: JobSnapshot, readiness: Readiness, now: datetime, policy: Policy
) -> None:
    """Keep the promise of `status.nextRunTime`, then make the next one."""
    job = snapshot.job
    schedule = parse_schedule(job.spec.schedule)
    promise = promised_time(job, schedule, now)
    draft.update(
        interval_days=schedule.interval_days,
        schedule_explanation=clip(schedule.explanation, 512),
        schedule_warnings=[clip(text, 512) for text in schedule.warnings][:10],
    )
    if job.spec.is_paused:
        draft.update(next_run_time=None)
        return
    if promise <= now and readiness.ready:
        # Of the job, not of the draft: a turn that was cut off in this slot is to be completed.
        slot = due_slot(job, now)
        if slot is not None:
            look_again = _held_until(draft, snapshot, slot, now, policy)
            if look_again is not None:
                draft.update(next_run_time=promise)
                draft.wake_times.append(look_again)
                return
            _start_runs(draft, snapshot, slot, policy)
        promise = next_run_time(job.created, schedule.interval_days, now)
    draft.update(next_run_time=promise)
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


def _start_runs(draft: JobDraft, snapshot: JobSnapshot, slot: datetime, policy: Policy) -> None:
    """Create the runs of a slot, or those of them that a turn which was cut off did not."""
    job = snapshot.job
    begun = _begun(snapshot, slot)
    room = min(MAX_RUNS_PER_SLOT - len(begun), MAX_ACTIVE_RUNS - len(draft.status.active))
    runs = plan_runs(_pieces(draft, snapshot, slot, [w for it in begun for w in it.windows]))
    if not begun:
        _tell_why_none(draft, job, slot, runs, room)
        _tell_people_are_behind(draft, snapshot)
    active = list(draft.status.active)
    # A minute's offset gives runs of one slot names of their own.
    first = max((it.scheduled_time for it in begun), default=slot - timedelta(minutes=1))
    for index, windows in enumerate(runs[: max(room, 0)]):
        time = first + timedelta(minutes=index + 1)
        dataset = build_dataset(
            job, time, windows, labels=snapshot.labels or (), instruction=snapshot.instruction
        )
        name = dataset["metadata"]["name"]
        draft.actions.append(
            CreateRun(dataset, build_run_job(dataset, job, job.spec.run_template, policy))
        )
        active.append(_new_run(job, name, time))
        draft.update(last_run_time=time)
    draft.update(active=active)


def _new_run(job: EvaluationJob, name: str, time: datetime) -> ActiveRun:
    """A Job for a queue is created suspended: known at once, it costs no write of its own."""
    if job.spec.run_template is None or not job.spec.run_template.queue_name:
        return ActiveRun(name=name, scheduled_time=time)
    return ActiveRun(name=name, scheduled_time=time, phase=RunPhase.QUEUING, message=HELD_BY_QUEUE)


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


def _follow_late_labels(draft: JobDraft, snapshot: JobSnapshot, now: datetime) -> None:
    """Evaluate runs again that labels have come for; what finds no room is due in later turns."""
    names = frozenset(run.name for run in draft.status.active)
    datasets = [run.dataset for run in snapshot.runs]
    revisions = sum(item.revision is not None and item.name in names for item in datasets)
    room = min(MAX_ACTIVE_REVISIONS - revisions, MAX_ACTIVE_RUNS - len(names))
    active = list(draft.status.active)
    for action in due_revisions(snapshot.job, families(datasets), names)[: max(room, 0)]:
        name = naming.revision_name(action.revision.run, action.revision.number)
        draft.actions.append(action)
        active.append(ActiveRun(name=name, scheduled_time=action.root.scheduled_time))
        draft.wake_times.append(now)
    draft.update(active=active)
