"""A run over labels: its pairs counted, its figures computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation_operator.api.dataset import DatasetSpec
from evaluation_operator.api.evaluation import EvaluationMetrics
from evaluation_operator.results import layout
from evaluation_operator.results.confusion import write_confusion
from evaluation_operator.results.curves import CUTS, write_curves
from evaluation_operator.tasks.classification.count import CountedScores, compute_figures
from evaluation_operator.tasks.classification.pairs import write_outcomes
from evaluation_operator.tasks.classification.reader import is_multi_label
from evaluation_operator.tasks.classification.summary import classification_metrics
from evaluation_operator.tasks.items import Outcome
from evaluation_operator.tasks.kind import Judged, Limits
from evaluation_operator.tasks.usable import check_usable


@dataclass(frozen=True, slots=True, eq=False)
class JudgedLabels(Judged):
    def write(self, labels: Sequence[str], scratch: Path) -> list[str]:
        names = [layout.CURVES, layout.ITEMS, layout.SCORES]
        cuts = CUTS if self.result.is_scored else ()
        write_curves(self.result, labels, scratch / layout.CURVES, cuts=cuts)
        if write_confusion(self.result, labels, scratch / layout.CONFUSION):
            names.append(layout.CONFUSION)
        return names

    def metrics(
        self, labels: Sequence[str], kept_cells: int | None
    ) -> tuple[EvaluationMetrics, int | None]:
        metrics, cells = classification_metrics(
            self.result.plain, labels, kept_cells, is_scored=self.result.is_scored
        )
        return EvaluationMetrics(classification_metrics=metrics), cells

    def predicted_counts(self) -> Sequence[int | None]:
        figures = self.result.plain
        if figures.confusion is None:
            return [None for _ in figures.labels]
        return [round(float(column)) for column in figures.confusion.cells.sum(axis=0)[:-1]]


def judge(spec: DatasetSpec, outcomes: Iterable[Outcome], limits: Limits) -> JudgedLabels:
    """The figures of a classification; its items and pairs lie in the scratch folder then."""
    labels = tuple(spec.annotation_specs)
    scores, items = limits.scratch / layout.SCORES, limits.scratch / layout.ITEMS
    counts = write_outcomes(outcomes, labels, scores, items)
    check_usable(counts)
    places = tuple(labels.index(label) for label in spec.slice_labels)
    is_scored, is_multi = not counts.unscored, is_multi_label(spec)
    with CountedScores(
        *(scores, items, len(labels), limits, places),
        ignores_scores=not is_scored,
        is_multi_label=is_multi,
    ) as counted:
        thresholds = sorted(spec.score_thresholds) if is_scored else [0.0]
        figures = compute_figures(counted, is_multi_label=is_multi, thresholds=thresholds or None)
        found = figures if is_scored else figures.without_scores()
        return JudgedLabels(counts, counted.pieces, found)
