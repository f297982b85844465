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
import math
from collections.abc import Hashable
from dataclasses import dataclass, field

_MANTISSA_BITS = 53


def hashed_priority(unit_id: str) -> float:
    """A number in [0, 1) that depends on the id alone: the leading bits of its SHA-256."""
    leading = int.from_bytes(hashlib.sha256(unit_id.encode()).digest()[:8], "big")
    return math.ldexp(leading >> (64 - _MANTISSA_BITS), -_MANTISSA_BITS)


@dataclass(slots=True)
class BottomK:
    """Two passes over the same units: `see` each, then ask each for its `inclusion`.

    `cap` units an interval at most (None: no cap); `fraction` in (0, 1]. Memory: one heap of
    cap + 1 numbers an interval, however many units there are. A unit may be seen once only.
    """

    cap: int | None
    fraction: float = 1.0
    _smallest: dict[Hashable, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.cap is not None and self.cap < 1:
            raise ValueError(f"cap: {self.cap} is no number of units; give at least 1, or None")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction: {self.fraction} must be above 0 and at most 1")

    def see(self, unit_id: str, interval: Hashable, priority: float | None = None) -> None:
        """First pass. Units of one `interval` share the cap."""
        if self.cap is None:
            return
        value, _ = self._standing(unit_id, priority)
        heap = self._smallest.setdefault(interval, [])
        if len(heap) <= self.cap:
            heapq.heappush(heap, -value)
        elif value < -heap[0]:
            heapq.heapreplace(heap, -value)

    def inclusion(
        self, unit_id: str, interval: Hashable, priority: float | None = None
    ) -> float | None:
        """Second pass: the probability with which the unit was drawn, or None if it was not."""
        value, bound = self._standing(unit_id, priority)
        heap = self._smallest.get(interval, [])
        if self.cap is not None and len(heap) > self.cap:
            bound = min(bound, -heap[0])
        return bound if value < bound else None

    def _standing(self, unit_id: str, priority: float | None) -> tuple[float, float]:
        """The unit's priority, and the fraction that applies to it."""
        return (hashed_priority(unit_id), 1.0) if priority is None else (priority, self.fraction)
