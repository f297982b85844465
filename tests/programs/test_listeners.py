"""What whoever reaches a listener can do to the program behind it, each in a process of its own."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.integration.eventually import eventually
from tests.programs.listening import FILES, Program, running
from tests.unit.sampling.served import read_rows

LISTENERS = (
    ("operator", "health"),
    ("sampler", "health"),
    ("sampler", "http"),
    ("labeler", "health"),
)
SHORT = {
    "EVALUATION_HTTP_FIRST_BYTE_SECONDS": "0.5",
    "EVALUATION_HTTP_HEADER_SECONDS": "0.5",
    "EVALUATION_HTTP_BODY_SECONDS": "1.5",
    "EVALUATION_HTTP_BODY_GAP_SECONDS": "0.5",
    "EVALUATION_HTTP_IDLE_SECONDS": "0.5",
}
DRIP_SECONDS = 0.05
PATIENCE_SECONDS = 60.0
"""More than anything here takes; what is not closed by then never is."""


@pytest.mark.parametrize(("name", "listener"), LISTENERS)
async def test_connections_that_say_nothing_use_up_no_file_that_the_program_needs(
    tmp_path: Path, name: str, listener: str
) -> None:
    """1,026 idle connections took all files of the operator (and a thread each) and of the
    sampler: `/healthz` did not answer, so the kubelet would have killed it, and it could neither
    reach the API server nor open a file. Now each pushes out an older one. Here 256 files do for
    1,024, and the limits on time are too long to help."""
    patient = dict.fromkeys(SHORT, "600")
    async with running(name, tmp_path, **patient) as program, AsyncExitStack() as opened:
        for _ in range(2 * FILES):
            address = ("127.0.0.1", program.ports[listener])
            opened.enter_context(await asyncio.to_thread(socket.create_connection, address))

        assert await program.probe() == 200
        await it_reaches_the_api_server(program)
        if name == "sampler":
            await a_prediction_gets_into_its_table(program)
        ended = f'http_connections_ended_total{{listener="{listener}",reason="crowded"}}'
        assert ended in await program.metrics()


async def it_reaches_the_api_server(program: Program) -> None:
    """By connections that are new: the server there closes each after its answer."""
    before = program.api.requests

    async def more() -> int:
        return program.api.requests - before

    await eventually(more, lambda count: count >= 2, seconds=PATIENCE_SECONDS)


async def a_prediction_gets_into_its_table(program: Program) -> None:
    """For which files are opened and written."""
    whole = {
        "id": "honest",
        "instances": [{"image": "a.png"}],
        "predictions": [{"labels": ["ripe"], "scores": [0.9]}],
    }
    url = f"http://127.0.0.1:{program.ports['http']}/v1/jobs/ripeness/predictions"

    async def send() -> int:
        async with httpx.AsyncClient() as client:
            return (await client.post(url, json=whole)).status_code

    async def ids() -> list[str]:
        return [row["id"] for row in await asyncio.to_thread(read_rows, program.folder / "table")]

    await eventually(send, lambda status: status == 202)
    await eventually(ids, lambda found: found == ["honest/0"], seconds=PATIENCE_SECONDS)


@dataclass(frozen=True)
class Slow:
    """Somebody who says `first`, and then `more` again and again, or nothing."""

    first: bytes
    more: bytes = b""


_POST = b"POST /v1/jobs/ripeness/predictions HTTP/1.1\r\nhost: x\r\n"
SLOW = {
    "nothing at all": Slow(b""),
    "empty lines": Slow(b"", b"\r\n"),
    "half a header": Slow(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: b"),
    "a header byte by byte": Slow(b"GET /healthz HTTP/1.1\r\nx-a: ", b"b"),
    "no body": Slow(_POST + b"content-length: 10\r\n\r\n"),
    "one byte of a body": Slow(_POST + b"content-length: 10\r\n\r\n{"),
    "a body byte by byte": Slow(_POST + b"content-length: 1000000\r\n\r\n", b"x"),
    "no chunk": Slow(_POST + b"transfer-encoding: chunked\r\n\r\n"),
    "chunks byte by byte": Slow(_POST + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "nothing more": Slow(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"),
}


async def is_closed_on(port: int, slow: Slow) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    ended = asyncio.create_task(reader.read())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            writer.write(slow.first)
            while not ended.done():
                writer.write(slow.more)
                await asyncio.wait({ended}, timeout=DRIP_SECONDS)
    except TimeoutError:
        return False
    finally:
        ended.cancel()
        await asyncio.gather(ended, return_exceptions=True)
        writer.transport.abort()
    return True


@pytest.mark.parametrize(("name", "listener"), LISTENERS)
async def test_whoever_is_slow_loses_the_connection(
    tmp_path: Path, name: str, listener: str
) -> None:
    """Connections that said nothing, or half a request, or announced a body that did not come, were
    held for minutes or for ever."""
    async with running(name, tmp_path, **SHORT) as program:
        closed = await asyncio.gather(
            *(is_closed_on(program.ports[listener], slow) for slow in SLOW.values())
        )
        assert dict(zip(SLOW, closed, strict=True)) == dict.fromkeys(SLOW, True)
        assert await program.probe() == 200


async def test_senders_of_the_sampler_do_not_see_its_health_and_metrics(tmp_path: Path) -> None:
    async with running("sampler", tmp_path) as program, httpx.AsyncClient() as client:
        for path in ("/healthz", "/readyz", "/metrics"):
            answer = await client.get(f"http://127.0.0.1:{program.ports['http']}{path}")
            assert answer.status_code == 404
            assert await program.probe(path) == 200
