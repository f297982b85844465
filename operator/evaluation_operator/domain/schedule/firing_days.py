"""The days on which a calendar schedule fires, counted over the whole Gregorian calendar.

The calendar repeats every 400 years, which are 146,097 days and a whole number of weeks. Counting
firing days over one such cycle therefore gives the exact mean gap, the same from whatever date a
schedule starts. A year is one of 14 kinds (leap or not, times the weekday of 1 January), so only
14 years are looked at day by day.
"""

from __future__ import annotations

import calendar
from collections import Counter
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

DAYS_IN_CYCLE = 146_097
_CYCLE_YEARS = range(2000, 2400)

ALL_MONTHS = frozenset(range(1, 13))
ALL_WEEKS = frozenset(range(1, 6))


@dataclass(frozen=True, slots=True)
class FiringDays:
    """Which days fire; weekdays count from 0 = Monday.

    A day must lie in `months`. None for `month_days` or `weekdays` leaves that side open; where
    both are given a day that matches either one fires, as cron has it. `weeks` says which of the
    month's weekdays count: 2 is the second Tuesday.
    """

    months: frozenset[int] = ALL_MONTHS
    month_days: frozenset[int] | None = None
    weekdays: frozenset[int] | None = None
    weeks: frozenset[int] = ALL_WEEKS

    def includes(self, month: int, day: int, weekday: int) -> bool:
        if month not in self.months:
            return False
        if self.month_days is None and self.weekdays is None:
            return True
        if self.month_days is not None and day in self.month_days:
            return True
        week = (day - 1) // 7 + 1
        return self.weekdays is not None and weekday in self.weekdays and week in self.weeks


@dataclass(frozen=True, slots=True)
class Gaps:
    """How far apart firing days are, in days, over the 400-year cycle."""

    firing_days: int
    commonest: int
    least: int

    @property
    def mean(self) -> Fraction:
        return Fraction(DAYS_IN_CYCLE, self.firing_days)


@lru_cache(maxsize=1024)
def gaps_of(days: FiringDays) -> Gaps | None:
    """The gaps between firing days; None if no day of the cycle fires."""
    counts = gap_counts(days)
    if not counts:
        return None
    commonest = min(counts, key=lambda gap: (-counts[gap], gap))
    return Gaps(firing_days=counts.total(), commonest=commonest, least=min(counts))


def gap_counts(days: FiringDays) -> Counter[int]:
    """How often each gap, in days, comes in a cycle, the one over its end included."""
    kinds = {
        (leap, first): _firing_offsets(days, leap, first)
        for leap in (False, True)
        for first in range(7)
    }
    inside = {kind: Counter(b - a for a, b in pairwise(offsets)) for kind, offsets in kinds.items()}
    counts: Counter[int] = Counter()
    first_ever: int | None = None
    last: int | None = None
    new_year = 0
    for year in _CYCLE_YEARS:
        leap = calendar.isleap(year)
        kind = (leap, date(year, 1, 1).weekday())
        if offsets := kinds[kind]:
            if last is not None:
                counts[new_year + offsets[0] - last] += 1
            if first_ever is None:
                first_ever = offsets[0] + new_year
            counts.update(inside[kind])
            last = new_year + offsets[-1]
        new_year += 365 + leap
    if first_ever is not None and last is not None:
        counts[first_ever + DAYS_IN_CYCLE - last] += 1
    return counts


def _firing_offsets(days: FiringDays, leap: bool, first_weekday: int) -> tuple[int, ...]:
    """Firing days of one kind of year, as days since 1 January."""
    offsets = []
    offset = 0
    for month in range(1, 13):
        length = calendar.monthrange(2000 if leap else 2001, month)[1]
        if month in days.months:
            offsets += [
                offset + day - 1
                for day in range(1, length + 1)
                if days.includes(month, day, (first_weekday + offset + day - 1) % 7)
            ]
        offset += length
    return tuple(offsets)
