"""A precision-recall curve at thresholds, and the exact area under it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evaluation_operator.metrics.counts import (
    EVERY,
    FALSE,
    TOP_1,
    TOP_5,
    TRUE,
    CountBatch,
    Floats,
    Integers,
)


@dataclass(frozen=True, slots=True)
class Tally:
    """Pairs that are positive and true, positive and false, true and not positive.

    Whole numbers, or sums of 1/p in weighted figures. A ratio without denominator is None.
    """

    true_positives: float
    false_positives: float
    false_negatives: float

    @property
    def precision(self) -> float | None:
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float | None:
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float | None:
        twice = 2 * self.true_positives
        return _ratio(twice, twice + self.false_positives + self.false_negatives)


@dataclass(frozen=True, slots=True)
class ConfidenceEntry:
    """A curve at one threshold: a label is positive when its score is at least that.

    `at_5` and `at_1` cut each item's labels to its five or one best before the threshold
    applies; their recall still divides by all true pairs.
    """

    threshold: float
    every: Tally
    at_1: Tally
    at_5: Tally


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The curve of one label, or of all pairs together (`label` None).

    `positives` has shape (thresholds, 3, 2): pairs at or above each threshold, by cut (every,
    top 5, top 1) and truth. `area` is the average precision, None without any truth.
    """

    label: int | None
    thresholds: tuple[float, ...]
    truths: float
    scored: float
    area: float | None
    positives: Floats

    def entries(self) -> Iterator[ConfidenceEntry]:
        for threshold, positives in zip(self.thresholds, self.positives, strict=True):
            yield ConfidenceEntry(
                threshold,
                every=self._tally(positives[EVERY]),
                at_1=self._tally(positives[TOP_1]),
                at_5=self._tally(positives[TOP_5]),
            )

    def _tally(self, positives: Floats) -> Tally:
        true_positives = float(positives[TRUE])
        return Tally(true_positives, float(positives[FALSE]), self.truths - true_positives)


class AreaPass:
    """The exact area under one curve, in one pass over its scores ascending.

    The area is the sum over distinct scores, falling, of the gain in recall times the best
    precision at that score or any lower one. Ascending, that best is a running maximum, and
    the pairs at or above a score are the totals less those passed; so nothing is kept but the
    totals. The sum is added in the order of the scores: where batches end changes no digit.
    """

    def __init__(self, true: Integers, false: Integers, weights: Floats) -> None:
        """Totals of scored pairs by piece, and each piece's weight: shape (k,)."""
        self._pieces_differ = len(set(weights.tolist())) > 1
        if not self._pieces_differ:
            true, false, weights = true.sum(keepdims=True), false.sum(keepdims=True), weights[:1]
        self._left = (true.copy(), false.copy())
        self._weights = weights
        self._last_score = -np.inf
        self._best_precision = 0.0
        self._sum = 0.0

    def add(self, score: Floats, piece: Integers, true: Integers, false: Integers) -> None:
        if not len(score):
            return
        previous = np.concatenate(([self._last_score], score[:-1]))
        if not (score >= previous).all():
            raise ValueError("scores must come in ascending order, and without NaN")
        if not self._pieces_differ:
            piece = np.zeros_like(piece)
        true_left = self._at_or_above(TRUE, piece, true)
        positive = true_left + self._at_or_above(FALSE, piece, false)
        # Several pieces can hold one score. They are one point, seen at its first row.
        at_point = (score > previous) & (positive > 0)
        precision = np.divide(true_left, positive, out=np.zeros(len(score)), where=at_point)
        precision[0] = max(precision[0], self._best_precision)
        envelope = np.maximum.accumulate(precision)
        gains = self._weights[piece] * true * envelope
        gains[0] += self._sum
        self._sum = float(np.cumsum(gains)[-1])
        self._best_precision = float(envelope[-1])
        self._last_score = float(score[-1])

    def _at_or_above(self, truth: int, piece: Integers, counts: Integers) -> Floats:
        """The weighted pairs not yet passed, before each row; then passes the rows."""
        weighted = np.zeros(len(counts), dtype=np.float64)
        left = self._left[truth]
        for index, weight in enumerate(self._weights):
            own = counts if len(self._weights) == 1 else np.where(piece == index, counts, 0)
            passed = np.cumsum(own)
            weighted += weight * (left[index] - (passed - own))
            left[index] -= passed[-1]
        return weighted

    def area(self, truths: float) -> float | None:
        """The area, given the weighted number of true pairs; None where there is none."""
        if any(left.any() for left in self._left):
            raise ValueError("the scores passed do not add up to the totals")
        return None if truths == 0 else self._sum / truths


class ThresholdCounts:
    """Pairs by the highest threshold that their score meets, and by piece."""

    def __init__(self, thresholds: tuple[float, ...], piece_count: int) -> None:
        self._thresholds = np.array(thresholds, dtype=np.float64)
        self._counts = np.zeros((len(thresholds) + 1, piece_count, 3, 2), dtype=np.int64)

    def add(self, batch: CountBatch) -> None:
        met = np.searchsorted(self._thresholds, batch.score, side="right")
        places, pieces = self._counts.shape[:2]
        cells = met * pieces + batch.piece
        for cut in (EVERY, TOP_5, TOP_1):
            for truth in (TRUE, FALSE):
                # Float sums of whole numbers: exact below 2**53 pairs.
                added = np.bincount(
                    cells, weights=batch.counts[:, cut, truth], minlength=places * pieces
                )
                self._counts[:, :, cut, truth] += added.reshape(places, pieces).astype(np.int64)

    def add_all(self, other: ThresholdCounts) -> None:
        self._counts += other._counts

    def positives(self, weights: Floats) -> Floats:
        """Weighted pairs at or above each threshold: shape (thresholds, 3, 2)."""
        meeting = np.cumsum(self._counts[::-1], axis=0)[::-1][1:]
        return weighted_sum(meeting, weights, axis=1)


def weighted_sum(counts: Integers, weights: Floats, axis: int = 0) -> Floats:
    """The sum over pieces, added in their order (a BLAS product differs between machines)."""
    by_piece = np.moveaxis(counts, axis, 0)
    total = np.zeros(by_piece.shape[1:], dtype=np.float64)
    for piece, weight in zip(by_piece, weights, strict=True):
        total += weight * piece
    return total


def _ratio(part: float, whole: float) -> float | None:
    return None if whole == 0 else part / whole
