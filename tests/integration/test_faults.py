"""What goes wrong around the operator: its own end, its namesakes, the API server, its leader."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from evaluation_operator.controller import app, turns
from evaluation_operator.controller.clock import SystemClock
from evaluation_operator.controller.watching import watch_for_ever
from evaluation_operator.kube import (
    DATASETS,
    EVALUATION_JOBS,
    LEASES,
    Kube,
    Resource,
    Transient,
)
from tests.bench.takeover import Pair
from tests.cluster.control_plane import API_SERVER, ControlPlane
from tests.cluster.settings import CHECKOUT
from tests.integration.eventually import count_of, eventually
from tests.integration.lab import Lab, ready, state, time_of

pytestmark = pytest.mark.integration

LEADER = "evaluation-operator"


class EndingKube(Kube):
    """A connection that lets so many writes through and no more, as if its owner had ended."""

    survives = 10**9
    written = 0

    async def _call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        if is_write(method, path):
            self.written += 1
            if self.written > self.survives:
                raise Transient("the operator has ended")
        return await super()._call(method, path, **more)

    @property
    def has_ended(self) -> bool:
        return self.written > self.survives


class DeafKube(Kube):
    """A connection that loses the answer to every other write: it is carried out all the same."""

    written = 0

    async def _call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = await super()._call(method, path, **more)
        if is_write(method, path):
            self.written += 1
            if self.written % 2:
                raise Transient("connection reset")
        return answer


class HangingKube(Kube):
    """A connection on which the answer to every other write never comes: it is carried out."""

    written = 0

    async def _call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = await super()._call(method, path, **more)
        if is_write(method, path):
            self.written += 1
            if self.written % 2:
                await asyncio.Event().wait()
        return answer


def is_write(method: str, path: str) -> bool:
    return method != "GET" and not path.endswith("/events")


async def play(lab: Lab) -> str:
    """From a new job to the figures of its first run."""
    await lab.pass_check()
    await lab.job(holds=ready)
    name = await lab.go_to_slot()
    await lab.finish(name)
    await lab.job(holds=lambda status: "latestEvaluation" in status)
    return name


@pytest.mark.parametrize("survives", range(9))
async def test_the_operator_ends_at_any_write(lab: Lab, survives: int) -> None:
    """Writes: finalizer, claim, check, status, ready, Dataset, Job, RUNNING, recorded."""
    await lab.apply_job()
    kube = await EndingKube.connect(str(lab.kubeconfig))
    assert isinstance(kube, EndingKube)
    kube.survives = survives
    async with lab.operator(kube):
        playing = asyncio.create_task(play(lab))

        async def ended() -> bool:
            return kube.has_ended or playing.done()

        await eventually(ended)
        assert kube.has_ended, "the story has as many writes"
    async with lab.operator():
        async with asyncio.timeout(30):
            name = await playing
        await lab.job(holds=state("SCHEDULED"))
    await assert_one_run(lab, name)


async def test_every_other_answer_is_lost(lab: Lab) -> None:
    """What was created is there when it is created again: it is adopted."""
    await lab.apply_job()
    kube = await DeafKube.connect(str(lab.kubeconfig))
    assert isinstance(kube, DeafKube)
    async with lab.operator(kube):
        name = await play(lab)
        await lab.job(holds=state("SCHEDULED"))
    assert kube.written >= 9
    await assert_one_run(lab, name)


async def test_turns_that_are_cancelled_within_a_write_do_nothing_twice(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn that hangs is ended wherever it is. The next one finds what was written."""
    monkeypatch.setattr(turns, "PAUSE_SECONDS", 0.1)
    await lab.apply_job()
    kube = await HangingKube.connect(str(lab.kubeconfig))
    assert isinstance(kube, HangingKube)
    async with lab.operator(kube, turn_seconds=1.0) as operator:
        name = await play(lab)
        await lab.job(holds=state("SCHEDULED"))
        cancelled = operator.telemetry.reconciles.labels("EvaluationJob", "cancelled")
        assert count_of(cancelled) >= 4
    assert kube.written >= 8
    await assert_one_run(lab, name)


async def assert_one_run(lab: Lab, name: str) -> None:
    assert await lab.run_jobs() == [name]
    assert await lab.names(DATASETS) == [name]
    assert await lab.evaluations() == [name]
    status, slot = await lab.job(), time_of(await lab.slot())
    assert status["cover"] == [{"startTime": status["createTime"], "endTime": slot}]
    assert "attempts" not in status
    assert len(await lab.names(LEASES)) == 1


async def test_two_operators_at_once_make_each_run_once(lab: Lab) -> None:
    async with lab.operator(), lab.another_operator():
        await lab.ready_job()
        for day in range(3):
            name = await lab.go_to_slot(day)
            await lab.dataset(name)
            if day == 1:
                await lab.kubelet.fail(name)
                await lab.job(holds=lambda status: status.get("failedRuns") == 1)
            else:
                await lab.finish(name)
                await lab.job(
                    holds=lambda s, n=name: s.get("latestEvaluation", {}).get("name") == n  # type: ignore[misc]
                )
        await lab.apply_version()
        await lab.version(holds=lambda status: status.get("number") == 1)
        status = await lab.job(holds=state("SCHEDULED"))

    assert len(await lab.run_jobs()) == 4
    assert status["totalAttempts"] == 1
    assert len(status["cover"]) == 1
    assert (await lab.reasons()).count("RunCreated") == 4


class InterferingKube(Kube):
    """A connection through which an edit arrives just before a status is written."""

    interfere: Any = None

    async def replace_status(
        self, resource: Any, namespace: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        if self.interfere is not None and resource is EVALUATION_JOBS:
            interfere, self.interfere = self.interfere, None
            await interfere()
        return await super().replace_status(resource, namespace, body)


async def test_a_status_is_never_written_on_top_of_what_was_not_decided_on(lab: Lab) -> None:
    """The watch told of a newer object between decision and write, and its word was undone."""
    kube = await InterferingKube.connect(str(lab.kubeconfig))
    assert isinstance(kube, InterferingKube)
    async with lab.operator(kube) as operator:
        await lab.ready_job()

        async def somebody_reports() -> None:
            body = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness")
            body["status"] |= {"failedRuns": 7}
            written = await lab.kube.replace_status(EVALUATION_JOBS, lab.namespace, body)
            version = written["metadata"]["resourceVersion"]

            async def known() -> bool:
                stored = operator.store.jobs.get((lab.namespace, "ripeness"))
                return stored is not None and int(stored.resource_version) >= int(version)

            await eventually(known)

        kube.interfere = somebody_reports
        await lab.edit_job(paused=True)
        status = await lab.job(holds=state("PAUSED"))
        assert status["failedRuns"] == 7


@asynccontextmanager
async def program(lab: Lab, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The operator as it is deployed: the program, its settings and its signals."""
    settings = {
        "PYTHONPATH": str(CHECKOUT / "operator"),
        "KUBECONFIG": str(lab.kubeconfig),
        "POD_NAMESPACE": lab.namespace,
        "EVALUATION_NAMESPACES": lab.namespace,
        "EVALUATION_HEALTH_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "evaluation_operator.controller.main",
        env=dict(os.environ) | settings | environment,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_program_leads_and_another_replica_takes_over(lab: Lab) -> None:
    async with program(lab, POD_NAME="one") as one:
        await eventually(lambda: holder(lab), lambda name: name == "one")
        async with lab.operator(leader_election=True, identity="two") as two:
            await lab.ready_job()
            assert not two.leading.is_set()

            one.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await one.wait() == 0
            await eventually(lambda: holder(lab), lambda name: name == "two")
            await lab.edit_job(paused=True)
            await lab.job(holds=state("PAUSED"))


async def test_a_replica_that_is_stopped_gives_its_lease_back(lab: Lab) -> None:
    """For 22 seconds nobody worked: the stopped leader renewed its Lease for five seconds more,
    kept it when it ended, and the other one waited until it had run out."""
    async with program(lab, POD_NAME="one") as one:
        await eventually(lambda: holder(lab), lambda name: name == "one")
        one.send_signal(signal.SIGTERM)
        assert await one.wait() == 0
    assert await holder(lab) == ""


async def test_a_replica_that_is_stopped_is_followed_by_the_other(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    await lab.apply_job()
    pair = Pair(lab.kube, str(lab.kubeconfig), lab.namespace)
    taken = [await pair.takeover(signal.SIGTERM) for _ in range(3)]
    with capsys.disabled():
        seconds = ", ".join(f"{it:.2f} s" for it in taken)
        print(f"\nfrom SIGTERM to the first write of the other replica: {seconds}")


class StuckKube(Kube):
    """A connection on which statuses of jobs are not answered before `go`."""

    go: asyncio.Event
    asked = 0

    async def replace_status(
        self, resource: Resource, namespace: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        if resource is EVALUATION_JOBS:
            self.asked += 1
            await self.go.wait()
        return await super().replace_status(resource, namespace, body)


async def test_a_turn_that_hangs_keeps_the_lease_from_nobody(lab: Lab) -> None:
    """A replica that stops waits for its turns for seconds; others need not."""
    kube = await StuckKube.connect(str(lab.kubeconfig))
    assert isinstance(kube, StuckKube)
    kube.go = asyncio.Event()

    async def asked() -> int:
        return kube.asked

    async with lab.operator(kube, leader_election=True, identity="one") as one:
        await lab.apply_job()
        await eventually(asked)
        one.stop.set()
        await eventually(lambda: holder(lab), lambda name: name == "")
        assert one.queue.busy == 1
        kube.go.set()
    status = await lab.job(holds=bool)
    assert status["conditions"], "the turn was not cut in two"


async def test_a_signal_stops_the_operator_before_its_watching_has_ended(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kopf took the signal for itself, and told of it when it had waited for five seconds for a
    task of its own: meanwhile turns began, and the Lease was renewed."""
    ended = asyncio.Event()

    async def watch(*args: Any, **more: Any) -> None:
        await watch_for_ever(*args, **more)
        ended.set()

    async def heard() -> bool:
        return signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL

    monkeypatch.setattr(app, "watch_for_ever", watch)
    async with lab.operator(leader_election=True) as operator:
        await eventually(heard)
        os.kill(os.getpid(), signal.SIGTERM)
        await operator.stop.wait()
        assert not ended.is_set()


async def holder(lab: Lab) -> str:
    lease = await lab.kube.get(LEASES, lab.namespace, LEADER)
    return str(lease["spec"]["holderIdentity"])


async def test_watching_that_starts_anew_leaves_the_leader_leading(lab: Lab) -> None:
    """Kopf cancelled the task that stood for leadership, and the operator never worked again."""
    async with lab.operator(leader_election=True, sweep_seconds=3600) as operator:
        await lab.ready_job()
        operator.sweeper.watch_is_silent.set()

        async def started_anew() -> bool:
            return count_of(operator.telemetry.restarts) == 1

        await eventually(started_anew)
        await lab.edit_job(paused=True)
        await lab.job(holds=state("PAUSED"))
        assert operator.leading.is_set()


@pytest.mark.parametrize("hours", [25, -25])
async def test_a_clock_that_steps_runs_each_slot_once(lab: Lab, hours: int) -> None:
    async with lab.operator():
        await lab.ready_job()
        name = await lab.go_to_slot(3)
        await lab.finish(name)
        await lab.job(holds=state("SCHEDULED"))
        for step in (hours, -hours):
            lab.clock.offset += timedelta(hours=step)
            await asyncio.sleep(0.3)
        later = await lab.go_to_slot(5)
        await lab.dataset(later)
        slots = await slots_of(lab)
    assert len(slots) == len(set(slots))
    assert slots[-1] == time_of(await lab.slot(5))


async def slots_of(lab: Lab) -> list[str]:
    found = lab.kube.list(DATASETS, lab.namespace)
    return sorted([item["spec"]["scheduledTime"] async for item in found])


async def test_operators_with_clocks_apart_agree(lab: Lab) -> None:
    """One has come to the slot a little before the other: one run, one name."""
    async with lab.operator():
        await lab.ready_job()
    ahead = SystemClock(await lab.slot() - lab.clock.now() + timedelta(seconds=0.5))
    behind = SystemClock(ahead.offset - timedelta(seconds=1))
    async with lab.operator(clock=ahead), lab.another_operator(behind):
        status = await lab.job(holds=state("RUNNING"))
        await eventually(lambda: at_least(behind, status["lastRunTime"]))
        await lab.finish(status["active"][0]["name"])
        await lab.job(holds=state("SCHEDULED"))
    assert len(await lab.run_jobs()) == 1


async def at_least(clock: SystemClock, text: str) -> bool:
    return time_of(clock.now()) > text


async def test_a_namespace_that_is_deleted_lets_go(lab: Lab, control_plane: ControlPlane) -> None:
    async with lab.operator():
        await lab.ready_job()
        name = await lab.go_to_slot()
        await lab.dataset(name)
        await asyncio.to_thread(
            control_plane.kubectl, "delete", "namespace", lab.namespace, "--wait=false"
        )
        await lab.is_gone(EVALUATION_JOBS, "ripeness", seconds=60)


async def test_an_api_server_that_restarts(lab: Lab, control_plane: ControlPlane) -> None:
    async with lab.operator() as operator:
        await lab.ready_job()
        first = await lab.go_to_slot()
        await lab.dataset(first)
        await lab.job(holds=state("RUNNING"))
        await asyncio.to_thread(control_plane.kill, API_SERVER)
        # From this thread: the server ends with the thread that started it.
        control_plane.start_component(API_SERVER)
        await asyncio.to_thread(control_plane.wait_until_ready)

        await lab.finish(first)
        await lab.job(holds=state("SCHEDULED"), seconds=40)
        second = await lab.go_to_slot(1)
        await lab.dataset(second)
        await lab.edit_job(paused=True)
        await lab.job(holds=state("PAUSED"), seconds=40)
        assert not operator.stop.is_set()
    assert await lab.run_jobs() == [first, second]
