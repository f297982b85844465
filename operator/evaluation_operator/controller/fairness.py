"""Which key comes next, so that nobody's slow or many keys hold up those of others.

Keys belong to groups (namespaces). Groups take turns, and none holds more than a quarter of the
places. What has been worked on for a while steps aside, and its place goes to the next, so that a
key waits for others as long as it takes to find them slow, and no longer. There is twice as much
room aside as there are places; when that is taken too, what has gone on for longest is given up.
A group whose work was cut short begins anew only aside, until some of its work ends by itself: an
honest one gets there with its first key, and hostile ones do not come back to the places.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

SHARE = 4


def most_at_once(places: int) -> int:
    """How many keys are worked on at once, what stands aside included and given up not."""
    return 3 * places


class FairShare(Generic[K]):
    """Ready keys in, the next one out; pure.

    A key is ready, worked on, or not known: the caller adds none that is here already.
    """

    def __init__(self, places: int, group_of: Callable[[K], Hashable]) -> None:
        self._places = places
        self._room_aside = most_at_once(places) - places
        self._share = max(1, places // SHARE)
        self._group_of = group_of
        # Ready keys by group. The group that is next comes first.
        self._ready: dict[Hashable, deque[K]] = {}
        self._ready_of_cut: dict[Hashable, deque[K]] = {}
        self._cut: set[Hashable] = set()  # groups whose work was cut short
        self._placed: set[K] = set()
        self._aside: dict[K, None] = {}  # what has gone on for longest comes first
        self._at_work: Counter[Hashable] = Counter()

    @property
    def aside(self) -> int:
        """How many keys are worked on without holding a place."""
        return len(self._aside)

    def add(self, key: K) -> None:
        group = self._group_of(key)
        ready = self._ready_of_cut if group in self._cut else self._ready
        ready.setdefault(group, deque()).append(key)

    def take(self) -> K | None:
        """The next key, which is worked on from now on; None while there is none that may be."""
        if len(self._placed) < self._places:
            key = self._next(self._ready, self._share)
            if key is not None:
                self._placed.add(key)
                return key
        if len(self._aside) < self._room_aside:
            # One half is for what steps aside, and for the one key by which a group may do better.
            share = self._share if len(self._aside) < self._room_aside // 2 else 1
            key = self._next(self._ready_of_cut, share)
            if key is not None:
                self._aside[key] = None
                return key
        return None

    def step_aside(self, key: K) -> K | None:
        """The key has been worked on for a while; gives what is to be given up instead of it."""
        if key not in self._placed:
            return None
        self._placed.remove(key)
        self._aside[key] = None
        if len(self._aside) <= self._room_aside:
            return None
        longest = next(iter(self._aside))
        del self._aside[longest]
        return longest

    def done(self, key: K, *, cut_short: bool) -> None:
        """The key is not worked on any more: its work has ended by itself, or was cut short."""
        self._placed.discard(key)
        self._aside.pop(key, None)
        group = self._group_of(key)
        self._at_work[group] -= 1
        if not self._at_work[group]:
            del self._at_work[group]
        self._judge(group, cut_short)

    def _judge(self, group: Hashable, cut_short: bool) -> None:
        if cut_short:
            self._cut.add(group)
        else:
            self._cut.discard(group)
        now, before = self._ready, self._ready_of_cut
        if cut_short:
            now, before = before, now
        if group in before:
            now[group] = before.pop(group)

    def _next(self, ready: dict[Hashable, deque[K]], share: int) -> K | None:
        """Of the first group that has less than its share."""
        group = next((group for group in ready if self._at_work[group] < share), None)
        if group is None:
            return None
        keys = ready.pop(group)
        key = keys.popleft()
        if keys:
            ready[group] = keys
        self._at_work[group] += 1
        return key
