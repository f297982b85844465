"""Schedules: their two languages, the interval in days, and the grid of run times."""

from evaluation_operator.domain.schedule.errors import ScheduleError
from evaluation_operator.domain.schedule.explaining import ScheduleExplanation, explain
from evaluation_operator.domain.schedule.grid import (
    first_run_time,
    latest_run_time,
    next_run_time,
)
from evaluation_operator.domain.schedule.parsing import Schedule, parse_schedule

__all__ = [
    "Schedule",
    "ScheduleError",
    "ScheduleExplanation",
    "explain",
    "first_run_time",
    "latest_run_time",
    "next_run_time",
    "parse_schedule",
]
