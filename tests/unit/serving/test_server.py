"""The server's limits, beside an application of the test's own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from evaluation_operator.serving.limits import Limits
from evaluation_operator.serving.server import Server, listen
from tests.integration.eventually import eventually

LARGE = 64 * 2**20
GET = b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n"


class Application:
    """Answers with its path, `/large` with much, and `/later` when it is let."""

    def __init__(self) -> None:
        self.later = asyncio.Event()
        self.working = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.working += 1
        body = bytes(LARGE) if scope["path"] == "/large" else scope["path"].encode()
        if scope["path"] == "/later":
            await self.later.wait()
        if scope["method"] == "POST":
            while (await receive()).get("more_body"):
                pass
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self.working -= 1


@dataclass
class Served:
    server: Server
    application: Application
    port: int

    async def connect(
        self, said: bytes = b"", address: str = "127.0.0.1"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(address, 0)
        )
        writer.write(said)
        await writer.drain()
        return reader, writer

    async def held(self) -> int:
        return len(self.server.connections)


@asynccontextmanager
async def serving(limits: Limits) -> AsyncIterator[Served]:
    application = Application()
    server, listening = Server(application, limits), listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    task = asyncio.create_task(server.serve([listening]))
    try:
        yield Served(server, application, port)
    finally:
        application.later.set()
        for connection in tuple(server.connections):
            connection.transport.abort()
        server.should_exit = True
        await task


def test_without_a_host_all_addresses_are_listened_at() -> None:
    """The kubelet probes by the pod's address, which is of either kind."""
    with listen("", 0) as listening:
        port = listening.getsockname()[1]
        for address in ("127.0.0.1", *(["::1"] if socket.has_dualstack_ipv6() else [])):
            socket.create_connection((address, port), 5).close()


async def test_an_answer_that_nobody_reads_is_dropped() -> None:
    """It lay in memory for as long as the other side liked: closing waits until all is sent."""
    async with serving(Limits(idle_seconds=0.1)) as served:
        _, writer = await served.connect(GET % b"/large")
        await eventually(served.held, lambda count: count == 1)
        await eventually(served.held, lambda count: count == 0)
        writer.transport.abort()


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    async with serving(Limits(answer_seconds=0.1)) as served:
        reader, writer = await served.connect(GET % b"/later")
        with suppress(ConnectionError):
            assert await reader.read() == b""
        assert served.server.closed["answer"] == 1
        writer.close()


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nhost: ",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf",
    ],
    ids=["headers", "body"],
)
async def test_a_slow_sender_is_told_why(said: bytes) -> None:
    async with serving(Limits(header_seconds=0.1, body_seconds=0.1)) as served:
        reader, writer = await served.connect(said)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        writer.close()


async def test_trailers_without_end_are_cut_off() -> None:
    """Nobody counted them: the parser kept each, for as long as the body was allowed to take."""
    async with serving(Limits()) as served:
        head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
        reader, writer = await served.connect(head)
        ended = asyncio.create_task(reader.read())
        with suppress(ConnectionError):
            while not ended.done():
                writer.write(b"x-more: and more\r\n" * 1000)
                await writer.drain()
        await asyncio.gather(ended, return_exceptions=True)
        assert served.server.closed["header bytes"] == 1
        writer.transport.abort()


async def test_headers_in_one_large_piece_are_cut_off_too() -> None:
    """What came with the beginning of a request was not counted, and a piece is 256 KiB."""
    async with serving(Limits()) as served:
        reader, writer = await served.connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x-more: and more\r\n" * 20_000)
        with suppress(ConnectionError):
            assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
        assert served.server.closed["header bytes"] == 1
        writer.transport.abort()


async def test_one_address_pushes_out_its_own_connections_only() -> None:
    async with serving(Limits(connections=8)) as served:
        honest, said = await served.connect(address="127.0.0.2")
        writers = [(await served.connect())[1] for _ in range(40)]
        await eventually(
            lambda: asyncio.sleep(0, served.server.closed["crowded"]), lambda count: count == 33
        )

        said.write(GET % b"/still-here")
        assert b"/still-here" in await honest.readuntil(b"/still-here")
        for writer in (*writers, said):
            writer.transport.abort()


async def test_requests_that_are_being_answered_are_not_pushed_out() -> None:
    async with serving(Limits(connections=4)) as served:
        waiting = [await served.connect(GET % b"/later") for _ in range(4)]
        await eventually(lambda: asyncio.sleep(0, served.application.working), lambda it: it == 4)

        reader, writer = await served.connect(GET % b"/one-too-many")
        with suppress(ConnectionError):
            assert await reader.read() == b""
        assert served.server.closed["refused"] == 1
        writer.transport.abort()

        served.application.later.set()
        for reader, writer in waiting:
            assert (await reader.readuntil(b"/later")).startswith(b"HTTP/1.1 200 ")
            writer.transport.abort()


async def test_requests_in_one_breath_are_answered_in_turn() -> None:
    async with serving(Limits()) as served:
        reader, writer = await served.connect(b"".join(GET % it for it in (b"/a", b"/b", b"/c")))
        text = await reader.readuntil(b"/c")
        assert text.index(b"/a") < text.index(b"/b") < text.index(b"/c")
        writer.transport.abort()
