"""Of the versions of each job: the oldest that has no number yet, and the highest number.

A version asks for no more of its siblings. These may be thousands, and if each were asked whenever
one of them changes, those of one namespace would keep the operator from all other work.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict

from evaluation_operator.controller.collection import Name
from evaluation_operator.controller.stored import StoredObject
from evaluation_operator.domain.snapshot import Sibling

Place = tuple[str, str]
"""(namespace, reference to the job)"""
Entry = tuple[float, str]
"""The time of creation of a version without a number, or its number; and its name."""


class Siblings:
    """Takes and gives them in less than the time of a turn, however many there are."""

    def __init__(self) -> None:
        self._known: dict[Name, tuple[Place, Sibling]] = {}
        self._waiting: defaultdict[Place, list[Entry]] = defaultdict(list)
        self._numbered: defaultdict[Place, list[Entry]] = defaultdict(list)

    def note(self, name: Name, stored: StoredObject | None) -> None:
        """The version as it is now; None: it is gone."""
        before = self._known.pop(name, None)
        if before is not None:
            self._forget(*before)
        if stored is None:
            return
        place = (name[0], stored.refers_to[0])
        sibling = Sibling(name[1], stored.create_time, stored.number)
        self._known[name] = (place, sibling)
        insort(self._entries(sibling)[place], _entry(sibling))

    def of(self, place: Place) -> list[Sibling]:
        """At most two: the oldest without a number comes first, then the highest number."""
        found = [*self._waiting.get(place, ())[:1], *self._numbered.get(place, ())[-1:]]
        return [self._known[place[0], name][1] for _, name in found]

    def next(self, place: Place) -> str | None:
        """The name of the version that is numbered next."""
        waiting = self._waiting.get(place)
        return waiting[0][1] if waiting else None

    def _forget(self, place: Place, sibling: Sibling) -> None:
        by_place = self._entries(sibling)
        entries = by_place[place]
        del entries[bisect_left(entries, _entry(sibling))]
        if not entries:
            del by_place[place]

    def _entries(self, sibling: Sibling) -> defaultdict[Place, list[Entry]]:
        return self._waiting if sibling.number is None else self._numbered


def _entry(sibling: Sibling) -> Entry:
    if sibling.number is None:
        return sibling.create_time.timestamp(), sibling.name
    return float(sibling.number), sibling.name
