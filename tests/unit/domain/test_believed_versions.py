"""A version's status is believed as far as its run bears it out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evaluation_operator.api.base import format_time
from tests.unit.domain.world import VersionWorld, is_quiet


def running() -> VersionWorld:
    world = VersionWorld()
    world.settle()
    world.start_pod(world.run_name)
    world.settle()
    assert world.status["state"] == "Running"
    return world


def reasons(world: VersionWorld) -> list[str]:
    return [str(event.reason) for event in world.events]


@pytest.mark.parametrize("state", ["Completed", "Failed", "Terminated"])
def test_a_final_state_by_hand_is_set_back_by_one_write(state: str) -> None:
    world = running()
    before = world.writes
    world.status["state"] = state
    world.settle()

    assert world.status["state"] == "Running"
    assert world.writes == before + 1
    assert reasons(world).count("StateNotBelieved") == 1
    assert is_quiet(world.decide())


def test_without_a_job_and_a_pod_nothing_is_begun_anew() -> None:
    """A run of long ago, whose Job is gone and whose Dataset tells nothing."""
    world = running()
    world.status["state"] = "Failed"
    world.jobs.clear()
    world.pods.clear()

    assert is_quiet(world.decide())


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_time_of_the_future_is_not_believed(hours: int) -> None:
    world = running()
    world.status["startTime"] = format_time(world.now + timedelta(hours=hours))
    world.settle()

    assert reasons(world).count("FutureNotBelieved") == (1 if hours > 0 else 0)
    assert world.status["startTime"] <= format_time(world.now)


def test_clocks_that_differ_a_little_are_no_future() -> None:
    world = running()
    world.status["startTime"] = format_time(world.now + timedelta(minutes=5))

    assert is_quiet(world.decide())
