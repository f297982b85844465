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

from evaluation_operator.sampling.aside import Aside, Busy
from evaluation_operator.sampling.messages import HEAD
from evaluation_operator.sampling.records import TooMuch, Unreadable


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
