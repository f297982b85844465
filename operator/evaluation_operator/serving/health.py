"""`/healthz`, `/readyz` and `/metrics`, on a port of their own that only the cluster's own parts
reach: what senders do to the other port does not keep the kubelet from its answer."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from evaluation_operator.serving.server import Server

Problem = Callable[[], str | None]
"""None when all is well, else what is wrong."""

REST: Final = 9.0
STOP_SECONDS: Final = 10.0


class MetricsPage:
    """The text for Prometheus, made anew when somebody asks, for a tenth of the time at most: for
    nine times as long as making it took, the last one is given."""

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._page = b""
        self._fresh_until = float("-inf")

    def __call__(self) -> bytes:
        began = self._clock()
        if began >= self._fresh_until:
            self._page = generate_latest(self._registry)
            ended = self._clock()
            self._fresh_until = ended + REST * (ended - began)
        return self._page


def health_pages(registry: CollectorRegistry, *, live: Problem, ready: Problem) -> Starlette:
    """The application for the health port."""
    metrics_page = MetricsPage(registry)

    async def healthz(request: Request) -> Response:
        return _verdict(live())

    async def readyz(request: Request) -> Response:
        return _verdict(ready())

    async def metrics(request: Request) -> Response:
        return Response(metrics_page(), headers={"content-type": CONTENT_TYPE_LATEST})

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ]
    )


def _verdict(problem: str | None) -> Response:
    return PlainTextResponse(f"{problem or 'ok'}\n", 503 if problem else 200)


class ConnectionMetrics(Collector):
    """How many connections listeners hold, and how many their limits ended, by why."""

    def __init__(self, prefix: str, servers: Mapping[str, Server]) -> None:
        self._prefix = prefix
        self._servers = servers

    def collect(self) -> Iterator[Metric]:
        held = GaugeMetricFamily(
            f"{self._prefix}_http_connections", "Connections held now.", labels=["listener"]
        )
        ended = CounterMetricFamily(
            f"{self._prefix}_http_connections_ended",
            "Connections that limits ended, by what was waited for; crowded: for a newer one.",
            labels=["listener", "reason"],
        )
        for name, server in self._servers.items():
            held.add_metric([name], len(server.connections))
            for reason, count in sorted(server.closed.items()):
                ended.add_metric([name, reason], count)
        yield held
        yield ended


class ThreadedServer:
    """A server in a thread and event loop of its own.

    For a program whose health is whether its event loop still turns: one that hangs could not
    answer for itself.
    """

    def __init__(self, server: Server, listening: socket.socket) -> None:
        self._server = server
        self._listening = listening
        self.port = int(listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, name="health", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when it has ended."""
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)

    def _serve(self) -> None:
        asyncio.run(self._server.serve([self._listening]))
