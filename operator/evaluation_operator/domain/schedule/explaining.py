"""What a person wants to know of a schedule before applying it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from evaluation_operator.domain.schedule.grid import first_run_time
from evaluation_operator.domain.schedule.parsing import Kind, parse_schedule

_SHOWN_RUNS = 5


class ExplanationJson(TypedDict):
    schedule: str
    kind: Kind
    intervalDays: int
    meanGapDays: float
    explanation: str
    warnings: list[str]
    nextRuns: list[str]


@dataclass(frozen=True, slots=True)
class ScheduleExplanation:
    """A schedule and its first run times, in UTC, for a job created at a given moment."""

    schedule: str
    kind: Kind
    interval_days: int
    mean_gap_days: float
    explanation: str
    warnings: tuple[str, ...]
    next_runs: tuple[datetime, ...]

    def as_dict(self) -> ExplanationJson:
        """JSON content; times are RFC 3339 with Z."""
        return {
            "schedule": self.schedule,
            "kind": self.kind,
            "intervalDays": self.interval_days,
            "meanGapDays": self.mean_gap_days,
            "explanation": self.explanation,
            "warnings": list(self.warnings),
            "nextRuns": [run.strftime("%Y-%m-%dT%H:%M:%SZ") for run in self.next_runs],
        }


def explain(text: str, *, strict: bool, now: datetime) -> ScheduleExplanation:
    """Explains `text` for a job created at `now` (aware). Raises ScheduleError."""
    schedule = parse_schedule(text, strict=strict)
    first = first_run_time(now)
    return ScheduleExplanation(
        schedule=schedule.text,
        kind=schedule.kind,
        interval_days=schedule.interval_days,
        mean_gap_days=float(schedule.mean_gap_days),
        explanation=schedule.explanation,
        warnings=schedule.warnings,
        next_runs=tuple(
            first + timedelta(days=schedule.interval_days * run) for run in range(_SHOWN_RUNS)
        ),
    )
