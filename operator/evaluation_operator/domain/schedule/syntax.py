"""What an English-like schedule says, after parsing and before any meaning is worked out."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation_operator.domain.schedule.firing_days import FiringDays

MINUTES_IN_DAY = 1440


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text. `kind` is number, ordinal, time, word, "," or end.

    `value` is the number, the ordinal's number, or a time's minutes since midnight; `word` is
    the lower-case word; `position` the 0-based offset in the text.
    """

    kind: str
    text: str
    position: int
    value: int = 0
    word: str = ""


@dataclass(frozen=True, slots=True)
class DailyWindow:
    """`from A to B`, in minutes since midnight; B before A is on the next day."""

    start: int
    end: int

    @property
    def minutes(self) -> int:
        return (self.end - self.start) % MINUTES_IN_DAY


@dataclass(frozen=True, slots=True)
class EveryPeriod:
    """`every N units`, with at most one of its two tails."""

    count: int
    unit: str
    unit_minutes: int
    position: int
    window: DailyWindow | None = None
    synchronized: bool = False

    @property
    def minutes(self) -> int:
        return self.count * self.unit_minutes


@dataclass(frozen=True, slots=True)
class OnDays:
    """Fires once on each of these days; the time of day is read and dropped."""

    days: FiringDays
    position: int


English = EveryPeriod | OnDays
