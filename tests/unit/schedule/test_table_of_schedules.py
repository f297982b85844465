"""Schedules with the interval they give, and those that are refused, in both modes."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

import pytest

from evaluation_operator.domain.schedule import ScheduleError, parse_schedule

E = None

# text, days and mean gap when lenient, the same when strict, warned of uneven or surprising gaps
SAME_IN_BOTH = [
    ("every 24 hours", 1, "1", False),
    ("every 50 hours", 2, "2.083", False),
    ("every 30 hours", 1, "1.25", False),
    ("every 36 hours", 2, "1.5", False),
    ("every 60 hours", 3, "2.5", False),
    ("every 168 hours", 7, "7", False),
    ("every 720 hours", 30, "30", False),
    ("every 1440 minutes", 1, "1", False),
    ("every 2160 mins", 2, "1.5", False),
    ("every 24 hours synchronized", 1, "1", False),
    ("every 24 hours from 10:00 to 14:00", 1, "1", False),
    ("every 48 hours from 10:00 to 14:00", 1, "1", True),
    ("every 12 hours from 10:00 to 14:00", 1, "1", True),
    ("every 241 minutes from 10:00 to 14:00", 1, "1", True),
    ("every 12 hours from 10:00 to 10:00", 1, "1", True),
    ("every day 00:00", 1, "1", False),
    ("every day of month 00:00", 1, "1", False),
    ("every monday 09:00", 7, "7", False),
    ("every monday 9:00", 7, "7", False),
    ("  every\tmonday\n09:00 ", 7, "7", False),
    ("everymonday9:00", 7, "7", False),
    ("every mon,wed,fri 09:00", 2, "2.333", False),
    ("every mon , wed , fri 09:00", 2, "2.333", False),
    ("every mon,tue,wed,thu,fri 09:00", 1, "1.4", False),
    ("1st monday of month 09:00", 30, "30.437", False),
    ("1st monday 09:00", 30, "30.437", False),
    ("1st,third monday of month 04:00", 15, "15.218", False),
    ("1st,third monday of sep 17:00", 183, "182.62", True),
    ("2nd wednesday of march 17:00", 365, "365.24", False),
    ("1,8,15,22 of month 09:00", 8, "7.609", True),
    ("1,10,19 of month 09:00", 10, "10.146", True),
    ("1,12,23 of month 09:00", 10, "10.146", False),
    ("1, 8 of month 09:00", 15, "15.218", True),
    ("first sunday of quarter 00:00", 91, "91.31", False),
    ("1st monday of 2nd month of quarter 09:00", 91, "91.31", False),
    ("2nd day of month 10:00", 30, "30.437", False),
    ("29 of feb 00:00", 1506, "1506.15", False),
    ("5th monday of feb 10:00", 9740, "9739.8", False),
    ("0 10 * * *", 1, "1", False),
    (" 0  10\t* * * ", 1, "1", False),
    ("30 3 * * *", 1, "1", False),
    ("0 0 * * 1", 7, "7", False),
    ("0 0 * * 0", 7, "7", False),
    ("0 0 * * 7", 7, "7", False),
    ("0 0 * * SUN", 7, "7", False),
    ("0 0 * * 7-7", 7, "7", False),
    ("0 0 * * 1-5", 1, "1.4", False),
    ("0 0 * * sat-sun", 4, "3.5", True),
    ("0 0 1 * *", 30, "30.437", False),
    ("0 0 5-5 * *", 30, "30.437", False),
    ("0 0 1,15 * *", 15, "15.218", False),
    ("0 0 1 1 *", 365, "365.24", False),
    ("0 0 1 JAN-JAN *", 365, "365.24", False),
    ("0 0 */3 * *", 3, "2.876", False),
    ("0 0 */7 * *", 6, "6.165", True),
    ("0 0 */10 * *", 8, "8.494", True),
    ("0 0 */15 * *", 12, "11.78", True),
    ("0 0 1-31 * 1", 1, "1", False),
    ("0 0 13 * 5", 6, "5.848", True),
    ("0 */24 * * *", 1, "1", False),
    ("0 */50 * * *", 1, "1", True),
    ("0 0 29 2 *", 1506, "1506.15", False),
]

ONLY_LENIENT = [
    ("every 24 hour", 1, "1", False),
    ("every 1440 minute", 1, "1", False),
    ("every 2880 min", 2, "2", False),
    ("every 1 day", 1, "1", False),
    ("every 2 days", 2, "2", False),
    ("every 1 week", 7, "7", False),
    ("every 2 weeks", 14, "14", False),
    ("every 1 day synchronized", 1, "1", False),
    ("every day", 1, "1", False),
    ("Every Monday 09:00", 7, "7", False),
    ("EVERY 50 HOURS", 2, "2.083", False),
    ("1ST monday of month 09:00", 30, "30.437", False),
    ("31st of month 10:00", 52, "52.178", True),
    ("thirtyfirst of month 10:00", 52, "52.178", True),
    ("1st,15 of month", 15, "15.218", False),
    ("6th day of month 10:00", 30, "30.437", False),
    ("1st,3rd tuesday", 15, "15.218", False),
    ("@daily", 1, "1", False),
    ("@midnight", 1, "1", False),
    ("@weekly", 7, "7", False),
    ("@monthly", 30, "30.437", False),
    ("@yearly", 365, "365.24", False),
    ("@Annually", 365, "365.24", False),
]

# text, 0-based position of the fault (the mode does not matter), a part of the message
REFUSED = [
    ("every 100000 minutes", 6, "five digits"),
    ("every 12 hours", 6, "interval is 12 hours, below the minimum of 1 day"),
    ("every 23 hours", 6, "below the minimum of 1 day; write 'every 24 hours'"),
    ("every 1439 minutes", 6, "interval is 1439 minutes"),
    ("every 5 minutes", 6, "below the minimum of 1 day"),
    ("every 0 hours", 6, "at least 1"),
    ("every hours", 6, "expected a number, found 'hours'"),
    ("every week", 6, "expected a number, found 'week'"),
    ("every 24", 8, "found the end"),
    ("every 48 hours synchronized", 6, "divides 24 hours"),
    ("every 10 hours synchronized", 6, "divides 24 hours"),
    ("every 12 hours synchronized", 6, "below the minimum of 1 day"),
    ("every 5 minutes from 10:00 to 14:00", 6, "below the minimum of 1 day"),
    ("every 4 hours from 10:00 to 14:00", 6, "below the minimum of 1 day"),
    ("every 3 hours from 22:00 to 02:00", 6, "below the minimum of 1 day"),
    ("every 24 hours from 10:00", 25, "expected 'to', found the end"),
    ("every 24 hours from 10:00 to 14:00 synchronized", 35, "expected the end"),
    ("every 24 hours 09:00", 15, "leave the time out"),
    ("every monday 24:00", 13, "there is no time '24:00'"),
    ("every monday 9:5", 13, "there is no time '9:5'"),
    ("every monday 09:60", 13, "there is no time '09:60'"),
    ("every monday, 09:00", 14, "expected a weekday, found '09:00'"),
    ("every mondy 09:00", 6, "did you mean 'monday'?"),
    ("every month 09:00", 6, "found 'month'"),
    ("monday 09:00", 0, "write 'every monday 09:00'"),
    ("1 monday of month 09:00", 2, "'1st monday of month 09:00'"),
    ("6th monday of month 09:00", 0, "5th"),
    ("2st monday of month 09:00", 0, "write 2nd"),
    ("15 10:00", 3, "write for example '15 of month 10:00'"),
    ("32 of month 10:00", 0, "write 1 to 31"),
    ("0 of month 10:00", 0, "write 1 to 31"),
    ("1st monday of 4th month of quarter 10:00", 14, "write 1st, 2nd or 3rd"),
    ("1st monday of 2nd month 10:00", 24, "'of 2nd month of quarter'"),
    ("1st monday of 10:00", 14, "expected a month"),
    ("31 of feb 00:00", 0, "day 31 never comes"),
    ("30,31 of feb 00:00", 0, "day 30 never comes"),
    ("31 of feb,apr,jun,sep,nov 00:00", 0, "day 31 never comes"),
    ("0 */6 * * *", 2, "interval is 6 hours (it fires 4 times a day)"),
    ("0 0,12 * * *", 2, "interval is 12 hours (it fires 2 times a day)"),
    ("0 0,23 * * *", 2, "interval is 1 hour "),
    ("0 0,23 * * 1", 2, "interval is 23 hours "),
    ("*/5 * * * *", 0, "interval is 5 minutes"),
    ("0 1-1/5,2 * * *", 2, "interval is 1 hour "),
    ("* * * * *", 0, "interval is 1 minute "),
    ("0 0 31 2 *", 4, "day 31 never comes"),
    ("0 0 30 FEB *", 4, "day 30 never comes"),
    ("0 0 L * *", 4, "L (the last one) is not supported"),
    ("0 0 * * 1#2", 8, "write '1st monday of month 10:00'"),
    ("0 0 15W * *", 4, "W (the nearest working day) is not supported"),
    ("0 0 ? * *", 4, "write '*'"),
    ("H 0 * * *", 0, "H (hashed) is not supported"),
    ("R * * * *", 0, "R (random) is not supported"),
    ("60 10 * * *", 0, "'60' is no value of minute; write 0 to 59"),
    ("0 24 * * *", 2, "'24' is no value of hour; write 0 to 23"),
    ("0 0 0 * *", 4, "'0' is no value of day of month; write 1 to 31"),
    ("0 0 * 13 *", 6, "'13' is no value of month; write 1 to 12 or JAN to DEC"),
    ("0 0 * * 1,8", 10, "'8' is no value of day of week"),
    ("0 0 * * monday", 8, "'monday' is no value of day of week"),
    ("0 0 */0 * *", 4, "step '0'"),
    ("0 0 1/5 * *", 4, "write '1-31/5'"),
    ("0 0 25-5 * *", 4, "write '25-31,1-5'"),
    ("0 0 *,5 * *", 4, "write '*' alone"),
    ("0 0 1,,2 * *", 6, "'' is no value of day of month"),
    ("0 0 10 * * *", 11, "five fields"),
    ("0 0 10 * * * 2030", 11, "leave out seconds and years"),
    ("0 10 * *", 8, "five fields"),
    ("@hourly", 0, "below the minimum of 1 day"),
    ("@reboot", 0, "unknown macro"),
    ("@every 24h", 0, "unknown macro"),
    ("every ٢ days", 6, "no meaning"),
    ("", 0, "a schedule is required"),
    (" \n", 0, "a schedule is required"),
    ("every 24 hours" + " " * 300, 256, "more than 256"),
    ("every 99999 hours" + "s" * 100, 12, "is no word"),
]


@pytest.mark.parametrize(("text", "days", "mean", "warned"), SAME_IN_BOTH)
@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
def test_a_schedule_of_the_language_gives_its_interval(
    text: str, days: int, mean: str, warned: bool, strict: bool
) -> None:
    schedule = parse_schedule(text, strict=strict)

    assert schedule.interval_days == days
    assert rounded_like(mean, float(schedule.mean_gap_days)) == Decimal(mean)
    assert bool(schedule.warnings) is warned
    assert schedule.text == text


@pytest.mark.parametrize(("text", "days", "mean", "warned"), ONLY_LENIENT)
def test_an_extension_is_taken_unless_strict(text: str, days: int, mean: str, warned: bool) -> None:
    schedule = parse_schedule(text)

    assert schedule.interval_days == days
    assert rounded_like(mean, float(schedule.mean_gap_days)) == Decimal(mean)
    assert bool(schedule.warnings) is warned
    with pytest.raises(ScheduleError, match=r"write|such as") as refused:
        parse_schedule(text, strict=True)
    assert refused.value.position is not None


@pytest.mark.parametrize(("text", "position", "part"), REFUSED)
@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
def test_a_refused_schedule_says_where_and_what(
    text: str, position: int, part: str, strict: bool
) -> None:
    with pytest.raises(ScheduleError) as refused:
        parse_schedule(text, strict=strict)

    assert part in refused.value.message
    assert refused.value.position == position
    assert str(refused.value) == refused.value.message
    assert f"at character {position + 1}: " in refused.value.message
    assert refused.value.field


@pytest.mark.parametrize("text", [row[0] for row in [*REFUSED, *ONLY_LENIENT]])
@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
def test_a_whole_schedule_that_an_error_advises_is_legal(text: str, strict: bool) -> None:
    try:
        told = "".join(parse_schedule(text, strict=strict).warnings)
    except ScheduleError as error:
        told = error.message.removeprefix(f"schedule {text!r}")
    advised = re.findall(r"write (?:for example )?'((?:every|@|\d\S*) [^']+)'", told)

    for schedule in advised:
        assert parse_schedule(schedule, strict="week" not in schedule).interval_days >= 1


def rounded_like(written: str, mean: float) -> Decimal:
    """`mean` with as many digits as `written` has."""
    return Decimal(mean).quantize(Decimal(written), rounding=ROUND_HALF_UP)


def test_warnings_name_the_interval_that_was_perhaps_meant() -> None:
    (every_seventh,) = parse_schedule("0 0 */7 * *").warnings
    assert "write 'every 168 hours'" in every_seventh

    (every_fifty,) = parse_schedule("0 */50 * * *").warnings
    assert "write 'every 50 hours'" in every_fifty


def test_the_kind_tells_the_language() -> None:
    assert parse_schedule("0 10 * * *").kind == "crontab"
    assert parse_schedule("@weekly").kind == "crontab"
    assert parse_schedule("every 24 hours").kind == "english"
    assert parse_schedule("1st monday of month 09:00").kind == "english"
    assert parse_schedule("0 10 1 1 1").kind == "crontab"


@pytest.mark.parametrize(
    ("text", "explanation"),
    [
        (
            "every 50 hours",
            "every 50 hours is 2.083 days, rounded to 2: a run every 2 days at 10:00 UTC",
        ),
        ("30 3 * * *", "30 3 * * * is 1 day: a run every day at 10:00 UTC"),
        ("every monday 09:00", "every monday 09:00 is 7 days: a run every 7 days at 10:00 UTC"),
        (
            "0 0 1 * *",
            "0 0 1 * * is 30.437 days on average, rounded to 30: a run every 30 days at 10:00 UTC",
        ),
    ],
)
def test_the_explanation_is_one_line_with_interval_and_run_time(
    text: str, explanation: str
) -> None:
    assert parse_schedule(text).explanation == explanation


def test_the_longest_schedule_keeps_its_explanation_within_512_characters() -> None:
    text = "1" + ",1" * 116 + " of jan,feb 10:00"
    assert len(text) <= 256

    assert len(parse_schedule(text).explanation) <= 512
