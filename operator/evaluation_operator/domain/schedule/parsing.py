"""From the text of a schedule to its interval in whole days.

The interval is the mean gap between firings, in UTC, rounded half up to whole days. It must be
at least one day between any two firings before rounding. Only the interval is used: runs are at
10:00 UTC, whatever time of day the schedule names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from evaluation_operator.domain.schedule.crontab import (
    Crontab,
    looks_like_crontab,
    parse_crontab,
)
from evaluation_operator.domain.schedule.english import parse_english
from evaluation_operator.domain.schedule.errors import ScheduleError
from evaluation_operator.domain.schedule.firing_days import gaps_of
from evaluation_operator.domain.schedule.foreign import check_foreign
from evaluation_operator.domain.schedule.syntax import MINUTES_IN_DAY, EveryPeriod, OnDays

Kind = Literal["crontab", "english"]

MAX_LENGTH = 256
MAX_DAYS = 36_525
_MAX_NUMBER = 99_999


@dataclass(frozen=True, slots=True)
class Schedule:
    """A legal schedule. `interval_days` is `mean_gap_days` rounded half up, at least 1."""

    text: str
    kind: Kind
    interval_days: int
    mean_gap_days: Fraction
    warnings: tuple[str, ...]
    explanation: str


@dataclass(frozen=True, slots=True)
class _Interval:
    mean: Fraction
    least_gap: Fraction
    warnings: tuple[str, ...] = ()


def parse_schedule(text: str, *, strict: bool = False) -> Schedule:
    """Reads a crontab or an English-like schedule; the same text is parsed once.

    `strict` refuses the extensions: macros, capitals and further units in English schedules,
    a missing time of day, ordinals for days of the month. Raises ScheduleError.
    """
    return _parse(text, strict)


def rounded_half_up(days: Fraction) -> int:
    """Whole days, 2.5 to 3; Python's own `round` would give 2."""
    return math.floor(days + Fraction(1, 2))


@lru_cache(maxsize=4096)
def _parse(text: str, strict: bool) -> Schedule:
    if not text.strip():
        reason = "a schedule is required; write for example 'every 24 hours'"
        raise ScheduleError(text, reason, position=0, field="schedule")
    if len(text) > MAX_LENGTH:
        reason = f"{len(text)} characters, more than {MAX_LENGTH}; write a shorter schedule"
        raise ScheduleError(text, reason, position=MAX_LENGTH, field="schedule")
    check_foreign(text)
    kind: Kind = "crontab" if looks_like_crontab(text) else "english"
    if kind == "crontab":
        interval = _of_crontab(text, parse_crontab(text, strict=strict))
    else:
        parsed = parse_english(text, strict=strict)
        interval = (
            _of_period(text, parsed) if isinstance(parsed, EveryPeriod) else _of_days(text, parsed)
        )
    return Schedule(
        text=text,
        kind=kind,
        interval_days=rounded_half_up(interval.mean),
        mean_gap_days=interval.mean,
        warnings=interval.warnings,
        explanation=_explanation(text, interval),
    )


def _of_period(text: str, period: EveryPeriod) -> _Interval:
    mean = Fraction(period.minutes, MINUTES_IN_DAY)
    if period.window is not None:
        if period.minutes > period.window.minutes:
            return _once_a_day(period)
    elif period.synchronized and MINUTES_IN_DAY % period.minutes != 0:
        reason = (
            f"synchronized needs an interval that divides 24 hours, found {period.count} "
            f"{period.unit}; write 'every 24 hours synchronized' or leave out 'synchronized'"
        )
        raise ScheduleError(text, reason, position=period.position, field="interval")
    if mean < 1:
        raise _too_often(text, f"interval is {period.count} {period.unit}", period.position)
    if mean > MAX_DAYS:
        reason = (
            f"interval is {period.count} {period.unit}, above the maximum of {MAX_DAYS} days; "
            "write 'every 720 hours' or another shorter one"
        )
        raise ScheduleError(text, reason, position=period.position, field="interval")
    return _Interval(mean, least_gap=mean)


def _once_a_day(period: EveryPeriod) -> _Interval:
    """`from A to B` starts the count again at A each day, so only the tick at A is left."""
    if period.minutes == MINUTES_IN_DAY:
        return _Interval(Fraction(1), least_gap=Fraction(1))
    warning = (
        f"'from' starts the count again every day, so 'every {period.count} {period.unit}' fires "
        "once a day here; leave out 'from … to …' for another interval"
    )
    return _Interval(Fraction(1), least_gap=Fraction(1), warnings=(warning,))


def _of_crontab(text: str, crontab: Crontab) -> _Interval:
    interval = _of_days(text, OnDays(crontab.days, crontab.days_position))
    times = crontab.times
    if len(times) > 1:
        least = min(later - earlier for earlier, later in pairwise(times))
        if interval.least_gap == 1:
            least = min(least, times[0] + MINUTES_IN_DAY - times[-1])
        fault = f"interval is {_duration(least)} (it fires {len(times)} times a day)"
        raise _too_often(text, fault, crontab.times_position)
    return replace(interval, warnings=crontab.warnings + interval.warnings)


def _of_days(text: str, on: OnDays) -> _Interval:
    gaps = gaps_of(on.days)
    if gaps is None:
        first = min(on.days.month_days or ())
        reason = (
            f"day {first} never comes: no month given here has it; "
            "write 28 or less for a day that every month has"
        )
        raise ScheduleError(text, reason, position=on.position, field="day of month")
    warnings = _irregular(gaps.mean, gaps.commonest)
    return _Interval(gaps.mean, least_gap=Fraction(gaps.least), warnings=warnings)


def _irregular(mean: Fraction, commonest: int) -> tuple[str, ...]:
    """A warning if the interval is more than a tenth away from the gap seen most often."""
    interval = rounded_half_up(mean)
    if abs(interval - commonest) * 10 <= commonest:
        return ()
    warning = (
        f"the gaps are uneven: {commonest} {_days(commonest)} most often, {_number(mean)} on "
        f"average, so runs are every {interval} {_days(interval)}"
    )
    if commonest * 24 <= _MAX_NUMBER:
        warning += (
            f"; for a run every {commonest} {_days(commonest)} write 'every {commonest * 24} hours'"
        )
    return (warning,)


def _too_often(text: str, fault: str, position: int) -> ScheduleError:
    reason = f"{fault}, below the minimum of 1 day; write 'every 24 hours' or longer"
    return ScheduleError(text, reason, position=position, field="interval")


def _explanation(text: str, interval: _Interval) -> str:
    shown = " ".join(text.split())
    days = rounded_half_up(interval.mean)
    runs = "a run every day" if days == 1 else f"a run every {days} days"
    is_average = "" if interval.least_gap == interval.mean else " on average"
    mean = f"{_number(interval.mean)} {_days(interval.mean)}{is_average}"
    rounding = "" if interval.mean == days else f", rounded to {days}"
    return f"{shown} is {mean}{rounding}: {runs} at 10:00 UTC"


def _number(days: Fraction) -> str:
    """At most three decimals: 2, 1.25, 30.437."""
    thousandths = math.floor(days * 1000 + Fraction(1, 2))
    return f"{thousandths // 1000}.{thousandths % 1000:03d}".rstrip("0").rstrip(".")


def _days(count: int | Fraction) -> str:
    return "day" if count == 1 else "days"


def _duration(minutes: int) -> str:
    count, unit = (minutes // 60, "hour") if minutes % 60 == 0 else (minutes, "minute")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
