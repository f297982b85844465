"""The grid of run times: 10:00 UTC, every N days from the first one after creation.

The grid depends on the creation time and the interval alone, so pausing, restarting and missing
runs never move it. All functions are closed forms; all times are aware, and results are in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

RUN_TIME = time(hour=10, tzinfo=UTC)


def first_run_time(created: datetime) -> datetime:
    """The first 10:00 UTC strictly after `created`."""
    start = _in_utc(created)
    same_day = datetime.combine(start.date(), RUN_TIME)
    return same_day if same_day > start else same_day + timedelta(days=1)


def next_run_time(created: datetime, interval_days: int, after: datetime) -> datetime:
    """The first point of the grid strictly after `after`."""
    first, step = first_run_time(created), _step(interval_days)
    moment = _in_utc(after)
    if moment < first:
        return first
    return first + ((moment - first) // step + 1) * step


def latest_run_time(created: datetime, interval_days: int, now: datetime) -> datetime | None:
    """The latest point of the grid that is not after `now`; None before the first."""
    first, step = first_run_time(created), _step(interval_days)
    moment = _in_utc(now)
    if moment < first:
        return None
    return first + ((moment - first) // step) * step


def _in_utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError(f"time {moment.isoformat()} has no time zone; use an aware datetime")
    return moment.astimezone(UTC)


def _step(interval_days: int) -> timedelta:
    if interval_days < 1:
        raise ValueError(f"interval of {interval_days} days must be at least 1")
    return timedelta(days=interval_days)
