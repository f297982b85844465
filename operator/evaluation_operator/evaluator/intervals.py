"""The sampling intervals of a job: from one run time to the next, the first from its creation.

The cap and the fraction apply to a whole interval. Where a window cuts one (ground truth that
comes later moves windows, not intervals), all of it must be known to draw from a part.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from evaluation_operator.domain.schedule import first_run_time
from evaluation_operator.tables.protocol import Window

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


class Intervals:
    """The grid of a job's run times; it goes on before the creation, for rows of others."""

    def __init__(self, created: datetime, days: int) -> None:
        self._created = created
        self._anchor = first_run_time(created)
        self._days = days

    def of(self, interval_start: datetime | None, moment: datetime | None) -> str | None:
        """What stands for a row's interval: its start where the row says it, else a number."""
        if interval_start is not None:
            return interval_start.isoformat()
        return None if moment is None else str(self._number(moment))

    def rest(self, windows: Iterable[Window]) -> tuple[Window, ...]:
        """What of the intervals that these windows cut lies before and after the windows."""
        parts = set()
        for window in windows:
            start = self._start(window.start)
            if start < window.start:
                parts.add(Window(start, window.start))
            if window.end is None or self._start(window.end) == window.end:
                continue
            parts.add(Window(window.end, self._border(self._number(window.end) + 1)))
        return tuple(sorted(parts, key=lambda part: part.start))

    def _start(self, moment: datetime) -> datetime:
        start = self._border(self._number(moment))
        return max(start, self._created) if moment >= self._created else start

    def _number(self, moment: datetime) -> int:
        return (moment - self._anchor).days // self._days

    def _border(self, number: int) -> datetime:
        """Where interval `number` begins; at the ends of the calendar, there."""
        try:
            return self._anchor + timedelta(days=number * self._days)
        except OverflowError:
            return _EARLIEST if number < 0 else _LATEST
