"""Which key comes next, so that nobody's slow or many keys hold up those of others.

Keys belong to groups (namespaces). Groups take turns, and none holds more than a quarter of the
places. What has been worked on for long steps aside, and its place goes to the next. For a while
its group then begins new work only beside what stands aside already, of which there is room for
as much again to join; when that too is taken, what has gone on for longest is given up. So the
places stay with those whose work is quick, and they wait for others as long as it takes to find
those slow, and no longer.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

LATE_SECONDS = 120.0
"""How long a group counts as slow after it was found so. Longer than many hostile namespaces need
to have a key each worked on, so that they cannot wait for being forgiven in turns."""
SHARE = 4


def most_at_once(places: int) -> int:
    """How many keys are worked on at once, what stands aside included and given up not."""
    return 3 * places


class FairShare(Generic[K]):
    """Ready keys in, the next one out; pure, with the time (seconds, rising) given from outside.

    A key is ready, worked on, or not known: the caller adds none that is here already.
    """

    def __init__(self, places: int, group_of: Callable[[K], Hashable]) -> None:
        self._places = places
        self._share = max(1, places // SHARE)
        self._group_of = group_of
        # Ready keys by group. The group that is next comes first.
        self._quick: dict[Hashable, deque[K]] = {}
        self._late: dict[Hashable, deque[K]] = {}
        self._late_until: dict[Hashable, float] = {}  # what ends next comes first
        self._placed: set[K] = set()
        self._aside: dict[K, None] = {}  # what has gone on for longest comes first
        self._at_work: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        """How many keys are ready."""
        return sum(len(keys) for ready in (self._quick, self._late) for keys in ready.values())

    @property
    def aside(self) -> int:
        """How many keys are worked on without holding a place."""
        return len(self._aside)

    def add(self, key: K) -> None:
        group = self._group_of(key)
        ready = self._late if group in self._late_until else self._quick
        ready.setdefault(group, deque()).append(key)

    def take(self, now: float) -> K | None:
        """The next key, which is worked on from now on; None while there is none that may be."""
        self._forgive(now)
        if len(self._placed) < self._places and (key := self._next(self._quick)) is not None:
            self._placed.add(key)
            return key
        if len(self._aside) < self._places and (key := self._next(self._late)) is not None:
            self._aside[key] = None
            return key
        return None

    def step_aside(self, key: K, now: float) -> K | None:
        """The key has been worked on for long; gives what is to be given up instead of it."""
        group = self._group_of(key)
        self._late_until.pop(group, None)
        self._late_until[group] = now + LATE_SECONDS
        if group in self._quick:
            self._late[group] = self._quick.pop(group)
        if key not in self._placed:
            return None
        self._placed.remove(key)
        self._aside[key] = None
        if len(self._aside) + self._places <= most_at_once(self._places):
            return None
        longest = next(iter(self._aside))
        del self._aside[longest]
        return longest

    def done(self, key: K) -> None:
        """The key is not worked on any more, also if it was given up."""
        self._placed.discard(key)
        self._aside.pop(key, None)
        group = self._group_of(key)
        self._at_work[group] -= 1
        if not self._at_work[group]:
            del self._at_work[group]

    def _forgive(self, now: float) -> None:
        while self._late_until:
            group, until = next(iter(self._late_until.items()))
            if until > now:
                return
            del self._late_until[group]
            if group in self._late:
                self._quick[group] = self._late.pop(group)

    def _next(self, ready: dict[Hashable, deque[K]]) -> K | None:
        """Of the first group that has not its share: the few that have it are passed over."""
        group = next((group for group in ready if self._at_work[group] < self._share), None)
        if group is None:
            return None
        keys = ready.pop(group)
        key = keys.popleft()
        if keys:
            ready[group] = keys
        self._at_work[group] += 1
        return key
