"""What `schedule explain` shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from time import perf_counter

import pytest

from evaluation_operator.domain.schedule import ScheduleError, explain, parse_schedule

NOW = datetime(2024, 2, 26, 10, 0, tzinfo=UTC)


def test_an_explanation_is_json_with_the_next_five_runs() -> None:
    shown = explain("every 50 hours", strict=False, now=NOW).as_dict()

    assert json.loads(json.dumps(shown)) == {
        "schedule": "every 50 hours",
        "kind": "english",
        "intervalDays": 2,
        "meanGapDays": 50 / 24,
        "explanation": (
            "every 50 hours is 2.083 days, rounded to 2: a run every 2 days at 10:00 UTC"
        ),
        "warnings": [],
        "nextRuns": [
            "2024-02-27T10:00:00Z",
            "2024-02-29T10:00:00Z",
            "2024-03-02T10:00:00Z",
            "2024-03-04T10:00:00Z",
            "2024-03-06T10:00:00Z",
        ],
    }


def test_the_longest_interval_still_has_five_runs() -> None:
    shown = explain("every 36525 days", strict=False, now=NOW).as_dict()
    assert shown["nextRuns"][-1] == "2424-03-01T10:00:00Z"

    with pytest.raises(ScheduleError, match="above the maximum of 36525 days"):
        explain("every 36526 days", strict=False, now=NOW)


def test_an_extension_is_refused_when_strict() -> None:
    assert explain("every 2 days", strict=False, now=NOW).interval_days == 2
    with pytest.raises(ScheduleError, match="write 'every 48 hours'"):
        explain("every 2 days", strict=True, now=NOW)


def test_two_thousand_jobs_with_one_schedule_parse_it_once() -> None:
    first = parse_schedule("first sunday of quarter 03:17")
    start = perf_counter()
    assert all(parse_schedule("first sunday of quarter 03:17") is first for _ in range(2000))
    assert perf_counter() - start < 0.5
