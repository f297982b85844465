"""The mail at the end, to a server that speaks SMTP on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from evaluation_operator.labeling import mail
from evaluation_operator.labeling.settings import Smtp
from tests.cluster.host import free_ports
from tests.unit.labeling.desk import Bench


@dataclass
class Mailbox:
    """As much of a server as one mail needs."""

    answer: bytes = b"250 taken"
    mails: list[str] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            writer.write((b"221 bye" if word == b"QUIT" else self.answer) + b"\r\n")
            await writer.drain()
            if word == b"QUIT":
                break
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def served(mailbox: Mailbox) -> AsyncIterator[Smtp]:
    server = await asyncio.start_server(mailbox.talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Smtp("127.0.0.1", port, "labels@example.com", is_plain=True)


async def test_the_end_is_told_under_one_id_however_often(tmp_path: Path) -> None:
    dataset, mailbox = Bench(tmp_path).dataset, Mailbox()
    async with served(mailbox) as smtp:
        for _ in range(2):
            assert (
                await mail.send(smtp, dataset, "ann@example.com", "3 items were answered") is None
            )
    first, second = mailbox.mails
    assert "To: ann@example.com" in first
    assert "3 items were answered" in first
    ids = [line for line in (first + second).splitlines() if line.startswith("Message-ID")]
    assert len(ids) == 2
    assert ids[0] == ids[1]


async def test_a_server_that_is_away_is_told_in_words(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    smtp = Smtp("127.0.0.1", port, "labels@example.com", is_plain=True)
    problem = await mail.send(smtp, Bench(tmp_path).dataset, "ann@example.com", "done")
    assert problem is not None
    assert problem.startswith(f"no mail could be sent by 127.0.0.1:{port} (SMTPConnectError)")


async def test_a_server_that_refuses_and_an_address_that_is_none_end_nothing(
    tmp_path: Path,
) -> None:
    dataset = Bench(tmp_path).dataset
    async with served(Mailbox(answer=b"550 go away")) as smtp:
        assert await mail.send(smtp, dataset, "ann@example.com", "done") is not None
        assert await mail.send(smtp, dataset, "ann\nBcc: x@example.com", "done") is not None
