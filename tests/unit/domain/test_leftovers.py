"""A Job whose run has its outcome makes no further pod, and does not keep its place for nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.unit.domain.world import JobWorld, VersionWorld, World

FAILED = {"terminated": {"exitCode": 137}}
UNSCHEDULABLE = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no node"}]}
PROXY = {"name": "istio-proxy", "state": {"running": {}}}


def containers(world: World, *others: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    if "terminated" in state:
        state["terminated"]["finishedAt"] = world.now.isoformat()
    return {"containerStatuses": [*others, {"name": "run", "state": state}]}


def dies(world: World, run: str) -> None:
    """The pod that has written the outcome dies before it can say that it has ended well."""
    world.pods[run] = []
    world.start_pod(run, "Failed", **containers(world, state=FAILED))


def is_evicted(world: World, run: str) -> None:
    world.pods[run] = []
    world.start_pod(run, "Failed", reason="Evicted")


def vanishes(world: World, run: str) -> None:
    world.pods[run] = []


def is_replaced(world: World, run: str) -> None:
    """No node has room for the next one, which would stand there until the deadline."""
    world.pods[run] = []
    world.start_pod(run, "Pending", **UNSCHEDULABLE)


def goes_on(world: World, run: str) -> None:
    """It looks back at earlier runs."""


def ends(world: World, run: str) -> None:
    world.pods[run] = []
    world.start_pod(run, "Succeeded", **containers(world, state={"terminated": {"exitCode": 0}}))


def is_not_seen_yet(world: World, run: str) -> None:
    """The kubelet has not said yet that the container has begun."""
    world.pods[run] = []
    world.start_pod(run, "Pending")


def ends_beside_a_proxy(world: World, run: str) -> None:
    world.pods[run] = []
    state = {"terminated": {"exitCode": 0}}
    world.start_pod(run, "Running", **containers(world, PROXY, state=state))


@dataclass(frozen=True)
class Case:
    pod: Callable[[World, str], None]
    want_job: bool
    want_job_after_a_minute: bool | None = None


CASES = {
    "its pod dies": Case(dies, False),
    "its pod is evicted": Case(is_evicted, False),
    "its pod is gone": Case(vanishes, False),
    "its pod was replaced by one that cannot start": Case(is_replaced, False),
    "its pod goes on": Case(goes_on, True),
    "its pod ends": Case(ends, True),
    "its pod has not been seen to begin": Case(is_not_seen_yet, True),
    "a container beside the run's goes on": Case(ends_beside_a_proxy, True, False),
}


def committed(world: World, run: str) -> None:
    world.start_pod(run)
    world.settle()
    world.commit(run, "Succeeded", evaluation=run, meanAveragePrecision=0.9)
    world.settle()
    assert run in world.jobs


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_of_a_scheduled_run(case: Case) -> None:
    world = JobWorld()
    world.at_slot(0)
    [run] = world.active
    see_to_it(case, world, run)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_of_a_version(case: Case) -> None:
    world = VersionWorld()
    world.settle()
    see_to_it(case, world, world.run_name)


def see_to_it(case: Case, world: World, run: str) -> None:
    committed(world, run)
    case.pod(world, run)
    plan = world.settle()
    assert (run in world.jobs) is case.want_job
    if case.want_job_after_a_minute is not None:
        assert plan.wake_at is not None
        world.now = plan.wake_at
        world.settle()
        assert (run in world.jobs) is case.want_job_after_a_minute
