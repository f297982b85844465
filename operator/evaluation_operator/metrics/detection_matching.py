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

from collections.abc import Iterable
from copy import copy
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
    higher score.
    """

    def __init__(self, pairs: Pairs, true_count: int) -> None:
        """`pairs` are ordered by predicted box."""
        self._pairs = pairs.chosen(np.lexsort((-pairs.true, -pairs.iou, pairs.predicted)))
        self._true_count = true_count

    def ignoring(self, ignored: NDArray[np.bool_]) -> Matcher:
        """One that ignores some true boxes; shape (true_count,)."""
        last = ignored[self._pairs.true]
        changed = copy(self)
        order = np.argsort(2 * self._pairs.predicted + last, kind="stable")
        changed._pairs = self._pairs.chosen(order)
        return changed

    def match(self, thresholds: Iterable[float]) -> dict[float, Integers]:
        """By threshold, for each true box the rank of the predicted box that takes it, or FREE."""
        found = {}
        pairs = self._pairs
        for threshold in sorted(thresholds):
            # What is too far apart for one threshold is so for every higher one.
            pairs = pairs.chosen(np.flatnonzero(pairs.iou >= min(threshold, _HIGHEST_IOU)))
            found[threshold] = self._match_all(pairs)
        return found

    def _match_all(self, pairs: Pairs) -> Integers:
        starts = np.flatnonzero(np.diff(pairs.predicted, prepend=FREE))
        ends = np.append(starts[1:], len(pairs.predicted))
        holder = _match(pairs.true, starts, ends, self._true_count)
        taken = np.flatnonzero(holder < len(starts))
        ranks = np.full(self._true_count, FREE, dtype=np.int64)
        ranks[taken] = pairs.predicted[starts[holder[taken]]]
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
    """Of some pairs those of one label, from an intersection over union on."""
    chosen = np.flatnonzero(same_label & (pairs.iou >= min(least, _HIGHEST_IOU)))
    return pairs.chosen(chosen)


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
