"""Bounds on what a sender can make this process hold: a body, all bodies at once, and its values.

How long a body may take, and how large headers may be, is the server's: see `serving`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

MOST_DISCARDED_BYTES = 256 * 2**20
"""A body that is refused by its announced length is read to its end and dropped, so that the
sender sees the answer; with more than this, the connection is closed instead."""
MOST_VALUES = 4_000_000
MOST_CONTAINERS = 500_000

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


def costly(body: bytes) -> str | None:
    """Why a document must not be parsed: its values would take far more memory than its bytes.

    Counts the characters that begin or part values, also those inside texts: a bound on cost
    need not be exact, and 16 MiB are counted in some milliseconds.
    """
    if len(body) <= MOST_CONTAINERS:
        return None
    if body.count(b"[") + body.count(b"{") > MOST_CONTAINERS:
        return f"more than {MOST_CONTAINERS} lists and objects in one body: send smaller batches"
    if body.count(b",") > MOST_VALUES:
        return f"more than {MOST_VALUES} values in one body: send smaller batches"
    return None
