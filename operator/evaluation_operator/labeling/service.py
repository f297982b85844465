"""The labeler put together: one of its namespace works, says so in a Lease, and tells how it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from evaluation_operator.domain.naming import LABELER_LEASE
from evaluation_operator.kube import Kube
from evaluation_operator.kube.leader import CALM, lead_until
from evaluation_operator.labeling.backends.open import Backends, make_backend
from evaluation_operator.labeling.desk import Desk
from evaluation_operator.labeling.settings import Settings
from evaluation_operator.serving.files import share_files
from evaluation_operator.serving.health import ConnectionMetrics, health_pages
from evaluation_operator.serving.server import Server, listen

logger = logging.getLogger(__name__)

API_CONNECTIONS = 8
PREFIX = "evaluation_labeler"


class Service:
    """One process. `stop` makes `run` return: what it was doing is taken up by the next one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = asyncio.Event()
        self._leads = asyncio.Event()
        self._lost = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        settings = self._settings
        kube = await Kube.connect(settings.kubeconfig, connections=API_CONNECTIONS)
        backends = Backends(
            settings.backends,
            lambda entry: make_backend(entry, settings.store_options(), settings.owner),
        )
        desk = Desk(kube, settings, backends, lambda: datetime.now(UTC) + settings.clock_offset)
        server = self._server(desk)
        listening = listen(settings.listening.host, settings.listening.health_port)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._lead(kube))
                working = tasks.create_task(self._work(desk))
                serving = tasks.create_task(server.serve([listening]))
                await self._stopping.wait()
                logger.info("stopping")
                working.cancel()
                server.should_exit = True
                await serving
        finally:
            await backends.aclose()
            await kube.close()

    async def _lead(self, kube: Kube) -> None:
        """Two that work at once would make no second project, but ask tools twice as often."""
        await lead_until(
            self._stopping,
            kube,
            namespace=self._settings.namespace,
            name=LABELER_LEASE,
            identity=self._settings.replica,
            on_change=self._led,
            pace=CALM,
        )

    def _led(self, leads: bool) -> None:
        if leads:
            self._lost.clear()
            self._leads.set()
        else:
            self._leads.clear()
            self._lost.set()

    async def _work(self, desk: Desk) -> None:
        while True:
            await self._leads.wait()
            logger.info("working for namespace %s", self._settings.namespace)
            working = asyncio.create_task(desk.run())
            lost = asyncio.create_task(self._lost.wait())
            try:
                await asyncio.wait({working, lost}, return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    working.result()
            finally:
                for task in (working, lost):
                    task.cancel()
                await asyncio.gather(working, lost, return_exceptions=True)

    def _server(self, desk: Desk) -> Server:
        """The health port's."""
        registry = CollectorRegistry()
        registry.register(_Telemetry(desk))

        def problem() -> str | None:
            if not self._leads.is_set():
                return f"the Lease {LABELER_LEASE} is held by another one, or not yet by this"
            if not desk.is_synced:
                return "the Datasets of the namespace have not been listed yet"
            return None

        limits = replace(self._settings.listening.limits, connections=share_files().health)
        server = Server(health_pages(registry, live=lambda: None, ready=problem), limits)
        registry.register(ConnectionMetrics(PREFIX, {"health": server}))
        return server


class _Telemetry(Collector):
    """Labels are reasons of the condition Labeled: a closed set."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            f"{PREFIX}_open_task_sets",
            "Datasets whose items people are to label now.",
            value=self._desk.open_count,
        )
        turns = CounterMetricFamily(
            f"{PREFIX}_turns", "Looks at a task set, by how they ended.", labels=["reason"]
        )
        for reason, count in sorted(self._desk.turns.items()):
            turns.add_metric([reason], count)
        yield turns
        yield CounterMetricFamily(
            f"{PREFIX}_closed_projects", "Projects whose job was gone.", value=self._desk.closed
        )
