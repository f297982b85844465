"""The mail at the end, to a server that speaks SMTP on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email import message_from_string, policy
from pathlib import Path

import pytest

from evaluation_operator.labeling import mail
from evaluation_operator.labeling.settings import Smtp
from evaluation_operator.visible import is_visible
from tests.cluster.host import free_ports
from tests.email_addresses import NO_OR_OTHER_MAILBOXES, ONE_MAILBOX
from tests.unit.labeling.desk import Bench


@dataclass
class Mailbox:
    """As much of a server as one mail needs."""

    answer: bytes = b"250 taken"
    mails: list[str] = field(default_factory=list)
    envelope: list[str] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line[:4].upper().strip()
            if word in (b"MAIL", b"RCPT"):
                self.envelope.append(line.decode().strip())
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


async def test_a_server_that_refuses_ends_nothing(tmp_path: Path) -> None:
    dataset, mailbox = Bench(tmp_path).dataset, Mailbox(answer=b"550 go away")
    async with served(mailbox) as smtp:
        problem = await mail.send(smtp, dataset, "ann@example.com", "done")
    assert problem is not None
    assert "550" in problem
    assert "go away" not in problem, "what a server writes may repeat what it was sent"


@pytest.mark.parametrize("to", ["ann@example.com", *ONE_MAILBOX, "#$&'*+/=^_{}~-@b.example"])
async def test_a_mail_has_one_recipient_who_is_the_address_itself(tmp_path: Path, to: str) -> None:
    dataset, mailbox = Bench(tmp_path).dataset, Mailbox()
    async with served(mailbox) as smtp:
        assert await mail.send(smtp, dataset, to, "done") is None
    assert mailbox.envelope == ["MAIL FROM:<labels@example.com>", f"RCPT TO:<{to}>"]
    read = message_from_string(mailbox.mails[0], policy=policy.default)
    assert [it.addr_spec for it in read["To"].addresses] == [to]
    assert not {"Cc", "Bcc", "Resent-To"} & set(read.keys())


@pytest.mark.parametrize("to", NO_OR_OTHER_MAILBOXES)
async def test_a_job_of_before_whose_address_is_none_sends_no_mail(tmp_path: Path, to: str) -> None:
    """An address like `a:b;c@corp.example` was admitted and stored: the mail library raised an
    exception for it that nobody caught, and the labeler ended, for all jobs of its namespace. With
    `x,victim@corp.example` it wrote to a second recipient."""
    dataset, mailbox = Bench(tmp_path).dataset, Mailbox()
    async with served(mailbox) as smtp:
        problem = await mail.send(smtp, dataset, to, "done")
    assert problem is not None
    assert problem.startswith("no mail was sent: userEmailAddress: ")
    assert is_visible(problem)
    assert mailbox.envelope == []


async def test_mail_goes_to_domains_that_are_allowed_alone(tmp_path: Path) -> None:
    """Who may write a job could have the labeler write to anybody in its company's name."""
    dataset, mailbox = Bench(tmp_path).dataset, Mailbox()
    async with served(mailbox) as open_to_all:
        smtp = replace(open_to_all, allowed_domains=("corp.example", "*.corp.example"))
        problem = await mail.send(smtp, dataset, "anyone@competitor.example", "done")
        assert await mail.send(smtp, dataset, "ann@mail.corp.example", "done") is None
    assert problem is not None
    assert "EVALUATION_ALLOWED_EMAIL_DOMAINS (corp.example, *.corp.example)" in problem
    assert mailbox.envelope[1:] == ["RCPT TO:<ann@mail.corp.example>"]
