"""When the runs of a job are due: the promise of `status.nextRunTime`, and whether it is kept."""

from __future__ import annotations

from datetime import datetime

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain.schedule import (
    Schedule,
    ScheduleError,
    first_run_time,
    latest_run_time,
    next_run_time,
    parse_schedule,
)


def due_slot(job: EvaluationJob, now: datetime) -> datetime | None:
    """The run time whose runs have not been started though it has come; None while there is
    none. A start may be late: the runs still are those of this time, and cover rows up to it."""
    if job.spec.is_paused:
        return None
    try:
        schedule = parse_schedule(job.spec.schedule)
    except ScheduleError:
        return None
    if promised_time(job, schedule, now) > now:
        return None
    slot = latest_run_time(job.created, schedule.interval_days, now)
    last = job.status.last_run_time
    return slot if slot is not None and (last is None or slot > last) else None


def promised_time(job: EvaluationJob, schedule: Schedule, now: datetime) -> datetime:
    """When the next run is due; in the past, if it is overdue.

    A promise that was made holds, also while the operator is away. A job that is seen for the
    first time is owed its first run. After a pause or a repaired spec nothing is owed: the next
    grid point counts.
    """
    created, status = job.created, job.status
    promised = status.next_run_time
    if promised is None:
        if status.observed_generation is None:
            return first_run_time(created)
        return next_run_time(created, schedule.interval_days, now)
    changed = status.interval_days not in (None, schedule.interval_days)
    if changed and promised > now:
        return next_run_time(created, schedule.interval_days, now)
    return promised
