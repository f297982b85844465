"""Statuses that somebody has written by hand, and clocks that differ, on the real control plane."""

from __future__ import annotations

import asyncio
import json

import pytest

from evaluation_operator.kube import EVENTS
from tests.cluster.control_plane import ControlPlane
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, state, time_of

pytestmark = pytest.mark.integration

FAR = "2030-01-01T10:00:00Z"


async def write_status(
    plane: ControlPlane, lab: Lab, kind: str, name: str, **status: object
) -> None:
    await asyncio.to_thread(
        plane.kubectl,
        *("patch", kind, name, "-n", lab.namespace, "--subresource=status", "--type=merge"),
        *("-p", json.dumps({"status": status})),
    )


async def messages(lab: Lab, reason: str) -> list[str]:
    found = lab.kube.list(EVENTS, lab.namespace)
    return sorted([item["message"] async for item in found if item["reason"] == reason])


async def test_a_status_that_somebody_writes_into_the_future_stops_no_run(
    lab: Lab, control_plane: ControlPlane
) -> None:
    """`kubectl edit --subresource=status` with 2030 in it, and no run was made before 2030."""
    async with lab.operator():
        await lab.ready_job()
        first = await lab.go_to_slot()
        await lab.finish(first)
        before = await lab.job(holds=state("SCHEDULED"))
        await write_status(
            *(control_plane, lab, "evj", "ripeness"),
            lastRunTime=FAR,
            nextRunTime=FAR,
            cover=[{"startTime": before["createTime"], "endTime": FAR}],
            latestEvaluation=before["latestEvaluation"] | {"evaluationJobRunTime": FAR},
        )
        told = await eventually(
            lambda: messages(lab, "FutureNotBelieved"), lambda found: len(found) == 4
        )
        slot = time_of(await lab.slot())
        print(*told, sep="\n")
        assert told[1] == (
            f"status.lastRunTime: {FAR} lies in the future, and no run of then is known: {slot} "
            "is taken; see whether the clocks of the operator and the nodes are right, and who "
            f"wrote it: kubectl get evj ripeness -n {lab.namespace} -o yaml --show-managed-fields"
        )
        assert await lab.job() == before

        second = await lab.go_to_slot(1)
        assert await lab.windows(second) == [(slot, time_of(await lab.slot(1)), 0)]
        await lab.finish(second)
        status = await lab.job(
            holds=lambda status: status.get("latestEvaluation", {}).get("name") == second
        )
        assert len(status["cover"]) == 1
        assert len(await messages(lab, "FutureNotBelieved")) == 4
