"""How a turn ends, when its key comes again, and what health says meanwhile.

A job once kept its worker for good: its turn never waited for anything that ends. Nothing bounded
a turn, nothing named it, and `/healthz` said that all was well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from evaluation_operator.controller.clock import SystemClock
from evaluation_operator.controller.keys import Key, job_key
from evaluation_operator.controller.telemetry import Telemetry
from evaluation_operator.controller.turns import (
    CANCELLING_SECONDS,
    STANDSTILL_SECONDS,
    TURN_SECONDS,
    Turns,
)
from evaluation_operator.controller.workqueue import WorkQueue
from evaluation_operator.kube import Conflict, Transient

HOSTILE, HONEST = job_key("attacker", "u1"), job_key("fruit", "ripeness")
WORKERS = 4

Reconcile = Callable[[Key], Awaitable[datetime | None]]


@dataclass
class Stage:
    """Workers whose turns are played by `reconcile`, and the time that health believes in."""

    reconcile: Reconcile
    seconds: float = TURN_SECONDS
    time: float = 1000.0
    telemetry: Telemetry = field(default_factory=Telemetry)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.queue: WorkQueue[Key] = WorkQueue(
            SystemClock(),
            places=WORKERS,
            group_of=lambda key: key.namespace,
            now=lambda: self.time,
        )
        self.turns = Turns(
            self.queue,
            self.reconcile,
            self.telemetry,
            self.stop,
            seconds=self.seconds,
            now=lambda: self.time,
        )

    @asynccontextmanager
    async def workers(self, count: int = WORKERS) -> AsyncIterator[None]:
        self.ready.set()
        self.turns.lead(True)
        tasks = [asyncio.create_task(self.turns.work(self.ready)) for _ in range(count)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def ended(self, key: Key, result: str) -> float:
        value = self.telemetry.registry.get_sample_value(
            "evaluation_operator_reconciles_total", {"kind": key.kind, "result": result}
        )
        return value or 0.0

    async def until_ended(self, key: Key, result: str, times: int = 1) -> None:
        async with asyncio.timeout(10):
            while self.ended(key, result) < times:
                await asyncio.sleep(0.005)


async def hang(key: Key) -> datetime | None:
    if key == HOSTILE:
        await asyncio.Event().wait()
    return None


async def test_a_turn_that_does_not_end_is_cancelled_backs_off_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(hang, seconds=0.05)
    async with stage.workers():
        stage.queue.add(HOSTILE)
        await stage.until_ended(HOSTILE, "cancelled")

        assert len(stage.queue) == stage.queue.busy == 0, "it does not come again at once"
        assert stage.queue.retry(HOSTILE) > 0.05, "and after the next time it waits for longer"
    (line,) = [item.getMessage() for item in caplog.records if item.levelno == logging.WARNING]
    assert line.startswith("EvaluationJob attacker/u1: the turn was cancelled")


async def test_turns_of_others_end_beside_those_that_hang() -> None:
    stage = Stage(hang, seconds=0.2)
    async with stage.workers():
        stage.queue.add(HOSTILE)
        stage.queue.add(HONEST)
        await stage.until_ended(HONEST, "ok")

        assert stage.ended(HOSTILE, "cancelled") == 0
        await stage.until_ended(HOSTILE, "cancelled")


async def test_a_turn_is_given_up_early_when_the_queue_wants_its_room() -> None:
    stage = Stage(hang)
    async with stage.workers():
        stage.queue.add(HOSTILE)
        while not stage.queue.busy:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)

        stage.queue.give_up(HOSTILE)
        stage.queue.give_up(HONEST)
        await stage.until_ended(HOSTILE, "cancelled")


async def test_a_timeout_within_a_turn_is_no_cancelled_turn() -> None:
    async def fail(key: Key) -> datetime | None:
        raise TimeoutError("a socket of somebody's")

    stage = Stage(fail)
    async with stage.workers():
        stage.queue.add(HONEST)
        await stage.until_ended(HONEST, "exception")

    assert stage.ended(HONEST, "cancelled") == 0


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (Conflict("somebody wrote"), "conflict"),
        (Transient("busy"), "error"),
        (RuntimeError("a bug"), "exception"),
    ],
)
async def test_an_error_ends_the_turn_and_never_the_worker(error: Exception, result: str) -> None:
    async def fail_once(key: Key) -> datetime | None:
        if not tried:
            tried.append(key)
            raise error
        return None

    tried: list[Key] = []
    stage = Stage(fail_once)
    async with stage.workers(count=1):
        stage.queue.add(HONEST)
        await stage.until_ended(HONEST, result)
        stage.queue.add(HONEST)
        await stage.until_ended(HONEST, "ok")


async def test_news_during_a_turn_that_is_cancelled_are_not_lost() -> None:
    begun: list[Key] = []

    async def hang_once(key: Key) -> datetime | None:
        begun.append(key)
        if len(begun) == 1:
            stage.queue.add(key)
            await asyncio.Event().wait()
        return None

    stage = Stage(hang_once, seconds=0.05)
    async with stage.workers(count=1):
        stage.queue.add(HONEST)
        await stage.until_ended(HONEST, "ok")
    assert stage.ended(HONEST, "cancelled") == 1


# Health.


async def test_nothing_is_wrong_with_an_operator_that_has_nothing_to_do() -> None:
    stage = Stage(hang)
    async with stage.workers():
        stage.queue.add(HONEST)
        await stage.until_ended(HONEST, "ok")
        stage.time += 24 * 3600

        assert stage.turns.fault() is None


async def test_a_replica_that_stands_by_is_well_however_long_its_keys_wait() -> None:
    stage = Stage(hang)
    stage.queue.add(HONEST)
    stage.time += 24 * 3600
    assert stage.turns.fault() is None

    async with stage.workers(count=0):
        assert stage.turns.fault() is None, "it leads from now on"


async def test_a_cancelled_turn_is_no_fault_and_one_that_cannot_be_is() -> None:
    """Who makes turns that hang must not be able to restart the operator for everybody."""
    release = asyncio.Event()

    async def defy(key: Key) -> datetime | None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            await release.wait()
        return None

    cancelled = asyncio.Event()
    stage = Stage(defy, seconds=0.02)
    async with stage.workers():
        stage.queue.add(HONEST)
        async with asyncio.timeout(10):
            await cancelled.wait()
        stage.time += CANCELLING_SECONDS
        assert stage.turns.fault() is None
        stage.time += 1
        assert "to be cancelled has gone on for" in (stage.turns.fault() or "")

        release.set()
        async with asyncio.timeout(10):
            await stage.queue.idle()
        assert stage.turns.fault() is None


async def test_keys_that_wait_while_no_turn_ends_are_a_fault() -> None:
    stage = Stage(hang)
    async with stage.workers(count=0):
        stage.queue.add(HONEST)
        stage.time += STANDSTILL_SECONDS
        assert stage.turns.fault() is None
        stage.time += 1
        assert stage.turns.fault() == "keys wait, and no turn has ended for 91 s"


async def test_turns_that_end_by_an_error_are_ends() -> None:
    """With the API server away every turn fails: to restart would not bring it back."""

    async def fail(key: Key) -> datetime | None:
        raise Transient("the API server does not answer")

    stage = Stage(fail)
    async with stage.workers():
        stage.queue.waiting_since = stage.time
        for number in range(5):
            stage.time += STANDSTILL_SECONDS
            assert stage.turns.fault() is None
            stage.queue.add(job_key("fruit", f"job-{number}"))
            await stage.until_ended(HONEST, "error", times=number + 1)
            stage.queue.waiting_since = 1000.0


def test_every_turn_ends_well_before_health_asks_why_none_does() -> None:
    assert TURN_SECONDS < STANDSTILL_SECONDS
