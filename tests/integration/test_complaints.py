"""What only Events say: asked for seldom, for many runs at once, and believed after a restart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from evaluation_operator.kube import EVENTS, Forbidden
from tests.builders import Manifest
from tests.cluster.control_plane import ControlPlane
from tests.integration.eventually import eventually
from tests.integration.lab import POLICY, Lab, quiet, ready, writes

pytestmark = pytest.mark.integration

JOBS = [f"ripeness-{number}" for number in range(4)]


def refused(status: Manifest) -> bool:
    return "exceeded quota" in str(status.get("active"))


async def ready_jobs(lab: Lab) -> None:
    for number, name in enumerate(JOBS):
        await lab.apply_job(name, modelVersion=f"models/ripeness/versions/v{number}")
    await lab.pass_check()
    for name in JOBS:
        await lab.job(name, ready)


async def test_a_namespace_is_asked_once_for_all_of_its_runs(
    lab: Lab, control_plane: ControlPlane
) -> None:
    seldom = replace(POLICY, trouble_after=timedelta(seconds=5))
    async with lab.operator(policy=seldom) as operator:
        asked = 0
        pages = operator.kube.pages

        def counting(resource, namespace=None, **more):  # type: ignore[no-untyped-def]
            nonlocal asked
            asked += resource is EVENTS
            return pages(resource, namespace, **more)

        operator.kube.pages = counting  # type: ignore[method-assign]
        await ready_jobs(lab)
        slot = await lab.slot(0, JOBS[0])
        control_plane.kubectl("create", "quota", "no-pods", "--hard=pods=0", "-n", lab.namespace)
        assert asked == 0
        lab.go_to(slot)
        for name in JOBS:
            status = await lab.job(name, refused, seconds=30)
            [run] = status["active"]
            assert run["message"].startswith("FailedCreate: pods ")
            assert "raise the ResourceQuota" in run["message"]
        assert asked <= 4


async def test_a_restart_says_the_same_and_writes_nothing(
    lab: Lab, control_plane: ControlPlane
) -> None:
    quota = ("quota", "no-pods", "-n", lab.namespace)
    async with lab.operator():
        await lab.ready_job()
        control_plane.kubectl("create", *quota, "--hard=pods=0")
        run = await lab.go_to_slot()
        await lab.job(holds=refused)
    async with lab.operator() as restarted:
        await quiet(restarted)
        assert writes(restarted) == 0
        assert refused(await lab.job())

        control_plane.kubectl("delete", *quota)
        await lab.finish(run)
        await lab.job(holds=lambda status: status.get("latestEvaluation"))
        assert writes(restarted) <= 2, "that it is over, and what came out"


async def test_without_the_right_to_events_a_run_goes_on_unexplained(
    lab: Lab, control_plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    quota = ("quota", "no-pods", "-n", lab.namespace)
    async with lab.operator() as operator:
        await lab.ready_job()
        pages = operator.kube.pages

        def refusing(resource, namespace=None, **more):  # type: ignore[no-untyped-def]
            if resource is EVENTS:
                raise Forbidden("events is forbidden")
            return pages(resource, namespace, **more)

        operator.kube.pages = refusing  # type: ignore[method-assign]
        control_plane.kubectl("create", *quota, "--hard=pods=0")
        run = await lab.go_to_slot()

        async def said() -> str:
            return caplog.text

        await eventually(said, lambda text: "is not known: events is forbidden" in text)
        control_plane.kubectl("delete", *quota)
        await lab.finish(run)
        await lab.job(holds=lambda status: status.get("latestEvaluation"))
