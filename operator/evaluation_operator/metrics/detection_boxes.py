"""Boxes in images, and which of them overlap.

A box is (left, top, right, bottom) in continuous coordinates: its width is right − left, without
the +1 of pixel counting, and nothing is clipped to the image. Scaling both axes, each by a factor
of its own, changes no intersection over union, so these figures are the same in pixels and in
normalised units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from evaluation_operator.metrics.counts import Floats, Integers

LEFT: Final = 0
TOP: Final = 1
RIGHT: Final = 2
BOTTOM: Final = 3

_PAIRS_AT_ONCE: Final = 1 << 17
"""Pairs compared in one go: few enough to stay in a processor's cache, and to bound memory."""


@dataclass(frozen=True, slots=True, eq=False)
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

    @property
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

    Ordered by predicted box, then by true box.
    """

    predicted: Integers
    true: Integers
    iou: Floats


def pairs_of_images(predicted: Boxes, true: Boxes) -> Iterator[Pairs]:
    """Every predicted box with every true box of its image, whatever their labels, in stretches.

    All pairs of one predicted box come in one stretch.
    """
    first = np.searchsorted(true.image, predicted.image, side="left")
    counts = np.searchsorted(true.image, predicted.image, side="right") - first
    ends = np.cumsum(counts)
    true_areas, predicted_areas = true.areas, predicted.areas
    start = 0
    while start < len(predicted):
        done = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, done + _PAIRS_AT_ONCE, side="right"))
        stop = max(stop, start + 1)
        own = counts[start:stop]
        rows = np.repeat(np.arange(start, stop), own)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(own) - own, own)
        columns = np.repeat(first[start:stop], own) + within
        iou = _iou(
            predicted.corners[rows],
            true.corners[columns],
            predicted_areas[rows],
            true_areas[columns],
        )
        yield Pairs(rows, columns, iou)
        start = stop


def _iou(one: Floats, other: Floats, one_area: Floats, other_area: Floats) -> Floats:
    """Intersection over union, row by row; 0 where the union is 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        width = np.minimum(one[:, RIGHT], other[:, RIGHT]) - np.maximum(
            one[:, LEFT], other[:, LEFT]
        )
        height = np.minimum(one[:, BOTTOM], other[:, BOTTOM]) - np.maximum(
            one[:, TOP], other[:, TOP]
        )
        shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
        union = one_area + other_area - shared
        countable = (union > 0) & np.isfinite(union)
        iou: Floats = np.divide(shared, union, out=np.zeros(len(shared)), where=countable)
    return iou
