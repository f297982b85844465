"""Bounds on what a sender can make the process hold."""

from __future__ import annotations

import tracemalloc
from collections.abc import MutableMapping
from typing import Any, Final

import orjson
import pytest

from evaluation_operator.bodies.limits import ASIDE, MOST_ITEMS, check_items
from evaluation_operator.bodies.parsed_size import parsed_bytes
from evaluation_operator.bodies.values import TooMuch
from evaluation_operator.sampling.limits import (
    Body,
    Budget,
    Disconnected,
    Receive,
    Refusal,
    check_cost,
    is_light,
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


DENSE: Final = {
    "lists": b"[" + b"[]," * 50_000 + b"[]]",
    "objects": b"[" + b"{}," * 50_000 + b"{}]",
    "numbers": b"[" + b"0.5," * 50_000 + b"0.5]",
    "texts": b"[" + b'"ab",' * 50_000 + b'""]',
    "lists of one": b"[" + b"[0.5]," * 50_000 + b"0]",
    "objects of one": b"[" + b'{"abcdef":0.5},' * 50_000 + b"0]",
    "an object of many": b"{" + b",".join(b'"%06x":1' % number for number in range(50_000)) + b"}",
    "depth": b"[" + (b"[" * 200 + b"]" * 200 + b",") * 250 + b"0]",
}


@pytest.mark.parametrize("document", DENSE.values(), ids=DENSE.keys())
def test_no_document_takes_more_memory_than_is_estimated(document: bytes) -> None:
    tracemalloc.start()
    try:
        parsed = orjson.loads(document)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert parsed
    assert taken + len(document) <= parsed_bytes(document) == parsed_bytes(document.decode())
    assert not is_light(document * 8)


@pytest.mark.parametrize("document", DENSE.values(), ids=DENSE.keys())
def test_a_document_that_would_take_much_memory_is_not_parsed(document: bytes) -> None:
    with pytest.raises(TooMuch, match="send smaller batches"):
        check_cost(document * 80)


@pytest.mark.parametrize(
    "document",
    [
        b"{}",
        b"[" * 1000,
        b'{"b64":"' + b"A" * 2**23 + b'"}',
        # MLflow's records, with names of a common length: as many as fit into a body.
        (b"{" + b'"sepal_length":5.1234,' * 200 + b"},") * 3_500,
        b"0.1234," * 2_200_000,
    ],
)
def test_ordinary_documents_are(document: bytes) -> None:
    check_cost(document)


def test_what_is_light_depends_on_how_many_want_it() -> None:
    picture = b'{"b64":"' + b"A" * 900_000 + b'"}'
    assert is_light(picture)
    assert not is_light(picture, copies=2)
    assert not is_light(b'{"parameters":{"binary_data_size":900000}}' + bytes(900_000))
    assert not is_light(bytes(2 * 2**20))


def test_items_count_once_for_each_job() -> None:
    check_items(MOST_ITEMS, ASIDE)
    with pytest.raises(TooMuch, match=f"{MOST_ITEMS} items for each of 2 jobs"):
        check_items(MOST_ITEMS, ASIDE, jobs=2)
