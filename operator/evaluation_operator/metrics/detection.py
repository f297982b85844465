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

from collections.abc import Sequence
from dataclasses import dataclass
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
from evaluation_operator.metrics.curves import Tally
from evaluation_operator.metrics.detection_boxes import Boxes, Pairs, pairs_of_images
from evaluation_operator.metrics.detection_coco import COCO_THRESHOLDS, Coco, CocoFigures
from evaluation_operator.metrics.detection_errors import ErrorSplit, Nearest, split_errors
from evaluation_operator.metrics.detection_matching import FREE, Matcher, joined, similar_pairs
from evaluation_operator.metrics.thresholds import reported_thresholds

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
    order = np.lexsort((-detections.scores, detections.predicted.label, detections.predicted.image))
    ranked = _chosen(detections.predicted, order)
    lowest_iou = min(iou_threshold, *COCO_THRESHOLDS)
    nearest, pairs = _compare(ranked, detections.true, lowest_iou)
    takers = Matcher(pairs, len(detections.true)).match(iou_threshold)
    errors = split_errors(takers, nearest, iou_threshold)
    seen = _Seen(ranked, detections.scores[order], detections.true, detections.pieces, pairs)
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


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Ranked boxes (by image, label, falling score, as predicted) and the pairs that can match."""

    predicted: Boxes
    scores: Floats
    true: Boxes
    pieces: Integers
    pairs: Pairs

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
            _chosen(self.predicted, np.flatnonzero(predicted)),
            self.scores[predicted],
            _chosen(self.true, np.flatnonzero(true)),
            self.pieces,
            pairs,
        )


def _chosen(boxes: Boxes, places: Integers) -> Boxes:
    return Boxes(boxes.image[places], boxes.label[places], boxes.corners[places])


def _compare(ranked: Boxes, true: Boxes, lowest_iou: float) -> tuple[Nearest, Pairs]:
    nearest = Nearest(len(ranked))
    similar = []
    for pairs in pairs_of_images(ranked, true):
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
    matcher = Matcher(seen.pairs, len(seen.true))
    ious = sorted({*IOU_THRESHOLDS, iou_threshold})
    takers = {iou: matcher.match(iou) for iou in ious}
    is_true = np.zeros(len(seen.predicted), dtype=np.bool_)
    is_true[takers[iou_threshold][takers[iou_threshold] != FREE]] = True
    piece_count = 1 if weights is None else len(weights)
    curves = _score_curves(seen, is_true, label_count, piece_count, thresholds, weights)
    coco = Coco(seen.predicted, seen.scores, seen.true, label_count, seen.pairs, by_area=by_area)
    figures = []
    scored = (curves.plain, curves.weighted)
    for place, view in enumerate(weightings(piece_count, weights)):
        by_image = view[seen.pieces]
        of_scores = scored[place]
        assert of_scores is not None
        figures.append(
            DetectionFigures(
                of_scores,
                tuple(OverlapEntry(iou, _overlap(seen, takers[iou], by_image)) for iou in ious),
                _best_f1(seen, is_true, by_image),
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
    counts = np.zeros((len(label), 3, 2), dtype=np.int64)
    counts[:, EVERY, TRUE] = is_true
    counts[:, EVERY, FALSE] = ~is_true
    by_label = np.lexsort((piece, seen.scores, label))
    over_all = np.lexsort((piece, seen.scores))
    return classify(
        totals,
        [CountBatch(label[by_label], seen.scores[by_label], piece[by_label], counts[by_label])],
        [
            CountBatch(
                np.zeros_like(label), seen.scores[over_all], piece[over_all], counts[over_all, :1]
            )
        ],
        reported_thresholds(totals.lowest, totals.highest, thresholds),
        weights,
    )


def _by_label_and_piece(
    label: Integers, piece: Integers, label_count: int, piece_count: int
) -> Integers:
    flat = np.bincount(label * piece_count + piece, minlength=label_count * piece_count)
    return flat.reshape(label_count, piece_count).astype(np.int64)


def _overlap(seen: _Seen, takers: Integers, weights: Floats) -> Tally:
    """True, false and missed boxes; each true box that is taken has one that takes it."""
    truths = float(weights[seen.true.image].sum())
    predicted = float(weights[seen.predicted.image].sum())
    found = float(weights[seen.true.image[takers != FREE]].sum())
    return Tally(found, predicted - found, truths - found)


def _best_f1(seen: _Seen, is_true: NDArray[np.bool_], weights: Floats) -> BestF1 | None:
    """Over every score that occurs, with all labels together."""
    if not (len(seen.predicted) and len(seen.true)):
        return None
    order = np.argsort(-seen.scores, kind="stable")
    scores = seen.scores[order]
    weighed = weights[seen.predicted.image[order]]
    true = np.cumsum(weighed * is_true[order])
    positive = np.cumsum(weighed)
    truths = float(weights[seen.true.image].sum())
    last_of_score = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    f1 = 2 * true[last_of_score] / (positive[last_of_score] + truths)
    best = last_of_score[int(np.argmax(f1))]
    found = float(true[best])
    tally = Tally(found, float(positive[best]) - found, truths - found)
    return BestF1(float(scores[best]), tally)
