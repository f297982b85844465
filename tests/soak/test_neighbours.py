"""An honest job beside hostile ones: all of the operator but its watching, on a server in memory.

Of the attack that this is about, 64 jobs had `manageLogger: true` and an InferenceService whose
name walked to some other object. That object was found under another name than it was asked for,
its logger could not be set, and to decide again "without it" came to the same: for ever, without a
pause, on a worker each. With all 64 workers so, nobody else's job was ever looked at, while
`/healthz` and `/readyz` said 200. The schema refuses such names now; here they come past it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from evaluation_operator.controller import act, app
from evaluation_operator.controller.app import Operator
from evaluation_operator.controller.clock import SystemClock
from evaluation_operator.controller.keys import Key, job_key
from evaluation_operator.controller.settings import Settings
from evaluation_operator.controller.sweep import Sweeper
from evaluation_operator.controller.telemetry import Telemetry
from evaluation_operator.domain.policy import Policy
from evaluation_operator.kube import (
    ANNOTATION_SPEC_SETS,
    CLAIMS,
    EVALUATION_JOBS,
    INFERENCE_SERVICES,
    SERVICE_ACCOUNTS,
    Rejected,
    Transient,
)
from evaluation_operator.serving.settings import Listening
from tests.builders import Manifest, make_evaluation_job, make_spec_set
from tests.integration.eventually import count_of
from tests.soak.server import MemoryServer

WALK = "../../../../../../api/v1/namespaces/kube-system/serviceaccounts/default"
HOSTILE = 64
SETTINGS = Settings(policy=Policy(), leader_election=False, listening=Listening("127.0.0.1", 0))


def job(namespace: str, name: str, **spec: Any) -> Manifest:
    version = {"modelVersion": f"models/{name}/versions/v1"}
    return make_evaluation_job(name, metadata={"namespace": namespace}, spec=version | spec)


def furnish(server: MemoryServer, namespace: str) -> None:
    """What every namespace with jobs has."""
    server.put(ANNOTATION_SPEC_SETS, make_spec_set(metadata={"namespace": namespace}))
    for resource, name in ((SERVICE_ACCOUNTS, "evaluation-runner"), (CLAIMS, "predictions")):
        server.put(resource, {"metadata": {"namespace": namespace, "name": name}})


def service(namespace: str, name: str) -> Manifest:
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "annotations": {"evaluations.dev/logger-for": "*"},
        },
        "spec": {"predictor": {}},
    }


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> MemoryServer:
    monkeypatch.setattr(app, "STOP_SECONDS", 0.1)
    server = MemoryServer()
    for namespace in ("attacker", "fruit"):
        furnish(server, namespace)
    server.put(EVALUATION_JOBS, job("fruit", "ripeness"))
    return server


@asynccontextmanager
async def operator(server: MemoryServer, **changes: Any) -> AsyncIterator[Operator]:
    running = Operator(replace(SETTINGS, **changes), server, SystemClock(), Telemetry())
    running.start()
    try:
        yield running
    finally:
        await running.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def status_of(server: MemoryServer, namespace: str, name: str) -> Manifest:
    return server.objects[EVALUATION_JOBS.path(namespace, name)].get("status") or {}


def state_of(server: MemoryServer, namespace: str, name: str) -> str:
    return str(status_of(server, namespace, name).get("state"))


def conditions(server: MemoryServer, namespace: str, name: str) -> dict[str, Manifest]:
    found = status_of(server, namespace, name).get("conditions") or ()
    return {item["type"]: item for item in found}


async def test_jobs_with_names_that_walk_are_told_so_and_stop_nobody(server: MemoryServer) -> None:
    for number in range(HOSTILE):
        hostile = job(
            "attacker",
            f"u{number}",
            manageLogger=True,
            modelSelector={"inferenceservicename": WALK},
        )
        server.put(EVALUATION_JOBS, hostile)
    async with operator(server) as running:
        await until(lambda: conditions(server, "fruit", "ripeness"))
        await until(lambda: not len(running.queue) and not running.queue.busy)

        assert running.turns.fault() is None
    assert not any("kube-system" in path for _, path in server.calls)


async def test_jobs_whose_turns_hang_stop_nobody(server: MemoryServer) -> None:
    """More of them than there are workers, in as many namespaces as a tenant may have."""
    for space in range(4):
        furnish(server, f"attacker-{space}")
        for number in range(HOSTILE):
            server.put(EVALUATION_JOBS, job(f"attacker-{space}", f"u{number}"))
    server.hangs = lambda method, path: "/namespaces/attacker" in path and method == "GET"
    async with operator(server) as running:
        await until(lambda: conditions(server, "fruit", "ripeness"))
        await until(lambda: running.queue.busy >= HOSTILE)
        for number in range(10):
            paused = number % 2 == 0
            edited = server.put(EVALUATION_JOBS, job("fruit", "ripeness", paused=paused))
            running.store.apply("EvaluationJob", edited)
            running.queue.add(job_key("fruit", "ripeness"))
            await until(lambda: (state_of(server, "fruit", "ripeness") == "PAUSED") == paused)  # noqa: B023
        assert running.turns.fault() is None


async def test_a_logger_that_is_asked_for_after_it_was_refused_ends_the_turn(
    server: MemoryServer,
) -> None:
    """Refusals were kept by the name that came back, and looked up by the one that was asked."""
    server.put(INFERENCE_SERVICES, service("attacker", "asked"))
    place = INFERENCE_SERVICES.path("attacker", "asked")
    server.objects[place]["metadata"]["name"] = "found"
    server.fault = lambda method, path: (
        Rejected("no such thing", status=422) if (method, path) == REFUSED else None
    )
    hostile = job(
        "attacker", "u1", manageLogger=True, modelSelector={"inferenceservicename": "asked"}
    )
    server.put(EVALUATION_JOBS, hostile)
    running = Operator(SETTINGS, server, SystemClock(), Telemetry())
    for place, body in server.objects.items():
        if "/evaluationjobs/" in place or "/annotationspecsets/" in place:
            running.store.apply(body["kind"], body)

    with pytest.raises(Transient, match="after it was refused"):
        await some_turns(running, job_key("attacker", "u1"))

    assert Counter(server.calls)[REFUSED] == 2
    await server.close()


async def some_turns(running: Operator, key: Key) -> None:
    """The first ones have other things to do."""
    async with asyncio.timeout(20):
        for _ in range(5):
            await running.reconciler.reconcile(key)


REFUSED = ("PATCH", INFERENCE_SERVICES.path("attacker", "found"))


async def test_a_logger_that_is_refused_is_told_and_the_turn_ends_well(
    server: MemoryServer,
) -> None:
    server.put(INFERENCE_SERVICES, service("fruit", "ripeness"))
    server.put(EVALUATION_JOBS, job("fruit", "ripeness", manageLogger=True))
    server.fault = lambda method, path: (
        Rejected("no loggers here", status=422)
        if method == "PATCH" and "/inferenceservices/" in path
        else None
    )
    async with operator(server):
        await until(lambda: "LoggerManaged" in conditions(server, "fruit", "ripeness"))

    told = conditions(server, "fruit", "ripeness")["LoggerManaged"]
    assert told["reason"] == "LoggerRefused"
    assert "no loggers here" in told["message"]


async def test_a_service_that_is_not_shown_keeps_no_run_waiting(
    server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KServe's webhooks are not ours: while they hang, a job goes on without its logger."""
    monkeypatch.setattr(act, "KSERVE_SECONDS", 0.05)
    server.put(EVALUATION_JOBS, job("fruit", "ripeness", manageLogger=True))
    server.hangs = lambda method, path: "/inferenceservices/" in path
    async with operator(server):
        await until(lambda: "LoggerManaged" in conditions(server, "fruit", "ripeness"))

    told = conditions(server, "fruit", "ripeness")
    assert "webhooks" in told["LoggerManaged"]["message"]
    assert "Ready" in told


async def test_health_tells_of_a_part_of_the_operator_that_has_ended(
    server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep may be long, whoever makes it so, and is no fault; one that never comes again is."""

    async def end(self: Sweeper) -> None:
        self.first.set()

    async with operator(server) as running:
        await until(running.sweeper.first.is_set)
        assert running.not_live() is None

    monkeypatch.setattr(Sweeper, "run", end)
    async with operator(server) as running:
        await until(lambda: running.not_live() == "sweeper has ended")


async def test_an_api_server_that_is_away_is_no_fault_of_the_operator(
    server: MemoryServer,
) -> None:
    async with operator(server) as running:
        await until(lambda: conditions(server, "fruit", "ripeness"))
        server.fault = lambda method, path: Transient("the API server does not answer")
        running.queue.add(job_key("fruit", "ripeness"))
        failed = running.telemetry.reconciles.labels("EvaluationJob", "error")
        await until(lambda: count_of(failed) >= 2)

        assert running.not_live() is None
