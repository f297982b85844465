"""The arithmetic of windows, against sets of hours."""

from __future__ import annotations

import itertools
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from evaluation_operator.domain.cover import (
    Window,
    after_failure,
    merge,
    plan_runs,
    subtract,
    uncovered,
)
from tests.unit.domain.world import CREATED

HOURS = 24


def hour(number: int, length: int = 1, failures: int = 0) -> Window:
    start = CREATED + timedelta(hours=number)
    return Window(start, start + timedelta(hours=length), failures)


def hours_of(windows: tuple[Window, ...]) -> set[int]:
    """The hours that lie in the windows; windows that share one are a fault."""
    found: list[int] = []
    for window in windows:
        first = int((window.start - CREATED) / timedelta(hours=1))
        found += range(first, first + int((window.end - window.start) / timedelta(hours=1)))
    return set(found)


def disjoint(windows: tuple[Window, ...]) -> bool:
    ordered = sorted(windows)
    return all(a.end <= b.start for a, b in itertools.pairwise(ordered))


windows = st.builds(hour, st.integers(0, HOURS - 1), st.integers(0, 6), failures=st.integers(0, 4))
several = st.lists(windows, max_size=6).map(tuple)


@given(several)
def test_merging_keeps_every_instant_in_as_few_windows_as_possible(
    given_windows: tuple[Window, ...],
) -> None:
    merged = merge(given_windows)

    assert hours_of(merged) == hours_of(given_windows)
    assert all(a.end < b.start for a, b in itertools.pairwise(merged))
    assert merge(merged) == merged


@given(several, several)
def test_subtracting_takes_out_exactly_the_holes(
    given_windows: tuple[Window, ...], holes: tuple[Window, ...]
) -> None:
    left = subtract(given_windows, holes)

    assert hours_of(left) == hours_of(given_windows) - hours_of(holes)
    assert {w.failures for w in left} <= {w.failures for w in given_windows}


@given(several, several, several, st.integers(0, HOURS))
def test_a_run_takes_each_instant_that_nobody_has_exactly_once(
    cover: tuple[Window, ...], active: tuple[Window, ...], retry: tuple[Window, ...], end: int
) -> None:
    apart = tuple(w for w in merge(retry))
    pieces = uncovered(
        CREATED, CREATED + timedelta(hours=end), cover=cover, active=active, retry=apart
    )

    free = set(range(end)) - hours_of(cover) - hours_of(active)
    assert hours_of(pieces) == free
    assert disjoint(pieces)


def test_failures_stay_with_the_piece_that_failed() -> None:
    pieces = uncovered(
        CREATED,
        CREATED + timedelta(hours=4),
        cover=[hour(0)],
        active=[],
        retry=[hour(1, 2, failures=2)],
    )

    assert pieces == (hour(1, 2, failures=2), hour(3))


def test_what_failed_beyond_the_end_waits() -> None:
    """A larger labelDelay moves the end back: rows whose labels are not due are not taken."""
    pieces = uncovered(
        CREATED,
        CREATED + timedelta(hours=2),
        cover=[hour(0)],
        active=[],
        retry=[hour(1, 3, failures=1)],
    )

    assert pieces == (hour(1, failures=1),)


def test_three_failures_run_alone_and_the_rest_together() -> None:
    runs = plan_runs([hour(0, failures=3), hour(1, failures=2), hour(2), hour(3, failures=4)])

    assert runs == (
        (hour(1, failures=2), hour(2)),
        (hour(0, failures=3),),
        (hour(3, failures=4),),
    )
    assert plan_runs([]) == ()


def test_the_fifth_failure_is_the_last() -> None:
    again, abandoned = after_failure([hour(0, failures=4), hour(1, failures=3), hour(2)])

    assert again == (hour(1, failures=4), hour(2, failures=1))
    assert abandoned == (hour(0, failures=5),)
