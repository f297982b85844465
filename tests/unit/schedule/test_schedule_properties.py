"""What holds of every schedule, checked against generators and slow, plain enumerations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.domain.schedule import Schedule, ScheduleError, parse_schedule
from evaluation_operator.domain.schedule.crontab import parse_crontab
from evaluation_operator.domain.schedule.firing_days import FiringDays, gap_counts, gaps_of

CYCLE_DAYS = 146_097
STARTS = [date(1, 1, 1), date(1996, 2, 29), date(2026, 7, 17)]

MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august",
          "september", "october", "november", "december"]  # fmt: skip
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
ORDINALS = {1: ["1st", "first"], 2: ["2nd", "second"], 3: ["3rd", "third"],
            4: ["4th", "fourth"], 5: ["5th", "fifth"]}  # fmt: skip
QUARTER_MONTHS = {1: {1, 4, 7, 10}, 2: {2, 5, 8, 11}, 3: {3, 6, 9, 12}}

Fires = Callable[[date], bool]


@lru_cache
def days_of_a_cycle(start: date) -> list[date]:
    return [start + timedelta(days=offset) for offset in range(CYCLE_DAYS)]


# The grammar, as a generator of texts. Each piece is (text, what it selects).


def numbers_of(options: dict[int, list[str]]) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """A comma list over some of `options`, each written in one of its ways."""
    one = st.sampled_from(sorted(options)).flatmap(
        lambda value: st.tuples(st.just(value), st.sampled_from(options[value]))
    )
    return st.lists(one, min_size=1, max_size=4).map(
        lambda items: (
            ",".join(text for _, text in items),
            frozenset(value for value, _ in items),
        )
    )


def names_of(names: list[str], first: int) -> dict[int, list[str]]:
    return {number: sorted({name, name[:3]}) for number, name in enumerate(names, start=first)}


ordinals = st.one_of(st.just(("every", frozenset(range(1, 6)))), numbers_of(ORDINALS))
weekdays = numbers_of(names_of(WEEKDAYS, 0))
quarter = st.one_of(
    st.just(("quarter", frozenset(QUARTER_MONTHS[1]))),
    numbers_of({number: ORDINALS[number] for number in QUARTER_MONTHS}).map(
        lambda chosen: (
            f"{chosen[0]} month of quarter",
            frozenset(month for number in chosen[1] for month in QUARTER_MONTHS[number]),
        )
    ),
)
months = st.one_of(
    st.just(("month", frozenset(range(1, 13)))), numbers_of(names_of(MONTHS, 1)), quarter
)
month_days = numbers_of({day: [str(day)] for day in range(1, 29)})
times = st.tuples(st.integers(0, 23), st.integers(0, 59), st.booleans()).map(
    lambda at: f"{at[0]:02d}:{at[1]:02d}" if at[2] else f"{at[0]}:{at[1]:02d}"
)
every_period = st.one_of(
    st.integers(24, 99_999).map(lambda count: (f"every {count} hours", Fraction(count, 24))),
    st.tuples(st.integers(1440, 99_999), st.sampled_from(["mins", "minutes"])).map(
        lambda period: (f"every {period[0]} {period[1]}", Fraction(period[0], 1440))
    ),
)


@st.composite
def day_phrases(draw: st.DrawFn) -> tuple[str, Fires]:
    """A legal phrase about days, and the same as a plain rule over dates."""
    of_text, in_months = draw(st.one_of(st.just(("", frozenset(range(1, 13)))), months))
    of_text = f" of {of_text}" if of_text else ""
    shape = draw(st.sampled_from(["weekdays", "ordinal days", "every day", "month days"]))
    if shape == "weekdays":
        which, weeks = draw(ordinals)
        names, chosen = draw(weekdays)
        text = f"{which} {names}"

        def on_day(day: date) -> bool:
            return day.weekday() in chosen and (day.day + 6) // 7 in weeks
    elif shape == "every day":
        text = "every day"

        def on_day(day: date) -> bool:
            return True
    else:
        if shape == "ordinal days":
            numbers, days = draw(numbers_of(ORDINALS))
            text = f"{numbers} day"
        else:
            text, days = draw(month_days)
            of_text = of_text or " of month"

        def on_day(day: date) -> bool:
            return day.day in days

    phrase = f"{text}{of_text} {draw(times)}"
    return phrase, lambda day: day.month in in_months and on_day(day)


@settings(max_examples=15, deadline=None)
@given(phrase=day_phrases(), start=st.sampled_from(STARTS))
def test_a_legal_phrase_has_the_mean_gap_of_its_days_from_any_start(
    phrase: tuple[str, Fires], start: date
) -> None:
    text, fires = phrase
    firing = sum(map(fires, days_of_a_cycle(start)))

    assert parse_schedule(text, strict=True).mean_gap_days == Fraction(CYCLE_DAYS, firing)


@settings(max_examples=80, deadline=None)
@given(
    phrase=st.one_of(day_phrases(), every_period).map(lambda drawn: drawn[0]),
    blanks=st.sampled_from(["", " ", "\t ", "\n"]),
)
def test_white_space_around_tokens_and_leniency_change_nothing(phrase: str, blanks: str) -> None:
    strict = parse_schedule(phrase, strict=True)
    spaced = phrase.replace(",", f"{blanks},{blanks}").replace(" ", f" {blanks}")

    for text in (phrase, spaced, spaced.upper()):
        lenient = parse_schedule(text)
        assert lenient.kind == "english"
        assert lenient.mean_gap_days == strict.mean_gap_days
        assert lenient.warnings == strict.warnings


@settings(max_examples=60, deadline=None)
@given(period=every_period)
def test_a_period_is_exact_and_rounds_half_up(period: tuple[str, Fraction]) -> None:
    text, days = period
    schedule = parse_schedule(text, strict=True)

    assert schedule.mean_gap_days == days
    assert days - Fraction(1, 2) < schedule.interval_days <= days + Fraction(1, 2)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 1439), tail=st.sampled_from(["", " synchronized"]))
def test_a_period_below_a_day_is_refused(count: int, tail: str) -> None:
    with pytest.raises(ScheduleError, match=r"below the minimum of 1 day|divides 24 hours"):
        parse_schedule(f"every {count} minutes{tail}")


# Crontabs

NAMED = {"month": [name[:3] for name in MONTHS], "weekday": ["sun", *[w[:3] for w in WEEKDAYS[:6]]]}


@st.composite
def cron_fields(draw: st.DrawFn, low: int, high: int, names: tuple[str, ...] = ()) -> str:
    """`*`, or a list of values, ranges and steps."""
    if draw(st.booleans()):
        return "*"

    def written(value: int) -> str:
        name = names[value - low] if value - low < len(names) else str(value)
        return draw(st.sampled_from([str(value), name.upper()]))

    items = []
    for _ in range(draw(st.integers(1, 3))):
        a, b = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
        step = draw(st.integers(1, high + 1))
        shapes = [f"*/{step}", written(a), f"{written(a)}-{written(b)}", f"{a}-{b}/{step}"]
        items.append(draw(st.sampled_from(shapes)))
    return ",".join(items)


cron_days = st.tuples(
    cron_fields(1, 31),
    cron_fields(1, 12, tuple(NAMED["month"])),
    cron_fields(0, 7, tuple(NAMED["weekday"])),
).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(days=cron_days, start=st.dates(date(1971, 1, 1), date(2090, 1, 1)))
def test_a_crontab_fires_on_the_days_that_croniter_walks_to(days: str, start: date) -> None:
    text = f"30 10 {days}"
    rule = parse_crontab(text, strict=True).days
    window = [start + timedelta(days=offset) for offset in range(200)]
    ours = [day for day in window if rule.includes(day.month, day.day, day.weekday())]

    assert ours == walked(without_equal_ranges(text), start, window[-1])


def walked(text: str, first: date, last: date) -> list[date]:
    """Firing days from `first` to `last`, one croniter step after another."""
    before = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(seconds=1)
    steps = croniter(text, before, max_years_between_matches=10)
    found: list[date] = []
    try:
        while (day := steps.get_next(datetime).date()) <= last:
            found.append(day)
    except ValueError:  # it never fires
        return []
    return found


def without_equal_ranges(text: str) -> str:
    """croniter takes 5-5 as the whole field, which is no crontab's meaning."""

    def item(written: str) -> str:
        first, _, last = written.partition("/")[0].partition("-")
        return first if last and number(first) == number(last) else written

    def number(value: str) -> str:
        return (
            str((NAMED["month"] + NAMED["weekday"]).index(value.lower()))
            if (value.isalpha())
            else value
        )

    def mixed(field: str, names: list[str], first: int) -> str:
        for value, name in enumerate(names, start=first):
            field = field.upper().replace(name.upper(), str(value))
        return ",".join(item(written) for written in field.split(","))

    minute, hour, day, month, weekday = text.split()
    month = mixed(month, NAMED["month"], 1)
    weekday = mixed(weekday, NAMED["weekday"], 0)
    return " ".join([minute, hour, mixed(day, [], 1), month, weekday])


@settings(max_examples=120, deadline=None)
@given(minute=cron_fields(0, 59), hour=cron_fields(0, 23), days=cron_days, strict=st.booleans())
def test_a_crontab_gives_an_interval_or_a_schedule_error(
    minute: str, hour: str, days: str, strict: bool
) -> None:
    text = f"{minute} {hour} {days}"
    outcome = outcome_of(text, strict)

    if isinstance(outcome, ScheduleError):
        assert outcome.field in ("interval", "day of month"), outcome.message
    else:
        assert outcome.interval_days >= 1
        assert len(parse_crontab(text, strict=strict).times) == 1


@settings(max_examples=15, deadline=None)
@given(
    month=st.frozensets(st.integers(1, 12), min_size=1),
    day=st.none() | st.frozensets(st.integers(1, 31), min_size=1, max_size=5),
    weekday=st.none() | st.frozensets(st.integers(0, 6), min_size=1, max_size=3),
    weeks=st.frozensets(st.integers(1, 5), min_size=1),
    start=st.sampled_from(STARTS),
)
def test_gaps_are_those_of_walking_the_whole_cycle(
    month: frozenset[int],
    day: frozenset[int] | None,
    weekday: frozenset[int] | None,
    weeks: frozenset[int],
    start: date,
) -> None:
    rule = FiringDays(month, day, weekday, weeks)
    firing = [
        one.toordinal()
        for one in days_of_a_cycle(start)
        if rule.includes(one.month, one.day, one.weekday())
    ]
    over_the_end = [day + CYCLE_DAYS for day in firing[:1]]
    counts = Counter(b - a for a, b in pairwise(firing + over_the_end))

    assert gap_counts(rule) == counts
    gaps = gaps_of(rule)
    if gaps is None:
        assert firing == []
        return
    assert gaps.firing_days == len(firing)
    assert gaps.least == min(counts)
    assert counts[gaps.commonest] == max(counts.values())


# Anything else

PIECES = [*MONTHS, *WEEKDAYS, "every", "of", "from", "to", "day", "month", "quarter", "hours",
          "days", "synchronized", "1st", "2", "31", "99999", "24:00", "9:00", ",", "*", "*/2",
          "1-5", "@daily", "L", "#", " ", " ", " ", " "]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=40),
        st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
        st.lists(st.text("0123456789*/,-?LWHR#@ ", max_size=5), max_size=7).map(" ".join),
    ),
    strict=st.booleans(),
)
def test_any_text_parses_or_raises_a_schedule_error(text: str, strict: bool) -> None:
    outcome = outcome_of(text, strict)

    if isinstance(outcome, ScheduleError):
        assert outcome.position is not None
        assert 0 <= outcome.position <= len(text)
        assert outcome.field
    else:
        assert outcome.interval_days >= 1
        assert "\n" not in outcome.explanation
        assert parse_schedule(text) == outcome


def outcome_of(text: str, strict: bool) -> Schedule | ScheduleError:
    try:
        return parse_schedule(text, strict=strict)
    except ScheduleError as error:
        return error
