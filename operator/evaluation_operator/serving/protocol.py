"""uvicorn's side of a connection, with bounds on the time and the bytes of what a request is.

uvicorn bounds the silence between two requests only. Nothing here costs a timer a request: each
step of a request notes the time, and the server looks twice a second whose has run out.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any, Final

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from evaluation_operator.serving.limits import Limits, Phase, State

_UPGRADE: Final = re.compile(rb"\r\nupgrade[ \t]*:", re.IGNORECASE)
_NAME_BYTES: Final = 16
_END_OF_HEADERS: Final = b"\r\n\r\n"
_TOO_LARGE: Final = b"431 Request Header Fields Too Large"
_TOO_SLOW: Final = b"408 Request Timeout"


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `closed` counts those that are ended from this side, by why."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        limits: Limits,
        closed: Counter[str],
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._limits = limits
        self._closed = closed
        self._unbounded_bytes = 0
        self._is_bounded = False
        self._tail = b""
        self.state = State("", 0.0, 0.0)

    # What the server asks for.

    def end_if_overdue(self, now: float) -> None:
        state = self.state
        if self.flow.read_paused and state.phase in (Phase.HEADERS, Phase.BODY):
            # It is not heard because it is not listened to: an earlier request is being answered.
            if now - state.began > self._limits.answer_seconds:
                self.abort(Phase.ANSWER)
        elif state.is_overdue(self._limits, now):
            self._end(state.phase)
            state.began = now

    def abort(self, why: str) -> None:
        """Give its file back at once, whatever is under way."""
        self._closed[why] += 1
        self.state.phase = Phase.GONE
        self.transport.abort()

    def _end(self, phase: Phase) -> None:
        if phase is Phase.ANSWER or self.transport.get_write_buffer_size():
            # Closing would wait for the other side to read what it does not read.
            self.abort(phase)
            return
        self._closed[phase] += 1
        if phase in (Phase.HEADERS, Phase.BODY):
            self._refuse(_TOO_SLOW)
        else:
            self.transport.close()

    def _is_answering(self) -> bool:
        """Whether one more answer would fall into another, or be the second to one request."""
        if self.pipeline:
            return True
        if self.state.phase is Phase.BODY:
            return self.cycle.response_started
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: bytes) -> None:
        if not self._is_answering():
            self.transport.write(
                b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status
            )
        self.transport.close()

    # What the transport and the parser tell.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        now = self.loop.time()
        self.state = State(self.client[0] if self.client else "", now, now)

    def data_received(self, data: bytes) -> None:
        self.state.heard = self.loop.time()
        most = self._limits.header_bytes
        if len(data) <= most:
            self._feed(data)
            return
        # In pieces, so that no more than one piece goes by uncounted.
        for start in range(0, len(data), most):
            if self.transport.is_closing():
                return
            self._feed(data[start : start + most])

    def _feed(self, data: bytes) -> None:
        """Count what the parser holds, or drops, and nobody else does: headers, trailers, and
        extensions of chunks. What comes with the beginning of a message is not counted: it is one
        piece at most."""
        self._is_bounded = False
        if self.state.phase is not Phase.BODY:
            data = self._without_upgrade(data)
        super().data_received(data)
        if self._is_bounded:
            self._unbounded_bytes = 0
            return
        self._unbounded_bytes += len(data)
        if self._unbounded_bytes > self._limits.header_bytes and not self.transport.is_closing():
            self._closed["header bytes"] += 1
            self._refuse(_TOO_LARGE)

    def _without_upgrade(self, data: bytes) -> bytes:
        """Nothing is upgraded here, and the parser would take the body of a request that asks for
        it (as the JDK's client does, for HTTP/2) to be of the other protocol: the header gets a
        name that means nothing. It may come in pieces, but its colon comes last."""
        seen = self._tail + data
        end = seen.find(_END_OF_HEADERS)
        found = _UPGRADE.search(seen, 0, len(seen) if end < 0 else end)
        self._tail = seen[-_NAME_BYTES:] if end < 0 else b""
        if found is None:
            return data
        colon = found.end() - 1 - (len(seen) - len(data))
        return data if colon < 0 else data[:colon] + b"d" + data[colon:]

    def on_message_begin(self) -> None:
        self._is_bounded = True
        self.state.enter(Phase.HEADERS, self.state.heard)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_bounded = True
        self.state.enter(Phase.BODY, self.state.heard)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._is_bounded = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_bounded = True
        super().on_message_complete()
        is_answered = self.cycle.response_complete
        self.state.enter(Phase.IDLE if is_answered else Phase.ANSWER, self.state.heard)

    def on_response_complete(self) -> None:
        was_paused, is_next = self.flow.read_paused, bool(self.pipeline)
        super().on_response_complete()
        state, now = self.state, self.loop.time()
        if state.phase is Phase.ANSWER:
            state.enter(Phase.ANSWER if is_next else Phase.IDLE, now)
        elif was_paused:
            state.began = state.heard = now
