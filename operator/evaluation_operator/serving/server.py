"""uvicorn with a bounded number of connections, each with limits.

It accepts by itself: an event loop takes all that knock in one turn, and only then tells, when
they may have used up the files of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, cast

import uvicorn

from evaluation_operator.serving.limits import Limits, longest_waiting
from evaluation_operator.serving.protocol import BoundedProtocol

logger = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 5.0
"""How long requests that are being worked on may take when the server ends."""
LOOK_TICKS: Final = 5
"""uvicorn's tick is a tenth of a second."""
AGAIN_SECONDS: Final = 0.1
CROWDED: Final = "crowded"
REFUSED: Final = "refused"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; an empty host: all addresses, of IPv4 and IPv6. Raises OSError."""
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


class Server(uvicorn.Server):
    """Serves an ASGI application on the sockets that `serve` is given, until `should_exit`.

    Signals are left to the program. `closed` counts connections that were ended by limits, by why.
    """

    def __init__(self, app: Any, limits: Limits) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                http="httptools",
                ws="none",
                lifespan="off",
                loop="none",
                proxy_headers=False,
                server_header=False,
                date_header=False,
                access_log=False,
                log_config=None,
                # A line for each request that is none would let whoever sends them fill the log.
                log_level="error",
                timeout_keep_alive=int(limits.idle_seconds) + 1,
                timeout_graceful_shutdown=int(ANSWER_SECONDS),
            )
        )
        self.limits = limits
        self.closed: Counter[str] = Counter()
        self._accepting: list[asyncio.Task[None]] = []

    @property
    def connections(self) -> set[BoundedProtocol]:
        return cast("set[BoundedProtocol]", self.server_state.connections)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: a signal is for the program, which may have to drain before this ends."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        for listening in sockets or ():
            listening.setblocking(False)
            logger.info("listening on %s", listening.getsockname()[:2])
            self._accepting.append(asyncio.create_task(self._accept(listening)))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for accepting in self._accepting:
            accepting.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        if self.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        else:  # Nobody is there to wait for, as uvicorn does in any case.
            for listening in sockets or ():
                listening.close()

    async def on_tick(self, counter: int) -> bool:
        if counter % LOOK_TICKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in tuple(self.connections):
                connection.end_if_overdue(now)
        return await super().on_tick(counter)

    async def _accept(self, listening: socket.socket) -> None:
        """For ever, one connection at a time, so that there is never more than one too many."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, _ = await loop.sock_accept(listening)
            except OSError as error:
                logger.warning("no connection can be taken: %s", error)
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if not self._make_room():
                connected.close()
                continue
            try:
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.connect_accepted_socket(self._protocol, connected)
            except OSError:
                # It has gone already.
                connected.close()

    def _make_room(self) -> bool:
        """Whether one more connection can be held; for that the one goes that waits longest."""
        if len(self.connections) < self.limits.connections:
            return True
        oldest = longest_waiting(self.connections)
        if oldest is None:
            self.closed[REFUSED] += 1
            return False
        oldest.abort(CROWDED)
        return True

    def _protocol(self) -> BoundedProtocol:
        return BoundedProtocol(
            self.config, self.server_state, self.lifespan.state, self.limits, self.closed
        )
