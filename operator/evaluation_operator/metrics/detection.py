"""All figures of an object detection, from the boxes of its images.

At the intersection over union that a job has chosen, a predicted box is true if it matches a true
box (see `detection_matching`), and then detection is counted like classification: curves over the
score, areas, and their mean over the labels are made by the same functions. Beside them stand

* the curve over the intersection over union: boxes matched anew at 0.50, 0.55 … 0.95 and at the
  chosen one, whatever their score and all labels together;
* the score threshold of the best F1;
* COCO's figures (`detection_coco`), and why boxes are wrong (`detection_errors`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation_operator.metrics.classification import (
    ClassificationResult,
    Figures,
    classify,
    weightings,
)
from evaluation_operator.metrics.counts import (
    EVERY,
    FALSE,
    TRUE,
    CountBatch,
    Floats,
    Integers,
    Totals,
)
from evaluation_operator.metrics.curves import Tally, weighted_sum
from evaluation_operator.metrics.detection_boxes import (
    Boxes,
    Pairs,
    falling_ranks,
    overlapping_pairs,
    stable_order,
)
from evaluation_operator.metrics.detection_coco import (
    COCO_AREAS,
    COCO_THRESHOLDS,
    Coco,
    CocoFigures,
)
from evaluation_operator.metrics.detection_errors import ErrorSplit, Nearest, split_errors
from evaluation_operator.metrics.detection_matching import FREE, Matcher, joined, similar_pairs
from evaluation_operator.metrics.thresholds import nearest_ranks, reported_thresholds

# The floats nearest to 0.50, 0.55 … 0.95.
IOU_THRESHOLDS: Final = tuple(k / 100 for k in range(50, 100, 5))


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What is true and what was predicted, image by image.

    `scores` has shape (predicted,), in the order of `predicted`. `pieces` has a line an image:
    the place of its inclusion probability among those of the sample; all zero if there is one.
    """

    true: Boxes
    predicted: Boxes
    scores: Floats
    pieces: Integers

    def __post_init__(self) -> None:
        if self.scores.shape != (len(self.predicted),) or not np.isfinite(self.scores).all():
            raise ValueError("detections: each predicted box needs a finite score")


@dataclass(frozen=True, slots=True)
class OverlapEntry:
    """All boxes, whatever their score, at one intersection over union."""

    iou: float
    tally: Tally


@dataclass(frozen=True, slots=True)
class BestF1:
    """The score from which on boxes count if F1 is to be highest; of equals the highest score."""

    threshold: float
    tally: Tally


@dataclass(frozen=True, slots=True, eq=False)
class DetectionFigures:
    """One detection's figures under one weighting of its images.

    `scores` are those over the score at the chosen intersection over union: the aggregate and
    each label's curve, areas, mean average precision. `best_f1` is None where nothing is true
    or nothing is predicted.
    """

    scores: Figures
    overlaps: tuple[OverlapEntry, ...]
    best_f1: BestF1 | None
    coco: CocoFigures

    @property
    def mean_average_precision(self) -> float | None:
        return self.scores.mean_average_precision


@dataclass(frozen=True, slots=True, eq=False)
class DetectionResult:
    """Figures that count each image once; and by 1/p, where p differs between images.

    `matched` has for each predicted box the place of the true box that it matches at the chosen
    intersection over union, or FREE, in the order that the boxes were given in; `best_iou` its
    highest intersection over union with a true box of its label. `errors` is in that order too.
    """

    plain: DetectionFigures
    weighted: DetectionFigures | None
    errors: ErrorSplit
    matched: Integers
    best_iou: Floats

    @property
    def over_scores(self) -> ClassificationResult:
        """What the boxes say as a classification: curves over the score, areas and their mean."""
        weighted = None if self.weighted is None else self.weighted.scores
        return ClassificationResult(self.plain.scores, weighted)


def detect(
    detections: Detections,
    label_count: int,
    iou_threshold: float,
    thresholds: Sequence[float] | None = None,
    weights: Floats | None = None,
    *,
    by_area: bool = False,
    only_labels: Sequence[int] = (),
) -> DetectionResult:
    """Compute everything. `weights` is 1/p by piece, or None where every image weighs the same.

    `thresholds` are score thresholds, the default grid where None. `by_area`: boxes are in
    pixels, so that COCO's ranges of areas mean something. `only_labels` leaves all other labels
    out of the figures; `errors` stays whole.
    """
    predicted = detections.predicted
    # By image, label and falling score; what is equal in these stays as it was.
    ranks = falling_ranks(detections.scores)
    order = stable_order(ranks, predicted.label, predicted.image)
    ranked = predicted.chosen(order)
    lowest_iou = min(iou_threshold, *COCO_THRESHOLDS)
    nearest, pairs = _compare(ranked, detections.true, lowest_iou)
    seen = _Seen(
        ranked, detections.scores[order], ranks[order], detections.true, detections.pieces, pairs
    )
    takers = seen.matcher.match([iou_threshold])[iou_threshold]
    errors = split_errors(takers, nearest, iou_threshold)
    if only_labels:
        seen = seen.of_labels(np.isin(np.arange(label_count), only_labels))
    plain, *weighted = _figures(seen, label_count, iou_threshold, thresholds, weights, by_area)
    given = np.empty_like(order)
    given[order] = np.arange(len(order))
    matched = np.full(len(order), FREE, dtype=np.int64)
    taken = np.flatnonzero(takers != FREE)
    matched[order[takers[taken]]] = taken
    return DetectionResult(
        plain,
        weighted[0] if weighted else None,
        ErrorSplit(errors.kinds[given], errors.missed),
        matched,
        nearest.same_iou[given],
    )


@dataclass(frozen=True, eq=False)
class _Seen:
    """Ranked boxes (by image, label, falling score, as predicted) and the pairs that can match.

    `ranks` are those of the scores, from 0 for the highest.
    """

    predicted: Boxes
    scores: Floats
    ranks: Integers
    true: Boxes
    pieces: Integers
    pairs: Pairs

    @cached_property
    def matcher(self) -> Matcher:
        return Matcher(self.pairs, len(self.true))

    def of_labels(self, wanted: NDArray[np.bool_]) -> _Seen:
        """Without the boxes of labels that are not wanted."""
        predicted = wanted[self.predicted.label]
        true = wanted[self.true.label]
        kept = np.flatnonzero(true[self.pairs.true])
        pairs = Pairs(
            (np.cumsum(predicted) - 1)[self.pairs.predicted[kept]],
            (np.cumsum(true) - 1)[self.pairs.true[kept]],
            self.pairs.iou[kept],
        )
        return _Seen(
            self.predicted.chosen(np.flatnonzero(predicted)),
            self.scores[predicted],
            self.ranks[predicted],
            self.true.chosen(np.flatnonzero(true)),
            self.pieces,
            pairs,
        )


def _compare(ranked: Boxes, true: Boxes, lowest_iou: float) -> tuple[Nearest, Pairs]:
    nearest = Nearest(len(ranked))
    similar = []
    for pairs in overlapping_pairs(ranked, true):
        same_label = ranked.label[pairs.predicted] == true.label[pairs.true]
        nearest.see(pairs, same_label)
        similar.append(similar_pairs(pairs, same_label, lowest_iou))
    return nearest, joined(similar)


def _figures(
    seen: _Seen,
    label_count: int,
    iou_threshold: float,
    thresholds: Sequence[float] | None,
    weights: Floats | None,
    by_area: bool,
) -> list[DetectionFigures]:
    """One for each weighting."""
    ious = sorted({*IOU_THRESHOLDS, iou_threshold})
    takers = seen.matcher.match({*ious, *COCO_THRESHOLDS})
    is_true = np.zeros(len(seen.predicted), dtype=np.bool_)
    is_true[takers[iou_threshold][takers[iou_threshold] != FREE]] = True
    piece_count = 1 if weights is None else len(weights)
    curves = _score_curves(seen, is_true, label_count, piece_count, thresholds, weights)
    areas = COCO_AREAS if by_area else {}
    coco = Coco(seen.predicted, seen.ranks, seen.true, label_count, seen.matcher, takers, areas)
    figures = []
    scored = (curves.plain, curves.weighted)
    for place, view in enumerate(weightings(piece_count, weights)):
        by_image = view[seen.pieces]
        of_scores = scored[place]
        assert of_scores is not None
        figures.append(
            DetectionFigures(
                of_scores,
                tuple(OverlapEntry(iou, _overlap(seen, takers[iou], view)) for iou in ious),
                _best_f1(seen, is_true, view),
                coco.figures(by_image if place else None),
            )
        )
    return figures


def _score_curves(
    seen: _Seen,
    is_true: NDArray[np.bool_],
    label_count: int,
    piece_count: int,
    thresholds: Sequence[float] | None,
    weights: Floats | None,
) -> ClassificationResult:
    """The boxes as a classification counts them: scored and true, scored and false, missed."""
    label, piece = seen.predicted.label, seen.pieces[seen.predicted.image]
    totals = Totals(
        _by_label_and_piece(
            seen.true.label, seen.pieces[seen.true.image], label_count, piece_count
        ),
        _by_label_and_piece(label[is_true], piece[is_true], label_count, piece_count),
        _by_label_and_piece(label[~is_true], piece[~is_true], label_count, piece_count),
        float(seen.scores.min()) if len(seen.scores) else None,
        float(seen.scores.max()) if len(seen.scores) else None,
    )
    over_all = stable_order(piece, seen.ranks.max(initial=0) - seen.ranks)
    by_label = over_all[stable_order(label[over_all])]

    def batch(order: Integers, label: Integers, cuts: int) -> CountBatch:
        counts = np.zeros((len(order), cuts, 2), dtype=np.int64)
        counts[:, EVERY, TRUE] = is_true[order]
        counts[:, EVERY, FALSE] = ~is_true[order]
        return CountBatch(label, seen.scores[order], piece[order], counts)

    return classify(
        totals,
        [batch(by_label, label[by_label], cuts=3)],
        [batch(over_all, np.zeros_like(label), cuts=1)],
        reported_thresholds(totals.lowest, totals.highest, thresholds, _quantiles_of(seen.scores)),
        weights,
    )


def _quantiles_of(scores: Floats) -> Callable[[Sequence[float]], Sequence[float]]:
    def quantiles(shares: Sequence[float]) -> Sequence[float]:
        found: list[float] = np.sort(scores)[nearest_ranks(shares, len(scores))].tolist()
        return found

    return quantiles


def _by_label_and_piece(
    label: Integers, piece: Integers, label_count: int, piece_count: int
) -> Integers:
    flat = np.bincount(label * piece_count + piece, minlength=label_count * piece_count)
    return flat.reshape(label_count, piece_count).astype(np.int64)


def _overlap(seen: _Seen, takers: Integers, weights: Floats) -> Tally:
    """True, false and missed boxes; each true box that is taken has one that takes it."""
    found = np.bincount(seen.pieces[seen.true.image[takers != FREE]], minlength=len(weights))
    return _tally(seen, found, seen.predicted.image, weights)


def _best_f1(seen: _Seen, is_true: NDArray[np.bool_], weights: Floats) -> BestF1 | None:
    """Over every score that occurs, with all labels together."""
    if not (len(seen.predicted) and len(seen.true)):
        return None
    order = stable_order(seen.ranks)
    scores, images = seen.scores[order], seen.predicted.image[order]
    by_image = weights[seen.pieces]
    weighed = by_image[images]
    true = np.cumsum(weighed * is_true[order])
    positive = np.cumsum(weighed)
    last_of_score = np.flatnonzero(np.diff(scores, append=np.inf))
    f1 = 2 * true[last_of_score] / (positive[last_of_score] + by_image[seen.true.image].sum())
    best = int(last_of_score[np.argmax(f1)])
    kept = images[: best + 1]
    found = np.bincount(seen.pieces[kept[is_true[order[: best + 1]]]], minlength=len(weights))
    return BestF1(float(scores[best]), _tally(seen, found, kept, weights))


def _tally(seen: _Seen, found: Integers, positive_images: Integers, weights: Floats) -> Tally:
    """From whole numbers by piece, so that no rounding makes a ratio leave 0..1."""
    positive = np.bincount(seen.pieces[positive_images], minlength=len(weights))
    truths = np.bincount(seen.pieces[seen.true.image], minlength=len(weights))
    return Tally(
        float(weighted_sum(found, weights)),
        float(weighted_sum(positive - found, weights)),
        float(weighted_sum(truths - found, weights)),
    )
