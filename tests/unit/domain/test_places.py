"""A namespace has so many Jobs at once: what finds no place waits, says so, and loses nothing."""

from __future__ import annotations

import pytest

from evaluation_operator.domain.naming import evaluate_job_name, run_name
from evaluation_operator.domain.plan import CreateTableCheck
from evaluation_operator.domain.reasons import Reason
from tests.builders import Manifest
from tests.unit.domain.world import CREATED, DAY, FIRST_RUN, JobWorld, VersionWorld, World

RUN = run_name("ripeness", FIRST_RUN)
LIMIT = "EVALUATION_MAX_ACTIVE_RUNS"


def names_the_limit(text: Manifest) -> bool:
    return LIMIT in text["message"] and "50 Jobs of namespace 'fruit'" in text["message"]


def test_a_run_that_is_due_waits_for_a_place_and_is_still_that_of_its_time() -> None:
    world = JobWorld()
    world.free_places = 0
    plan = world.at_slot(seconds=3600)

    assert not world.datasets
    assert plan.waits_since == FIRST_RUN
    assert plan.wake_at == world.now + world.policy.place_retry
    assert world.condition("Waiting")["reason"] == Reason.TOO_MANY_RUNS
    assert names_the_limit(world.condition("Waiting"))
    assert world.condition("Ready")["status"] == "True"
    assert world.status["nextRunTime"] == "2026-03-02T10:00:00Z"

    world.free_places = 1
    plan = world.settle()
    assert list(world.datasets) == [RUN]
    assert plan.waits_since is None
    assert world.condition("Waiting") == {}
    assert world.status["nextRunTime"] == "2026-03-03T10:00:00Z"


def test_a_run_that_waited_until_the_next_was_due_leaves_no_row_out() -> None:
    world = JobWorld()
    world.free_places = 0
    world.at_slot()
    world.at_slot(2)
    world.free_places = 1
    world.settle()

    [window] = world.windows(world.newest())
    assert (window.start, window.end) == (CREATED, FIRST_RUN + 2 * DAY)


def test_of_several_runs_those_start_that_find_a_place_and_the_rows_of_the_rest_are_kept() -> None:
    world = JobWorld()
    world.at_slot()
    for day in (1, 2):
        world.fail(world.newest())
        world.at_slot(day)
    world.fail(world.newest())
    world.free_places = 1
    world.at_slot(3)

    assert len(world.active) == 1, "what failed too often runs alone, so there are two"
    assert world.status["retryWindows"]
    world.succeed(world.active[0])
    world.free_places = None
    world.at_slot(4)
    assert len(world.active) == 2


def test_nothing_waits_that_has_nothing_to_start() -> None:
    world = JobWorld(labelDelay="864000s")
    world.free_places = 0
    plan = world.at_slot()

    assert plan.waits_since is None
    assert world.condition("Waiting") == {}


@pytest.mark.parametrize("lost", [False, True], ids=["after people", "after it was lost"])
def test_a_run_whose_job_is_missing_says_that_it_waits_for_a_place(lost: bool) -> None:
    world = JobWorld(people=not lost)
    world.at_slot()
    if lost:
        world.remove_job(RUN)
    else:
        world.cut(RUN)
        world.settle()
        world.say_labeled(RUN, "True", "AllLabeled")
    wanted = RUN if lost else evaluate_job_name(RUN)
    world.free_places = 0
    plan = world.settle()

    assert wanted not in world.jobs
    assert plan.waits_since is not None
    assert names_the_limit(world.status["active"][0])
    world.free_places = 1
    world.settle()
    assert wanted in world.jobs
    assert "message" not in world.status["active"][0]


def test_people_who_label_take_no_place() -> None:
    world = JobWorld(people=True)
    world.at_slot()
    world.cut(RUN)
    world.free_places = 0

    assert world.settle().waits_since is None


def test_a_check_waits_for_a_place_and_what_the_last_one_found_stands() -> None:
    world = JobWorld(checked=False)
    world.free_places = 0
    world.settle()
    assert not world.jobs
    assert world.condition("Ready")["reason"] == Reason.TOO_MANY_RUNS
    assert names_the_limit(world.condition("Ready"))

    world.free_places = 1
    world.settle()
    world.fail(world.check_name, "connection refused", reason="TableUnavailable")
    world.settle()
    world.now += world.policy.table_check_retry
    world.free_places = 0
    plan = world.settle()
    assert not any(isinstance(action, CreateTableCheck) for action in plan.actions)
    assert plan.waits_since is not None
    assert world.condition("Ready")["message"] == "connection refused"
    assert len(world.jobs) == 1, "the failed one remembers how often it failed"


def test_a_version_waits_for_a_place() -> None:
    world = VersionWorld()
    world.free_places = 0
    plan = world.settle()

    assert plan.waits_since == CREATED
    assert world.status["state"] == "Creating"
    assert world.condition("Ready")["reason"] == Reason.TOO_MANY_RUNS
    assert names_the_limit(world.condition("Ready"))
    world.free_places = 1
    world.settle()
    assert world.run_name in world.jobs


def test_a_version_whose_job_was_lost_waits_for_a_place() -> None:
    world = VersionWorld()
    world.settle()
    world.remove_job(world.run_name)
    world.free_places = 0
    assert world.settle().waits_since is not None
    assert world.condition("Ready")["reason"] == Reason.TOO_MANY_RUNS
    assert world.run_name not in world.jobs


def test_a_version_that_waits_can_be_terminated() -> None:
    world = VersionWorld()
    world.free_places = 0
    world.settle()
    world.edit(terminate=True)

    assert world.settle().waits_since is None
    assert world.status["state"] == "Terminated"


def any_world(kind: type[World]) -> World:
    return kind()


@pytest.mark.parametrize("kind", [JobWorld, VersionWorld])
def test_without_a_limit_nothing_waits(kind: type[World]) -> None:
    world = any_world(kind)
    world.now = FIRST_RUN + DAY
    assert world.settle().waits_since is None
    assert world.jobs
