"""`schedule explain`: its JSON to the letter, and its exit codes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import yaml

from tests.unit.cli.running import json_of, run_cli

INTERVALS = [
    ("every 24 hours", "english", 1),
    ("every 50 hours", "english", 2),
    ("every 36 hours", "english", 2),
    ("every 60 hours", "english", 3),
    ("every 2160 mins", "english", 2),
    ("every monday 09:00", "english", 7),
    ("1st,third monday of sep 17:00", "english", 183),
    ("every day", "english", 1),
    ("0 10 * * *", "crontab", 1),
    ("0 0 */7 * *", "crontab", 6),
    ("0 0 29 2 *", "crontab", 1506),
]
REFUSED = ["every 23 hours", "every 100000 minutes", "0 */6 * * *", "0 0 31 2 *", "60 10 * * *", ""]
KEYS = [
    "schedule",
    "kind",
    "intervalDays",
    "meanGapDays",
    "explanation",
    "warnings",
    "nextRuns",
]


@pytest.mark.parametrize(("text", "kind", "days"), INTERVALS)
def test_a_schedule_is_explained_as_json(text: str, kind: str, days: int) -> None:
    result = run_cli("schedule", "explain", text, "-o", "json")
    content = json_of(result)
    assert result.exit_code == 0
    assert list(content) == KEYS
    assert (content["schedule"], content["kind"], content["intervalDays"]) == (text, kind, days)


def test_next_runs_are_five_at_ten_utc_an_interval_apart() -> None:
    content = json_of(run_cli("schedule", "explain", "every 50 hours", "-o", "json"))
    runs = [datetime.fromisoformat(run) for run in content["nextRuns"]]
    assert len(runs) == 5
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT10:00:00Z", run) for run in content["nextRuns"])
    assert {later - earlier for earlier, later in pairwise(runs)} == {timedelta(days=2)}
    assert runs[0] > datetime.now(UTC) - timedelta(minutes=1)
    assert content["meanGapDays"] == pytest.approx(50 / 24)
    assert content["warnings"] == []


def test_an_uneven_schedule_warns_in_every_form() -> None:
    content = json_of(run_cli("schedule", "explain", "0 0 */7 * *", "-o", "json"))
    assert "every 168 hours" in content["warnings"][0]
    assert content["warnings"][0] in run_cli("schedule", "explain", "0 0 */7 * *").stdout


@pytest.mark.parametrize("text", REFUSED)
def test_an_illegal_schedule_exits_1_with_an_error_object(text: str) -> None:
    result = run_cli("schedule", "explain", text, "-o", "json")
    error = json_of(result)["error"]
    assert result.exit_code == 1
    assert list(error) == ["code", "status", "message"]
    assert (error["code"], error["status"]) == (3, "INVALID_ARGUMENT")
    assert error["message"].startswith(f"schedule '{text}'")


def test_an_illegal_schedule_is_one_line_on_stderr_for_people() -> None:
    result = run_cli("schedule", "explain", "every 5 hours")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "write 'every 24 hours'" in result.stderr


def test_strict_refuses_what_the_original_language_lacks() -> None:
    assert run_cli("schedule", "explain", "every 2 days").exit_code == 0
    assert run_cli("schedule", "explain", "every 2 days", "--strict").exit_code == 1


def test_yaml_says_the_same_as_json() -> None:
    shown = {
        form: run_cli("schedule", "explain", "every 50 hours", "-o", form).stdout
        for form in ("json", "yaml")
    }
    assert yaml.safe_load(shown["yaml"]) == json.loads(shown["json"])


def test_people_see_interval_and_meaning() -> None:
    lines = run_cli("schedule", "explain", "every 50 hours").stdout.splitlines()
    assert "Interval:   2 days" in lines
    assert sum("T10:00:00Z" in line for line in lines) == 5
