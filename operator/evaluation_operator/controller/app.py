"""The operator, put together: one store, one queue, its workers, and what feeds them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from evaluation_operator.controller.act import Actor
from evaluation_operator.controller.claims import Claims
from evaluation_operator.controller.clock import Clock, SystemClock
from evaluation_operator.controller.complaints import Complaints
from evaluation_operator.controller.events import EventPublisher
from evaluation_operator.controller.gather import Gatherer
from evaluation_operator.controller.keys import Key
from evaluation_operator.controller.places import Places
from evaluation_operator.controller.readability import Readability
from evaluation_operator.controller.reconcile import Reconciler
from evaluation_operator.controller.settings import Settings
from evaluation_operator.controller.store import Store
from evaluation_operator.controller.sweep import Sweeper
from evaluation_operator.controller.telemetry import PREFIX, Telemetry
from evaluation_operator.controller.turns import Turns
from evaluation_operator.controller.watching import WATCHED, watch_for_ever
from evaluation_operator.controller.workqueue import WorkQueue
from evaluation_operator.kube import ApiError, Kube
from evaluation_operator.kube.leader import lead_until
from evaluation_operator.serving.files import OWN_FILES, share_files
from evaluation_operator.serving.health import ConnectionMetrics, ThreadedServer, health_pages
from evaluation_operator.serving.heartbeat import LONGEST_LAG_SECONDS, Heartbeat
from evaluation_operator.serving.server import Server, listen

logger = logging.getLogger(__name__)

LEASE_NAME = "evaluation-operator"
STOP_SECONDS = 8.0


class Operator:
    """Made by `connect`; `run` it, and set `stop` to end it."""

    def __init__(self, settings: Settings, kube: Kube, clock: Clock, telemetry: Telemetry) -> None:
        self.settings = settings
        self.kube = kube
        self.clock = clock
        self.telemetry = telemetry
        self.queue: WorkQueue[Key] = WorkQueue(
            clock, places=settings.workers, group_of=lambda key: key.namespace
        )
        places = Places(settings.policy.max_active_runs, self.queue.add)
        self.store = Store(places)
        self.stop = asyncio.Event()
        self._heartbeat = Heartbeat()
        self._parts: list[asyncio.Task[None]] = []
        self._elections: list[asyncio.Task[None]] = []
        claims = Claims(kube, self.store)
        self.sweeper = Sweeper(
            kube,
            self.store,
            claims,
            self.queue,
            namespaces=settings.namespaces,
            period_seconds=settings.sweep_seconds,
        )
        self._publisher = EventPublisher(
            kube, clock, self._uid_of, component=settings.identity, on_event=telemetry.told
        )
        self._complaints = Complaints(
            kube, self.store, clock, settings.policy, self.queue.add, lambda: self.leading.is_set()
        )
        self._readability = Readability(
            kube, self.queue.add, lambda: self.leading.is_set(), settings.namespaces
        )
        self.reconciler = Reconciler(
            Gatherer(
                *(self.store, kube, claims, self._complaints, settings.policy, self._learn),
                answers_of=self._readability.of,
            ),
            Actor(kube, claims, places, self._learn),
            self._publisher,
            places,
            clock,
            settings.policy,
            crowded=lambda: len(self.queue) > settings.workers,
        )
        self.turns = Turns(
            self.queue,
            self.reconciler.reconcile,
            telemetry,
            self.stop,
            seconds=settings.turn_seconds,
        )

    @property
    def leading(self) -> asyncio.Event:
        return self.turns.leading

    @classmethod
    async def connect(cls, settings: Settings, clock: Clock | None = None) -> Operator:
        telemetry = Telemetry()
        kube = await Kube.connect(
            settings.kubeconfig, connections=settings.connections, on_write=telemetry.wrote
        )
        return cls(settings, kube, clock or SystemClock(settings.clock_offset), telemetry)

    async def run(self) -> None:
        """Until `stop` is set: then what is being written is finished, and everything closed."""
        server = self._health_server()
        server.start()
        self.start()
        try:
            await self._watch()
        finally:
            await self.close()
            server.stop()

    def start(self) -> None:
        """All but watching; before it, since Kopf cancels tasks that are younger than its own."""
        feeders = {
            "heartbeat": self._heartbeat.run(),
            "publisher of Events": self._publisher.run(),
            "queue": self.queue.release_due(),
            "sweeper": self.sweeper.run(),
            "reader of Events": self._complaints.run(),
            "reader of samplers": self._readability.run(),
        }
        if self.settings.leader_election:
            self._elections = [asyncio.create_task(self._lead(), name="election")]
        else:
            self.turns.lead(True)
        workers = [self.turns.work(self.sweeper.first) for _ in range(self.queue.most_at_once)]
        self._parts = [
            *self._elections,
            *(asyncio.create_task(part, name=name) for name, part in feeders.items()),
            *(asyncio.create_task(work, name="worker") for work in workers),
        ]

    async def close(self) -> None:
        """Ends what `start` has begun, once turns that are under way have had time to end."""
        self.stop.set()
        await self._finish()
        await _cancel(self._parts)
        await self.kube.close()

    async def _watch(self) -> None:
        """Kopf starts once the first sweep has found all kinds, so it need not scan for them."""
        first = asyncio.create_task(self.sweeper.first.wait())
        stopped = asyncio.create_task(self.stop.wait())
        await asyncio.wait((first, stopped), return_when=asyncio.FIRST_COMPLETED)
        await _cancel([first, stopped])
        if self.stop.is_set():
            return
        await self._await_discovery()
        await watch_for_ever(
            self.kube,
            self._take_in,
            self.stop,
            namespaces=self.settings.namespaces,
            connections=self.settings.watch_connections,
            begin=self.sweeper.begin_watch,
            interrupted=self.sweeper.watch_is_silent,
            on_restart=self._watching_interrupted,
        )

    async def _await_discovery(self) -> None:
        """Kopf leaves out, for good, what discovery does not show yet when it starts."""
        while not self.stop.is_set():
            try:
                if await self.kube.serves(WATCHED):
                    return
            except ApiError as error:
                logger.warning("discovery fails: %s", error.message)
            await asyncio.sleep(0.2)

    async def _lead(self) -> None:
        def changed(leads: bool) -> None:
            logger.info("this replica %s", "leads" if leads else "stands by")
            self.turns.lead(leads)

        await lead_until(
            self.stop,
            self.kube,
            namespace=self.settings.operator_namespace,
            name=LEASE_NAME,
            identity=self.settings.identity,
            on_change=changed,
        )

    def _take_in(self, kind: str, body: Mapping[str, Any], deleted: bool) -> None:
        self.sweeper.told(kind)
        for key in self.store.apply(kind, body, deleted=deleted):
            self.queue.add(key)

    def _learn(self, key: Key | None, kind: str, body: Mapping[str, Any], gone: bool) -> None:
        for other in self.store.apply(kind, body, deleted=gone) - {key}:
            self.queue.add(other)

    def _watching_interrupted(self) -> None:
        self.telemetry.restarts.inc()
        self.sweeper.soon()

    def _uid_of(self, key: Key) -> str:
        job = key.kind == "EvaluationJob"
        stored = (self.store.jobs if job else self.store.versions).get((key.namespace, key.name))
        return stored.uid if stored is not None else ""

    async def _finish(self) -> None:
        """Let turns that are under way end, for a bounded time: no write is cut in two.

        The Lease is given back meanwhile: another replica need not wait for a turn that hangs here.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self.queue.idle()
                await asyncio.gather(*self._elections)

    def _health_server(self) -> ThreadedServer:
        gauges = {
            "queue_depth": lambda: float(len(self.queue)),
            "keys_in_work": lambda: float(self.queue.busy),
            "keys_in_work_for_long": lambda: float(self.queue.aside),
            "keys_without_place": lambda: float(self.store.places.waiting),
            "leading": lambda: float(self.leading.is_set()),
            "loop_lag_max_seconds": lambda: self._heartbeat.longest_lag_seconds,
            "events_dropped": lambda: float(self._publisher.dropped),
            "sweep_age_seconds": self._sweep_age,
        }
        self.telemetry.export(self.store, gauges)
        registry, listening = self.telemetry.registry, self.settings.listening
        own = self.settings.connections + self.settings.watch_connections + OWN_FILES
        limits = replace(listening.limits, connections=share_files(own=own).health)
        pages = health_pages(registry, live=self.not_live, ready=self._not_ready)
        server = Server(pages, limits)
        registry.register(ConnectionMetrics(PREFIX, {"health": server}))
        return ThreadedServer(server, listen(listening.host, listening.health_port))

    def _sweep_age(self) -> float:
        since = self.sweeper.last_success
        return time.monotonic() - since if since is not None else float("inf")

    def not_live(self) -> str | None:
        """What only a restart mends. Nothing that a job, a slow list or an API server that is away
        can bring about: who can fail the probe can stop the operator for everybody."""
        age = self._heartbeat.age_seconds()
        if age > LONGEST_LAG_SECONDS:
            return f"the event loop has not turned for {age:.0f} s"
        for task in self._parts:
            if task.done() and not self.stop.is_set():
                return f"{task.get_name()} has ended"
        return self.turns.fault()

    def _not_ready(self) -> str | None:
        return None if self.sweeper.first.is_set() else "the first sweep has not ended"


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
