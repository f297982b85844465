"""What to do about an EvaluationJobVersion: one run, at once, that covers nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from evaluation_operator.api.base import Condition, RpcStatus
from evaluation_operator.api.codes import Code
from evaluation_operator.api.dataset import RunResult
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import (
    FINAL_VERSION_STATES,
    EvaluationJobVersion,
    EvaluationJobVersionStatus,
    VersionState,
)
from evaluation_operator.api.run_template import RunTemplate
from evaluation_operator.domain.conditions import clip, condition
from evaluation_operator.domain.facts.dataset import Failure, Outcome
from evaluation_operator.domain.facts.standing import Phase, later
from evaluation_operator.domain.facts.steps import Step, begun_at, step_job
from evaluation_operator.domain.facts.troubles import is_same
from evaluation_operator.domain.faults import listed
from evaluation_operator.domain.manifests.dataset import build_version_dataset
from evaluation_operator.domain.manifests.metadata import owner_reference, run_metadata
from evaluation_operator.domain.manifests.run_job import build_run_job, first_job
from evaluation_operator.domain.naming import FINALIZER_ORPHAN
from evaluation_operator.domain.plan import (
    Action,
    CreateRun,
    CreateRunJob,
    DeleteJob,
    EventRecord,
    OwnVersion,
    Plan,
    StopRun,
    WriteOutcome,
)
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.runs.leftovers import end_left_over
from evaluation_operator.domain.runs.phase import Progress, never_created, no_place, observe
from evaluation_operator.domain.snapshot import Run, VersionSnapshot
from evaluation_operator.domain.versions.believed import believed_version_status
from evaluation_operator.domain.versions.gates import (
    never_starts,
    refusal,
    templates_faults,
    waits_for,
)

MESSAGE_BYTES = 512
STATES = {
    Phase.CREATING: VersionState.CREATING,
    Phase.QUEUING: VersionState.QUEUING,
    Phase.RUNNING: VersionState.RUNNING,
}


@dataclass
class _Draft:
    version: EvaluationJobVersion
    status: EvaluationJobVersionStatus
    now: datetime
    actions: list[Action] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    wake_at: datetime | None = None
    waits_since: datetime | None = None

    def wait_for_place(self, due: datetime, policy: Policy) -> str:
        """What to say of that."""
        self.waits_since = due
        self.wake_at = self.now + policy.place_retry
        return no_place(self.version.namespace, policy)

    def plan(self) -> Plan:
        changed = self.status.to_dict() != self.version.status.to_dict()
        return Plan(
            actions=tuple(self.actions),
            status=self.status if changed else None,
            events=tuple(self.events),
            wake_at=self.wake_at,
            waits_since=self.waits_since,
        )


def decide_version(snapshot: VersionSnapshot, now: datetime, policy: Policy) -> Plan:
    """Gathered facts in, plan out; total over whatever is missing."""
    version = snapshot.version
    if version.metadata.deletion_timestamp is not None:
        return Plan(actions=tuple(_stop(version, snapshot.run)))
    status, events = believed_version_status(version, snapshot.run, now)
    draft = _Draft(version, status, now, events=events)
    if status.state in FINAL_VERSION_STATES:
        _report_ended(draft)
        _end_job(draft, snapshot.run)
        return draft.plan()
    draft.status = draft.status.changed(
        create_time=version.metadata.creation_timestamp,
        observed_generation=version.metadata.generation,
    )
    _own(draft, snapshot)
    number = _number(snapshot)
    draft.status = draft.status.changed(number=number)
    if snapshot.run is not None:
        _follow_run(draft, snapshot, snapshot.run, policy)
    elif number is None:
        # Whatever becomes of it, those that are younger wait for its number.
        _wait(draft, snapshot, Reason.PROGRESSING, "an older version is numbered first", policy)
    elif version.spec.terminate:
        message = "terminated before it was created"
        _end(draft, VersionState.TERMINATED, Reason.TERMINATED, message, now)
    elif (refused := refusal(version, policy)) is not None:
        _fail(draft, *refused)
    else:
        _create(draft, snapshot, number, policy)
    return draft.plan()


def _stop(version: EvaluationJobVersion, run: Run | None) -> list[Action]:
    """It was deleted, and its run ends with it, also where somebody's finalizer keeps it; but not
    where `--cascade=orphan` is to leave the run."""
    finalizers = version.metadata.finalizers
    if FINALIZER_ORPHAN in finalizers or not any("/" in it for it in finalizers):
        return []
    if run is None or run.job is None or run.job.finished or run.job.deleting:
        return []
    return [StopRun(run.dataset, run.job)]


def _own(draft: _Draft, snapshot: VersionSnapshot) -> None:
    """Not by a job that is being deleted: with `--cascade=orphan` its versions are to stay, and
    one that was given back to it would be deleted after it."""
    metadata = draft.version.metadata
    job = snapshot.job
    if job is None or job.metadata.deletion_timestamp is not None:
        return
    if metadata.controller_uid() is not None:
        return
    owner = owner_reference("EvaluationJob", job.metadata.name, job.metadata.uid)
    draft.actions.append(OwnVersion(owner))


def _number(snapshot: VersionSnapshot) -> int | None:
    """One more than any before; None while an older version waits for its own."""
    version = snapshot.version
    if version.status.number is not None:
        return version.status.number
    me = (version.metadata.creation_timestamp, version.metadata.name)
    older = [item for item in snapshot.siblings if (item.create_time, item.name) < me]
    if any(item.number is None for item in older):
        return None
    return 1 + max((item.number or 0 for item in snapshot.siblings), default=0)


def _create(draft: _Draft, snapshot: VersionSnapshot, number: int, policy: Policy) -> None:
    waiting = waits_for(snapshot, policy)
    if waiting is not None:
        _wait(draft, snapshot, *waiting, policy)
        return
    job = snapshot.job
    assert job is not None, "waited for above"
    labels = snapshot.labels or ()
    unknown = [label for label in draft.version.spec.labels if label not in labels]
    if unknown:
        message = (
            f"spec.labels: {unknown[0]!r} is not in the AnnotationSpecSet: "
            "make a version with labels that are"
        )
        _fail(draft, Reason.UNKNOWN_LABEL, message)
        return
    if snapshot.free_places == 0:
        message = draft.wait_for_place(draft.version.created, policy)
        _report(draft, VersionState.CREATING, Reason.TOO_MANY_RUNS, message)
        return
    dataset = build_version_dataset(draft.version, job, number, draft.now, labels=labels)
    template = _template(draft.version, job)
    run_job = build_run_job(dataset.metadata, first_job(dataset), job, template, policy)
    draft.actions.append(CreateRun(dataset, run_job))
    draft.status = draft.status.changed(dataset=dataset.metadata.name)
    _report(draft, VersionState.CREATING, Reason.STARTING, "the run is being created")


def _wait(
    draft: _Draft, snapshot: VersionSnapshot, reason: Reason, message: str, policy: Policy
) -> None:
    _report(draft, VersionState.CREATING, reason, message)
    if snapshot.obstacle is not None:
        draft.wake_at = draft.now + policy.retry


def _fail(draft: _Draft, reason: Reason, message: str) -> None:
    """End a version that never gets a run."""
    failure = RpcStatus(code=Code.INVALID_ARGUMENT, message=clip(message, MESSAGE_BYTES))
    draft.status = draft.status.changed(partial_failures=[failure])
    _end(draft, VersionState.FAILED, reason, message, draft.now)


def _follow_run(draft: _Draft, snapshot: VersionSnapshot, run: Run, policy: Policy) -> None:
    told = draft.version.status.message
    progress = observe(run, draft.now, policy, told=told)
    outcome = (
        progress.outcome
        or progress.failure
        or never_created(run, snapshot.obstacle, draft.now, policy)
        or never_starts(snapshot, run, draft.now, policy)
    )
    draft.status = draft.status.changed(dataset=run.dataset.name)
    if outcome is not None:
        if run.dataset.outcome is None:
            draft.actions.append(WriteOutcome(run.dataset, outcome))
        _record(draft, run, outcome)
        _end_job(draft, run)
        return
    state = STATES[progress.phase]
    draft.wake_at = later(progress.again_at, draft.now)
    wants_end = bool(draft.version.spec.terminate)
    if wants_end and (state is not VersionState.RUNNING or policy.allow_terminate_running):
        _terminate(draft, run)
        return
    reason, message = progress.reason, _tell_trouble(draft, progress)
    job = snapshot.job
    if run.job is None and (job is None or run.dataset.job_uid != job.uid):
        reason = Reason.JOB_NOT_FOUND
        message = f"EvaluationJob {draft.version.spec.evaluation_job!r} is gone: delete the version"
    elif run.job is None and job is not None and not run.pods:
        if faults := templates_faults(draft.version, job, policy):
            reason, message = Reason.NOT_ALLOWED, listed(faults)
        elif snapshot.free_places == 0:
            reason = Reason.TOO_MANY_RUNS
            message = draft.wait_for_place(begun_at(run.dataset), policy)
        else:
            _ensure_job(draft, job, run, policy)
        if snapshot.obstacle is not None:
            reason, message = snapshot.obstacle.reason, snapshot.obstacle.message
            draft.wake_at = draft.now + policy.retry
    if state is VersionState.RUNNING and draft.status.start_time is None:
        draft.status = draft.status.changed(start_time=draft.now)
    _report(draft, state, reason, message, refused=wants_end)


def _tell_trouble(draft: _Draft, progress: Progress) -> str:
    """What to say of it. A text that says the same in other numbers is no news."""
    before = draft.version.status.message
    if progress.trouble is None:
        return progress.message
    message = clip(progress.message, MESSAGE_BYTES)
    if is_same(before, message):
        return before or message
    draft.events.append(EventRecord(progress.reason, message, warning=True))
    return message


def _ensure_job(draft: _Draft, job: EvaluationJob, run: Run, policy: Policy) -> None:
    version = draft.version
    step = step_job(run.dataset.name, Step.RUN)
    assert step is not None, "it waits for nobody"
    metadata = run_metadata(
        job, run.dataset.name, uid=run.dataset.uid, version=version.metadata.name
    )
    template = _template(version, job)
    draft.actions.append(
        CreateRunJob(run.dataset, build_run_job(metadata, step, job, template, policy))
    )


def _template(version: EvaluationJobVersion, job: EvaluationJob) -> RunTemplate | None:
    return version.spec.run_template or job.spec.run_template


def _terminate(draft: _Draft, run: Run) -> None:
    """The outcome comes first: a pod that starts in between finds it and yields."""
    message = "terminated by spec.terminate"
    failure = Failure(Code.CANCELLED, message)
    outcome = Outcome(RunResult.FAILED, draft.now, message=message, partial_failures=(failure,))
    draft.actions.append(WriteOutcome(run.dataset, outcome))
    _record(draft, run, outcome)


def _record(draft: _Draft, run: Run, outcome: Outcome) -> None:
    if outcome.result is RunResult.FAILED:
        failures = outcome.partial_failures or (Failure(Code.UNKNOWN, outcome.message),)
        cancelled = draft.version.spec.terminate and failures[0].code == Code.CANCELLED
        draft.status = draft.status.changed(
            partial_failures=[
                RpcStatus(code=item.code, message=clip(item.message, MESSAGE_BYTES))
                for item in failures[:10]
            ]
        )
        if cancelled and run.job is not None and not run.job.deleting:
            draft.actions.append(DeleteJob(run.job))
        state = VersionState.TERMINATED if cancelled else VersionState.FAILED
        reason = Reason.TERMINATED if cancelled else Reason.FAILED
        message = outcome.message or failures[0].message
        _end(draft, state, reason, message, outcome.time)
        return
    draft.status = draft.status.changed(
        evaluation=outcome.evaluation,
        mean_average_precision=outcome.mean_average_precision,
        evaluated_item_count=outcome.evaluated_item_count,
    )
    empty = outcome.result is RunResult.NO_DATA
    message = "no rows to evaluate" if empty else f"Evaluation {outcome.evaluation} is published"
    reason = Reason.NO_DATA if empty else Reason.COMPLETED
    _end(draft, VersionState.COMPLETED, reason, message, outcome.time)


def _end(
    draft: _Draft, state: VersionState, reason: Reason, message: str, ended_at: datetime
) -> None:
    """`ended_at` is the run's own word, also where nobody looked for hours; but its clock may
    differ from ours, by which the version was seen to start."""
    begun = draft.status.start_time or draft.version.created
    draft.status = draft.status.changed(completion_time=max(min(ended_at, draft.now), begun))
    refused = bool(draft.version.spec.terminate) and state is not VersionState.TERMINATED
    _report(draft, state, reason, message, refused=refused)
    failed = state is VersionState.FAILED
    draft.events.append(EventRecord(reason, message or state, warning=failed))


def _end_job(draft: _Draft, run: Run | None) -> None:
    actions, wake_at = end_left_over(run, draft.now) if run is not None else ([], None)
    draft.actions.extend(action for action in actions if action not in draft.actions)
    draft.wake_at = wake_at


def _report_ended(draft: _Draft) -> None:
    """A version that has ended stays as it is; only a late wish to terminate is answered."""
    status, version = draft.status, draft.version
    assert status.state is not None, "a final state"
    draft.status = draft.status.changed(observed_generation=version.metadata.generation)
    if version.spec.terminate and status.state is not VersionState.TERMINATED:
        others = [item for item in status.conditions if item.type != "TerminateRefused"]
        draft.status = draft.status.changed(
            conditions=[*others, _terminate_refused(draft, status.state)]
        )


def _terminate_refused(draft: _Draft, state: VersionState) -> Condition:
    text = (
        f"spec.terminate is honoured in Creating and Queuing, and the version is {state}: "
        "FAILED_PRECONDITION; delete the version to be rid of it"
    )
    return _condition(draft, "TerminateRefused", True, Reason.TERMINATE_REFUSED, text)


def _condition(draft: _Draft, kind: str, value: bool, reason: Reason, message: str) -> Condition:
    version = draft.version
    return condition(
        kind,
        value,
        reason,
        message,
        generation=version.metadata.generation,
        now=draft.now,
        before=version.status.conditions,
    )


def _report(
    draft: _Draft,
    state: VersionState,
    reason: Reason,
    message: str,
    *,
    refused: bool = False,
) -> None:
    """kstatus: a version that ran is Current whatever came out; one that failed is Stalled."""
    draft.status = draft.status.changed(state=state, message=clip(message, MESSAGE_BYTES) or None)
    ended = state in FINAL_VERSION_STATES
    failed = state is VersionState.FAILED
    values: list[tuple[str, bool, Reason, str]] = [
        ("Ready", state is VersionState.COMPLETED, reason, message),
        ("Reconciling", not ended and not failed, reason, "" if ended else message),
        ("Stalled", failed, reason if failed else Reason.SETTLED, message if failed else ""),
    ]
    conditions = [_condition(draft, *value) for value in values]
    if refused:
        conditions.append(_terminate_refused(draft, state))
    draft.status = draft.status.changed(conditions=conditions)
