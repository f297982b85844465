"""Recording how runs ended in the status of their job: attempts, cover and the latest figures.

A run is recorded exactly once: while its name stands in `status.active`, or its time lies after
`status.lastRunTime`, it has not been. A revision has the time of its run, so there only its name
tells: it starts after `status.active` has it, and its outcome comes later still.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from evaluation_operator.api.base import RpcStatus, TimeSpan
from evaluation_operator.api.codes import Code
from evaluation_operator.api.dataset import RunResult
from evaluation_operator.api.evaluation_job_status import (
    AbandonedWindow,
    ActiveRun,
    Attempt,
    EvaluationJobStatus,
    LatestEvaluation,
    RetryWindow,
)
from evaluation_operator.domain.conditions import clip
from evaluation_operator.domain.cover import Window, after_failure, merge, subtract
from evaluation_operator.domain.facts.dataset import DatasetFacts, Failure, Outcome, RevisionFacts
from evaluation_operator.domain.plan import EventRecord
from evaluation_operator.domain.reasons import Reason

MAX_ATTEMPTS = 10
MAX_FAILURES_PER_ATTEMPT = 5
FAILURE_MESSAGE_BYTES = 512
MAX_ABANDONED = 10


def is_recorded(status: EvaluationJobStatus, dataset: DatasetFacts) -> bool:
    """Whether the status already speaks of how this run ended."""
    if any(run.name == dataset.name for run in status.active):
        return False
    if dataset.revision is not None:
        return dataset.outcome is not None
    return status.last_run_time is not None and dataset.scheduled_time <= status.last_run_time


def record(
    status: EvaluationJobStatus, dataset: DatasetFacts, outcome: Outcome
) -> tuple[EvaluationJobStatus, list[EventRecord]]:
    """The status after the run has ended, and what to tell about it."""
    status = _without_active(status, dataset)
    if dataset.revision is not None:
        return _revised(status, dataset, dataset.revision, outcome)
    if dataset.item_count is not None:
        status = status.changed(sampled_in_interval=dataset.item_count)
    match outcome.result:
        case RunResult.SUCCEEDED:
            return _succeeded(status, dataset, outcome)
        case RunResult.NO_DATA:
            message = f"{dataset.name}: no rows to evaluate in its windows"
            event = EventRecord(Reason.NO_DATA, message)
            return _covered(status, dataset.windows), [event]
        case RunResult.FAILED:
            return _failed(status, dataset.name, dataset.windows, outcome)


def record_missing(
    status: EvaluationJobStatus, run: ActiveRun, now: datetime
) -> tuple[EvaluationJobStatus, list[EventRecord]]:
    """A Dataset that was deleted under a run: it has failed; its rows go to the next run."""
    active = [item for item in status.active if item.name != run.name]
    failed = (status.failed_runs or 0) + 1
    status = status.changed(active=active, failed_runs=failed)
    message = _deleted(run.name)
    status = _with_attempt(status, run.name, (Failure(Code.CANCELLED, message),), now)
    return status, [EventRecord(Reason.RUN_MISSING, message, warning=True)]


def deleted_under(dataset: DatasetFacts, now: datetime) -> Outcome | None:
    """How a run ends whose Dataset somebody has deleted, and a finalizer of others keeps there: at
    once, since nobody knows for how long."""
    if not dataset.deleting or dataset.outcome is not None:
        return None
    message = _deleted(dataset.name)
    failure = Failure(Code.CANCELLED, message)
    return Outcome(RunResult.FAILED, now, message=message, partial_failures=(failure,))


def _deleted(run: str) -> str:
    return f"Dataset {run} was deleted before the run ended"


def windows_of(spans: Iterable[TimeSpan]) -> tuple[Window, ...]:
    return tuple(Window(span.start_time, span.end_time) for span in spans)


def spans_of(windows: Iterable[Window]) -> list[TimeSpan]:
    return [TimeSpan(start_time=window.start, end_time=window.end) for window in windows]


def with_retry(status: EvaluationJobStatus, windows: Iterable[Window]) -> EvaluationJobStatus:
    """The status with these windows to be tried again, and no others."""
    again = [
        RetryWindow(start_time=it.start, end_time=it.end, failures=it.failures) for it in windows
    ]
    return status.changed(retry_windows=again)


def latest_of(datasets: Iterable[DatasetFacts]) -> LatestEvaluation | None:
    """The newest Evaluation of these runs and revisions."""
    done = [
        (dataset.scheduled_time, dataset.revision.number if dataset.revision else 0, dataset)
        for dataset in datasets
        if dataset.outcome is not None and dataset.outcome.result is RunResult.SUCCEEDED
    ]
    if not done:
        return None
    _, _, newest = max(done, key=lambda item: item[:2])
    assert newest.outcome is not None, "chosen above"
    return _latest(newest, newest.outcome)


def retry_windows(status: EvaluationJobStatus) -> tuple[Window, ...]:
    return tuple(
        Window(item.start_time, item.end_time, item.failures) for item in status.retry_windows
    )


def _without_active(status: EvaluationJobStatus, dataset: DatasetFacts) -> EvaluationJobStatus:
    active = [item for item in status.active if item.name != dataset.name]
    newest = max(status.last_run_time or dataset.scheduled_time, dataset.scheduled_time)
    return status.changed(active=active, last_run_time=newest)


def _covered(status: EvaluationJobStatus, windows: Sequence[Window]) -> EvaluationJobStatus:
    cover = merge((*windows_of(status.cover), *windows))
    retry = subtract(retry_windows(status), windows)
    return with_retry(status.changed(cover=spans_of(cover)), retry)


def _succeeded(
    status: EvaluationJobStatus, dataset: DatasetFacts, outcome: Outcome
) -> tuple[EvaluationJobStatus, list[EventRecord]]:
    status = _with_latest(_covered(status, dataset.windows), dataset, outcome)
    newest = max(status.last_success_time or outcome.time, outcome.time)
    status = status.changed(last_success_time=newest)
    if outcome.late_rows or status.late_rows is not None:
        status = status.changed(late_rows=outcome.late_rows)
    return status, [EventRecord(Reason.RUN_SUCCEEDED, _figures(dataset, outcome))]


def _with_latest(
    status: EvaluationJobStatus, dataset: DatasetFacts, outcome: Outcome
) -> EvaluationJobStatus:
    """The newest Evaluation is that of the latest run, revised or not."""
    latest = status.latest_evaluation
    known = latest.evaluation_job_run_time if latest is not None else None
    if latest is not None and (known or outcome.time) > dataset.scheduled_time:
        return status
    return status.changed(latest_evaluation=_latest(dataset, outcome))


def _latest(dataset: DatasetFacts, outcome: Outcome) -> LatestEvaluation:
    return LatestEvaluation(
        name=outcome.evaluation or dataset.name,
        dataset=dataset.name,
        evaluation_job_run_time=dataset.scheduled_time,
        create_time=outcome.time,
        mean_average_precision=outcome.mean_average_precision,
        evaluated_item_count=outcome.evaluated_item_count,
        unscored_item_count=outcome.unscored_item_count,
    )


def _figures(dataset: DatasetFacts, outcome: Outcome) -> str:
    figure = outcome.mean_average_precision
    text = "no label has ground truth" if figure is None else f"mean average precision {figure:.4f}"
    if figure is None and outcome.unscored_item_count:
        text = "no mean average precision, since labels came without scores"
    return f"{dataset.name}: {outcome.evaluated_item_count or 0} items evaluated, {text}"


def _revised(
    status: EvaluationJobStatus, dataset: DatasetFacts, revision: RevisionFacts, outcome: Outcome
) -> tuple[EvaluationJobStatus, list[EventRecord]]:
    """It took no rows of its own, so none are covered by it, and none wait for another run."""
    match outcome.result:
        case RunResult.SUCCEEDED:
            message = f"{_figures(dataset, outcome)}; supersedes Evaluation {revision.supersedes}"
            event = EventRecord(Reason.EVALUATION_SUPERSEDED, message)
            return _with_latest(status, dataset, outcome), [event]
        case RunResult.NO_DATA:
            return status, [EventRecord(Reason.NO_DATA, f"{dataset.name}: no rows to evaluate")]
        case RunResult.FAILED:
            status, events = _failed(status, dataset.name, (), outcome)
            kept = f"; Evaluation {revision.supersedes} stands"
            return status, [replace(item, message=item.message + kept) for item in events]


def _failed(
    status: EvaluationJobStatus, name: str, windows: Sequence[Window], outcome: Outcome
) -> tuple[EvaluationJobStatus, list[EventRecord]]:
    again, abandoned = after_failure(windows)
    retry = (*subtract(retry_windows(status), windows), *again)
    failed = (status.failed_runs or 0) + 1
    status = with_retry(status.changed(failed_runs=failed), sorted(retry))
    unknown = Failure(Code.UNKNOWN, outcome.message or "the run failed")
    failures = outcome.partial_failures or (unknown,)
    said = outcome.message or failures[0].message
    events = [EventRecord(Reason.RUN_FAILED, f"{name}: {said}", warning=True)]
    if abandoned:
        status = _abandon(status, name, abandoned)
        spans = ", ".join(f"{w.start:%Y-%m-%d %H:%M} to {w.end:%Y-%m-%d %H:%M}" for w in abandoned)
        message = f"rows sampled from {spans} are given up after {abandoned[0].failures} failures"
        failures = (*failures, Failure(Code.ABORTED, message))
        events.append(EventRecord(Reason.WINDOW_ABANDONED, f"{name}: {message}", warning=True))
    return _with_attempt(status, name, failures, outcome.time), events


def _abandon(
    status: EvaluationJobStatus, name: str, abandoned: Sequence[Window]
) -> EvaluationJobStatus:
    status = _covered(status, abandoned)
    added = [
        AbandonedWindow(
            start_time=window.start, end_time=window.end, failures=window.failures, dataset=name
        )
        for window in abandoned
    ]
    return status.changed(
        abandoned_windows=[*status.abandoned_windows, *added][-MAX_ABANDONED:],
        total_abandoned_windows=(status.total_abandoned_windows or 0) + len(added),
    )


def _with_attempt(
    status: EvaluationJobStatus, name: str, failures: Sequence[Failure], now: datetime
) -> EvaluationJobStatus:
    # The last failure may be our own word on an abandoned window: it must not be the one cut off.
    kept = [
        *failures[: MAX_FAILURES_PER_ATTEMPT - 1],
        *failures[MAX_FAILURES_PER_ATTEMPT - 1 :][-1:],
    ]
    attempt = Attempt(
        attempt_time=now,
        partial_failures=[
            RpcStatus(code=item.code, message=clip(item.message, FAILURE_MESSAGE_BYTES))
            for item in kept
        ],
        dataset=name,
    )
    return status.changed(
        attempts=[*status.attempts, attempt][-MAX_ATTEMPTS:],
        total_attempts=(status.total_attempts or 0) + 1,
    )
