"""The score thresholds at which a curve is reported."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

# 0.00, 0.05 … 0.95, then 0.96 … 0.99. Each is the float nearest to its decimal literal
# (15 / 100 == 0.15, while 3 * 0.05 is not), because a score of exactly 0.15 must meet 0.15.
THRESHOLDS: tuple[float, ...] = tuple(k / 100 for k in (*range(0, 96, 5), 96, 97, 98, 99))

MAXIMUM_THRESHOLDS = 101


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
    lowest: float | None, highest: float | None, asked: Sequence[float] | None = None
) -> tuple[float, ...]:
    """The thresholds that say something about scores between `lowest` and `highest`.

    Thresholds that somebody asked for are all reported. Of the default grid, scores that are
    probabilities get all; where a score lies outside 0..1 (logits, percentages), only the
    thresholds within the range of the scores are kept: the others would repeat "all are
    positive" or "none is".
    """
    if asked is not None:
        return checked_thresholds(asked)
    if lowest is None or highest is None or (lowest >= 0 and highest <= 1):
        return THRESHOLDS
    return tuple(threshold for threshold in THRESHOLDS if lowest <= threshold <= highest)
