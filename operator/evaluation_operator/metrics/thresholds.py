"""The score thresholds at which a curve is reported."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Final

# 0.00, 0.05 … 0.95, then 0.96 … 0.99. Each is the float nearest to its decimal literal
# (15 / 100 == 0.15, while 3 * 0.05 is not), because a score of exactly 0.15 must meet 0.15.
THRESHOLDS: tuple[float, ...] = tuple(k / 100 for k in (*range(0, 96, 5), 96, 97, 98, 99))

MAXIMUM_THRESHOLDS = 101
_MARGIN: Final = 1e-6
"""By so much a probability may be off, since it was computed."""


def checked_thresholds(thresholds: Sequence[float]) -> tuple[float, ...]:
    """The thresholds as a tuple; they must be 1 to 101 finite numbers, rising, none twice."""
    if not 1 <= len(thresholds) <= MAXIMUM_THRESHOLDS:
        raise ValueError(
            f"score thresholds: {len(thresholds)} given; give 1 to {MAXIMUM_THRESHOLDS}"
        )
    checked = tuple(float(threshold) for threshold in thresholds)
    for threshold in checked:
        if not math.isfinite(threshold):
            raise ValueError(f"score thresholds: {threshold} is no finite number; leave it out")
    for lower, upper in itertools.pairwise(checked):
        if not lower < upper:
            raise ValueError(
                f"score thresholds: {upper} follows {lower}; sort them and give each once"
            )
    return checked


def reported_thresholds(
    lowest: float | None,
    highest: float | None,
    asked: Sequence[float] | None,
    quantiles: Callable[[Sequence[float]], Sequence[float]],
) -> tuple[float, ...]:
    """The thresholds that say something about scores between `lowest` and `highest`.

    Thresholds that somebody asked for are all reported. The default grid is for probabilities;
    where a score lies outside 0..1 (logits, percentages), as many quantiles of the scores take its
    place, from the lowest to the highest. `quantiles` gives the scores at these shares of all of
    them, each the nearest by rank.
    """
    if asked is not None:
        return checked_thresholds(asked)
    if lowest is None or highest is None or (lowest >= -_MARGIN and highest <= 1 + _MARGIN):
        return THRESHOLDS
    last = len(THRESHOLDS) - 1
    return tuple(sorted(set(quantiles([place / last for place in range(last + 1)]))))


def nearest_ranks(shares: Sequence[float], count: int) -> list[int]:
    """The places, from 0, in rising order of `count` values, of their quantiles by nearest rank."""
    return [max(math.ceil(share * count), 1) - 1 for share in shares]
