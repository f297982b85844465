"""Times that lie ahead of the clock: written by hand, or while a clock had jumped.

Each of them would stop something, without a word, until its time has come: rows are covered that
do not exist yet, runs are done that were never made. So none is believed but what a run bears
out, which was really made while the clock was ahead, by an interval and two days at most. What is
to be said of a time instead comes from the runs that are known. Where they tell too little, too
little is taken for covered: a run leaves out what earlier Datasets hold.

Nothing hangs on the times of attempts and conditions; these stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from evaluation_operator.api.base import format_time
from evaluation_operator.api.dataset import RunResult
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import (
    ActiveRun,
    EvaluationJobStatus,
    PausedSpan,
)
from evaluation_operator.domain import naming
from evaluation_operator.domain.cover import Window, after_failure, merge, subtract
from evaluation_operator.domain.facts.dataset import DatasetFacts
from evaluation_operator.domain.flushing import is_ahead
from evaluation_operator.domain.jobs.recording import (
    latest_of,
    retry_windows,
    spans_of,
    windows_of,
    with_retry,
)
from evaluation_operator.domain.plan import EventRecord
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.schedule import ScheduleError, next_run_time, parse_schedule
from evaluation_operator.domain.snapshot import Run

JUMP = timedelta(days=2)


def horizon(job: EvaluationJob, now: datetime) -> datetime:
    """Up to which time a run is believed to be of its time."""
    return now + timedelta(days=_interval_days(job) or 1) + JUMP


def believed_runs(runs: Iterable[Run], job: EvaluationJob, now: datetime) -> tuple[Run, ...]:
    """The runs, those of beyond the horizon as of the time when they were made: they cannot have
    read rows of later."""
    end = horizon(job, now)
    return tuple(
        replace(run, dataset=_as_it_was_made(run.dataset, job, now))
        if run.dataset.scheduled_time > end
        else run
        for run in runs
    )


def believed_status(
    job: EvaluationJob, runs: Iterable[Run], now: datetime
) -> tuple[EvaluationJobStatus, list[EventRecord]]:
    """The status without what is not believed, and what to say of that. `runs`: as believed."""
    reading = _Reading(job, tuple(run.dataset for run in runs), now, job.status, [])
    reading.read_last_run()
    reading.read_next_run()
    reading.read_cover()
    reading.read_retries()
    reading.read_pauses()
    reading.read_latest()
    reading.read_success()
    return reading.status, reading.events


def _as_it_was_made(dataset: DatasetFacts, job: EvaluationJob, now: datetime) -> DatasetFacts:
    made = dataset.create_time
    if is_ahead(made, now):
        return replace(dataset, scheduled_time=job.created, windows=())
    windows = tuple(replace(it, end=min(it.end, made)) for it in dataset.windows if it.start < made)
    return replace(dataset, scheduled_time=made, windows=windows)


def _interval_days(job: EvaluationJob) -> int | None:
    try:
        return parse_schedule(job.spec.schedule).interval_days
    except ScheduleError:
        return None


@dataclass
class _Reading:
    """A status while it is read, field by field; each may lean on those before."""

    job: EvaluationJob
    datasets: tuple[DatasetFacts, ...]
    now: datetime
    status: EvaluationJobStatus
    events: list[EventRecord]

    def read_last_run(self) -> None:
        """Beyond what is known, runs would be left out; a run that no status lists is taken up."""
        last = self.status.last_run_time
        if last is None or not is_ahead(last, self.now):
            return
        known = self._run_times()
        if last in known:
            return
        time = max(known, default=None)
        listed = {run.name for run in self.status.active}
        lost = [
            ActiveRun(name=it.name, scheduled_time=it.scheduled_time)
            for it in self._roots()
            if it.outcome is None and not it.deleting and it.name not in listed
        ]
        why = f"and no run of then is known: {_shown(time)} is taken"
        self._tell("lastRunTime", last, why)
        self.status = self.status.changed(last_run_time=time, active=[*self.status.active, *lost])

    def read_next_run(self) -> None:
        promised, days = self.status.next_run_time, _interval_days(self.job)
        if promised is None or days is None or self.status.interval_days not in (None, days):
            return  # it is promised anew
        last = self.status.last_run_time
        after = max(self.now, last) if last is not None else self.now
        due = next_run_time(self.job.created, days, after)
        if promised > due and is_ahead(promised, self.now):
            why = f"and is later than the schedule has it: {_shown(due)} is taken"
            self._tell("nextRunTime", promised, why)
            self.status = self.status.changed(next_run_time=due)

    def read_cover(self) -> None:
        cover = windows_of(self.status.cover)
        doubtful = [it for it in cover if is_ahead(it.end, self.now)]
        if not doubtful:
            return
        certain = [it for it in cover if it not in doubtful]
        unsupported = subtract(doubtful, self._evaluated())
        kept = merge([*certain, *subtract(doubtful, unsupported)])
        if kept == merge(cover):
            return
        end = max((it.end for it in kept), default=None)
        why = f"and no run is known to have evaluated so much: {_shown(end)} is taken"
        self._tell("cover", max(it.end for it in doubtful), why)
        self.status = self.status.changed(cover=spans_of(kept))

    def read_retries(self) -> None:
        """Rows of the future would be given up at their first failure."""
        retry = retry_windows(self.status)
        ends = [window.end for it in self._roots() for window in it.windows]
        end = max(self.now, self.status.last_run_time or self.now, *ends)
        kept = [replace(it, end=min(it.end, end)) for it in retry if it.start < end]
        furthest = max((it.end for it in retry), default=end)
        if furthest > end and is_ahead(furthest, self.now):
            why = f"and no run over it has failed: {_shown(end)} is taken"
            self._tell("retryWindows", furthest, why)
            self.status = with_retry(self.status, kept)

    def read_pauses(self) -> None:
        """Rows of those times would be left out. A pause that goes on is noted anew."""
        spans = self.status.paused_spans
        times = [time for it in spans for time in (it.start_time, it.end_time) if time is not None]
        furthest = max(times, default=self.now)
        if not is_ahead(furthest, self.now):
            return
        kept = [self._ended(it) for it in spans if not is_ahead(it.start_time, self.now)]
        why = f"and no pause is known of then: {_shown(self.now)} is taken"
        self._tell("pausedSpans", furthest, why)
        self.status = self.status.changed(paused_spans=kept)

    def read_latest(self) -> None:
        """It would never be replaced by a newer one."""
        latest = self.status.latest_evaluation
        if latest is None or latest.evaluation_job_run_time is None:
            return
        time = latest.evaluation_job_run_time
        named = self._time_of(latest.dataset or latest.name)
        if not is_ahead(time, self.now) or time == named:
            return
        active = {run.name for run in self.status.active}
        right = latest_of(it for it in self.datasets if it.name not in active)
        if named is not None:
            right = latest.changed(evaluation_job_run_time=named)
        taken = right.evaluation_job_run_time if right is not None else None
        why = f"and no run of then is known: {_shown(taken)} is taken"
        self._tell("latestEvaluation.evaluationJobRunTime", time, why)
        self.status = self.status.changed(latest_evaluation=right)

    def read_success(self) -> None:
        last = self.status.last_success_time
        if last is None or not is_ahead(last, self.now):
            return
        times = [
            it.outcome.time
            for it in self.datasets
            if it.outcome is not None
            and it.outcome.result is RunResult.SUCCEEDED
            and not is_ahead(it.outcome.time, self.now)
        ]
        time = max(times, default=None)
        self._tell("lastSuccessTime", last, f"so {_shown(time)} is taken")
        self.status = self.status.changed(last_success_time=time)

    # What is known.

    def _roots(self) -> list[DatasetFacts]:
        """The runs of the schedule, in the order of their times."""
        roots = [it for it in self.datasets if it.revision is None]
        return sorted(roots, key=lambda it: it.scheduled_time)

    def _run_times(self) -> set[datetime]:
        """The times of all runs that anything tells of."""
        status, latest = self.status, self.status.latest_evaluation
        names = [it.dataset or "" for it in status.attempts] + [it.name for it in status.active]
        names += [latest.dataset or latest.name] if latest is not None else []
        told = [time for name in names if (time := self._time_of(name)) is not None]
        return {*told, *(it.scheduled_time for it in self._roots())}

    def _time_of(self, run: str) -> datetime | None:
        """By a run's name, which holds its time; None for one of beyond the horizon."""
        known = next((it for it in self.datasets if it.name == run), None)
        if known is not None:
            return known.scheduled_time
        time = naming.run_time(self.job.name, run)
        return time if time is not None and time <= horizon(self.job, self.now) else None

    def _evaluated(self) -> tuple[Window, ...]:
        """What has been, as far as the runs that are known and the rows that wait tell."""
        roots = self._roots()
        end = max((window.end for it in roots for window in it.windows), default=self.job.created)
        found: tuple[Window, ...] = (Window(self.job.created, end),)
        for dataset in roots:
            result = dataset.outcome.result if dataset.outcome is not None else None
            covered = dataset.windows if result in (RunResult.SUCCEEDED, RunResult.NO_DATA) else ()
            if result is RunResult.FAILED:
                _, covered = after_failure(dataset.windows)
            found = merge([*subtract(found, dataset.windows), *covered])
        return subtract(found, retry_windows(self.status))

    def _ended(self, span: PausedSpan) -> PausedSpan:
        if span.end_time is None or not is_ahead(span.end_time, self.now):
            return span
        return span.changed(end_time=self.now)

    def _tell(self, field: str, found: datetime, why: str) -> None:
        message = (
            f"status.{field}: {_shown(found)} lies in the future, {why}; see whether the clocks of "
            "the operator and the nodes are right, and who wrote it: kubectl get evj "
            f"{self.job.name} -n {self.job.namespace} -o yaml --show-managed-fields"
        )
        self.events.append(EventRecord(Reason.FUTURE_NOT_BELIEVED, message, warning=True))


def _shown(time: datetime | None) -> str:
    return format_time(time) if time is not None else "none"
