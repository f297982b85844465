"""Recursive-descent parser of the English-like schedule language of App Engine's cron.

    schedule  = specific | interval
    interval  = "every" N unit [ "from" TIME "to" TIME | "synchronized" ]
    unit      = "hours" | "mins" | "minutes"
    specific  = ( (ordinals weekdays | monthdays) "of" (months | quarter) | ordinals weekdays ) TIME
    ordinals  = "every" | ordinal {"," ordinal}             ordinal: 1st or first, … 5th or fifth
    weekdays  = "day" | weekday {"," weekday}
    monthdays = number {"," number}
    months    = "month" | month {"," month}
    quarter   = "quarter" | ordinal {"," ordinal} "month" "of" "quarter"

Lenient mode adds: capitals; the units minute, min, hour, day(s) and week(s); leaving TIME out;
ordinals beyond the fifth for days of the month ("31st of month", "6th day of month").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from evaluation_operator.domain.schedule.errors import ScheduleError
from evaluation_operator.domain.schedule.firing_days import ALL_MONTHS, FiringDays
from evaluation_operator.domain.schedule.lexer import (
    EXTRA_UNIT_MINUTES,
    MONTHS,
    UNIT_MINUTES,
    WEEKDAYS,
    tokens_of,
)
from evaluation_operator.domain.schedule.syntax import (
    MINUTES_IN_DAY,
    DailyWindow,
    English,
    EveryPeriod,
    OnDays,
    Token,
)

_UNITS = UNIT_MINUTES | EXTRA_UNIT_MINUTES
_LAST_ORDINAL = 5
_MAX_NUMBER = 99_999
_MONTHS_IN_QUARTERS = {1: (1, 4, 7, 10), 2: (2, 5, 8, 11), 3: (3, 6, 9, 12)}


def parse_english(text: str, *, strict: bool) -> English:
    """The meaning of `text` by the grammar above. Raises ScheduleError with a position."""
    return _Parser(text, strict).schedule()


class _Parser:
    def __init__(self, text: str, strict: bool) -> None:
        self._text = text
        self._strict = strict
        self._tokens = tokens_of(text, strict=strict)
        self._next = 0

    def schedule(self) -> English:
        first = self._peek()
        after = self._tokens[min(1, len(self._tokens) - 1)]
        if first.word == "every" and (after.kind == "number" or _only_a_unit(after)):
            self._advance()
            found: English = self._interval()
        else:
            found = self._specific()
        self._end()
        return found

    # "every" N unit …

    def _interval(self) -> EveryPeriod:
        count = self._peek()
        if count.kind != "number":
            few = max(1, MINUTES_IN_DAY // _UNITS[count.word])
            self._fail("a number", "interval", f"write for example 'every {few} {count.word}'")
        if count.value < 1:
            self._refuse(count, "the number must be at least 1; write 'every 24 hours'", "interval")
        self._advance()
        unit = self._unit(count.value)
        window = None
        synchronized = False
        if self._peek().word == "from":
            window = self._window()
        elif self._peek().word == "synchronized":
            synchronized = True
            self._advance()
        return EveryPeriod(
            count=count.value,
            unit=unit.word,
            unit_minutes=_UNITS[unit.word],
            position=count.position,
            window=window,
            synchronized=synchronized,
        )

    def _unit(self, count: int) -> Token:
        unit = self._peek()
        if unit.word not in _UNITS:
            cure = "write 'every 24 hours'"
            if unit.word in ("month", "of"):
                cure = f"for a day of each month write '{min(count, 31)} of month 10:00'"
            self._fail("'hours' or 'minutes'", "unit", cure)
        if self._strict and unit.word not in UNIT_MINUTES:
            hours, minutes = divmod(count * _UNITS[unit.word], 60)
            amount = f"{hours} hours" if minutes == 0 else f"{count} minutes"
            if hours > _MAX_NUMBER:
                amount = "720 hours"
            reason = f"strict mode does not know the unit {unit.word!r}; write 'every {amount}'"
            self._refuse(unit, reason, "unit")
        return self._advance()

    def _window(self) -> DailyWindow:
        self._advance()
        start = self._time("'from' takes two times, as in 'from 10:00 to 14:00'")
        self._word("to", "write for example 'from 10:00 to 14:00'")
        return DailyWindow(start=start, end=self._time("write for example 'to 14:00'"))

    # days of the week or of the month

    def _specific(self) -> OnDays:
        first = self._peek()
        if first.word == "every":
            self._advance()
            days = self._weekdays(frozenset(range(1, 6)), every=True)
        elif first.kind in ("number", "ordinal"):
            days = self._numbered_days()
        elif first.word in WEEKDAYS or first.word == "day":
            self._fail("'every' or an ordinal", "ordinal", f"write 'every {first.word} 09:00'")
        else:
            self._fail(
                "'every', an ordinal or a day of the month",
                "schedule",
                "write for example 'every 24 hours' or 'every monday 09:00'",
            )
        if self._peek().word == "of":
            self._advance()
            days = FiringDays(self._months(), days.month_days, days.weekdays, days.weeks)
        self._time_of_day()
        return OnDays(days, first.position)

    def _numbered_days(self) -> FiringDays:
        """Either `ordinals weekdays` or `monthdays`, which both start with a list of numbers."""
        numbers = self._list(("number", "ordinal"), "a number or an ordinal", "day of month")
        values = frozenset(token.value for token in numbers)
        of_month = self._peek().word == "of"
        if all(token.kind == "ordinal" for token in numbers) and not of_month:
            self._check_ordinals(numbers)
            return self._weekdays(values, every=False)
        for token in numbers:
            if token.kind == "ordinal" and self._strict:
                reason = (
                    f"strict mode takes plain numbers for days of the month, found "
                    f"{token.text!r}; write '{token.value} of month 10:00'"
                )
                self._refuse(token, reason, "day of month")
            if not 1 <= token.value <= 31:
                reason = f"there is no day {token.text} in any month; write 1 to 31"
                self._refuse(token, reason, "day of month")
        if not of_month:
            cure = f"write for example '{numbers[0].value} of month 10:00'"
            if self._peek().word in WEEKDAYS:
                cure = f"write an ordinal, as in '1st {self._peek().word} of month 09:00'"
            self._fail("'of'", "month", cure)
        return FiringDays(month_days=values)

    def _check_ordinals(self, numbers: Sequence[Token]) -> None:
        """Beyond the fifth, only `day` may follow, and only in lenient mode."""
        beyond = next((token for token in numbers if token.value > _LAST_ORDINAL), None)
        if beyond is None:
            return
        if self._strict:
            reason = (
                f"strict mode has ordinals up to 5th, found {beyond.text!r}; "
                f"write '{beyond.value} of month 10:00'"
            )
            self._refuse(beyond, reason, "ordinal")
        if self._peek().word in WEEKDAYS:
            reason = (
                f"a month has at most five of each weekday, found {beyond.text!r}; write 1st to 5th"
            )
            self._refuse(beyond, reason, "ordinal")

    def _weekdays(self, numbers: frozenset[int], *, every: bool) -> FiringDays:
        if self._peek().word == "day":
            self._advance()
            return FiringDays() if every else FiringDays(month_days=numbers)
        if self._peek().word not in WEEKDAYS:
            cure = "write for example 'every monday 09:00' or '1st monday of month 09:00'"
            if self._peek().word in ("month", "quarter"):
                cure = f"write for example '1st monday of {self._peek().word} 10:00'"
            wanted = "a number, a weekday or 'day'" if every else "a weekday, 'day' or 'of'"
            self._fail(wanted, "day of week", cure)
        names = self._names(WEEKDAYS, "a weekday", "day of week")
        return FiringDays(weekdays=names, weeks=numbers)

    def _months(self) -> frozenset[int]:
        token = self._peek()
        if token.word == "month":
            self._advance()
            return ALL_MONTHS
        if token.word == "quarter":
            self._advance()
            return frozenset(_MONTHS_IN_QUARTERS[1])
        if token.kind == "ordinal":
            return self._months_of_quarters()
        if token.word not in MONTHS:
            cure = "write 'of month', 'of quarter' or names, as in 'of jan,jul'"
            self._fail("a month, 'month' or 'quarter'", "month", cure)
        return self._names(MONTHS, "a month", "month")

    def _months_of_quarters(self) -> frozenset[int]:
        ordinals = self._list(("ordinal",), "an ordinal", "quarter")
        for token in ordinals:
            if token.value not in _MONTHS_IN_QUARTERS:
                reason = f"a quarter has three months, found {token.text!r}; write 1st, 2nd or 3rd"
                self._refuse(token, reason, "quarter")
        cure = f"write 'of {ordinals[0].text} month of quarter'"
        for word in ("month", "of", "quarter"):
            self._word(word, cure)
        return frozenset(month for token in ordinals for month in _MONTHS_IN_QUARTERS[token.value])

    def _time_of_day(self) -> None:
        """The time is required by the grammar and used for nothing: runs are at 10:00 UTC."""
        if self._peek().kind == "time":
            self._advance()
        elif self._strict:
            self._fail("a time HH:MM", "time", "strict mode needs one, such as 10:00")

    # pieces

    def _list(self, kinds: tuple[str, ...], wanted: str, field: str) -> list[Token]:
        found: list[Token] = []
        while True:
            if self._peek().kind not in kinds:
                self._fail(wanted, field, "commas stand between two values")
            found.append(self._advance())
            if self._peek().kind != ",":
                return found
            self._advance()

    def _names(self, names: dict[str, int], wanted: str, field: str) -> frozenset[int]:
        found: set[int] = set()
        while True:
            if self._peek().word not in names:
                self._fail(wanted, field, "commas stand between two names")
            found.add(names[self._advance().word])
            if self._peek().kind != ",":
                return frozenset(found)
            self._advance()

    def _time(self, cure: str) -> int:
        if self._peek().kind != "time":
            self._fail("a time HH:MM", "time", cure)
        return self._advance().value

    def _word(self, word: str, cure: str) -> None:
        if self._peek().word != word:
            self._fail(f"'{word}'", "schedule", cure)
        self._advance()

    def _end(self) -> None:
        if self._peek().kind != "end":
            cure = "leave out the rest"
            if self._peek().kind == "time":
                cure = "leave the time out, runs are at 10:00 UTC"
            self._fail("the end of the schedule", "schedule", cure)

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _advance(self) -> Token:
        token = self._peek()
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _fail(self, wanted: str, field: str, cure: str) -> NoReturn:
        token = self._peek()
        found = f"found {token.text!r}" if token.kind != "end" else "found the end"
        self._refuse(token, f"expected {wanted}, {found}; {cure}", field)

    def _refuse(self, token: Token, reason: str, field: str) -> NoReturn:
        raise ScheduleError(self._text, reason, position=token.position, field=field)


def _only_a_unit(token: Token) -> bool:
    """Words such as "hours", but not "day", which is also a weekday list."""
    return token.word in _UNITS and token.word != "day"
