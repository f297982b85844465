"""What is said of schedules, right ones and wrong ones, word for word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluation_operator.domain.schedule import ScheduleError, parse_schedule
from tests.golden import assert_as_approved

CRONTAB = (
    "0 10 * * *",
    "30 4 1,15 * 5",
    "0 0 1-7 */2 MON-FRI",
    "5/10 22 * JAN,JUL sun",
    "0 0 29 2 *",
    "@weekly",
    "@hourly",
    "* * * * *",
    "0 0 */3 * *",
    "30 10 1-31/10 * *",
    "0 */5 * * *",
    "0 0 30,31 1,3 *",
)
ENGLISH = (
    "every day 10:00",
    "every 3 days",
    "every 36 hours",
    "every 2 weeks",
    "every month",
    "every quarter",
    "every year",
    "every monday",
    "every weekday 09:30",
    "1st,3rd monday of month 09:00",
    "2nd tue of jan,jul 10:00",
    "1 of month 00:00",
    "1st of quarter",
    "1st month of quarter 10:00",
    "last friday of month",
    "15th,31st of march,june 23:59",
    "every mon,wed,fri from 10:00 to 14:00",
    "every 5 minutes from 10:00 to 14:00",
    "every 12 hours synchronized",
    "1,2 wednesday,thursday of nov 17:00",
    "every 24 hours",
    "every 1440 minutes",
    "every 25 hours",
    "every 1000 hours",
    "every 99999 hours",
    "every 100000 hours",
    "11th of month 10:00",
    "10th,12th of month 10:00",
    "32nd of month",
    "113th of month",
    "1st,2nd day of month",
    "1st,3rd tuesday of 2nd month of quarter 10:00",
    "1 of 3rd month of quarter",
    "every day of month",
    "1st weekday of month",
    "every 2nd tuesday",
    "1st,2nd,3rd,4th,5th monday of month 10:00",
)
ODD = ("x", "0", "99", "13th", ",", "of", "10:00", "MON")


def near(text: str) -> Iterator[str]:
    """The text, and what it becomes by a slip at each of its words."""
    yield text
    words = text.split()
    for place, word in enumerate(words):
        odd = ODD[(place + len(text)) % len(ODD)]
        for slip in ([], [word, word], [odd], [word.upper()], [word[:-1]]):
            yield " ".join([*words[:place], *slip, *words[place + 1 :]])
    yield text.replace(" ", "  ") + " "


def said(text: str, *, strict: bool) -> str:
    try:
        found = parse_schedule(text, strict=strict)
    except ScheduleError as error:
        return f"{error.message} [{error.field}, {error.position}]"
    warnings = "".join(f"; warns: {it}" for it in found.warnings)
    days = f"{found.interval_days} of {found.mean_gap_days}"
    return f"{found.kind}, {days}: {found.explanation}{warnings}"


@pytest.mark.parametrize(
    ("name", "texts"), [("crontab", CRONTAB), ("english", ENGLISH)], ids=["crontab", "english"]
)
def test_what_is_said_of_a_schedule_is_as_approved(name: str, texts: tuple[str, ...]) -> None:
    lines = []
    for text in dict.fromkeys(slip for whole in texts for slip in near(whole)):
        loosely, strictly = (said(text, strict=it) for it in (False, True))
        lines.append(f"{text!r}\n  {loosely}")
        if strictly != loosely:
            lines.append(f"  strict: {strictly}")
    approved = Path(__file__).parent / "approved" / f"{name}.txt"
    assert_as_approved(approved, "\n".join(lines) + "\n")
