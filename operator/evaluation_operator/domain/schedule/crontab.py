"""Crontab schedules: the only module that knows croniter.

croniter takes more than a five-field crontab (seconds and years, hashed and random fields, L, #)
and reads an equal range such as 5-5 as the whole field. So each field is checked here first, with
the place of a fault, and croniter then expands what is left: lists, ranges, steps and names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from croniter import croniter

from evaluation_operator.domain.schedule.errors import ScheduleError
from evaluation_operator.domain.schedule.firing_days import ALL_MONTHS, FiringDays

MACROS = {
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_FIELD_NAMES = ("minute", "hour", "day of month", "month", "day of week")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_UNSUPPORTED = {
    "l": "L (the last one) is not supported; write a day such as 28",
    "lw": "LW (the last working day) is not supported; write a day such as 28",
    "w": "W (the nearest working day) is not supported; write a day such as 15",
    "#": "# (a weekday of the month) is not supported; write '1st monday of month 10:00'",
    "h": "H (hashed) is not supported; write a number",
    "r": "R (random) is not supported; write a number",
    "?": "'?' is not supported; write '*'",
}
_ITEM = re.compile(r"(?:\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]+))?", re.ASCII)
_MAX_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Crontab:
    """When a crontab fires: the days, and the times of such a day in minutes since midnight."""

    days: FiringDays
    times: tuple[int, ...]
    days_position: int
    times_position: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: dict[str, int]


_MOST_DAYS = 31
_FIELDS = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of month", 1, 31, {}),
    _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)}),
    _Field("day of week", 0, 7, {name: number for number, name in enumerate(_WEEKDAYS)}),
)


def looks_like_crontab(text: str) -> bool:
    """Whether to read `text` as a crontab rather than as English.

    A `*` is in no English schedule. Without one, a crontab is five or more blank-separated fields
    whose first holds no letter, and has no "of" ("1, 8 of month 09:00" is five fields, too).
    """
    folded = text.strip().lower()
    if folded.startswith("@"):
        return True
    if "*" in folded:
        return not folded.startswith("every")
    fields = folded.split()
    numbers = len(fields) >= 5 and re.fullmatch(r"[0-9,/?-]+", fields[0]) is not None
    return numbers and "of" not in folded


def parse_crontab(text: str, *, strict: bool) -> Crontab:
    """The days and times of a crontab or, in lenient mode, a macro such as @daily."""
    if text.lstrip().startswith("@"):
        return _macro(text, strict)
    words = list(re.finditer(r"\S+", text))
    if len(words) != len(_FIELDS):
        position = words[len(_FIELDS)].start() if len(words) > len(_FIELDS) else len(text)
        raise ScheduleError(text, _count_fault(len(words)), position=position, field="schedule")
    warnings: list[str] = []
    checked = []
    for word, field in zip(words, _FIELDS, strict=True):
        position = word.start()
        items = []
        for item in word[0].split(","):
            items.append(_item(text, item, position, field, warnings, alone=item == word[0]))
            position += len(item) + 1
        checked.append(",".join(items))
    minutes, hours, month_days, months, weekdays = _expand(text, " ".join(checked))
    if month_days is not None and weekdays is not None and len(month_days) < _MOST_DAYS:
        warnings.append(
            "day of month and day of week are both given: it means the days that either names, as "
            "cron has it"
        )
    time_field = 0 if minutes is None or len(minutes) > 1 else 1
    return Crontab(
        days=FiringDays(
            months=months or ALL_MONTHS,
            month_days=month_days,
            # croniter counts weekdays from Sunday, FiringDays from Monday.
            weekdays=None if weekdays is None else frozenset((day + 6) % 7 for day in weekdays),
        ),
        times=tuple(
            sorted(
                hour * 60 + minute
                for hour in (range(24) if hours is None else hours)
                for minute in (range(60) if minutes is None else minutes)
            )
        ),
        days_position=words[2].start(),
        times_position=words[time_field].start(),
        warnings=tuple(warnings),
    )


def _macro(text: str, strict: bool) -> Crontab:
    macro = text.strip().lower()
    position = text.index("@")
    if macro == "@hourly":
        reason = "interval is 1 hour, below the minimum of 1 day; write 'every 24 hours' or longer"
        raise ScheduleError(text, reason, position=position, field="interval")
    if macro not in MACROS:
        reason = f"unknown macro; write one of {', '.join(MACROS)} or 'every 24 hours'"
        raise ScheduleError(text, reason, position=position, field="schedule")
    if strict:
        reason = f"strict mode takes no macros; write '{MACROS[macro]}'"
        raise ScheduleError(text, reason, position=position, field="schedule")
    return parse_crontab(MACROS[macro], strict=True)


def _count_fault(count: int) -> str:
    fault = f"a crontab has five fields ({', '.join(_FIELD_NAMES)}), found {count}"
    if count > len(_FIELDS):
        return f"{fault}; leave out seconds and years"
    return f"{fault}; write for example '0 10 * * *'"


def _item(
    text: str, item: str, position: int, field: _Field, warnings: list[str], *, alone: bool
) -> str:
    """One item of a list, checked, in the form that croniter reads rightly."""

    def refuse(reason: str) -> ScheduleError:
        return ScheduleError(text, reason, position=position, field=field.name)

    match = _ITEM.fullmatch(item.lower())
    first, last, step = match.groups() if match else (None, None, None)
    low = _value(first, field)
    high = _value(last, field)
    if match is None or (first and low is None) or (last and high is None):
        raise refuse(_item_fault(item, field))
    if step is not None and (len(step) > _MAX_DIGITS or int(step) < 1):
        raise refuse(f"step {step[:40]!r} of {field.name} must be 1 to 99999; write '*/2' or '*'")
    if low is None:
        if step is None and not alone:
            raise refuse(f"'*' already means every {field.name}; write '*' alone")
        if step is not None and int(step) > _size(field):
            warnings.append(_step_warning(int(step), field))
        return item
    if high is None:
        if step is not None:
            cure = f"write '{low}-{field.high}/{step}'"
            raise refuse(f"a step needs a range, found {item!r} for {field.name}; {cure}")
        return str(low)
    if low == high:
        return str(low)
    if low > high and field.name != "day of week":
        cure = f"write '{low}-{field.high},{field.low}-{high}'"
        raise refuse(f"range {item!r} of {field.name} runs backwards; {cure}")
    return f"{low}-{high}" if step is None else f"{low}-{high}/{step}"


def _value(written: str | None, field: _Field) -> int | None:
    if written is None:
        return None
    if written in field.names:
        return field.names[written]
    if not written.isdigit() or len(written) > _MAX_DIGITS:
        return None
    value = int(written)
    return value if field.low <= value <= field.high else None


def _item_fault(item: str, field: _Field) -> str:
    for piece in re.findall(r"[a-z]+|[#?]", item.lower()):
        if piece in _UNSUPPORTED:
            return _UNSUPPORTED[piece]
    allowed = f"{field.low} to {field.high}"
    if field.names:
        names = [name.upper() for name in field.names]
        allowed += f" or {names[0]} to {names[-1]}"
    shown = item[:40]
    return f"{shown!r} is no value of {field.name}; write {allowed}, a range, a list or '*'"


def _size(field: _Field) -> int:
    return 7 if field.name == "day of week" else field.high - field.low + 1


def _step_warning(step: int, field: _Field) -> str:
    return (
        f"'*/{step}' as {field.name} steps over the whole field and matches only {field.low}; "
        "crontab cannot say intervals that long"
        + (f", write 'every {step} hours'" if field.name == "hour" else "")
    )


def _expand(text: str, checked: str) -> list[frozenset[int] | None]:
    """The values of each field, None where it is not restricted."""
    try:
        expanded, _ = croniter.expand(checked)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        reason = f"not a crontab ({error}); write for example '0 10 * * *'"
        raise ScheduleError(text, reason, field="schedule") from error
    return [
        None if "*" in values else frozenset(int(value) for value in values) for values in expanded
    ]
