"""The work queue of the Go client, in asyncio: one entry a key, never two workers on a key.

Delays are kept as times of day of the operator's clock and looked at every second, so that a
clock that steps (or a machine that slept) cannot make the queue sleep past a run.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from evaluation_operator.controller.clock import Clock

FIRST_BACKOFF_SECONDS = 0.05
LAST_BACKOFF_SECONDS = 60.0
LONGEST_NAP_SECONDS = 1.0

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys in, keys out. `get` hands a key to one worker until that worker calls `done`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._queued: set[K] = set()
        self._processing: set[K] = set()
        self._dirty: set[K] = set()
        self._due: dict[K, datetime] = {}
        self._heap: list[tuple[datetime, int, K]] = []
        self._order = itertools.count()
        self._failures: dict[K, int] = {}
        self._sooner = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return self._ready.qsize()

    @property
    def busy(self) -> int:
        """How many keys are being worked on."""
        return len(self._processing)

    def add(self, key: K) -> None:
        """Work on the key as soon as a worker is free; once, however often it is added."""
        if key in self._processing:
            self._dirty.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.put_nowait(key)

    def add_at(self, key: K, when: datetime) -> None:
        """Work on the key at that time; replaces an earlier wish for the same key."""
        self._due[key] = when
        heapq.heappush(self._heap, (when, next(self._order), key))
        if self._heap[0][2] == key:
            self._sooner.set()

    def cancel(self, key: K) -> None:
        """Drop a delayed wish."""
        self._due.pop(key, None)

    def forget(self, key: K) -> None:
        """The key went well: its next failure starts from the shortest back-off."""
        self._failures.pop(key, None)

    def retry(self, key: K, *, at_least_seconds: float = 0.0) -> float:
        """Work on the key again after its back-off, with jitter; gives the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        backoff = min(FIRST_BACKOFF_SECONDS * 2.0 ** min(failures, 20), LAST_BACKOFF_SECONDS)
        delay = max(backoff * (0.5 + random.random()), at_least_seconds)  # noqa: S311
        self.add_at(key, self._clock.now() + timedelta(seconds=delay))
        return delay

    async def get(self) -> K:
        """The next key that is ready; waits for one."""
        key = await self._ready.get()
        self._queued.discard(key)
        self._processing.add(key)
        self._idle.clear()
        return key

    def done(self, key: K) -> None:
        """The worker is through with the key; news that came meanwhile queue it again."""
        self._processing.discard(key)
        if not self._processing:
            self._idle.set()
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)

    async def idle(self) -> None:
        """Waits until no key is being worked on."""
        await self._idle.wait()

    async def release_due(self) -> None:
        """Runs for ever: makes delayed keys ready when their time has come.

        When the clock steps back, all of them: what was to be tried again in a second must not
        wait for a day, and whoever comes too early is told his time anew.
        """
        before = self._clock.now()
        while True:
            now = self._clock.now()
            if now < before - timedelta(seconds=LONGEST_NAP_SECONDS):
                self._release_all()
            before = now
            while self._heap and self._heap[0][0] <= now:
                when, _, key = heapq.heappop(self._heap)
                if self._due.get(key) == when:
                    del self._due[key]
                    self.add(key)
            self._sooner.clear()
            try:
                async with asyncio.timeout(self._nap_seconds()):
                    await self._sooner.wait()
            except TimeoutError:
                continue

    def _release_all(self) -> None:
        for key in self._due:
            self.add(key)
        self._due.clear()
        self._heap.clear()

    def _nap_seconds(self) -> float:
        if not self._heap:
            return LONGEST_NAP_SECONDS
        until = (self._heap[0][0] - self._clock.now()).total_seconds()
        return min(max(until, 0.0), LONGEST_NAP_SECONDS)
