"""Boxes in images, and which of them overlap.

A box is (left, top, right, bottom) in continuous coordinates: its width is right − left, without
the +1 of pixel counting, and nothing is clipped to the image. Scaling both axes, each by a factor
of its own, changes no intersection over union, so these figures are the same in pixels and in
normalised units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from evaluation_operator.metrics.counts import Floats, Integers

LEFT: Final = 0
TOP: Final = 1
RIGHT: Final = 2
BOTTOM: Final = 3

_PAIRS_AT_ONCE: Final = 1 << 16
"""Pairs compared in one go: few enough to stay in a processor's cache, and to bound memory."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of many images, ordered by image: an image's boxes lie together, in their own order.

    `image` and `label` are places, shape (n,); `corners` has shape (n, 4). Raises ValueError for
    boxes that are out of order, inverted, or no numbers.
    """

    image: Integers
    label: Integers
    corners: Floats

    def __post_init__(self) -> None:
        count = len(self.image)
        if self.label.shape != (count,) or self.corners.shape != (count, 4):
            raise ValueError("boxes: image, label and corners must have one length")
        if (np.diff(self.image) < 0).any():
            raise ValueError("boxes: sort them by image")
        left, top, right, bottom = self.corners.T
        # A comparison with NaN is false as well.
        if not (np.isfinite(self.corners).all() and ((left <= right) & (top <= bottom)).all()):
            raise ValueError("boxes: corners must be finite, left of right and top above bottom")

    def chosen(self, places: Integers) -> Boxes:
        return Boxes(self.image[places], self.label[places], self.corners[places])

    @cached_property
    def areas(self) -> Floats:
        left, top, right, bottom = self.corners.T
        with np.errstate(over="ignore"):
            areas: Floats = (right - left) * (bottom - top)
        return areas

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Predicted and true boxes of one image, side by side: places, and intersection over union.

    Ordered by predicted box, then by true box; the overlap is above 0.
    """

    predicted: Integers
    true: Integers
    iou: Floats

    def chosen(self, places: Integers) -> Pairs:
        return Pairs(self.predicted[places], self.true[places], self.iou[places])


def overlapping_pairs(predicted: Boxes, true: Boxes) -> Iterator[Pairs]:
    """Predicted and true boxes of one image that overlap, whatever their labels, in stretches.

    All pairs of one predicted box come in one stretch.
    """
    first = np.searchsorted(true.image, predicted.image, side="left")
    counts = np.searchsorted(true.image, predicted.image, side="right") - first
    ends = np.cumsum(counts)
    start = 0
    while start < len(predicted):
        done = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, done + _PAIRS_AT_ONCE, side="right"))
        stop = max(stop, start + 1)
        own = counts[start:stop]
        rows = np.repeat(np.arange(start, stop), own)
        # The places of each image's true boxes, counted up from its first.
        columns = np.arange(len(rows)) + np.repeat(first[start:stop] - (np.cumsum(own) - own), own)
        yield _overlapping(predicted, true, rows, columns)
        start = stop


def _overlapping(predicted: Boxes, true: Boxes, rows: Integers, columns: Integers) -> Pairs:
    """Of some pairs those that overlap: most do not, and are dropped early."""
    width = _shared(predicted, true, rows, columns, LEFT, RIGHT)
    kept = np.flatnonzero(width > 0)
    rows, columns, width = rows[kept], columns[kept], width[kept]
    height = _shared(predicted, true, rows, columns, TOP, BOTTOM)
    kept = np.flatnonzero(height > 0)
    rows, columns = rows[kept], columns[kept]
    with np.errstate(over="ignore", invalid="ignore"):
        shared = width[kept] * height[kept]
        iou = shared / (predicted.areas[rows] + true.areas[columns] - shared)
    # Numbers so large or so small that their product is none: such boxes do not match.
    kept = np.flatnonzero((iou > 0) & (iou < np.inf))
    return Pairs(rows[kept], columns[kept], iou[kept])


def _shared(
    predicted: Boxes, true: Boxes, rows: Integers, columns: Integers, low: int, high: int
) -> Floats:
    """How far each pair overlaps along one axis; negative where a gap is between them."""
    one, other = predicted.corners.T, true.corners.T
    with np.errstate(over="ignore"):
        length: Floats = np.minimum(one[high][rows], other[high][columns]) - np.maximum(
            one[low][rows], other[low][columns]
        )
    return length


def stable_order(*keys: Integers) -> Integers:
    """Like numpy.lexsort, for whole numbers from 0 on: stable, the last key comes first.

    Much faster: numbers are sorted by their digits, of 16 bits each.
    """
    order = np.arange(len(keys[0]))
    for key in keys:
        most = int(key.max(initial=0))
        for shift in range(0, most.bit_length(), 16):
            digit = (key >> shift).astype(np.uint16)
            order = order[np.argsort(digit[order], kind="stable")]
    return order


def falling_ranks(scores: Floats) -> Integers:
    """0 for the highest score, 1 for the next lower one, and so on; equal scores share theirs."""
    order = np.argsort(-scores)
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[order] = np.cumsum(np.diff(scores[order], prepend=scores[order[:1]]) != 0)
    return ranks
