"""Which predicted box finds which true one.

Inside one image and label, each predicted box by falling score (ties in their own order) takes
the true box, not yet taken, of highest intersection over union, if that is at least
min(threshold, 1 − 1e-10); of equal ones the later. A true box that is *ignored* is taken only
where no other can be.

Read box by box that is a slow loop. But everybody ranks the predicted boxes alike, by score, so
the outcome is the one stable matching: let every box ask for its first choice at once, let every
true box keep the best that asks, and let those turned away ask for their next choice, until none
asks. Whole arrays move in each round, and there are about as many rounds as the longest list of
choices that anybody goes down.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation_operator.metrics.counts import Integers
from evaluation_operator.metrics.detection_boxes import Pairs

FREE: Final = -1
_HIGHEST_IOU: Final = 1 - 1e-10


class Matcher:
    """Matches at any threshold, from the pairs of equal image and label that can match at all.

    Predicted boxes are known by their rank: inside an image and label a lower number has the
    higher score. `ignored` marks true boxes, shape (true_count,); None ignores none.
    """

    def __init__(
        self, pairs: Pairs, true_count: int, ignored: NDArray[np.bool_] | None = None
    ) -> None:
        last = () if ignored is None else (ignored[pairs.true],)
        order = np.lexsort((-pairs.true, -pairs.iou, *last, pairs.predicted))
        self._predicted = pairs.predicted[order]
        self._true = pairs.true[order]
        self._iou = pairs.iou[order]
        self._true_count = true_count

    def match(self, threshold: float) -> Integers:
        """For each true box the rank of the predicted box that takes it, or FREE."""
        possible = self._iou >= min(threshold, _HIGHEST_IOU)
        predicted, true = self._predicted[possible], self._true[possible]
        starts = np.flatnonzero(np.diff(predicted, prepend=FREE))
        ends = np.append(starts[1:], len(predicted))
        holder = _match(true, starts, ends, self._true_count)
        taken = holder < len(starts)
        ranks = np.full(self._true_count, FREE, dtype=np.int64)
        ranks[taken] = predicted[starts[holder[taken]]]
        return ranks


def _match(choices: Integers, starts: Integers, ends: Integers, true_count: int) -> Integers:
    """For each true box the place of who takes it, or the number of those who ask.

    `choices[starts[i]:ends[i]]` are the true boxes that i asks for, one after the other.
    """
    nobody = len(starts)
    holder = np.full(true_count, nobody, dtype=np.int64)
    at = starts.copy()
    asking = np.arange(nobody)
    while len(asking):
        wanted = choices[at[asking]]
        before = holder[wanted]
        # Of several values for one place the last one stays: from the back, the best.
        holder[wanted[::-1]] = asking[::-1]
        best = np.minimum(holder[wanted], before)
        holder[wanted] = best
        wins = best == asking
        turned_away = np.concatenate((asking[~wins], before[wins & (before < nobody)]))
        at[turned_away] += 1
        asking = np.sort(turned_away[at[turned_away] < ends[turned_away]])
    return holder


def similar_pairs(pairs: Pairs, same_label: NDArray[np.bool_], least: float) -> Pairs:
    """Of some pairs those of one label, from an intersection over union on (and above 0)."""
    chosen = np.flatnonzero(same_label & (pairs.iou >= min(least, _HIGHEST_IOU)) & (pairs.iou > 0))
    return Pairs(pairs.predicted[chosen], pairs.true[chosen], pairs.iou[chosen])


def joined(pieces: list[Pairs]) -> Pairs:
    """Several stretches of pairs as one."""
    if not pieces:
        empty = np.zeros(0, dtype=np.int64)
        return Pairs(empty, empty, np.zeros(0, dtype=np.float64))
    return Pairs(
        np.concatenate([piece.predicted for piece in pieces]),
        np.concatenate([piece.true for piece in pieces]),
        np.concatenate([piece.iou for piece in pieces]),
    )
