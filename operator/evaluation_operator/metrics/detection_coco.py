"""COCO's figures, by the rules of its own evaluator, pycocotools.

They differ from the figures of this package on purpose: precision is read at 101 recalls
(0.00, 0.01 … 1.00), at most 100 boxes an image and label count, boxes of equal score are ordered
by image and then as predicted, and true boxes outside a range of areas are ignored rather than
left out. The numbers are the same as those of pycocotools.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation_operator.metrics.counts import Floats, Integers
from evaluation_operator.metrics.detection_boxes import Boxes, stable_order
from evaluation_operator.metrics.detection_matching import FREE, Matcher

# As COCO's program makes them: its 0.9 is 0.8999999999999999, and boxes of just that
# intersection over union match.
COCO_THRESHOLDS: Final = tuple(float(t) for t in np.linspace(0.5, 0.95, 10))
_RECALLS: Final = np.linspace(0.0, 1.0, 101)
_MOST_BOXES: Final = 100
_EVERY_AREA: Final = (0.0, 1e5**2)
COCO_AREAS: Final = {
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

    `predicted` is ranked: by image, label, falling score, and then as predicted; `ranks` are
    those of the scores, from 0 for the highest. `matches` are those of `matcher` at COCO's
    thresholds, which hold wherever no true box is ignored.
    """

    def __init__(
        self,
        predicted: Boxes,
        ranks: Integers,
        true: Boxes,
        label_count: int,
        matcher: Matcher,
        matches: Mapping[float, Integers],
        areas: Mapping[str, tuple[float, float]],
    ) -> None:
        self._predicted = predicted
        self._true = true
        self._label_count = label_count
        self._place = _places_in_groups(predicted)
        kept = np.flatnonzero(self._place < _MOST_BOXES)
        # Stable: boxes of equal label and score stay in the order of images and predictions.
        self._order = kept[stable_order(ranks[kept], predicted.label[kept])]
        self._at = np.full(len(predicted), len(kept), dtype=np.int64)
        self._at[self._order] = np.arange(len(kept))
        self._images = predicted.image[self._order]
        self._labels = predicted.label[self._order]
        self._borders = np.searchsorted(self._labels, np.arange(label_count + 1))
        ranges = {"": _EVERY_AREA, **areas}
        self._matched = {
            name: self._match(matcher, matches, *area) for name, area in ranges.items()
        }

    def _match(
        self, matcher: Matcher, matches: Mapping[float, Integers], least: float, most: float
    ) -> _Matched:
        true_areas, predicted_areas = self._true.areas, self._predicted.areas
        ignored = (true_areas < least) | (true_areas > most)
        outside = (predicted_areas < least) | (predicted_areas > most)
        if ignored.any():
            matches = matcher.ignoring(ignored).match(COCO_THRESHOLDS)
        return _Matched(ignored, outside, tuple(matches[it] for it in COCO_THRESHOLDS))

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
        by_truth = None if weights is None else weights[self._true.image[counted]]
        truths = self._by_label(self._true.label[counted], by_truth)
        labels = np.flatnonzero(truths)
        weighed = np.ones(len(self._order)) if weights is None else weights[self._images]
        inside = ~matched.outside[self._order]
        passed = np.append(0.0, np.cumsum(weighed * inside))
        precision = np.zeros((len(COCO_THRESHOLDS), len(labels)))
        recall = np.zeros((len(limits), *precision.shape))
        for row, takers in enumerate(matched.takers):
            taken = np.flatnonzero(takers != FREE)
            at = self._at[takers[taken]]
            taken, at = taken[at < len(self._order)], at[at < len(self._order)]
            is_true = ~matched.ignored[taken]
            # A box counts as what it matches counts, wherever its own area lies.
            change = np.where(is_true, 1.0, 0.0) - inside[at]
            hits = _Hits(np.sort(at[is_true]), at, change * weighed[at])
            found = weighed[hits.at]
            precision[row] = self._precision(hits, found, passed, truths, weights is None)[labels]
            for place, limit in enumerate(limits):
                early = np.flatnonzero(self._place[self._order[hits.at]] < limit)
                recalled = self._by_label(self._labels[hits.at[early]], found[early])
                recall[place, row] = np.minimum(recalled[labels] / truths[labels], 1.0)
        return precision, recall

    def _by_label(self, labels: Integers, weighed: Floats | None) -> Floats:
        """How many boxes each label has, or what they weigh."""
        sums = np.bincount(labels, weights=weighed, minlength=self._label_count)
        return sums.astype(np.float64)

    def _precision(
        self, hits: _Hits, weighed: Floats, passed: Floats, truths: Floats, is_exact: bool
    ) -> Floats:
        """By label, the mean over the 101 recalls of the best precision at that or a higher one.

        Only true boxes raise precision or recall, so that only they are looked at.
        """
        label = self._labels[hits.at]
        borders = np.searchsorted(label, np.arange(self._label_count + 1))
        found = np.append(0.0, np.cumsum(weighed))
        true = found[1:] - found[borders[label]]
        starts = self._borders[label]
        positive = passed[hits.at + 1] + hits.changed_before(hits.at + 1)
        positive -= passed[starts] + hits.changed_before(starts)
        # Sums of weights are rounded: shares must not leave 0..1, nor a recall of 1 fall short.
        precision = np.minimum(true / positive, 1.0)
        recall = true / truths[label]
        recalls = _RECALLS if is_exact else _RECALLS - 1e-12
        result = np.zeros(self._label_count)
        best = np.zeros(len(label) + 1)
        for one in np.flatnonzero(np.diff(borders)):
            start, stop = borders[one], borders[one + 1]
            own = best[: stop - start + 1]
            own[-1] = 0.0
            np.maximum.accumulate(precision[start:stop][::-1], out=own[-2::-1])
            result[one] = own[recall[start:stop].searchsorted(recalls)].sum()
        return result / len(_RECALLS)


class _Hits:
    """Where among the boxes, by label and falling score, the true ones are: `at`, rising.

    A box that matches counts where it lies outside the areas, and one that matches an ignored
    box does not where it lies inside: those change how many count.
    """

    def __init__(self, at: Integers, changed: Integers, change: Floats) -> None:
        self.at = at
        moved = np.flatnonzero(change)
        moved = moved[np.argsort(changed[moved])]
        self._changed = changed[moved]
        self._change = np.append(0.0, np.cumsum(change[moved]))

    def changed_before(self, places: Integers) -> Floats:
        """What the changes before some places add up to."""
        sums: Floats = self._change[np.searchsorted(self._changed, places)]
        return sums


def _places_in_groups(ranked: Boxes) -> Integers:
    """The place of each box among those of its image and label, from 0."""
    changes = np.diff(ranked.image, prepend=-1) | np.diff(ranked.label, prepend=-1)
    starts = np.flatnonzero(changes)
    sizes = np.diff(np.append(starts, len(ranked)))
    return np.arange(len(ranked)) - np.repeat(starts, sizes)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None
