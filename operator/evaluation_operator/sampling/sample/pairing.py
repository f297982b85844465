"""Halves of predictions that wait for their other half, in the order in which they came."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from evaluation_operator.sampling.sample.record import Record


class Met(Enum):
    """What a half that came has met."""

    NOBODY = "nobody"  # it waits now
    ITSELF = "itself"  # it came twice: this copy is not needed
    PARTNER = "partner"


@dataclass(frozen=True, slots=True)
class Meeting:
    met: Met
    partner: Record | None = None


class Waiting:
    """At most one half of a prediction and job waits here. `size` in bytes of memory."""

    def __init__(self) -> None:
        # Halves come in the order of their stamps.
        self._halves: OrderedDict[tuple[str, str], Record] = OrderedDict()
        self._uids: dict[str, list[str]] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._halves)

    def __contains__(self, key: str) -> bool:
        return key in self._uids

    def meet(self, kept: Record) -> Meeting:
        """The partner, which waits no more; else the half itself begins to wait."""
        other = self._halves.get((kept.key, kept.job.uid))
        if other is not None:
            if other.has_request == kept.has_request:
                return Meeting(Met.ITSELF)
            return Meeting(Met.PARTNER, self._taken(other))
        self._halves[kept.key, kept.job.uid] = kept
        self._uids.setdefault(kept.key, []).append(kept.job.uid)
        self.size += kept.bytes_held
        return Meeting(Met.NOBODY)

    def give_up(self, key: str, *, requests: bool, is_lost: Callable[[str], bool]) -> list[Record]:
        """The requests (or else responses) of a prediction that wait in vain, by their job's uid:
        the other half has come, and is not kept for that job."""
        waiting = [self._halves[key, uid] for uid in self._uids.get(key, ()) if is_lost(uid)]
        return [self._taken(kept) for kept in waiting if kept.has_request == requests]

    def take_older(self, than: datetime) -> Iterator[Record]:
        """Those that came at or before that time wait no more."""
        while (first := self._first()) is not None and first.stamp <= than:
            yield self._taken(first)

    def take_above(self, size: int) -> Iterator[Record]:
        """The oldest, until the others take no more than `size` bytes."""
        while self.size > size and (first := self._first()) is not None:
            yield self._taken(first)

    def oldest(self) -> datetime | None:
        """When the one that waits longest came."""
        first = self._first()
        return first.stamp if first is not None else None

    def shrink(self, kept: Record, size: int) -> None:
        """So many bytes of a half were given back, if it waits here."""
        if self._halves.get((kept.key, kept.job.uid)) is kept:
            self.size -= size

    def _first(self) -> Record | None:
        return next(iter(self._halves.values()), None)

    def _taken(self, kept: Record) -> Record:
        del self._halves[kept.key, kept.job.uid]
        uids = self._uids[kept.key]
        uids.remove(kept.job.uid)
        if not uids:
            del self._uids[kept.key]
        self.size -= kept.bytes_held
        return kept
