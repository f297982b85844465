"""The sampler's replicas in memory, as far as runs can tell: stamps, flushes, marks and Leases.

It keeps the promises that `domain/flushing.py` asks of a replica, and breaks whatever may break:
tables that are away, replicas that are cut off from the API server, that end and come back or
not, clocks that disagree by minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from evaluation_operator.domain.facts.replica import Replica
from evaluation_operator.domain.flushing import RESTAMP_AFTER


class Doing(StrEnum):
    WRITES = "writes"
    CANNOT_WRITE = "cannot write"
    CANNOT_RENEW = "cannot renew"
    IS_DOWN = "is down"


@dataclass(frozen=True)
class Row:
    number: int
    stamp: datetime


@dataclass
class SimulatedReplica:
    name: str
    skew: timedelta
    now: datetime
    renewed: datetime
    mark: datetime
    told: datetime
    doing: Doing = Doing.WRITES
    waiting: list[Row] = field(default_factory=list)

    def take(self, number: int) -> bool:
        """What the model answered arrives, unless the replica is down."""
        if self.doing is Doing.IS_DOWN:
            return False
        self.waiting.append(Row(number, max(self.now, self.mark)))
        return True

    def be(self, doing: Doing) -> list[Row]:
        """Change what it does; gives the rows that it writes at once."""
        came_back = doing in (Doing.WRITES, Doing.CANNOT_WRITE)
        if came_back and self.now - self.renewed > RESTAMP_AFTER:
            self._stamp_anew(self.waiting)
        self.doing = doing
        return self.live()

    def live(self) -> list[Row]:
        """What happens by itself: rows are written, the mark follows, the Lease tells it."""
        if self.doing in (Doing.CANNOT_RENEW, Doing.IS_DOWN):
            return []
        written: list[Row] = []
        if self.doing is Doing.WRITES:
            self._stamp_anew([row for row in self.waiting if self.now - row.stamp > RESTAMP_AFTER])
            written, self.waiting = self.waiting, []
        oldest = min((row.stamp for row in self.waiting), default=self.now)
        self.mark = max(self.mark, oldest)
        self.renewed, self.told = self.now, self.mark
        return written

    def _stamp_anew(self, rows: list[Row]) -> None:
        old = {row.number for row in rows}
        stamp = max(self.now, self.mark)
        self.waiting = [
            replace(row, stamp=stamp) if row.number in old else row for row in self.waiting
        ]

    def lease(self) -> Replica:
        return Replica(self.name, f"evaluation-sampler-{self.name}", self.told, self.renewed)


class Fleet:
    """Replicas and the table that they write."""

    def __init__(self, now: datetime) -> None:
        self.replicas: dict[str, SimulatedReplica] = {}
        self.table: list[Row] = []
        self.taken = 0
        self.start(0, now, timedelta(0))

    def start(self, which: int, now: datetime, skew: timedelta) -> None:
        name = f"sampler-{which}"
        if name not in self.replicas:
            floor = max((replica.told for replica in self.replicas.values()), default=now)
            own = max(now + skew, floor)
            self.replicas[name] = SimulatedReplica(name, skew, own, own, own, own)

    def find(self, which: int) -> SimulatedReplica:
        names = sorted(self.replicas)
        return self.replicas[names[which % len(names)]]

    def predict(self, which: int) -> None:
        self.taken += self.find(which).take(self.taken)

    def become(self, which: int, doing: Doing) -> None:
        self.table += self.find(which).be(doing)

    def drain(self, which: int) -> None:
        """A replica that is scaled down writes what it has and takes its Lease along."""
        replica = self.find(which)
        if len(self.replicas) > 1 and replica.doing is Doing.WRITES:
            self.table += replica.live()
            del self.replicas[replica.name]

    def pass_time(self, now: datetime) -> None:
        """No clock of a replica goes back: stamps would lie in what runs have read."""
        for replica in self.replicas.values():
            self.table += replica.live()
            replica.now = max(replica.now, now + replica.skew)
            self.table += replica.live()

    def leases(self) -> tuple[Replica, ...]:
        return tuple(replica.lease() for replica in self.replicas.values())
