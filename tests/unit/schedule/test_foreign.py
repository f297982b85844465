"""Schedules that people bring from elsewhere are refused with what to write here."""

from __future__ import annotations

import pytest

from evaluation_operator.domain.schedule import ScheduleError, parse_schedule


@pytest.mark.parametrize(
    ("text", "what", "instead"),
    [
        ("TZ=America/New_York 0 10 * * *", "times are UTC, found the zone", "0 10 * * *"),
        ("CRON_TZ=UTC 0 10 * * 1", "times are UTC", "0 10 * * 1"),
        ("cron(0 10 ? * * *)", "times are UTC, and cron( ) is left out", "0 10 * * *"),
        ("cron(0 10 ? * MON-FRI *)", "times are UTC", "0 10 * * MON-FRI"),
        ("rate(1 day)", "rate( ) is no schedule here", "every 24 hours"),
        ("Rate( 36 hours )", "rate( ) is no schedule here", "every 36 hours"),
        ("rate(x)", "rate( ) is no schedule here", "every 24 hours"),
        ("every day at 10:00", "runs are at 10:00 UTC", "every 24 hours"),
        ("daily at noon", "runs are at 10:00 UTC", "every 24 hours"),
    ],
)
def test_a_schedule_of_another_scheduler(text: str, what: str, instead: str) -> None:
    with pytest.raises(ScheduleError) as raised:
        parse_schedule(text)
    assert what in raised.value.message
    assert raised.value.message.endswith(f"write {instead!r}")
    assert parse_schedule(instead).interval_days >= 1


def test_days_of_month_and_of_week_together_are_warned_of() -> None:
    warnings = parse_schedule("1 1 */32,1-7 * 2").warnings
    assert any("day of month and day of week are both given" in text for text in warnings)
    for one in ("1 1 1-7 * *", "1 1 * * 2"):
        assert not any("both given" in text for text in parse_schedule(one).warnings)
