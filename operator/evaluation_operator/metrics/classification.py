"""All figures of a classification, from streams of counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from evaluation_operator.metrics.confusion import ConfusionMatrix
from evaluation_operator.metrics.counts import (
    EVERY,
    FALSE,
    TRUE,
    CountBatch,
    Floats,
    Integers,
    Totals,
)
from evaluation_operator.metrics.curves import (
    AreaPass,
    Curve,
    ThresholdCounts,
    weighted_sum,
)


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """One classification's figures under one weighting of its items.

    `labels` has a curve for each label of the set, in its order. `confusion` is None for
    multi-label classification.
    """

    aggregate: Curve
    labels: tuple[Curve, ...]
    confusion: ConfusionMatrix | None

    @property
    def mean_average_precision(self) -> float | None:
        """The plain mean over labels with at least one truth; None if no label has any."""
        areas = [curve.area for curve in self.labels if curve.area is not None]
        return sum(areas) / len(areas) if areas else None

    @property
    def accuracy(self) -> float | None:
        return None if self.confusion is None else self.confusion.accuracy

    def without_areas(self) -> Figures:
        labels = tuple(replace(curve, area=None) for curve in self.labels)
        return Figures(replace(self.aggregate, area=None), labels, self.confusion)


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationResult:
    """Figures that count each item once; and by 1/p, where p differs between items."""

    plain: Figures
    weighted: Figures | None
    is_scored: bool = True

    def without_scores(self) -> ClassificationResult:
        """Of labels that were counted as if they had one score: there is one entry, at no
        threshold, and no area."""
        weighted = None if self.weighted is None else self.weighted.without_areas()
        return ClassificationResult(self.plain.without_areas(), weighted, is_scored=False)


def weightings(piece_count: int, weights: Floats | None) -> tuple[Floats, ...]:
    """The plain weighting (every piece counts once), then the weighted one if there is one."""
    plain = np.ones(piece_count, dtype=np.float64)
    if weights is None:
        return (plain,)
    if weights.shape != plain.shape or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError(f"weights: {piece_count} positive finite numbers are needed")
    return plain, weights


def classify(
    totals: Totals,
    by_label: Iterable[CountBatch],
    over_all: Iterable[CountBatch],
    thresholds: tuple[float, ...],
    weights: Floats | None = None,
    confusion: tuple[ConfusionMatrix, ...] | None = None,
) -> ClassificationResult:
    """Compute everything in one pass over each stream.

    `by_label` is ordered by (label, score, piece); `over_all` holds the same pairs counted at
    each (score, piece) whatever their label, in that order. `confusion` has a matrix for each
    of `weightings(...)`, or is None for multi-label. Raises ValueError if a stream is out of
    order or does not add up to the totals.
    """
    views = weightings(totals.piece_count, weights)
    aggregate = ThresholdCounts(thresholds, totals.piece_count)
    label_curves = _label_curves(totals, by_label, thresholds, views, aggregate)
    whole = _CurvePass(
        thresholds,
        totals.truths.sum(axis=0),
        totals.scored_true.sum(axis=0),
        totals.scored_false.sum(axis=0),
        views,
    )
    for batch in over_all:
        whole.add_scores(batch)
    whole.counts = aggregate
    figures = [
        Figures(curve, labels, None if confusion is None else confusion[view])
        for view, (curve, labels) in enumerate(
            zip(whole.curves(None), zip(*label_curves, strict=True), strict=True)
        )
    ]
    return ClassificationResult(figures[0], figures[1] if len(figures) > 1 else None)


def _label_curves(
    totals: Totals,
    batches: Iterable[CountBatch],
    thresholds: tuple[float, ...],
    views: tuple[Floats, ...],
    aggregate: ThresholdCounts,
) -> list[tuple[Curve, ...]]:
    """For each label its curves, one a view; what they count is added to `aggregate`."""
    done: list[tuple[Curve, ...]] = []

    def start() -> _CurvePass:
        label = len(done)
        return _CurvePass(
            thresholds,
            totals.truths[label],
            totals.scored_true[label],
            totals.scored_false[label],
            views,
        )

    def finish(current: _CurvePass) -> None:
        aggregate.add_all(current.counts)
        done.append(current.curves(len(done)))

    current = start()
    for batch in batches:
        for label, run in batch.by_label():
            if not len(done) <= label < totals.label_count:
                raise ValueError(f"label {label} is out of order or outside the label set")
            while len(done) < label:
                finish(current)
                current = start()
            current.add_scores(run)
            current.counts.add(run)
    finish(current)
    while len(done) < totals.label_count:
        finish(start())
    return done


class _CurvePass:
    """One curve while its scores go by, under every view."""

    def __init__(
        self,
        thresholds: tuple[float, ...],
        truths: Integers,
        scored_true: Integers,
        scored_false: Integers,
        views: tuple[Floats, ...],
    ) -> None:
        self._thresholds = thresholds
        self._truths = truths
        self._scored = scored_true + scored_false
        self._views = views
        self._areas = tuple(AreaPass(scored_true, scored_false, view) for view in views)
        self.counts = ThresholdCounts(thresholds, len(truths))

    def add_scores(self, batch: CountBatch) -> None:
        for area in self._areas:
            area.add(
                batch.score,
                batch.piece,
                batch.counts[:, EVERY, TRUE],
                batch.counts[:, EVERY, FALSE],
            )

    def curves(self, label: int | None) -> tuple[Curve, ...]:
        curves = []
        for view, area in zip(self._views, self._areas, strict=True):
            truths = float(weighted_sum(self._truths, view))
            curves.append(
                Curve(
                    label=label,
                    thresholds=self._thresholds,
                    truths=truths,
                    scored=float(weighted_sum(self._scored, view)),
                    area=area.area(truths),
                    positives=self.counts.positives(view),
                )
            )
        return tuple(curves)
