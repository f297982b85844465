"""`/healthz`, `/readyz` and `/metrics`, served from a thread of their own.

A thread, because the question is whether the event loop still turns: a loop that hangs could
not answer for itself.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

HEARTBEAT_SECONDS = 0.5
LONGEST_LAG_SECONDS = 30.0


class Heartbeat:
    """How long ago the event loop last turned, and the longest that it ever lagged."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.longest_lag_seconds = 0.0

    def age_seconds(self) -> float:
        return time.monotonic() - self._last

    async def run(self) -> None:
        """Runs for ever."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            now = time.monotonic()
            lag = now - self._last - HEARTBEAT_SECONDS
            self.longest_lag_seconds = max(self.longest_lag_seconds, lag)
            self._last = now


class HealthServer:
    """`live` and `ready` give None when all is well, else what is wrong."""

    def __init__(
        self,
        port: int,
        registry: CollectorRegistry,
        *,
        live: Callable[[], str | None],
        ready: Callable[[], str | None],
    ) -> None:
        handler = _handler(registry, {"/healthz": live, "/readyz": ready})
        self._server = ThreadingHTTPServer(("", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(
    registry: CollectorRegistry, checks: dict[str, Callable[[], str | None]]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            elif path in checks:
                problem = checks[path]()
                body = (problem or "ok").encode() + b"\n"
                self._answer(503 if problem else 200, body, "text/plain; charset=utf-8")
            else:
                self._answer(404, b"not found\n", "text/plain; charset=utf-8")

        def _answer(self, code: int, body: bytes, content_type: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Probes come every few seconds and say nothing."""

    return Handler
