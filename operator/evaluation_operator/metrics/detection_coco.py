"""COCO's figures, by the rules of its own evaluator, pycocotools.

They differ from the figures of this package on purpose: precision is read at 101 recalls
(0.00, 0.01 … 1.00), at most 100 boxes an image and label count, boxes of equal score are ordered
by image and then as predicted, and true boxes outside a range of areas are ignored rather than
left out. The numbers are the same as those of pycocotools.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation_operator.metrics.counts import Floats, Integers
from evaluation_operator.metrics.detection_boxes import Boxes, Pairs
from evaluation_operator.metrics.detection_matching import FREE, Matcher

# As COCO's program makes them: its 0.9 is 0.8999999999999999, and boxes of just that
# intersection over union match.
COCO_THRESHOLDS: Final = tuple(float(t) for t in np.linspace(0.5, 0.95, 10))
_RECALLS: Final = np.linspace(0.0, 1.0, 101)
_MOST_BOXES: Final = 100
_EVERY_AREA: Final = (0.0, 1e5**2)
_AREAS: Final = {
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e5**2),
}


@dataclass(frozen=True, slots=True)
class CocoFigures:
    """Average precision and average recall, each None where no label has truth to find.

    `ap` and `ar_*` are means over intersections over union 0.50, 0.55 … 0.95 and the labels;
    `ap_50` and `ap_75` are at one. `ar_1`, `ar_10`, `ar_100` count so many boxes an image and
    label. Those by area (below 32², below 96², and above, in square pixels) are None unless
    boxes are in pixels.
    """

    ap: float | None
    ap_50: float | None
    ap_75: float | None
    ar_1: float | None
    ar_10: float | None
    ar_100: float | None
    ap_small: float | None = None
    ap_medium: float | None = None
    ap_large: float | None = None
    ar_small: float | None = None
    ar_medium: float | None = None
    ar_large: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Matched:
    """The matches within one range of areas: for each threshold who takes each true box."""

    ignored: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    takers: tuple[Integers, ...]


class Coco:
    """The matches that COCO's figures are made of; then the figures, under any weights.

    `predicted` is ranked: by image, label, falling score, and then as predicted. `pairs` are
    those of one image and label, from an intersection over union of 0.5 on.
    """

    def __init__(
        self,
        predicted: Boxes,
        scores: Floats,
        true: Boxes,
        label_count: int,
        pairs: Pairs,
        *,
        by_area: bool,
    ) -> None:
        self._predicted = predicted
        self._true = true
        self._label_count = label_count
        self._place = _places_in_groups(predicted)
        kept = np.flatnonzero(self._place < _MOST_BOXES)
        # Stable: boxes of equal label and score stay in the order of images and predictions.
        self._order = kept[np.lexsort((-scores[kept], predicted.label[kept]))]
        self._borders = np.searchsorted(predicted.label[self._order], np.arange(label_count + 1))
        ranges = {"": _EVERY_AREA} | (_AREAS if by_area else {})
        self._matched = {name: self._match(pairs, *area) for name, area in ranges.items()}

    def _match(self, pairs: Pairs, least: float, most: float) -> _Matched:
        true_areas, predicted_areas = self._true.areas, self._predicted.areas
        ignored = (true_areas < least) | (true_areas > most)
        outside = (predicted_areas < least) | (predicted_areas > most)
        matcher = Matcher(pairs, len(self._true), ignored if ignored.any() else None)
        takers = tuple(matcher.match(threshold) for threshold in COCO_THRESHOLDS)
        return _Matched(ignored, outside, takers)

    def figures(self, weights: Floats | None = None) -> CocoFigures:
        """`weights` by image; None counts each once."""
        at_50, at_75 = COCO_THRESHOLDS.index(0.5), COCO_THRESHOLDS.index(0.75)
        figures: dict[str, float | None] = {}
        for area, matched in self._matched.items():
            limits = (1, 10, _MOST_BOXES) if not area else (_MOST_BOXES,)
            precision, recall = self._averages(matched, weights, limits)
            if area:
                figures[f"ap_{area}"] = _mean(precision)
                figures[f"ar_{area}"] = _mean(recall)
            else:
                figures |= {"ap": _mean(precision)}
                figures |= {"ap_50": _mean(precision[at_50]), "ap_75": _mean(precision[at_75])}
                for limit, by_limit in zip(limits, recall, strict=True):
                    figures[f"ar_{limit}"] = _mean(by_limit)
        return CocoFigures(**figures)

    def _averages(
        self, matched: _Matched, weights: Floats | None, limits: tuple[int, ...]
    ) -> tuple[Floats, Floats]:
        """Precision by threshold and label with truth; recall by limit, threshold and label."""
        counted = np.flatnonzero(~matched.ignored)
        truths = _sums(
            self._true.label[counted], self._label_count, weights, self._true.image[counted]
        )
        known = np.flatnonzero(truths)
        precision = np.zeros((len(COCO_THRESHOLDS), len(known)))
        recall = np.zeros((len(limits), *precision.shape))
        for row, takers in enumerate(matched.takers):
            is_true, is_counted = self._judged(matched, takers)
            precision[row] = self._precision(is_true, is_counted, weights, truths)[known]
            hits = self._order[is_true]
            for place, limit in enumerate(limits):
                early = hits[self._place[hits] < limit]
                found = _sums(
                    self._predicted.label[early],
                    self._label_count,
                    weights,
                    self._predicted.image[early],
                )
                recall[place, row] = found[known] / truths[known]
        return precision, recall

    def _judged(
        self, matched: _Matched, takers: Integers
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """By label and falling score: is the box true, does it count at all."""
        taken = np.flatnonzero(takers != FREE)
        is_true = np.zeros(len(self._predicted), dtype=np.bool_)
        is_counted = ~matched.outside
        is_true[takers[taken]] = is_counted[takers[taken]] = ~matched.ignored[taken]
        return is_true[self._order], is_counted[self._order]

    def _precision(
        self,
        is_true: NDArray[np.bool_],
        is_counted: NDArray[np.bool_],
        weights: Floats | None,
        truths: Floats,
    ) -> Floats:
        """By label, the mean over the 101 recalls of the best precision at that or a higher one.

        Only true boxes raise precision or recall, so that only they are looked at.
        """
        hits = np.flatnonzero(is_true)
        borders = np.searchsorted(hits, self._borders)
        if weights is None:
            weighed = np.ones(len(is_true))
        else:
            weighed = weights[self._predicted.image[self._order]]
        passed = np.concatenate(([0.0], np.cumsum(weighed * is_counted)))
        found = np.concatenate(([0.0], np.cumsum(weighed[hits])))
        # Sums of weights are rounded: a recall of 1 must not fall short of 1.
        recalls = _RECALLS if weights is None else _RECALLS - 1e-12
        result = np.zeros(self._label_count)
        for label in np.flatnonzero(np.diff(borders)):
            own = slice(borders[label], borders[label + 1])
            true = found[1:][own] - found[own.start]
            precision = true / (passed[1:][hits[own]] - passed[self._borders[label]])
            best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
            result[label] = best[np.searchsorted(true / truths[label], recalls)].mean()
        return result


def _places_in_groups(ranked: Boxes) -> Integers:
    """The place of each box among those of its image and label, from 0."""
    changes = np.diff(ranked.image, prepend=-1) | np.diff(ranked.label, prepend=-1)
    starts = np.flatnonzero(changes)
    sizes = np.diff(np.append(starts, len(ranked)))
    return np.arange(len(ranked)) - np.repeat(starts, sizes)


def _sums(labels: Integers, label_count: int, weights: Floats | None, images: Integers) -> Floats:
    """How many boxes each label has, or what they weigh."""
    weighed = None if weights is None else weights[images]
    return np.bincount(labels, weights=weighed, minlength=label_count).astype(np.float64)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None
