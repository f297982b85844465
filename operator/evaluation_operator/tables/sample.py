"""Which units of an interval are in the sample, exactly and whatever order they come in.

Every unit (an item, or a whole row) has a priority, spread evenly over [0, 1). Within an
interval let τ be the smaller of the fraction and the (cap + 1)-th smallest priority: a unit is
sampled iff its priority is below τ, with probability τ. So the cap is exact, the sample is
uniform over the whole interval, and no two readers disagree. A unit without a priority of its
own counts as already sampled: its priority is a hash of its id, and the fraction does not apply.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Hashable
from dataclasses import dataclass, field

_MANTISSA_BITS = 53
_LEAST = 2.0**-_MANTISSA_BITS


def hashed_priority(unit_id: str) -> float:
    """A number in [0, 1) that depends on the id alone: the leading bits of its SHA-256."""
    leading = int.from_bytes(hashlib.sha256(unit_id.encode()).digest()[:8], "big")
    return (leading >> (64 - _MANTISSA_BITS)) * _LEAST


def item_priority(job_uid: str, item_id: str) -> float:
    """The priority of an item for a job: jobs that sample the same items draw independently."""
    return hashed_priority(f"{job_uid}/{item_id}")


@dataclass(slots=True)
class BottomK:
    """Passes over the same units: `limit` for each, then `see` each, then ask for `inclusion`.

    `cap` units an interval at most (None: no cap); `fraction` in (0, 1]; an interval may have
    less of both. Memory: one heap of cap + 1 numbers an interval, however many units there are.
    A unit may be seen once only.
    """

    cap: int | None
    fraction: float = 1.0
    _limits: dict[Hashable, tuple[int | None, float]] = field(default_factory=dict)
    _smallest: dict[Hashable, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self.cap, self.fraction)

    def limit(self, interval: Hashable, cap: int | None, fraction: float | None) -> None:
        """First pass, if at all: the least that was in force in an interval counts for all of it.

        None says nothing; ValueError for what is no number of units, or no fraction.
        """
        _check(cap, 1.0 if fraction is None else fraction)
        known_cap, known_fraction = self._limit(interval)
        caps = [each for each in (cap, known_cap) if each is not None]
        self._limits[interval] = (
            min(caps, default=None),
            known_fraction if fraction is None else min(fraction, known_fraction),
        )

    def see(self, unit_id: str, interval: Hashable, priority: float | None = None) -> None:
        """Second pass. Units of one `interval` share the cap."""
        cap, _ = self._limit(interval)
        if cap is None:
            return
        value = hashed_priority(unit_id) if priority is None else priority
        heap = self._smallest.setdefault(interval, [])
        if len(heap) <= cap:
            heapq.heappush(heap, -value)
        elif value < -heap[0]:
            heapq.heapreplace(heap, -value)

    def inclusion(
        self, unit_id: str, interval: Hashable, priority: float | None = None
    ) -> float | None:
        """Last pass: the probability with which the unit was drawn, or None if it was not."""
        cap, fraction = self._limit(interval)
        if priority is None:
            value, bound = hashed_priority(unit_id), 1.0
        else:
            value, bound = priority, fraction
        heap = self._smallest.get(interval, [])
        if cap is not None and len(heap) > cap:
            bound = min(bound, -heap[0])
        return bound if value < bound else None

    def _limit(self, interval: Hashable) -> tuple[int | None, float]:
        return self._limits.get(interval, (self.cap, self.fraction))


def _check(cap: int | None, fraction: float) -> None:
    if cap is not None and cap < 1:
        raise ValueError(f"cap: {cap} is no number of units; give at least 1, or None")
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction: {fraction} must be above 0 and at most 1")
