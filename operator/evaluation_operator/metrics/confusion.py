"""The confusion matrix of single-label classification, and the accuracy it implies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation_operator.metrics.counts import Floats, Integers


@dataclass(frozen=True, slots=True, eq=False)
class ConfusionMatrix:
    """Items by true label (rows) and best-scored label (columns), in the label set's order.

    `cells` has shape (l, l + 1): the last column holds items for which nothing was predicted,
    so that the cells sum to the evaluated items (to the sum of 1/p in weighted figures).
    """

    cells: Floats

    @property
    def total(self) -> float:
        return float(self.cells.sum())

    @property
    def accuracy(self) -> float | None:
        """The share of items whose best-scored label is the true one; None without items."""
        return None if self.total == 0 else float(np.trace(self.cells)) / self.total


class ConfusionCounts:
    """Adds up counted cells, by piece, into one matrix for each weighting."""

    def __init__(self, label_count: int, weightings: tuple[Floats, ...]) -> None:
        self._shape = (label_count, label_count + 1)
        self._weightings = weightings
        self._cells = tuple(np.zeros(self._shape, dtype=np.float64) for _ in weightings)

    def add(self, truth: Integers, predicted: Integers, piece: Integers, items: Integers) -> None:
        """Columns of equal length; `predicted` is -1 where nothing was predicted."""
        labels = self._shape[0]
        if len(truth) and not (truth.min() >= 0 and truth.max() < labels):
            raise ValueError(f"confusion matrix: a true label lies outside 0..{labels - 1}")
        if len(predicted) and not (predicted.min() >= -1 and predicted.max() < labels):
            raise ValueError(f"confusion matrix: a predicted label lies outside -1..{labels - 1}")
        column = np.where(predicted < 0, labels, predicted)
        flat = truth * (labels + 1) + column
        for cells, weights in zip(self._cells, self._weightings, strict=True):
            added = np.bincount(flat, weights=weights[piece] * items, minlength=cells.size)
            cells += added.reshape(self._shape)

    def matrices(self) -> tuple[ConfusionMatrix, ...]:
        return tuple(ConfusionMatrix(cells) for cells in self._cells)
