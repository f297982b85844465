"""Bodies that are read in another process: whatever happens there happens to one of them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
import pytest_asyncio

from evaluation_operator.bodies.values import NoPrediction, Payload, TooMuch, Unreadable
from evaluation_operator.sampling.intake.aside import Aside, Busy
from evaluation_operator.sampling.intake.cloudevents import NotAnEvent
from evaluation_operator.sampling.intake.messages import (
    HEAD,
    Garbled,
    Kind,
    Outcome,
    packed,
    unpacked,
)
from evaluation_operator.sampling.intake.plain import BadPrediction
from evaluation_operator.sampling.records import Event, Reason, Refused, Side
from evaluation_operator.sampling.sample.sifting import Drawn, Sifted, Texts


@pytest_asyncio.fixture
async def aside() -> AsyncIterator[Aside]:
    made = Aside(children=1)
    yield made
    await made.close()


def length(body: bytes) -> int:
    return len(body)


def halves(body: bytes) -> list[bytes]:
    return [body] * 1000


def refuse(body: bytes) -> None:
    raise Unreadable("body: no")


def die(body: bytes) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hoard(body: bytes) -> None:
    held = []
    while True:
        held.append(b"x" * 2**20)


def print_much(body: bytes) -> str:
    print("x" * 100_000)
    return "done"


def sleep(body: bytes) -> None:
    signal.pause()


class Hold:
    """As somebody pickles it who has got hold of the process that reads."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, ("exit 3",)


def answer_with_code(body: bytes) -> Hold:
    return Hold()


def answer_without_end(body: bytes) -> None:
    for descriptor in range(3, 10):  # one of them leads to the parent
        with suppress(OSError):
            os.write(descriptor, HEAD.pack(2**40, 0))
    signal.pause()


def changing(name: str, attribute: str, value: bytes) -> bytes:
    """A pickle that gives what it names an attribute."""
    named = f"c{Sifted.__module__}\n{name}\n".encode()
    key = b"X" + len(attribute).to_bytes(4, "little") + attribute.encode()
    return b"\x80\x04" + named + b"N}" + key + value + b"s\x86b."


def changing_a_member() -> bytes:
    member = f"c{Reason.__module__}\nReason\n".encode() + b"X\x0a\0\0\0Unreadable\x85R"
    return b"\x80\x04" + member + b"}X\x07\0\0\0_value_X\x02\0\0\0no" + b"sb."


def fail(body: bytes) -> None:
    raise ZeroDivisionError("no such number")


def secret(body: bytes) -> str | None:
    return os.environ.get("PGPASSWORD")


async def test_a_function_returns_and_raises_as_it_would_here(aside: Aside) -> None:
    assert await aside.run(length, b"x" * 2**21) == 2**21
    assert await aside.run(halves, b"ab") == [b"ab"] * 1000
    assert await aside.run(print_much, b"") == "done"
    with pytest.raises(Unreadable, match="body: no"):
        await aside.run(refuse, b"")


@pytest.mark.parametrize("function", [die, hoard])
async def test_a_body_that_kills_its_reader_is_refused_and_the_next_is_read(
    aside: Aside, function: object
) -> None:
    with pytest.raises(TooMuch, match="send smaller batches"):
        await aside.run(function, b"x")  # type: ignore[arg-type]
    assert await aside.run(length, b"abc") == 3


@pytest.mark.parametrize("answer", [answer_with_code, answer_without_end])
async def test_who_got_hold_of_a_reader_does_not_get_hold_of_the_sampler(
    aside: Aside, answer: Callable[[bytes], object]
) -> None:
    """Answers are pickles, and a pickle may say what is to be run. Of these nothing is made but
    what a reader of ours answers with."""
    with pytest.raises(TooMuch):
        await aside.run(answer, b"body")

    assert await aside.run(length, b"abc") == 3


@pytest.mark.parametrize(
    "answer",
    [
        changing("Sifted", "is_whole", b"\x88"),
        changing("Drawn", "tightened", b"cbuiltins\nRuntimeError\n"),
        changing("Texts", "__eq__", b"cbuiltins\nRuntimeError\n"),
        changing_a_member(),
    ],
)
def test_nothing_of_an_answer_stays(answer: bytes) -> None:
    """A pickle gave attributes to the classes that it named. Those are the sampler's own: what one
    sender's body had done to a reader was done to the answers about all bodies after it."""
    names = (Sifted, Drawn, Texts, Reason.UNREADABLE)
    before = [dict(vars(it)) for it in names]

    with pytest.raises(Garbled, match="changes"):
        unpacked(answer)

    assert [dict(vars(it)) for it in names] == before
    assert Reason.UNREADABLE.value == "Unreadable"


def test_what_the_sampler_sends_itself_is_no_change() -> None:
    """To pickle an object may note something on its class."""
    everything = [
        Event("e", Side.REQUEST, "application/json", b"", {}),
        Refused(Reason.UNREADABLE, "no"),
        Payload(()),
        Sifted("k", "e", None, 1.0, 1, True, False, {"u": Drawn(1.0, ((0, 0.5),), Texts())}),
        Outcome(Kind.VALUE, 1, False),
        *(it("no") for it in (NoPrediction, Unreadable, TooMuch)),
        NotAnEvent(400, "no"),
        BadPrediction("id", "1", "give a text"),
    ]
    for one in everything:
        _, pickled, _ = packed(one)
        assert type(unpacked(pickled)) is type(one)


async def test_an_error_that_nobody_expects_is_told_in_words(aside: Aside) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError: no such number"):
        await aside.run(fail, b"body")


async def test_a_body_that_takes_too_long_is_refused() -> None:
    slow = Aside(children=1, seconds=0.2)
    with pytest.raises(TooMuch, match=r"and 0\.2 seconds"):
        await slow.run(sleep, b"")
    await slow.close()


async def test_a_flood_of_large_bodies_is_told_to_come_back(aside: Aside) -> None:
    narrow = Aside(children=1, most_waiting=2)
    first = asyncio.create_task(narrow.run(sleep, b""))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(narrow.run(length, b"a")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await narrow.run(length, b"b")
    first.cancel()
    assert await asyncio.gather(*waiting) == [1, 1]
    await narrow.close()


async def test_no_credential_is_where_strange_bodies_are_read(
    aside: Aside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    assert await aside.run(secret, b"") is None


async def test_without_room_for_a_process_senders_come_back(
    aside: Aside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(Busy):
        await aside.run(length, b"")
