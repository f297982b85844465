"""Something that events are sent to: it remembers them, and answers as a test wants."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

_PREFIX = "org.kubeflow.serving.inference."


@dataclass(frozen=True)
class Received:
    """An event of binary mode as it came: header names in lower case."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["ce-id"]

    @property
    def side(self) -> str:
        """`request` or `response`."""
        return self.headers["ce-type"].removeprefix(_PREFIX)


@dataclass
class Sink:
    """`status` is what it answers; while `is_open` is cleared it answers nothing at all.

    `held`: how many senders wait for an answer now. `given_up`: how many have waited in vain.
    """

    port: int = 0
    status: int = 202
    held: int = 0
    given_up: int = 0
    received: list[Received] = field(default_factory=list)
    is_open: asyncio.Event = field(default_factory=asyncio.Event)

    async def count(self) -> int:
        return len(self.received)

    def predictions(self) -> dict[str, dict[str, Received]]:
        """The halves by event id and side."""
        found: dict[str, dict[str, Received]] = defaultdict(dict)
        for each in self.received:
            assert each.side not in found[each.id], f"{each.side} of {each.id} came twice"
            found[each.id][each.side] = each
        return found

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(headers, body))
        self.held += 1
        try:
            await self.is_open.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self.held -= 1
        headers_back = {"Retry-After": "1"} if self.status == 503 else {}
        return web.Response(status=self.status, headers=headers_back)


@asynccontextmanager
async def open_sink(port: int = 0) -> AsyncIterator[Sink]:
    """A sink on loopback, on `port` or a free one."""
    sink = Sink()
    sink.is_open.set()
    app = web.Application(client_max_size=2**30)
    app.router.add_post("/", sink.take)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        sink.port = runner.addresses[0][1]
        yield sink
    finally:
        await runner.cleanup()
