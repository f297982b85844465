"""uvicorn's protocol with a shorter way for what nearly all requests are.

An event that has come whole, over a connection on which nothing else is going on, is handed to
the application at once and answered by one write: no scope, no task, no messages. That is most of
what a request costs. Everything else goes the usual way through ASGI, as if this were not here:
pages, batches, large or slow bodies, pipelined requests, and whatever is refused before its body.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from evaluation_operator.sampling.limits import HEADER_BYTES, Refusal

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 75.0
_ACCEPTED: Final = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
_HEADERS_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)
_ERROR: Final = (
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class NotDirect(Exception):
    """A request for the usual way; nothing has been done with it."""


class DirectApplication(Protocol):
    """What the application must have beside its ASGI face."""

    def take_directly(
        self, path: bytes, headers: Mapping[bytes, bytes], body: bytes
    ) -> asyncio.Future[None] | None:
        """Take a POST; None, or what to wait for before it is answered with 202. Raises NotDirect
        before anything is done, and Refusal."""

    def answered_directly(self, status: int, size: int, seconds: float) -> None:
        """It was answered."""

    def as_refusal(self, error: BaseException) -> Refusal | None:
        """The refusal for what the future has failed with; None for what nobody expects."""


class _Direct:
    """Stands for a request that is being waited for where uvicorn looks whether one is."""

    response_complete = True
    disconnected = False
    keep_alive = True

    def __init__(self) -> None:
        self.message_event = self

    def set(self) -> None:
        """Nobody waits for messages of this one."""


class EventProtocol(HttpToolsProtocol):
    """One connection. Headers are bounded: the parser keeps all of them, finished or not."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self._raw: dict[bytes, bytes] = {}
        # The parser calls it for each header, without a step of Python in between.
        self.on_header = self._raw.__setitem__  # type: ignore[assignment, method-assign]
        self._chunks: list[bytes] = []
        self._is_held = False
        self._messages = 0
        self._is_in_headers = False
        self._header_bytes = 0
        self._direct = _Direct()
        self._last_seconds = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        super().__init__(*arguments, **more)
        self._direct_app = cast(DirectApplication, self.config.app)

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._last_seconds = self.loop.time()
        self._watch_idleness()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._messages
        super().data_received(data)
        if self._is_held:
            self._hand_over()
        elif self._is_in_headers and before == self._messages:
            # What came with the end of another message is not counted: it is one read at most.
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES and not self.transport.is_closing():
                self.transport.write(_HEADERS_TOO_LARGE)
                self.transport.close()

    def _watch_idleness(self) -> None:
        """Close what nobody has used for a while, looking now and then instead of at each use."""
        now = self.loop.time()
        is_busy = self.cycle is not None and not self.cycle.response_complete
        if not is_busy and now - self._last_seconds >= IDLE_SECONDS:
            self.transport.close()
            return
        self._idle_timer = self.loop.call_later(IDLE_SECONDS, self._watch_idleness)

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._messages += 1
        self._last_seconds = self.loop.time()
        self._is_in_headers = True
        self._header_bytes = 0
        self._raw.clear()
        self.url = b""

    def on_headers_complete(self) -> None:
        self._is_in_headers = False
        self._chunks = []
        self._is_held = True
        if not self._may_be_direct():
            self._hand_over()

    def on_body(self, body: bytes) -> None:
        if self._is_held:
            self._chunks.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_held:
            super().on_message_complete()
            return
        began = time.perf_counter()
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        status = 202
        try:
            future = self._direct_app.take_directly(self.url, self._raw, body)
        except NotDirect:
            self._hand_over()
            super().on_message_complete()
            return
        except Refusal as refusal:
            self._is_held = False
            status = refusal.status
            self._write(refusal.as_bytes(), refusal.close)
        except Exception:
            self._is_held = False
            status = 500
            logger.exception("an event was not taken")
            self._write(_ERROR, close=True)
        else:
            self._is_held = False
            if future is not None:
                self._wait(future, len(body), began)
                return
            self._write(_ACCEPTED)
        self._direct_app.answered_directly(status, len(body), time.perf_counter() - began)

    def _may_be_direct(self) -> bool:
        parser = self.parser
        return (
            parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.flow.write_paused
        )

    # The usual way.

    def _hand_over(self) -> None:
        """Let uvicorn have the request as far as it has come."""
        self._is_held = False
        url, chunks = self.url, self._chunks
        super().on_message_begin()
        self.url = url
        for name, value in self._raw.items():
            super().on_header(name, value)
        super().on_headers_complete()
        for chunk in chunks:
            super().on_body(chunk)

    # The short way.

    def _wait(self, future: asyncio.Future[None], size: int, began: float) -> None:
        """Until it is done, whatever comes over this connection waits its turn in uvicorn."""
        direct = self._direct
        direct.response_complete = False
        self.cycle = direct  # type: ignore[assignment]

        def done(finished: asyncio.Future[None]) -> None:
            direct.response_complete = True
            status, answer, close = self._outcome(finished)
            self._write(answer, close or not direct.keep_alive)
            self._direct_app.answered_directly(status, size, time.perf_counter() - began)
            if self.pipeline:
                self.on_response_complete()

        future.add_done_callback(done)

    def _outcome(self, finished: asyncio.Future[None]) -> tuple[int, bytes, bool]:
        error = finished.exception() if not finished.cancelled() else asyncio.CancelledError()
        if error is None:
            return 202, _ACCEPTED, False
        refusal = self._direct_app.as_refusal(error)
        if refusal is not None:
            return refusal.status, refusal.as_bytes(), refusal.close
        logger.error("an event was not taken", exc_info=error)
        return 500, _ERROR, True

    def _write(self, answer: bytes, close: bool = False) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(answer)
        if close:
            self.transport.close()
