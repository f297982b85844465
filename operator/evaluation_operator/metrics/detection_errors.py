"""Why predicted boxes are wrong, and which true ones nobody found.

The kinds are those of TIDE (Bolya and others, 2020). With the intersection over union t from
which on boxes match, and 0.1 (or t, if that is lower) below which they have nothing to do with
each other, a predicted box that matches nothing is, by the first that fits,

* a *poor place*: its best true box of its own label is between 0.1 and t away from it;
* a *wrong class*: some true box of another label is at t or more;
* a *duplicate*: a true box of its own label is at t or more, and a better box has taken it;
* *background*: no true box of any label is at 0.1 or more;
* *both* wrong: only a true box of another label comes near, between 0.1 and t.

A true box that nothing matches is *missed*, unless a poor place or a wrong class was meant for
it: that box is counted once, as what went wrong. All boxes count, whatever their score.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation_operator.metrics.counts import Floats, Integers
from evaluation_operator.metrics.detection_boxes import Pairs

BACKGROUND_IOU: Final = 0.1
_NONE: Final = -1


class BoxKind(IntEnum):
    """What a predicted box is."""

    TRUE_POSITIVE = 0
    POOR_PLACE = 1
    WRONG_CLASS = 2
    DUPLICATE = 3
    BACKGROUND = 4
    BOTH = 5


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Predicted boxes by kind; `missed` are true boxes."""

    true_positives: int
    wrong_class: int
    poor_place: int
    both: int
    duplicate: int
    background: int
    missed: int


@dataclass(frozen=True, slots=True, eq=False)
class ErrorSplit:
    """The kind of each predicted box (a BoxKind), and whether each true box is missed."""

    kinds: NDArray[np.int8]
    missed: NDArray[np.bool_]

    @property
    def counts(self) -> ErrorCounts:
        found = np.bincount(self.kinds, minlength=len(BoxKind))
        return ErrorCounts(
            true_positives=int(found[BoxKind.TRUE_POSITIVE]),
            wrong_class=int(found[BoxKind.WRONG_CLASS]),
            poor_place=int(found[BoxKind.POOR_PLACE]),
            both=int(found[BoxKind.BOTH]),
            duplicate=int(found[BoxKind.DUPLICATE]),
            background=int(found[BoxKind.BACKGROUND]),
            missed=int(self.missed.sum()),
        )


class Nearest:
    """For each predicted box its best true box of the same label, and of any other."""

    def __init__(self, predicted_count: int) -> None:
        self.same_iou = np.zeros(predicted_count, dtype=np.float64)
        self.same = np.full(predicted_count, _NONE, dtype=np.int64)
        self.other_iou = np.zeros(predicted_count, dtype=np.float64)
        self.other = np.full(predicted_count, _NONE, dtype=np.int64)

    def see(self, pairs: Pairs, same_label: NDArray[np.bool_]) -> None:
        """All pairs of a predicted box come at once."""
        _best(pairs, np.flatnonzero(same_label), self.same_iou, self.same)
        _best(pairs, np.flatnonzero(~same_label), self.other_iou, self.other)


def _best(pairs: Pairs, chosen: Integers, iou: Floats, true: Integers) -> None:
    """Of the chosen pairs each predicted box's best, and of equals the first."""
    if not len(chosen):
        return
    predicted, overlap = pairs.predicted[chosen], pairs.iou[chosen]
    starts = np.flatnonzero(np.diff(predicted, prepend=_NONE))
    iou[predicted[starts]] = np.maximum.reduceat(overlap, starts)
    hits = np.flatnonzero(overlap == iou[predicted])[::-1]
    true[predicted[hits]] = pairs.true[chosen[hits]]


def split_errors(takers: Integers, nearest: Nearest, threshold: float) -> ErrorSplit:
    """`takers`: for each true box the predicted box that matches it, or a negative number."""
    near = min(BACKGROUND_IOU, threshold)
    threshold = min(threshold, 1 - 1e-10)
    kinds = np.full(len(nearest.same), BoxKind.BOTH, dtype=np.int8)
    is_near = (nearest.same_iou >= near) | (nearest.other_iou >= near)
    # From the last that fits to the first.
    kinds[~is_near] = BoxKind.BACKGROUND
    kinds[nearest.same_iou >= threshold] = BoxKind.DUPLICATE
    kinds[nearest.other_iou >= threshold] = BoxKind.WRONG_CLASS
    kinds[(nearest.same_iou >= near) & (nearest.same_iou < threshold)] = BoxKind.POOR_PLACE
    kinds[takers[takers >= 0]] = BoxKind.TRUE_POSITIVE
    missed = takers < 0
    missed[nearest.same[kinds == BoxKind.POOR_PLACE]] = False
    missed[nearest.other[kinds == BoxKind.WRONG_CLASS]] = False
    return ErrorSplit(kinds, missed)
