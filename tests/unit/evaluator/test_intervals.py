"""The sampling intervals of a job, and what of them lies around windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.domain.schedule import latest_run_time
from evaluation_operator.evaluator.intervals import Intervals
from evaluation_operator.tables.protocol import Window

CREATED = datetime(2026, 3, 2, 8, tzinfo=UTC)
FIRST_RUN = datetime(2026, 3, 2, 10, tzinfo=UTC)


def at(hours: float) -> datetime:
    return FIRST_RUN + timedelta(hours=hours)


def test_windows_on_the_grid_need_nothing_else() -> None:
    windows = (Window(CREATED, at(0)), Window(at(0), at(48)))
    assert Intervals(CREATED, 2).rest(windows) == ()


def test_a_delayed_window_needs_the_rest_of_the_intervals_that_it_cuts() -> None:
    rest = Intervals(CREATED, 1).rest((Window(at(18), at(42)),))
    assert rest == (Window(at(0), at(18)), Window(at(42), at(48)))


def test_the_first_interval_goes_back_to_the_creation_alone() -> None:
    assert Intervals(CREATED, 7).rest((Window(at(-1), at(0)),)) == (Window(CREATED, at(-1)),)


def test_a_window_without_end_needs_what_lies_before_it() -> None:
    assert Intervals(CREATED, 1).rest((Window(at(5)),)) == (Window(at(0), at(5)),)


def test_the_ends_of_the_calendar_are_no_error() -> None:
    earliest, latest = (end.replace(tzinfo=UTC) for end in (datetime.min, datetime.max))
    intervals = Intervals(CREATED, 100)
    (before, after) = intervals.rest((Window(earliest + timedelta(days=1), latest),))
    assert before.start == earliest
    assert after.end == latest or after.start == latest


@settings(max_examples=100)
@given(st.floats(-2, 2000), st.floats(0.001, 500), st.integers(1, 9))
def test_window_and_rest_are_whole_intervals_and_no_more(
    start: float, length: float, days: int
) -> None:
    window = Window(at(start), at(start + length))
    parts = Intervals(CREATED, days).rest((window,))
    first = min([window.start, *(part.start for part in parts)])
    last = max(end for end in (window.end, *(part.end for part in parts)) if end is not None)
    step = timedelta(days=days)
    assert first in (CREATED, latest_run_time(CREATED, days, first))
    assert last == FIRST_RUN or latest_run_time(CREATED, days, last) == last
    assert window.start - first < step
    assert window.end is not None
    assert last - window.end < step


def test_a_row_that_names_its_interval_is_of_that_one() -> None:
    intervals = Intervals(CREATED, 1)
    assert intervals.of(at(3), at(50)) == intervals.of(at(3), None) != intervals.of(at(4), None)
    assert intervals.of(None, at(23)) == intervals.of(None, at(0)) != intervals.of(None, at(24))
    assert intervals.of(None, None) is None
