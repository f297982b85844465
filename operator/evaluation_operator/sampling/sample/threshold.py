"""Which items of one interval may still be in its sample, as far as one replica knows.

The sample of an interval are the items whose priority lies below both the fraction and the
(cap + 1)-th smallest priority of all replicas. A replica that has seen only some of the items
knows a bound that is never too low, so what it throws away can never be in the sample.
"""

from __future__ import annotations

import heapq
import math

LARGEST_HEAP = 200_000
"""Caps above it have no bound here: the heap would cost more memory than the rows it saves."""


class Threshold:
    """The bound of one job and one interval.

    Memory: cap + 1 numbers, however many items come. An item that comes twice counts once.
    Settings can only become stricter; looser ones wait for the next interval, because what was
    thrown away under the old ones does not come back.
    """

    __slots__ = ("__weakref__", "_bound", "_known", "_largest", "cap", "fraction")

    def __init__(self, fraction: float, cap: int) -> None:
        self.fraction = fraction
        self.cap = cap
        self._largest: list[float] = []  # negated, so that the first is the largest
        self._known: set[float] = set()
        self._bound = fraction

    def admits(self, priority: float) -> bool:
        """Whether an item of this priority must be kept. The (cap + 1)-th itself must be: readers
        need it to know where the sample ends."""
        return priority < self._bound

    @property
    def bound(self) -> float:
        """Items below it are admitted."""
        return self._bound

    def knows(self, priority: float) -> bool:
        """Whether this very item has advanced the bound, and is still among the smallest."""
        return priority in self._known

    def offer(self, priority: float) -> bool:
        """Let an item of a whole prediction advance the bound; whether it must be kept.

        False for an item that is known already: it was kept when it came first.
        """
        if priority >= self._bound or priority in self._known:
            return False
        if self.cap > LARGEST_HEAP:
            return True
        self._known.add(priority)
        heapq.heappush(self._largest, -priority)
        self._shrink()
        return True

    @property
    def limit(self) -> float:
        """The items sampled here are those strictly below; it is also their probability."""
        if len(self._largest) <= self.cap:
            return self.fraction
        return min(self.fraction, -self._largest[0])

    def tighten(self, fraction: float, cap: int) -> None:
        """Take over settings as far as they are stricter than those in force."""
        self.fraction = min(self.fraction, fraction)
        self.cap = min(self.cap, cap)
        self._shrink()

    def _shrink(self) -> None:
        while len(self._largest) > self.cap + 1:
            self._known.discard(-heapq.heappop(self._largest))
        self._bound = self.fraction
        if len(self._largest) > self.cap:
            # Whatever is at most the largest, said with one comparison.
            self._bound = min(self.fraction, math.nextafter(-self._largest[0], math.inf))
