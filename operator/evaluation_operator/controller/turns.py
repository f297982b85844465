"""Turns of the control loop: workers take keys, each turn has an end, and health asks for it.

A turn may be cancelled wherever it waits, also within a write. That leaves what a crash between
two writes leaves, and is as harmless: the server has carried the write out or it has not, and the
next turn decides on what it finds. What was created is met by its name and adopted; an update or a
patch of an object that has changed is a Conflict, after which it is read again; to apply or to
delete twice comes to the same as once. Only memory that follows a write (what the operator believes
of a Lease) may lag then, and a Conflict forgets it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from evaluation_operator.controller.keys import Key
from evaluation_operator.controller.telemetry import Telemetry
from evaluation_operator.controller.workqueue import WorkQueue
from evaluation_operator.kube import ApiError, Conflict

logger = logging.getLogger(__name__)

TURN_SECONDS = 30.0
CANCELLING_SECONDS = 60.0
STANDSTILL_SECONDS = 90.0
CANCELLED = "cancelled"
PAUSE_SECONDS = 5.0
"""At least so long after a turn that was cancelled, or that ended by a fault of the program."""


class Turns:
    """What workers do while this replica leads. `fault` may be asked from another thread."""

    def __init__(
        self,
        queue: WorkQueue[Key],
        reconcile: Callable[[Key], Awaitable[datetime | None]],
        telemetry: Telemetry,
        stop: asyncio.Event,
        *,
        seconds: float = TURN_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._telemetry = telemetry
        self._stop = stop
        self._seconds = seconds
        self._now = now
        self._begun: dict[Key, float] = {}
        self._limits: dict[Key, asyncio.Timeout] = {}
        queue.give_up = self._give_up
        self._progress = now()
        self.leading = asyncio.Event()

    def lead(self, leads: bool) -> None:
        """What waits while another replica leads waits for nobody's fault."""
        self._progress = self._now()
        if leads:
            self.leading.set()
        else:
            self.leading.clear()

    async def work(self, ready: asyncio.Event) -> None:
        """One worker: from `ready` on, until it is told to stop or cancelled."""
        await ready.wait()
        self._progress = self._now()
        while not self._stop.is_set():
            await self.leading.wait()
            key = await self._queue.get()
            result = ""
            try:
                if self._stop.is_set() or not self.leading.is_set():
                    self._queue.add(key)
                else:
                    result = await self._turn(key)
            finally:
                self._queue.done(key, cut_short=result == CANCELLED)

    def fault(self) -> str | None:
        """What a restart would mend: a turn that does not end even when it is cancelled, or keys
        that wait and of which none gets its turn. An error is an end of a turn like any other, so
        neither a job, however it is made, nor an API server that is away is one.
        """
        now = self._now()
        longest = max((now - begun for begun in tuple(self._begun.values())), default=0.0)
        if longest > self._seconds + CANCELLING_SECONDS:
            return f"a turn that was to be cancelled has gone on for {longest:.0f} s"
        waiting = self._queue.waiting_since
        if waiting is None or not self.leading.is_set():
            return None
        standstill = now - max(waiting, self._progress)
        if standstill > STANDSTILL_SECONDS:
            return f"keys wait, and no turn has ended for {standstill:.0f} s"
        return None

    async def _turn(self, key: Key) -> str:
        begun = self._begun[key] = self._now()
        limit = self._limits[key] = asyncio.timeout(self._seconds)
        try:
            result = await self._try(key, limit)
        finally:
            del self._begun[key], self._limits[key]
            self._progress = self._now()
        self._telemetry.reconciles.labels(key.kind, result).inc()
        self._telemetry.duration.labels(key.kind).observe(self._progress - begun)
        return result

    def _give_up(self, key: Key) -> None:
        """So many turns are slow that this one, the longest, is cancelled before its time."""
        if (limit := self._limits.get(key)) is not None and not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time())

    async def _try(self, key: Key, limit: asyncio.Timeout) -> str:
        """How the turn ended, as the metric says it; when the key comes again is arranged."""
        try:
            async with limit:
                wake_at = await self._reconcile(key)
        except Exception as error:
            return self._failed(key, error, was_cancelled=limit.expired())
        self._queue.forget(key)
        if wake_at is None:
            self._queue.cancel(key)
        else:
            self._queue.add_at(key, wake_at)
        return "ok"

    def _failed(self, key: Key, error: Exception, *, was_cancelled: bool) -> str:
        match error:
            case TimeoutError() if was_cancelled:
                delay = self._queue.retry(key, at_least_seconds=PAUSE_SECONDS)
                taken = self._now() - self._begun[key]
                text = "%s: the turn was cancelled after %.0f s; again in %.1f s"
                logger.warning(text, key, taken, delay)
                return CANCELLED
            case Conflict():
                logger.debug("%s: decided on what has changed since: %s", key, error)
                self._queue.retry(key)
                return "conflict"
            case ApiError():
                delay = self._queue.retry(key, at_least_seconds=error.retry_after_seconds or 0.0)
                logger.warning("%s: %s; again in %.1f s", key, error.message[:300], delay)
                return "error"
            case _:
                logger.error("%s: the decision failed", key, exc_info=error)
                self._queue.retry(key, at_least_seconds=PAUSE_SECONDS)
                return "exception"
