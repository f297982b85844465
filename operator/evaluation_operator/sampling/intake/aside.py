"""Reading large bodies in processes of their own, each with a limit on its memory.

A parser lets nothing else run in its process, however long it takes, and what it makes of a body
is many times as large. There it holds up other large bodies at most; and where it dies, one event.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

from evaluation_operator.bodies.values import TooMuch
from evaluation_operator.sampling.intake import child
from evaluation_operator.sampling.intake.messages import (
    HEAD,
    MOST_ANSWER_BYTES,
    Garbled,
    Kind,
    Outcome,
    packed,
    resident_bytes,
    unpacked,
)
from evaluation_operator.sampling.limits import (
    CHILD_LOOK_SECONDS,
    CHILD_MEMORY_BYTES,
    CHILD_SECONDS,
    CHILDREN,
    MOST_WAITING,
)
from evaluation_operator.sampling.pacing import Pace

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_READ_AHEAD: Final = 2**20
_INHERITED: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
"""Variables of the children: no credential is among them."""


class Busy(Exception):
    """So many bodies wait already that another one would only be forgotten there."""

    retry_after_seconds = 2.0


class Aside:
    """The processes start when they are needed first, and again when one has died."""

    def __init__(
        self,
        *,
        children: int = CHILDREN,
        seconds: float = CHILD_SECONDS,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._free = asyncio.Semaphore(children)
        self._seconds = seconds
        self._most_waiting = most_waiting
        self._waiting = 0
        self._idle: list[Process] = []

    async def run(
        self,
        function: Callable[Concatenate[bytes, P], T],
        body: bytes,
        *args: P.args,
        **_: P.kwargs,
    ) -> T:
        """What the function returns or raises. Raises TooMuch when it takes too long or too much
        memory, and Busy."""
        async with self._turn():
            process = self._idle.pop() if self._idle else await _start()
            try:
                async with asyncio.timeout(self._seconds), _watched(process):
                    result, is_spent = await _ask(process, function, body, args)
            except (TimeoutError, OSError, EOFError, Garbled) as error:
                await _end(process)
                logger.warning(
                    "a body of %d bytes was given up: %r, and its process ended with %s",
                    *(len(body), error, process.returncode),
                )
                raise TooMuch(
                    f"body: {len(body)} bytes could not be read within "
                    f"{CHILD_MEMORY_BYTES >> 20} MiB of memory and {self._seconds:g} seconds; "
                    "send smaller batches"
                ) from None
            except BaseException:
                await _end(process)
                raise
            if is_spent:
                await _end(process)
            else:
                self._idle.append(process)
        if isinstance(result, Exception):
            raise result
        return cast(T, result)

    async def close(self) -> None:
        """Ends what waits for work."""
        while self._idle:
            await _end(self._idle.pop())

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= self._most_waiting:
            raise Busy
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


async def _start() -> Process:
    """Raises Busy where the system has no room for a process."""
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", child.__name__),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=environment,
            limit=_READ_AHEAD,
        )
    except OSError as error:
        logger.error("no process for large bodies can be started: %s", error)
        raise Busy from None


@asynccontextmanager
async def _watched(process: Process) -> AsyncIterator[None]:
    """Ends the process when it holds too much: no limit of the system counts what is held, but
    only what is reserved."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(CHILD_LOOK_SECONDS)
            if resident_bytes(process.pid) > CHILD_MEMORY_BYTES:
                with suppress(ProcessLookupError):
                    process.kill()
                return

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


async def _ask(
    process: Process, function: Callable[..., object], body: bytes, arguments: tuple[Any, ...]
) -> tuple[object, bool]:
    """What it answers, and whether it must end now. An exception that the function has raised is
    returned."""
    assert process.stdin is not None
    for piece in packed((function, arguments), body):
        process.stdin.write(piece)
        await process.stdin.drain()
    outcome = cast(Outcome, await _message(process))
    if outcome.kind != Kind.MEMBERS:
        return await _message(process), outcome.is_spent
    pace = Pace()
    members: list[object] = []
    for _ in range(outcome.parts):
        members += cast(list[object], await _message(process))
        await pace.breathe()
    return members, outcome.is_spent


async def _message(process: Process) -> object:
    assert process.stdout is not None
    head = await process.stdout.readexactly(HEAD.size)
    length, size = HEAD.unpack(head)
    if length + size > MOST_ANSWER_BYTES:
        raise Garbled(f"an answer of {length + size} bytes")
    pickled = await process.stdout.readexactly(length + size)
    # The copy that was just made may have been a large one.
    await asyncio.sleep(0)
    return unpacked(pickled)


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    assert process.stdin is not None
    process.stdin.close()
    await process.communicate()
