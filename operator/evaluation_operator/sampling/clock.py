"""Times that never stand still and never go back, for one replica."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_MICROSECOND = timedelta(microseconds=1)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """The machine's clock, which may be set back at any time."""
    return datetime.now(UTC)


class Clock:
    """Stamps in UTC, exact to the microsecond, each later than every time told before it.

    A reader that was told "everything before F is there" must never see a row before F appear,
    so what was told counts as much as what was stamped.
    """

    def __init__(self, read: Callable[[], datetime] = utc_now) -> None:
        self._read = read
        self._told = _BEGINNING

    def now(self) -> datetime:
        """The time, for measuring what has passed; not before any stamp."""
        return max(self._read(), self._told)

    def stamp(self) -> datetime:
        """A time of its own, later than all others."""
        now = self._read()
        if now <= self._told:
            now = self._told + _MICROSECOND
        self._told = now
        return now

    def follow(self, floor: datetime) -> None:
        """Let every later stamp lie after `floor`."""
        self._told = max(self._told, floor)
