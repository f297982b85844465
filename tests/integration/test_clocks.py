"""Clocks of the API server, of the operator and of the nodes that differ by five minutes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from evaluation_operator.controller.clock import SystemClock
from tests.integration.kubelet import Kubelet
from tests.integration.lab import Lab, condition, quiet, ready, reason, state, writes
from tests.integration.test_standstills import QUICK, QUOTAS, held_up, refuse_pods

pytestmark = pytest.mark.integration

FIVE = timedelta(minutes=5)
CLOCKS = [
    pytest.param(FIVE, timedelta(0), id="the operator's is ahead"),
    pytest.param(-FIVE, timedelta(0), id="the operator's is behind"),
    pytest.param(timedelta(0), FIVE, id="the nodes' is ahead"),
    pytest.param(timedelta(0), -FIVE, id="the nodes' is behind"),
]


@pytest.mark.parametrize(("operators", "nodes"), CLOCKS)
async def test_a_job_is_checked_again_and_runs_as_if_all_clocks_were_one(
    lab: Lab, operators: timedelta, nodes: timedelta
) -> None:
    lab.clock.offset = operators
    lab.kubelet = Kubelet(lab.kube, lab.namespace, SystemClock(nodes))
    async with lab.operator(policy=QUICK) as operator:
        await lab.apply_job()
        if operators >= timedelta(0):  # else the next check comes later, by what it is behind
            await lab.kubelet.fail(await lab.check_name(), "no column", exit_code=65)
            await lab.job(holds=reason("Ready", "TableUnavailable"))
        await lab.pass_check()
        await lab.job(holds=ready)

        await refuse_pods(lab)
        run = await lab.go_to_slot()
        await lab.job(holds=held_up("FailedCreate"))
        await lab.delete(QUOTAS, "no-pods")
        await lab.finish(run)
        status = await lab.job(holds=state("SCHEDULED"))
        assert status["latestEvaluation"]["name"] == run
        assert "attempts" not in status
        assert condition(status, "Ready")["status"] == "True"
        await quiet(operator)
        before = writes(operator)
        await quiet(operator)
        assert writes(operator) == before


@pytest.mark.parametrize(("operators", "nodes"), CLOCKS)
async def test_a_version_ends_after_it_began_by_whatever_clock(
    lab: Lab, operators: timedelta, nodes: timedelta
) -> None:
    lab.clock.offset = operators
    lab.kubelet = Kubelet(lab.kube, lab.namespace, SystemClock(nodes))
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
        await lab.apply_version()
        await lab.finish("evjv-again")
        status = await lab.version(holds=state("Completed"))
        begun, ended = (
            datetime.fromisoformat(status[field]) for field in ("startTime", "completionTime")
        )
        assert begun <= ended <= begun + FIVE + timedelta(minutes=1)
        assert "FutureNotBelieved" not in await lab.reasons()
