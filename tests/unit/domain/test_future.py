"""Times that lie ahead of the clock, by a hand or by a clock that had jumped, stop nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from evaluation_operator.api.base import format_time
from evaluation_operator.domain.cover import Window, merge
from evaluation_operator.domain.naming import run_name
from evaluation_operator.domain.reasons import Reason
from tests.builders import Manifest
from tests.unit.domain.world import CREATED, DAY, FIRST_RUN, JobWorld, is_quiet

FAR = "2030-01-01T10:00:00Z"
CURE = (
    "; see whether the clocks of the operator and the nodes are right, and who wrote it: "
    "kubectl get evj ripeness -n fruit -o yaml --show-managed-fields"
)


def name_at(day: int) -> str:
    return run_name("ripeness", FIRST_RUN + day * DAY)


def run_days(world: JobWorld, first: int, last: int) -> None:
    for day in range(first, last + 1):
        world.at_slot(day)
        world.succeed(name_at(day))
        world.settle()


def told(world: JobWorld) -> list[str]:
    return [it.message for it in world.events if it.reason is Reason.FUTURE_NOT_BELIEVED]


@dataclass(frozen=True)
class Forgery:
    """What somebody writes, and what is said and taken of it."""

    writes: Callable[[Manifest], Manifest]
    want_words: str
    want: Callable[[Manifest], object]
    want_value: object


def cover_to(end: str) -> Callable[[Manifest], Manifest]:
    return lambda status: {"cover": [{"startTime": status["createTime"], "endTime": end}]}


FORGERIES = {
    "the last run": Forgery(
        lambda _: {"lastRunTime": FAR},
        f"status.lastRunTime: {FAR} lies in the future, and no run of then is known: "
        "2026-03-04T10:00:00Z is taken",
        lambda status: status["lastRunTime"],
        "2026-03-04T10:00:00Z",
    ),
    "the next run": Forgery(
        lambda _: {"nextRunTime": FAR},
        f"status.nextRunTime: {FAR} lies in the future, and is later than the schedule has it: "
        "2026-03-05T10:00:00Z is taken",
        lambda status: status["nextRunTime"],
        "2026-03-05T10:00:00Z",
    ),
    "the cover": Forgery(
        cover_to(FAR),
        f"status.cover: {FAR} lies in the future, and no run is known to have evaluated so much: "
        "2026-03-04T10:00:00Z is taken",
        lambda status: status["cover"],
        [{"startTime": "2026-03-02T08:00:00Z", "endTime": "2026-03-04T10:00:00Z"}],
    ),
    "rows to be tried again": Forgery(
        lambda _: {
            "retryWindows": [{"startTime": "2026-03-04T10:00:00Z", "endTime": FAR, "failures": 1}]
        },
        f"status.retryWindows: {FAR} lies in the future, and no run over it has failed: ",
        lambda status: status["retryWindows"][0]["endTime"] < "2026-03-05",
        True,
    ),
    "a pause": Forgery(
        lambda _: {"pausedSpans": [{"startTime": "2026-03-04T09:00:00Z", "endTime": FAR}]},
        f"status.pausedSpans: {FAR} lies in the future, and no pause is known of then: ",
        lambda status: status["pausedSpans"],
        [{"startTime": "2026-03-04T09:00:00Z", "endTime": "2026-03-04T10:00:01Z"}],
    ),
    "the newest Evaluation": Forgery(
        lambda status: {
            "latestEvaluation": status["latestEvaluation"] | {"evaluationJobRunTime": FAR}
        },
        f"status.latestEvaluation.evaluationJobRunTime: {FAR} lies in the future, and no run of "
        "then is known: 2026-03-04T10:00:00Z is taken",
        lambda status: status["latestEvaluation"]["evaluationJobRunTime"],
        "2026-03-04T10:00:00Z",
    ),
    "an Evaluation that never was": Forgery(
        lambda _: {"latestEvaluation": {"name": "good", "evaluationJobRunTime": FAR}},
        "2026-03-04T10:00:00Z is taken",
        lambda status: status["latestEvaluation"]["name"],
        name_at(2),
    ),
    "the last success": Forgery(
        lambda _: {"lastSuccessTime": FAR},
        f"status.lastSuccessTime: {FAR} lies in the future, so 2026-03-04T10:00:01Z is taken",
        lambda status: status["lastSuccessTime"],
        "2026-03-04T10:00:01Z",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_what_somebody_writes_of_the_future_is_told_and_not_believed(name: str) -> None:
    """Each of them stopped something without a word until 2030: runs were skipped, rows taken for
    evaluated, an Evaluation never replaced."""
    case = FORGERIES[name]
    world = JobWorld()
    run_days(world, 0, 2)
    world.own["status"] |= case.writes(world.status)
    world.events.clear()
    world.settle()

    assert case.want(world.status) == case.want_value
    [message] = told(world)
    assert message.startswith(case.want_words) or case.want_words in message
    assert message.endswith(CURE)

    run_days(world, 3, 4)
    assert world.spans("cover") == [Window(CREATED, FIRST_RUN + 4 * DAY)]
    windows = [Window(it.start, it.end) for it in world.windows(name_at(3))]
    assert merge(windows) == (Window(FIRST_RUN + 2 * DAY, FIRST_RUN + 3 * DAY),)
    assert world.status["latestEvaluation"]["name"] == name_at(4)
    assert len(told(world)) == 1, "once"


def test_all_of_it_at_once_is_healed_by_one_write() -> None:
    world = JobWorld()
    run_days(world, 0, 2)
    before = dict(world.status)
    for case in FORGERIES.values():
        world.own["status"] |= case.writes(world.status)
    writes = world.writes
    plan = world.turn()

    assert world.writes == writes + 1
    assert len(plan.events) == 7, "one a field"
    rest = {"pausedSpans", "retryWindows"}
    assert {k: v for k, v in world.status.items() if k not in rest} == {
        k: v for k, v in before.items() if k not in rest
    }
    world.settle()
    assert is_quiet(world.decide())


def test_clocks_that_differ_by_minutes_are_believed() -> None:
    """Who wrote it may have another clock than who reads it."""
    world = JobWorld()
    run_days(world, 0, 1)
    world.own["status"]["lastSuccessTime"] = format_time(world.now + timedelta(minutes=14))
    world.settle()
    assert told(world) == []


def test_a_run_that_was_made_while_the_clock_was_a_day_ahead_is_not_made_again() -> None:
    world = JobWorld()
    run_days(world, 0, 3)
    world.now -= timedelta(hours=25)
    world.settle()

    assert world.status["lastRunTime"] == "2026-03-05T10:00:00Z"
    assert all("lastRunTime" not in message for message in told(world))
    run_days(world, 4, 4)
    assert world.windows(name_at(4)) == [Window(FIRST_RUN + 3 * DAY, FIRST_RUN + 4 * DAY)]


@pytest.mark.parametrize("ends", ["before the clock is right again", "after it", "badly", "never"])
def test_a_run_of_a_clock_that_had_jumped_by_years(ends: str) -> None:
    """It covered the rows of years, and no run was made before these were over. What it really
    read, it read when it was made, which the API server's clock tells."""
    world = JobWorld()
    run_days(world, 0, 0)
    right = FIRST_RUN + timedelta(hours=3)
    world.now = datetime.fromisoformat("2030-01-05T10:30:00Z")
    world.settle()
    [jumped] = world.active
    world.datasets[jumped]["metadata"]["creationTimestamp"] = format_time(right)
    if ends == "before the clock is right again":
        world.succeed(jumped)
        world.settle()
        assert world.spans("cover")[0].end.year == 2030
    world.now = right + timedelta(hours=1)
    world.settle()
    if ends == "after it":
        world.succeed(jumped)
    if ends == "badly":
        world.fail(jumped)
    world.settle()

    first, second = name_at(1), name_at(2)
    world.at_slot(1)
    failed = int(ends == "badly")
    start = right if ends != "badly" else FIRST_RUN
    assert world.windows(first)[0].start == start
    assert world.windows(first)[-1].end == FIRST_RUN + DAY
    assert sum(it.failures for it in world.windows(first)) == failed
    world.succeed(first)
    world.settle()
    assert world.status["lastRunTime"] == "2026-03-03T10:00:00Z"
    assert world.status["latestEvaluation"]["name"] == first
    run_days(world, 2, 2)
    assert world.windows(second) == [Window(FIRST_RUN + DAY, FIRST_RUN + 2 * DAY)]
    told_before = len(told(world))
    world.at_slot(3)
    assert len(told(world)) == told_before


def test_rows_that_failed_and_wait_are_not_covered_by_a_cut_cover() -> None:
    world = JobWorld()
    run_days(world, 0, 0)
    world.at_slot(1)
    world.fail(name_at(1))
    world.settle()
    run_until_failed = world.spans("retryWindows")
    world.own["status"] |= cover_to(FAR)(world.status)
    world.settle()

    assert world.spans("cover") == [Window(CREATED, FIRST_RUN)]
    assert world.spans("retryWindows") == run_until_failed


def test_a_run_that_no_status_lists_is_taken_up_when_the_last_run_is_not_believed() -> None:
    """A hand that wrote between a run's start and its report made it look as if it had ended."""
    world = JobWorld()
    run_days(world, 0, 0)
    world.at_slot(1)
    world.own["status"] |= {"lastRunTime": FAR, "active": []}
    world.settle()

    assert world.active == [name_at(1)]
    world.succeed(name_at(1))
    world.settle()
    assert world.spans("cover") == [Window(CREATED, FIRST_RUN + DAY)]
