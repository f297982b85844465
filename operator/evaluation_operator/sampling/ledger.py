"""What became of each prediction of a job at this replica: a ledger whose sum is what was seen.

A prediction comes as two halves, and may come again. It is one entry all the same, by its job and
its key, as long as it is among the newest that are remembered; what was sampled or refused since
then counts once more.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final, NamedTuple

from evaluation_operator.sampling.records import Reason

REMEMBERED: Final = 100_000
"""Predictions of all jobs, at least half of which are known again: some 10 MB."""


class Fate(StrEnum):
    """What became of a prediction, but for those that are refused, each by its Reason."""

    WAITING = "Waiting"  # for its other half
    NOT_SAMPLED = "NotSampled"  # no item below the bound
    SPILLED = "Spilled"  # its halves are written apart, and runs join them
    OFFERED = "Offered"  # some item below the bound, and written with both halves


Entry = Fate | Reason

_STANDING: Final = {
    Fate.WAITING: 0,
    Fate.NOT_SAMPLED: 1,
    Fate.SPILLED: 2,
    Fate.OFFERED: 4,
    # What was offered may be refused by the table yet.
    Reason.TABLE_INVALID: 5,
}
_REFUSED: Final = 3


class Moved(NamedTuple):
    """`before` None: the prediction is new. `after` None: it stays what it was."""

    before: Entry | None
    after: Entry | None


class Ledger:
    """The newest predictions by what became of them, two generations of them at most."""

    def __init__(self, remembered: int) -> None:
        self._size = max(remembered // 2, 1)
        self._young: dict[int, Entry] = {}
        self._old: dict[int, Entry] = {}

    def knows(self, job_uid: str, key: str) -> bool:
        return self._known(hash((job_uid, key))) is not None

    def enter(self, job_uid: str, key: str, entry: Entry) -> Moved:
        """What the prediction becomes by this. Nothing takes back what has come further: a half
        that is sent again after its row was made waits in vain, and changes nothing."""
        place = hash((job_uid, key))
        before = self._known(place)
        if before is not None and _standing(entry) <= _standing(before):
            return Moved(before, None)
        self._young[place] = entry
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}
        return Moved(before, entry)

    def forget(self, job_uid: str, key: str) -> Entry | None:
        """It was none of the job's after all; what it was taken for."""
        place = hash((job_uid, key))
        young, old = self._young.pop(place, None), self._old.pop(place, None)
        return young or old

    def _known(self, place: int) -> Entry | None:
        return self._young.get(place) or self._old.get(place)


def refused_of(entries: Counter[Entry]) -> dict[Reason, int]:
    """The refused ones, by their reason."""
    return {it: count for it, count in entries.items() if isinstance(it, Reason) and count}


def has_items(entry: Entry | None) -> bool:
    """Whether the items of such a prediction are counted: of what waits they may be another's."""
    return entry is not None and entry is not Fate.WAITING and not isinstance(entry, Reason)


def _standing(entry: Entry) -> int:
    return _STANDING.get(entry, _REFUSED)
