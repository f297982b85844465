"""Schedules of other schedulers, which people bring along: refused with what to write instead."""

from __future__ import annotations

import re
from typing import Final

from evaluation_operator.domain.schedule.errors import ScheduleError

_ZONE: Final = re.compile(r"\s*(?:CRON_)?TZ=(\S+)\s+(.*)", re.IGNORECASE | re.DOTALL)
_CALL: Final = re.compile(r"\s*(cron|rate)\s*\((.*)\)\s*", re.IGNORECASE | re.DOTALL)
_RATE: Final = re.compile(r"\s*([0-9]{1,4})\s+(hour|day)s?\s*", re.IGNORECASE)
_DAILY: Final = re.compile(r"\s*(?:every\s+day|daily)\s+at\s.*", re.IGNORECASE | re.DOTALL)
_FIELDS: Final = 5


def check_foreign(text: str) -> None:
    """Raises ScheduleError for a form of cron with time zones, of EventBridge, or of plain talk."""
    if zone := _ZONE.fullmatch(text):
        raise _refused(text, f"times are UTC, found the zone {zone[1]}", zone[2].strip())
    if call := _CALL.fullmatch(text):
        if call[1].lower() == "rate":
            raise _refused(text, "rate( ) is no schedule here", _of_rate(call[2]))
        fields = call[2].replace("?", "*").split()[:_FIELDS]
        raise _refused(text, "times are UTC, and cron( ) is left out", " ".join(fields))
    if _DAILY.fullmatch(text):
        raise _refused(text, "runs are at 10:00 UTC, whatever time of day is named")


def _of_rate(inside: str) -> str:
    found = _RATE.fullmatch(inside)
    if found is None:
        return "every 24 hours"
    hours = int(found[1]) * (24 if found[2].lower() == "day" else 1)
    return f"every {hours} hours"


def _refused(text: str, what: str, instead: str = "every 24 hours") -> ScheduleError:
    return ScheduleError(text, f"{what}; write {instead!r}", position=0, field="schedule")
