"""The work queue of the Go client, in asyncio: one entry a key, never two workers on a key.

Which of the ready keys comes next is `fairness`'s to say. Delays are kept as times of day of the
operator's clock and looked at every second, so that a clock that steps (or a machine that slept)
cannot make the queue sleep past a run.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import time
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from evaluation_operator.controller.clock import Clock
from evaluation_operator.controller.fairness import FairShare, most_at_once

FIRST_BACKOFF_SECONDS = 0.05
LAST_BACKOFF_SECONDS = 60.0
LONGEST_NAP_SECONDS = 1.0
SLOW_SECONDS = 1.0
"""After so long on one key the next one does not wait for it any more."""
SPARE_WISHES = 256
"""So many that do not count any more are kept at least."""

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys in, keys out. `get` hands a key to one worker until that worker calls `done`.

    `places` are shared among the groups of keys that `group_of` tells apart. Have `most_at_once`
    workers: so many keys are out at once when much of the work is slow. Whoever works on keys sets
    `give_up`: it is called with one whose work is to end early, and should not wait for it.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        places: int,
        group_of: Callable[[K], Hashable],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._now = now
        self._share = FairShare(places, group_of)
        self.most_at_once = most_at_once(places)
        self.give_up: Callable[[K], None] = lambda _: None
        self._out: asyncio.Queue[K] = asyncio.Queue()  # what a worker may take now
        self._queued: set[K] = set()
        self._processing: dict[K, asyncio.TimerHandle] = {}
        self._dirty: set[K] = set()
        self._due: dict[K, datetime] = {}
        self._heap: list[tuple[datetime, int, K]] = []
        self._order = itertools.count()
        self._failures: dict[K, int] = {}
        self._sooner = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.waiting_since: float | None = None
        """By `now`, since when there has always been a key that waits."""

    def __len__(self) -> int:
        return len(self._queued)

    @property
    def busy(self) -> int:
        """How many keys are being worked on."""
        return len(self._processing)

    @property
    def aside(self) -> int:
        """How many of them have been for long, so that others need not wait for them."""
        return self._share.aside

    def add(self, key: K) -> None:
        """Work on the key as soon as a worker is free; once, however often it is added."""
        if key in self._processing:
            self._dirty.add(key)
        elif key not in self._queued:
            if not self._queued:
                self.waiting_since = self._now()
            self._queued.add(key)
            self._share.add(key)
            self._hand_out()

    def add_at(self, key: K, when: datetime) -> None:
        """Work on the key at that time; replaces an earlier wish for the same key."""
        self._due[key] = when
        heapq.heappush(self._heap, (when, next(self._order), key))
        if len(self._heap) > 2 * len(self._due) + SPARE_WISHES:
            self._drop_replaced()
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
        """The next key; waits for one that is ready and may be worked on beside the others."""
        key = await self._out.get()
        self._queued.discard(key)
        if not self._queued:
            self.waiting_since = None
        loop = asyncio.get_running_loop()
        self._processing[key] = loop.call_later(SLOW_SECONDS, self._step_aside, key)
        self._idle.clear()
        return key

    def done(self, key: K, *, cut_short: bool = False) -> None:
        """The worker is through with the key, or was `cut_short`; news that came meanwhile queue
        it again."""
        self._processing.pop(key).cancel()
        if not self._processing:
            self._idle.set()
        self._share.done(key, cut_short=cut_short)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)
        self._hand_out()

    def _step_aside(self, key: K) -> None:
        longest = self._share.step_aside(key)
        if longest is not None:
            self.give_up(longest)
        self._hand_out()

    def _hand_out(self) -> None:
        while (key := self._share.take()) is not None:
            self._out.put_nowait(key)

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

    def _drop_replaced(self) -> None:
        """Wishes that were replaced, or dropped, would stay until their time: a century away, if
        somebody has chosen a schedule like that, and one more for each turn."""
        self._heap = [(when, next(self._order), key) for key, when in self._due.items()]
        heapq.heapify(self._heap)

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
