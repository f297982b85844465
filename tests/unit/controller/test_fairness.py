"""Nobody's slow or many keys hold up those of others.

64 jobs of one namespace, each of which kept a worker busy, once stopped every other namespace's
jobs for good: the workers took keys in the order in which they came. Here hours of such
neighbourhood pass in virtual time.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from evaluation_operator.controller.fairness import FairShare, most_at_once

PLACES = 64
SLOW_SECONDS = 1.0
TURN_SECONDS = 30.0
QUICK_SECONDS = 0.02
Key = tuple[str, int]
"""(group, number)"""


def share(places: int = PLACES) -> FairShare[Key]:
    return FairShare(places, lambda key: key[0])


def keys(group: str, count: int) -> list[Key]:
    return [(group, number) for number in range(count)]


def many_keys(*, namespaces: int, each: int) -> list[Key]:
    return [key for number in range(namespaces) for key in keys(f"hostile-{number}", each)]


def taken(fair: FairShare[Key]) -> list[Key]:
    """All that may be worked on at once."""
    return list(iter(fair.take, None))


def test_groups_take_turns_and_each_keeps_its_order() -> None:
    fair = share()
    for key in [*keys("a", 3), *keys("b", 2), *keys("c", 1)]:
        fair.add(key)

    assert taken(fair) == [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("b", 1), ("a", 2)]


def test_no_group_has_more_than_its_share_of_the_places() -> None:
    fair = share()
    for key in keys("a", 100):
        fair.add(key)

    found = taken(fair)
    assert len(found) == PLACES // 4
    fair.done(found[0], cut_short=False)
    assert taken(fair) == [("a", len(found))]


def test_what_is_slow_gives_its_place_to_others() -> None:
    fair = share(places=4)
    slow = [(str(number), 0) for number in range(4)]
    for key in [*slow, ("honest", 0)]:
        fair.add(key)
    assert taken(fair) == slow

    assert fair.step_aside(slow[0]) is None
    assert taken(fair) == [("honest", 0)]
    assert fair.aside == 1
    fair.done(slow[0], cut_short=False)
    assert fair.aside == 0


def test_where_no_room_is_left_aside_the_longest_is_given_up() -> None:
    fair = share(places=1)
    slow = [(str(number), 0) for number in range(3)]
    for key in slow:
        fair.add(key)
    given_up = []
    for key in slow:
        assert fair.take() == key
        given_up.append(fair.step_aside(key))

    assert given_up == [None, None, slow[0]]
    assert fair.aside == 2
    fair.add(("honest", 0))
    assert fair.take() == ("honest", 0)
    for key in [*slow, ("honest", 0)]:
        fair.done(key, cut_short=key == slow[0])
    assert fair.aside == 0


def test_a_group_that_was_cut_short_leaves_the_places_to_others_until_it_does_better() -> None:
    fair = share(places=1)
    fair.add(("cut", 0))
    assert fair.take() == ("cut", 0)
    fair.add(("cut", 1))
    fair.done(("cut", 0), cut_short=True)
    fair.add(("cut", 2))
    fair.add(("honest", 0))

    assert taken(fair) == [("honest", 0), ("cut", 1)], "one in the only place, and one aside"
    assert fair.aside == 1
    fair.done(("cut", 1), cut_short=False)
    assert fair.take() is None, "it waits for the place again"
    fair.done(("honest", 0), cut_short=False)
    assert fair.take() == ("cut", 2)
    assert fair.aside == 0


def test_of_many_groups_that_were_cut_short_each_has_a_key_to_do_better_by() -> None:
    fair = share(places=4)
    groups = [f"cut-{number}" for number in range(8)]
    for group in groups:
        fair.add((group, 0))
        assert fair.take() == (group, 0)
        fair.done((group, 0), cut_short=True)
    for number in (1, 2):
        for group in groups:
            fair.add((group, number))

    assert taken(fair) == [(group, 1) for group in groups]


@dataclass
class Neighbourhood:
    """Honest keys that come every second and take no time, and hostile ones that take all they
    can and come again at once, on a clock of their own."""

    hostile: list[Key]
    honest: list[Key]
    seconds: float = 300.0
    now: float = 0.0
    turn_seconds: float = QUICK_SECONDS
    waits: list[float] = field(default_factory=list)
    given_up: int = 0
    at_once: int = 0

    def __post_init__(self) -> None:
        self._fair = share()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._asked: dict[Key, float] = {}
        self._working: dict[Key, object] = {}

    def live(self) -> None:
        for key in self.hostile:
            self._later(0.0, self._add, key)
        for number, key in enumerate(self.honest):
            self._later(number / len(self.honest), self._add, key)
        while self._events[0][0] < self.seconds:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
            for key in taken(self._fair):
                self._begin(key)
            self.at_once = max(self.at_once, len(self._working))

    def _later(self, seconds: float, what: Callable[..., None], *given: object) -> None:
        happen: Callable[[], None] = partial(what, *given)
        heapq.heappush(self._events, (self.now + seconds, next(self._order), happen))

    def _add(self, key: Key) -> None:
        self._asked[key] = self.now
        self._fair.add(key)

    def _begin(self, key: Key) -> None:
        turn = self._working[key] = object()
        if key in self.honest:
            self.waits.append(self.now - self._asked[key])
            self._later(SLOW_SECONDS, self._slow, key, turn)
            self._later(self.turn_seconds, self._end, key, turn)
        else:
            self._later(SLOW_SECONDS, self._slow, key, turn)
            self._later(TURN_SECONDS, self._end, key, turn, True)

    def _slow(self, key: Key, turn: object) -> None:
        if self._working.get(key) is turn:
            longest = self._fair.step_aside(key)
            if longest is not None:
                self.given_up += longest in self.honest
                self._end(longest, self._working[longest], True)

    def _end(self, key: Key, turn: object, cut_short: bool = False) -> None:
        if self._working.get(key) is turn:
            del self._working[key]
            self._fair.done(key, cut_short=cut_short)
            self._later(1.0 if key in self.honest else 0.0, self._add, key)


@pytest.mark.parametrize(
    ("hostile", "longest"),
    [
        (keys("hostile", 64), 0.0),
        (keys("hostile", 1000), 0.0),
        (many_keys(namespaces=10, each=100), SLOW_SECONDS),
        (many_keys(namespaces=100, each=10), 2 * SLOW_SECONDS),
        (many_keys(namespaces=1000, each=1), 16 * SLOW_SECONDS),
    ],
    ids=["64 in 1", "1000 in 1", "1000 in 10", "1000 in 100", "1000 in 1000"],
)
def test_honest_keys_wait_until_each_hostile_namespace_is_found_slow_once(
    hostile: list[Key], longest: float
) -> None:
    """That takes a second for 64 of them: with a hundred, two seconds of five minutes."""
    honest = [(f"honest-{number}", 0) for number in range(20)]
    there = Neighbourhood(hostile, honest)

    there.live()

    assert len(there.waits) > 5000
    assert max(there.waits) <= longest
    late = sum(wait > 0 for wait in there.waits)
    assert late <= len(honest) * max(longest, 1.0)
    assert there.at_once <= most_at_once(PLACES)


@pytest.mark.parametrize("namespaces", [1, 10, 100])
def test_honest_turns_that_take_seconds_themselves_are_not_taken_for_hostile_ones(
    namespaces: int,
) -> None:
    """On a busy machine all turns take long. Once honest ones that took more than a second stood
    in one line with hostile ones that took thirty."""
    honest = [(f"honest-{number}", 0) for number in range(20)]
    hostile = many_keys(namespaces=namespaces, each=1000 // namespaces)
    there = Neighbourhood(hostile, honest, turn_seconds=2.5)

    there.live()

    assert len(there.waits) > 1500
    waits = sorted(there.waits)
    assert waits[len(waits) * 99 // 100] <= 2 * SLOW_SECONDS
    assert there.given_up <= len(honest)


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, with few places and few groups."""

    ready: Bundle[Key] = Bundle("ready")
    working: Bundle[Key] = Bundle("working")

    def __init__(self) -> None:
        super().__init__()
        self.places = 8
        self.fair = share(self.places)
        self.numbers = itertools.count()
        self.added: dict[str, deque[Key]] = {}
        self.out: set[Key] = set()
        self.given_up: set[Key] = set()

    @rule(group=st.sampled_from("abcdef"))
    def add(self, group: str) -> None:
        key = (group, next(self.numbers))
        self.fair.add(key)
        self.added.setdefault(group, deque()).append(key)

    @rule(target=working)
    def take(self) -> Key | MultipleResults[Key]:
        key = self.fair.take()
        if key is None:
            waiting = {group for group, there in self.added.items() if there}
            busy = Counter(group for group, _ in self.out)
            full = len(self.out) >= self.places
            assert full or all(busy[group] >= self.places // 4 for group in waiting)
            return multiple()
        assert self.added[key[0]].popleft() == key, "in the order of its group"
        self.out.add(key)
        return key

    @rule(key=working)
    def slow(self, key: Key) -> None:
        longest = self.fair.step_aside(key)
        if longest is not None:
            assert longest in self.out
            assert longest not in self.given_up
            self.given_up.add(longest)

    @rule(key=consumes(working), cut_short=st.booleans())
    def done(self, key: Key, cut_short: bool) -> None:
        self.out.remove(key)
        self.given_up.discard(key)
        self.fair.done(key, cut_short=cut_short)

    @invariant()
    def bounds_hold(self) -> None:
        assert len(self.out - self.given_up) <= most_at_once(self.places)
        assert self.fair.aside <= 2 * self.places
        assert self.fair.aside <= len(self.out)
        busy = Counter(group for group, _ in self.out)
        assert all(count <= self.places // 4 for count in busy.values())


TestAnyOrder = AnyOrder.TestCase


@given(st.integers(1, 300))
def test_however_few_places_there_are_somebody_is_worked_on(places: int) -> None:
    fair = share(places)
    fair.add(("a", 0))

    assert fair.take() == ("a", 0)
