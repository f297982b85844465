"""What the metrics are computed from: counts, never rows.

An item is one instance of a request; a pair is an (item, label). A pair is *scored* when the
prediction lists the label, *true* when the ground truth does. Items whose inclusion
probability p is equal form a *piece* of the sample; counts are kept apart by piece, as
integers, and multiplied by the piece's weight 1/p only at the end. So weighted figures are as
exact as plain ones and do not depend on the order in which a database adds floats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

# The places of the second axis of `CountBatch.counts`: all scored labels of an item, only its
# five best, only its best.
EVERY: Final = 0
TOP_5: Final = 1
TOP_1: Final = 2

# The places of the third axis.
TRUE: Final = 0
FALSE: Final = 1


@dataclass(frozen=True, slots=True, eq=False)
class CountBatch:
    """A stretch of the counts at each distinct (label, score, piece), in that order.

    `label`, `score` (float64) and `piece` have shape (n,); `counts` has shape (n, 3, 2): how
    many pairs among every/top 5/top 1 are true/false. A stream of batches may be cut anywhere.
    In the stream over all labels together the label is 0 and the second axis has length 1.
    """

    label: Integers
    score: Floats
    piece: Integers
    counts: Integers

    def by_label(self) -> Iterator[tuple[int, CountBatch]]:
        """The runs of equal label, as views."""
        if not len(self.label):
            return
        borders = np.flatnonzero(np.diff(self.label)) + 1
        for start, stop in zip([0, *borders], [*borders, len(self.label)], strict=True):
            run = slice(start, stop)
            yield (
                int(self.label[start]),
                CountBatch(self.label[run], self.score[run], self.piece[run], self.counts[run]),
            )


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """What must be known before the pass over the scores, by label and piece: shape (l, k).

    `truths` includes true pairs that no prediction scored; `scored_true` and `scored_false`
    are what the stream of batches will add up to. `lowest` and `highest` are the extreme
    scores, None where nothing was scored.
    """

    truths: Integers
    scored_true: Integers
    scored_false: Integers
    lowest: float | None
    highest: float | None

    def __post_init__(self) -> None:
        if not self.truths.shape == self.scored_true.shape == self.scored_false.shape:
            raise ValueError("totals: the three arrays must have one shape (labels, pieces)")
        if (self.scored_true > self.truths).any():
            raise ValueError("totals: more scored true pairs than true pairs")

    @property
    def label_count(self) -> int:
        return len(self.truths)

    @property
    def piece_count(self) -> int:
        return int(self.truths.shape[1])


@dataclass(frozen=True, slots=True)
class Piece:
    """The evaluated items that share one inclusion probability."""

    p: float
    items: int


def piece_weights(pieces: tuple[Piece, ...]) -> Floats | None:
    """1/p by piece, or None where all items weigh the same and weighting says nothing new."""
    if len(pieces) < 2:
        return None
    return 1.0 / np.array([piece.p for piece in pieces], dtype=np.float64)
