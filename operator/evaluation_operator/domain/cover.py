"""Which stretches of time a job's runs cover: half-open windows and their arithmetic.

No row may be evaluated twice by the schedule and none may be left out, so a new run covers
exactly what no succeeded, abandoned or still active run covers. A failed run's windows are kept
apart with their number of failures, so that one poisonous stretch cannot take the fresh rows
down with it for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

FAILURES_BEFORE_ALONE = 3
FAILURES_BEFORE_ABANDONED = 5


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """[start, end) in UTC; `failures` counts the failed runs that had it."""

    start: datetime
    end: datetime
    failures: int = 0


def merge(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The union as few windows as possible, in order; failures are forgotten."""
    merged: list[Window] = []
    for window in sorted(windows):
        if window.start >= window.end:
            continue
        if merged and window.start <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(merged[-1].end, window.end))
        else:
            merged.append(Window(window.start, window.end))
    return tuple(merged)


def subtract(windows: Iterable[Window], holes: Iterable[Window]) -> tuple[Window, ...]:
    """What of `windows` lies in no hole; each piece keeps its window's failures."""
    remaining = [window for window in windows if window.start < window.end]
    for hole in merge(holes):
        remaining = [piece for window in remaining for piece in _cut(window, hole)]
    return tuple(sorted(remaining))


def _cut(window: Window, hole: Window) -> list[Window]:
    if hole.end <= window.start or window.end <= hole.start:
        return [window]
    pieces = []
    if window.start < hole.start:
        pieces.append(replace(window, end=hole.start))
    if hole.end < window.end:
        pieces.append(replace(window, start=hole.end))
    return pieces


def uncovered(
    start: datetime,
    end: datetime,
    *,
    cover: Iterable[Window],
    active: Iterable[Window],
    retry: Iterable[Window],
) -> tuple[Window, ...]:
    """What a run may take of [start, end): pieces that failed before, and what is fresh."""
    taken = (*cover, *active)
    beyond = Window(end, datetime.max.replace(tzinfo=end.tzinfo))
    failed = subtract(retry, (*taken, beyond))
    fresh = subtract((Window(start, end),), (*taken, *failed)) if start < end else ()
    return tuple(sorted((*failed, *fresh)))


def plan_runs(pieces: Sequence[Window]) -> tuple[tuple[Window, ...], ...]:
    """Split pieces into runs: whatever failed too often runs alone, all the rest together."""
    together = tuple(piece for piece in pieces if piece.failures < FAILURES_BEFORE_ALONE)
    alone = [(piece,) for piece in pieces if piece.failures >= FAILURES_BEFORE_ALONE]
    return ((together,) if together else ()) + tuple(alone)


def after_failure(
    windows: Iterable[Window],
) -> tuple[tuple[Window, ...], tuple[Window, ...]]:
    """(to try again, to abandon) when a run over these windows has failed."""
    counted = [replace(window, failures=window.failures + 1) for window in windows]
    again = tuple(w for w in counted if w.failures < FAILURES_BEFORE_ABANDONED)
    abandoned = tuple(w for w in counted if w.failures >= FAILURES_BEFORE_ABANDONED)
    return again, abandoned
