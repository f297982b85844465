"""Every bound on what a sender can make the sampler hold, and on how long others wait for it.

How long a body may take, and how large headers may be, is the server's: see `serving`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from evaluation_operator.bodies.parsed_size import parsed_bytes
from evaluation_operator.bodies.values import TooMuch
from evaluation_operator.bodies.wire import is_packed

MOST_DISCARDED_BYTES = 256 * 2**20
"""A body that is refused by its announced length is read to its end and dropped, so that the
sender sees the answer; with more than this, the connection is closed instead."""

MOST_EVENTS = 10_000
"""Of one batch, and predictions of one call."""
MOST_ATTRIBUTES = 64
ATTRIBUTE_BYTES = 64 * 2**10
"""Names and values of all attributes of one event, as headers may have them."""
MOST_PARSED_BYTES = 128 * 2**20
"""What a document may take in memory once it is parsed."""

SURELY_LIGHT_BYTES = 128 * 2**10
INLINE_BYTES = 2**20
INLINE_PARSED_BYTES = 2 * 2**20
"""Larger bodies are read in a process of their own, and so are smaller ones with many values: the
parser lets nothing else run. Bodies up to `SURELY_LIGHT_BYTES` are not looked at for that, since
whatever stands in them is parsed in some milliseconds."""

CHILDREN = 2
CHILD_MEMORY_BYTES = 256 * 2**20
"""Such a process ends when it holds more."""
CHILD_ADDRESS_BYTES = 4 * 2**30
"""And cannot reserve more than this: the parser reserves a gigabyte for a long list, and uses
little of it."""
CHILD_LOOK_SECONDS = 0.02
CHILD_SECONDS = 20.0
MOST_WAITING = 64
"""Bodies that wait for such a process; the next one is to be sent again later."""

TURN_SECONDS = 0.005
"""How long one sender's events may keep the others waiting at a time."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Refusal(Exception):
    """A request that is answered with `status`. `retry_after`: seconds, where trying again helps.

    `close`: the connection cannot be used any further.
    """

    def __init__(
        self, status: int, message: str, *, retry_after: float | None = None, close: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after
        self.close = close


class Disconnected(Exception):
    """The sender has gone before the end of its body: there is nobody to answer."""


class Budget:
    """Bytes of all requests that have been read and not answered yet."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0

    def take(self, count: int) -> None:
        """Raises Refusal when there is no room."""
        if self.used + count > self.most:
            raise Refusal(503, "too many bytes are in flight; try again", retry_after=1, close=True)
        self.used += count

    def give_back(self, count: int) -> None:
        self.used -= count


class Body:
    """Reads one request's body within both bounds. What it holds is given back by `release`."""

    __slots__ = ("_budget", "_most", "_taken")

    def __init__(self, budget: Budget, most: int) -> None:
        self._budget = budget
        self._most = most
        self._taken = 0

    async def read(self, announced: str | None, receive: Receive) -> bytes:
        """`announced`: the Content-Length, None for a chunked body, which is counted as it comes.

        Raises Refusal and Disconnected.
        """
        if announced is not None:
            self._check_length(announced)
        message = await receive()
        chunk: bytes = message.get("body", b"")
        if message["type"] == "http.request" and not message.get("more_body"):
            self._take(len(chunk))
            return chunk
        return await self._rest(message, receive)

    def release(self) -> None:
        self._budget.give_back(self._taken)
        self._taken = 0

    async def _rest(self, message: MutableMapping[str, Any], receive: Receive) -> bytes:
        chunks: list[bytes] = []
        while True:
            if message["type"] != "http.request":
                raise Disconnected
            chunk: bytes = message.get("body", b"")
            self._take(len(chunk))
            chunks.append(chunk)
            if not message.get("more_body"):
                return b"".join(chunks)
            message = await receive()

    def _check_length(self, announced: str) -> None:
        # llhttp has refused what is no number already.
        length = int(announced)
        if length > self._most:
            raise Refusal(
                413,
                f"Content-Length: {length}: at most {self._most} bytes; send smaller batches",
                close=length > MOST_DISCARDED_BYTES,
            )

    def _take(self, count: int) -> None:
        if self._taken + count > self._most:
            raise Refusal(
                413, f"the body has more than {self._most} bytes; send smaller batches", close=True
            )
        self._budget.take(count)
        self._taken += count


def is_light(body: bytes, copies: int = 1) -> bool:
    """Whether a body can be read where everything else waits; `copies`: for so many jobs."""
    if is_packed(body):
        return False
    size = len(body) * copies
    if size <= SURELY_LIGHT_BYTES:
        return True
    if size > INLINE_BYTES or b"binary_data_size" in body:
        return False
    return (parsed_bytes(body) - len(body)) * copies <= INLINE_PARSED_BYTES


def check_cost(body: bytes) -> None:
    """Raises TooMuch for a document that must not be parsed."""
    size = parsed_bytes(body)
    if size > MOST_PARSED_BYTES:
        raise TooMuch(
            f"body: its values would take about {size >> 20} MiB of memory, and at most "
            f"{MOST_PARSED_BYTES >> 20} are read at once; send smaller batches"
        )
