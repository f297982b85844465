"""The part of an Evaluation that tells of labels."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation_operator.api.evaluation import (
    AnnotationSpecReference,
    ClassificationMetrics,
    ConfidenceMetricsEntry,
    ConfusionMatrix,
    ConfusionMatrixEntry,
    ConfusionMatrixRow,
    PrCurve,
)
from evaluation_operator.metrics import ConfusionMatrix as Cells
from evaluation_operator.metrics import Figures


def classification_metrics(
    figures: Figures, labels: Sequence[str], kept_cells: int | None, *, is_scored: bool = True
) -> tuple[ClassificationMetrics, int | None]:
    """Of the confusion matrix the largest `kept_cells`, None: all; and how many are not zero, where
    some are left out."""
    matrix, cells_total = _matrix(figures, labels, kept_cells)
    curve = _curve(figures) if is_scored else _point(figures)
    metrics = ClassificationMetrics(pr_curve=curve, confusion_matrix=matrix)
    return metrics, cells_total


def _curve(figures: Figures) -> PrCurve:
    curve = figures.aggregate
    entries = [
        ConfidenceMetricsEntry(
            confidence_threshold=entry.threshold,
            recall=entry.every.recall,
            precision=entry.every.precision,
            f1_score=entry.every.f1,
            recall_at1=entry.at_1.recall,
            precision_at1=entry.at_1.precision,
            f1_score_at1=entry.at_1.f1,
            recall_at5=entry.at_5.recall,
            precision_at5=entry.at_5.precision,
            f1_score_at5=entry.at_5.f1,
        )
        for entry in curve.entries()
    ]
    return PrCurve(
        area_under_curve=curve.area,
        confidence_metrics_entries=entries,
        mean_average_precision=figures.mean_average_precision,
    )


def _point(figures: Figures) -> PrCurve:
    """Of labels without scores: what the first label of each item says, at no threshold."""
    (entry,) = figures.aggregate.entries()
    first = ConfidenceMetricsEntry(
        recall_at1=entry.every.recall,
        precision_at1=entry.every.precision,
        f1_score_at1=entry.every.f1,
    )
    return PrCurve(confidence_metrics_entries=[first])


def _matrix(
    figures: Figures, labels: Sequence[str], kept: int | None
) -> tuple[ConfusionMatrix | None, int | None]:
    """Rows are truth, in the order of the set; `kept` None keeps every cell, also zeros.

    Where not all fit, the largest cells are kept, and the number of all that are not zero is
    told. A row of the matrix never disappears: each label of the set is shown as truth.
    """
    if figures.confusion is None:
        return None, None
    cells = figures.confusion
    if kept is None:
        chosen = {
            (row, column)
            for row in range(cells.cells.shape[0])
            for column in range(cells.cells.shape[1])
        }
        return _matrix_of(cells, labels, chosen, every_row=True), None
    filled = [
        (float(cells.cells[row, column]), int(row), int(column))
        for row, column in zip(*cells.cells.nonzero(), strict=True)
    ]
    filled.sort(key=lambda cell: (-cell[0], cell[1], cell[2]))
    chosen = {(row, column) for _, row, column in filled[:kept]}
    every_row = kept >= len(labels)
    return _matrix_of(cells, labels, chosen, every_row=every_row), len(filled)


def _matrix_of(
    cells: Cells, labels: Sequence[str], chosen: set[tuple[int, int]], *, every_row: bool
) -> ConfusionMatrix:
    rows = []
    for row, label in enumerate(labels):
        entries = [
            ConfusionMatrixEntry(
                # The last column, nothing predicted, has an empty annotationSpec.
                annotation_spec=AnnotationSpecReference(
                    display_name=labels[column] if column < len(labels) else None
                ),
                item_count=round(float(cells.cells[row, column])),
            )
            for column in range(len(labels) + 1)
            if (row, column) in chosen
        ]
        if entries or every_row:
            spec = AnnotationSpecReference(display_name=label)
            rows.append(ConfusionMatrixRow(annotation_spec=spec, entries=entries))
    return ConfusionMatrix(row=rows)
