"""Bounds on what a sender can make the process hold."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from evaluation_operator.sampling.limits import (
    MOST_CONTAINERS,
    MOST_VALUES,
    Body,
    Budget,
    Disconnected,
    Receive,
    Refusal,
    costly,
)

MOST = 100


def sends(*chunks: bytes, ends: bool = True) -> Receive:
    """A sender of a body in chunks, who may leave in the middle of it."""
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    if ends:
        messages[-1]["more_body"] = False
    messages.append({"type": "http.disconnect"})

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    return receive


@pytest.fixture
def budget() -> Budget:
    return Budget(150)


@pytest.fixture
def body(budget: Budget) -> Body:
    return Body(budget, MOST)


async def test_a_body_is_read_and_held_until_it_is_released(body: Body, budget: Budget) -> None:
    assert await body.read("6", sends(b"abc", b"def")) == b"abcdef"
    assert budget.used == 6
    body.release()
    assert budget.used == 0


async def test_a_length_beyond_the_bound_is_refused_before_anything_is_read(body: Body) -> None:
    with pytest.raises(Refusal, match="at most 100 bytes") as raised:
        await body.read("101", sends(ends=False))
    assert raised.value.status == 413
    assert not raised.value.close


async def test_a_huge_length_ends_the_connection(body: Body) -> None:
    with pytest.raises(Refusal) as raised:
        await body.read(str(2**40), sends(ends=False))
    assert raised.value.close


@pytest.mark.parametrize("chunks", [(b"x" * 101,), (b"x" * 60, b"x" * 60, b"more")])
async def test_a_chunked_body_is_counted_while_it_is_read(
    body: Body, budget: Budget, chunks: tuple[bytes, ...]
) -> None:
    with pytest.raises(Refusal) as raised:
        await body.read(None, sends(*chunks))
    assert raised.value.status == 413
    assert raised.value.close
    body.release()
    assert budget.used == 0


async def test_all_bodies_together_are_bounded(budget: Budget) -> None:
    first, second, third = (Body(budget, MOST) for _ in range(3))
    await first.read("90", sends(b"x" * 90))
    with pytest.raises(Refusal) as raised:
        await second.read("90", sends(b"x" * 45, b"x" * 45))
    assert (raised.value.status, raised.value.retry_after) == (503, 1)

    second.release()
    first.release()
    assert await third.read("90", sends(b"x" * 90))


@pytest.mark.parametrize("chunks", [(), (b"abc",)])
async def test_a_sender_who_leaves_is_not_answered(body: Body, chunks: tuple[bytes, ...]) -> None:
    with pytest.raises(Disconnected):
        await body.read("9", sends(*chunks, ends=False))


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"[" + b"[]," * MOST_CONTAINERS + b"[]]",
        lambda: b"[" + b'{"a":1},' * MOST_CONTAINERS + b"{}]",
        lambda: b"[" + b"0," * (MOST_VALUES + 1) + b"0]",
        lambda: b"[" * (MOST_CONTAINERS + 1),
    ],
    ids=["lists", "objects", "numbers", "depth"],
)
def test_a_document_that_would_take_much_memory_is_not_parsed(make: Callable[[], bytes]) -> None:
    assert costly(make()) is not None


@pytest.mark.parametrize(
    "document", [b"{}", b"[" * 1000, b'{"b64":"' + b"A" * 2**23 + b'"}', b"[1,2,3]" * 100_000]
)
def test_ordinary_documents_are(document: bytes) -> None:
    assert costly(document) is None
