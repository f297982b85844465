"""What to do about an EvaluationJob, as one pure and total function of what is the case.

Deciding again on the resulting state asks for nothing: that is what makes a crash between any
two writes harmless.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from evaluation_operator.api.dataset import RunResult
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import ActiveRun, JobState, PausedSpan, RunPhase
from evaluation_operator.domain import naming
from evaluation_operator.domain.cover import Window, subtract
from evaluation_operator.domain.facts.standing import Phase, later
from evaluation_operator.domain.facts.steps import begun_at, step_job, step_of
from evaluation_operator.domain.facts.troubles import is_same
from evaluation_operator.domain.faults import listed
from evaluation_operator.domain.jobs.draft import JobDraft
from evaluation_operator.domain.jobs.due_runs import MAX_ACTIVE_RUNS, follow_schedule
from evaluation_operator.domain.jobs.future import believed_runs, believed_status
from evaluation_operator.domain.jobs.logger import follow_logger, release_logger
from evaluation_operator.domain.jobs.pruning import prune
from evaluation_operator.domain.jobs.readiness import Readiness, judge
from evaluation_operator.domain.jobs.recording import (
    deleted_under,
    is_recorded,
    record,
    record_missing,
    windows_of,
)
from evaluation_operator.domain.jobs.revisions import MAX_ACTIVE_REVISIONS, due_revisions
from evaluation_operator.domain.jobs.run_history import families
from evaluation_operator.domain.jobs.status import report
from evaluation_operator.domain.manifests.metadata import run_metadata
from evaluation_operator.domain.manifests.run_job import build_run_job
from evaluation_operator.domain.plan import (
    AddFinalizer,
    CreateRunJob,
    CreateTableCheck,
    DeleteJob,
    EventRecord,
    Plan,
    RemoveFinalizer,
    StopRun,
    TakeClaim,
    WriteOutcome,
)
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.runs.leftovers import end_left_over
from evaluation_operator.domain.runs.phase import (
    Progress,
    held_up_by,
    never_created,
    no_place,
    observe,
)
from evaluation_operator.domain.snapshot import JobSnapshot, Run
from evaluation_operator.domain.stalled import pod_faults
from evaluation_operator.domain.tables import is_found_good, table_source

MAX_PAUSED_SPANS = 50
TABLE_REASONS = frozenset({Reason.TABLE_INVALID, Reason.TABLE_UNAVAILABLE})


def decide_job(snapshot: JobSnapshot, now: datetime, policy: Policy) -> Plan:
    """Gathered facts in, plan out; never raises on anything that the API server admits."""
    job = snapshot.job
    snapshot = replace(snapshot, runs=believed_runs(snapshot.runs, job, now))
    draft = JobDraft(job.status, snapshot.free_places)
    if job.metadata.deletion_timestamp is not None:
        return _stop(draft, snapshot)
    draft.status, draft.events = believed_status(job, snapshot.runs, now)
    if draft.events:
        # Everything else is decided, and was gathered, by what the status says.
        draft.wake_times.append(now)
        return draft.plan(job)
    if naming.FINALIZER not in job.metadata.finalizers:
        draft.actions.append(AddFinalizer())
    draft.status = draft.status.changed(create_time=job.metadata.creation_timestamp)
    _follow_runs(draft, snapshot, now, policy)
    readiness = _with_place(draft, snapshot, judge(snapshot, now, policy), policy)
    draft.actions.extend(readiness.actions)
    if any(isinstance(action, TakeClaim) for action in readiness.actions):
        # Nothing is to be told before the job holds its model version: save a write.
        return Plan(actions=tuple(draft.actions), wake_at=now)
    if readiness.retry_at is not None:
        draft.wake_times.append(readiness.retry_at)
    _follow_table(draft, snapshot, readiness)
    if not readiness.stalled:
        _follow_pauses(draft, job, now)
        follow_schedule(draft, snapshot, readiness, now, policy)
        if readiness.ready:
            _follow_late_labels(draft, snapshot, now)
        prune(draft, snapshot)
        if snapshot.obstacle is None:
            follow_logger(draft, job, snapshot.loggers, snapshot.logger_refusals, now, policy)
    report(draft, snapshot, readiness, now)
    if draft.waits_since is not None:
        draft.wake_times.append(now + policy.place_retry)
    return draft.plan(job)


def _with_place(
    draft: JobDraft, snapshot: JobSnapshot, readiness: Readiness, policy: Policy
) -> Readiness:
    """A check of a table takes a place like a run; what the last one found stands until then."""
    if not any(isinstance(action, CreateTableCheck) for action in readiness.actions):
        return readiness
    check, job = snapshot.table_check, snapshot.job
    if draft.take_place(check.job.create_time if check is not None else job.created):
        return readiness
    if readiness.reason is not Reason.TABLE_CHECKING:
        return replace(readiness, actions=())
    message = f"{readiness.message}: {no_place(job.namespace, policy)}"
    return replace(readiness, actions=(), reason=Reason.TOO_MANY_RUNS, message=message)


def _stop(draft: JobDraft, snapshot: JobSnapshot) -> Plan:
    """Stop the active runs and let the job go; owner references take the rest along.

    What is to stay without its job goes on: a run that was stopped could be of no use to anybody.
    """
    finalizers = snapshot.job.metadata.finalizers
    if naming.FINALIZER not in finalizers:
        return Plan()
    if draft.status.state is not JobState.STOPPED:
        draft.status = draft.status.changed(
            state=JobState.STOPPED, stalled=None, next_run_time=None
        )
        draft.events.append(EventRecord(Reason.STOPPED, "stopped, because it is being deleted"))
    stopped = snapshot.runs if naming.FINALIZER_ORPHAN not in finalizers else ()
    for run in stopped:
        if run.job is not None and not run.job.finished and not run.job.deleting:
            draft.actions.append(StopRun(run.dataset, run.job))
    release_logger(draft, snapshot.job, snapshot.loggers, snapshot.logger_refusals)
    draft.final_actions.append(RemoveFinalizer())
    return draft.plan(snapshot.job)


def _follow_runs(draft: JobDraft, snapshot: JobSnapshot, now: datetime, policy: Policy) -> None:
    """Record what has ended, start Jobs that are missing, and list what goes on."""
    known = {run.dataset.name for run in snapshot.runs}
    for missing in [item for item in draft.status.active if item.name not in known]:
        draft.status, events = record_missing(draft.status, missing, now)
        draft.events.extend(events)
    runs = sorted(snapshot.runs, key=lambda item: item.dataset.scheduled_time)
    followed = [_follow_run(draft, snapshot, run, now, policy) for run in runs]
    active = [run for run in followed if run is not None]
    newest = max((item.scheduled_time for item in active), default=None)
    times = [time for time in (draft.status.last_run_time, newest) if time is not None]
    draft.status = draft.status.changed(active=active, last_run_time=max(times, default=None))


def _follow_run(
    draft: JobDraft, snapshot: JobSnapshot, run: Run, now: datetime, policy: Policy
) -> ActiveRun | None:
    """What the status lists of it while it goes on; None once it is recorded."""
    if _is_to_be_listed(snapshot, run):
        # Its Job waits for that: an outcome of a run that no status lists would be lost.
        draft.wake_times.append(now)
        return ActiveRun(name=run.dataset.name, scheduled_time=run.dataset.scheduled_time)
    if is_recorded(snapshot.job.status, run.dataset):
        _end_job(draft, run, now)
        return None
    before = _told_of(snapshot, run)
    progress = observe(run, now, policy, has_labeler=snapshot.has_labeler, told=before)
    if progress.reason is Reason.LABELING:
        draft.wake_times.append(now + policy.labeler_retry)
    outcome = (
        progress.outcome
        or progress.failure
        or deleted_under(run.dataset, now)
        or never_created(run, snapshot.obstacle, now, policy)
    )
    if outcome is None:
        progress = _with_job(draft, snapshot, run, progress, policy)
        if (again_at := later(progress.again_at, now)) is not None:
            draft.wake_times.append(again_at)
        return _active_run(draft, run, progress, before)
    if run.dataset.outcome is None:
        draft.actions.append(WriteOutcome(run.dataset, outcome))
    _end_job(draft, run, now)
    draft.status, events = record(draft.status, run.dataset, outcome)
    draft.events.extend(events)
    if outcome.result is RunResult.FAILED and progress.verdict_reason in TABLE_REASONS:
        _check_table_again(draft, snapshot, now)
    return None


def _is_to_be_listed(snapshot: JobSnapshot, run: Run) -> bool:
    """Whether it is a revision that was created just now."""
    if run.dataset.revision is None or run.dataset.outcome is not None:
        return False
    return all(item.name != run.dataset.name for item in snapshot.job.status.active)


def _told_of(snapshot: JobSnapshot, run: Run) -> str | None:
    """What the status says of what holds the run up."""
    active = snapshot.job.status.active
    return next((item.message for item in active if item.name == run.dataset.name), None)


def _end_job(draft: JobDraft, run: Run, now: datetime) -> None:
    actions, wake_at = end_left_over(run, now)
    draft.actions.extend(actions)
    if wake_at is not None:
        draft.wake_times.append(wake_at)


def _active_run(draft: JobDraft, run: Run, progress: Progress, before: str | None) -> ActiveRun:
    """Only what holds a run up is worth a write: one that simply goes on costs none, nor does a
    trouble that is said in other numbers than before."""
    name, (reason, message) = run.dataset.name, held_up_by(progress)
    if progress.trouble is not None and is_same(before, message):
        message = before or message
    elif progress.trouble is not None:
        draft.events.append(EventRecord(progress.reason, f"{name}: {message}", warning=True))
    return ActiveRun(
        name=name,
        scheduled_time=run.dataset.scheduled_time,
        phase=RunPhase(progress.phase) if progress.is_held_up else None,
        reason=reason if progress.is_held_up else None,
        message=message if progress.is_held_up else None,
    )


def _with_job(
    draft: JobDraft, snapshot: JobSnapshot, run: Run, progress: Progress, policy: Policy
) -> Progress:
    """Create the Job of the run's step where it lacks, or tell what keeps it from being there.

    The template may have been edited since the run began: it is judged for each pod anew.
    """
    job, step = snapshot.job, step_job(run.dataset.name, step_of(run.dataset))
    if step is None or run.job is not None or run.pods or run.dataset.deleting:
        return progress
    if faults := pod_faults(job.spec.run_template, policy.limits):
        return Progress(Phase.QUEUING, Reason.NOT_ALLOWED, listed(faults), is_held_up=True)
    if not draft.take_place(begun_at(run.dataset)):
        message = no_place(job.namespace, policy)
        return replace(progress, reason=Reason.TOO_MANY_RUNS, message=message, is_held_up=True)
    metadata = run_metadata(job, run.dataset.name, uid=run.dataset.uid)
    body = build_run_job(metadata, step, job, job.spec.run_template, policy)
    draft.actions.append(CreateRunJob(run.dataset, body))
    return progress


def _check_table_again(draft: JobDraft, snapshot: JobSnapshot, now: datetime) -> None:
    """The old check goes before the status forgets it, or the next turn would believe it."""
    draft.status = draft.status.changed(table_digest=None)
    draft.wake_times.append(now)
    check = snapshot.table_check
    if check is not None and check.job.complete and not check.job.deleting:
        draft.actions.append(DeleteJob(check.job))


def _follow_table(draft: JobDraft, snapshot: JobSnapshot, readiness: Readiness) -> None:
    """Runs wait for a table that has failed until a check has found it good again; samplers, who
    can hold what they took in, begin with the first such check and go on ever after."""
    job, is_good = snapshot.job, readiness.table_digest is not None
    if is_good and not _table_failed(draft, snapshot):
        draft.status = draft.status.changed(table_digest=readiness.table_digest)
    # Of an earlier version, which had no such field, a run says that its table was good once.
    had_runs = job.status.sampled_table_digest is None and bool(job.status.total_attempts)
    if is_good or is_found_good(job) or had_runs:
        draft.status = draft.status.changed(sampled_table_digest=table_source(job).place_digest)


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
    draft.status = draft.status.changed(paused_spans=kept[-MAX_PAUSED_SPANS:])


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
    draft.status = draft.status.changed(active=active)
