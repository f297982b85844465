"""The grid of run times: 10:00 UTC, every N days from the first after creation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.domain.schedule import (
    first_run_time,
    latest_run_time,
    next_run_time,
)

MOMENTS = st.datetimes(
    min_value=datetime(1990, 1, 1), max_value=datetime(2110, 1, 1), timezones=st.just(UTC)
)
INTERVALS = st.integers(min_value=1, max_value=1600)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("created", "first"),
    [
        ("2024-02-28T09:59:59.999999", "2024-02-28T10:00"),
        ("2024-02-28T10:00", "2024-02-29T10:00"),
        ("2024-02-28T10:00:00.000001", "2024-02-29T10:00"),
        ("2023-12-31T23:59:59", "2024-01-01T10:00"),
        ("2024-01-01T00:00", "2024-01-01T10:00"),
    ],
)
def test_the_first_run_is_at_ten_strictly_after_creation(created: str, first: str) -> None:
    assert first_run_time(at(created)) == at(first)


def test_a_creation_time_in_another_zone_gives_the_same_grid() -> None:
    in_berlin = datetime(2026, 3, 29, 11, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    in_kiritimati = in_berlin.astimezone(timezone(timedelta(hours=14)))

    for created in (in_berlin, in_kiritimati):
        first = first_run_time(created)
        assert first == at("2026-03-29T10:00")
        assert first.tzinfo is UTC
        assert next_run_time(created, 1, first) == at("2026-03-30T10:00")


@settings(max_examples=60, deadline=None)
@given(created=MOMENTS, interval=INTERVALS, later=st.timedeltas(timedelta(0), timedelta(9000)))
def test_next_and_latest_agree_with_walking_the_grid(
    created: datetime, interval: int, later: timedelta
) -> None:
    now = created + later
    walked = [first_run_time(created)]
    while walked[-1] <= now:
        walked.append(walked[-1] + timedelta(days=interval))

    assert next_run_time(created, interval, now) == walked[-1]
    assert latest_run_time(created, interval, now) == (walked[-2] if walked[1:] else None)


@settings(max_examples=60, deadline=None)
@given(created=MOMENTS, interval=INTERVALS, point=st.integers(0, 50))
def test_a_grid_point_is_its_own_latest_and_never_its_own_next(
    created: datetime, interval: int, point: int
) -> None:
    run = first_run_time(created) + timedelta(days=interval * point)
    instant = timedelta(microseconds=1)

    assert latest_run_time(created, interval, run) == run
    assert next_run_time(created, interval, run) == run + timedelta(days=interval)
    assert next_run_time(created, interval, run - instant) == run
    assert latest_run_time(created, interval, run - instant) != run
    assert (run.hour, run.minute, run.second, run.microsecond) == (10, 0, 0, 0)


@settings(max_examples=60, deadline=None)
@given(
    created=MOMENTS,
    interval=st.integers(1, 40),
    steps=st.lists(
        st.tuples(st.timedeltas(timedelta(minutes=1), timedelta(days=9)), st.booleans()),
        max_size=40,
    ),
)
def test_pauses_and_restarts_never_skip_or_repeat_a_point(
    created: datetime, interval: int, steps: list[tuple[timedelta, bool]]
) -> None:
    """An operator that is now up, now down or paused, and knows only the last run it made."""
    made: list[datetime] = []
    missed: list[datetime] = []
    now = created
    for passed, is_up in steps:
        before, now = now, now + passed
        due = latest_run_time(created, interval, now)
        if is_up and due is not None and due > before:
            made.append(due)
        points = grid_between(created, interval, before, now)
        missed += [point for point in points if point not in made]

    assert made == sorted(set(made))
    assert sorted(made + missed) == grid_between(created, interval, created, now)


def grid_between(created: datetime, interval: int, after: datetime, to: datetime) -> list[datetime]:
    points = []
    point = next_run_time(created, interval, after)
    while point <= to:
        points.append(point)
        point = next_run_time(created, interval, point)
    return points


def test_a_daily_grid_has_every_day_of_a_leap_year_once() -> None:
    created = at("2023-12-31T12:00")
    days = [run.date() for run in grid_between(created, 1, created, at("2024-12-31T23:59"))]

    assert len(days) == len(set(days)) == 366
    assert at("2024-02-29T00:00").date() in days


def test_nothing_is_due_before_the_first_point() -> None:
    created = at("2026-05-01T12:00")

    assert latest_run_time(created, 3, at("2026-05-02T09:59")) is None
    assert next_run_time(created, 3, at("2020-01-01T00:00")) == at("2026-05-02T10:00")


def test_a_time_without_zone_and_an_interval_below_a_day_are_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        first_run_time(datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="at least 1"):
        next_run_time(at("2026-01-01T00:00"), 0, at("2026-01-01T00:00"))
