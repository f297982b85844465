"""The Evaluation: a summary of a run that fits into the cluster's store, whatever the data.

Exact areas, the aggregate curve and the counts always fit. Of the lines by label and the cells
of the confusion matrix as many are kept as fit, the largest first; all of them are in the full
result at `resultsUri`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evaluation_operator.api.base import API_VERSION, RpcStatus
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import (
    AnnotationSpecReference,
    ClassificationMetrics,
    ConfidenceMetricsEntry,
    ConfusionMatrix,
    ConfusionMatrixEntry,
    ConfusionMatrixRow,
    Evaluation,
    EvaluationMetrics,
    EvaluationSpec,
    ItemCounts,
    LabelingSummary,
    LabelMetrics,
    PrCurve,
    WeightedMetrics,
    WeightedPiece,
)
from evaluation_operator.evaluator.detection_summary import (
    detection_metrics,
    weighted_detection_metrics,
)
from evaluation_operator.evaluator.item_files import ItemCounts as Counted
from evaluation_operator.metrics import ClassificationResult, Figures, Piece
from evaluation_operator.metrics import ConfusionMatrix as Cells
from evaluation_operator.metrics.detection import DetectionResult

LIMIT_BYTES = 16 * 1024
ENVELOPE_BYTES = 1024
"""Left for metadata that the API server adds: managed fields come from one writer only."""

PIECES_KEPT = 20
FAILURES_KEPT = 10
MESSAGE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a run found out, before it is cut to size."""

    counts: Counted
    result: ClassificationResult
    pieces: tuple[Piece, ...]
    labels: tuple[str, ...]
    slice_labels: tuple[str, ...]
    digest: str
    label_cutoff: datetime
    warnings: tuple[str, ...]
    labeling: LabelingSummary | None = None
    detection: DetectionResult | None = None
    """Object detection only: `result` is then of its boxes, over the score."""


def build_evaluation(dataset: Dataset, findings: Findings, now: datetime, uri: str) -> Evaluation:
    """The Evaluation of a run, at most 16 KB as JSON. `uri` is the folder of the full result."""
    kept_lines, kept_cells = len(findings.labels), None
    while True:
        evaluation = _build(dataset, findings, now, uri, kept_lines, kept_cells)
        size = len(json.dumps(evaluation.to_dict(), ensure_ascii=False).encode())
        if size <= LIMIT_BYTES - ENVELOPE_BYTES:
            return evaluation
        if kept_cells is None:
            kept_cells = 400
        elif kept_cells > 20:
            kept_cells //= 2
        elif kept_lines > 10:
            kept_lines //= 2
        else:
            kept_cells, kept_lines = 0, kept_lines // 2
        if kept_lines == 0 and kept_cells == 0:
            return _build(dataset, findings, now, uri, 0, 0)


def _build(
    dataset: Dataset,
    findings: Findings,
    now: datetime,
    uri: str,
    kept_lines: int,
    kept_cells: int | None,
) -> Evaluation:
    spec, counts, plain = dataset.spec, findings.counts, findings.result.plain
    labeled = counts.evaluated
    matrix, cells_total = _matrix(plain, findings, kept_cells)
    lines = _label_lines(plain, findings)
    version = spec.evaluation_job_version
    body = EvaluationSpec(
        config=spec.evaluation_config,
        evaluation_job_run_time=spec.scheduled_time,
        create_time=now,
        annotation_type=spec.input_configs[0].annotation_type,
        evaluated_item_count=counts.evaluated,
        evaluation_metrics=_metrics(findings, matrix),
        evaluation_job=spec.evaluation_job.name,
        evaluation_job_version=version.name if version else None,
        dataset=dataset.metadata.name,
        supersedes=spec.revision.supersedes if spec.revision else None,
        model_version=spec.model_version,
        mean_average_precision=plain.mean_average_precision,
        accuracy=plain.accuracy,
        label_metrics=lines[:kept_lines],
        label_metrics_total=len(lines) if kept_lines < len(lines) else None,
        confusion_matrix_cells_total=cells_total,
        item_counts=ItemCounts(
            items=counts.items,
            labeled=labeled,
            unlabeled=counts.unlabeled,
            failed_predictions=counts.failed_predictions,
            faulty=counts.faulty,
        ),
        labeling=findings.labeling,
        weighted=_weighted(findings),
        partial_failures=[
            RpcStatus(code=fault.code, message=fault.message[:MESSAGE_CHARACTERS])
            for fault in counts.first_faults[:FAILURES_KEPT]
        ],
        total_partial_failures=counts.faulty or None,
        warnings=list(findings.warnings),
        results_uri=uri,
        digest=findings.digest,
        label_cutoff_time=findings.label_cutoff,
        coverage=labeled / counts.items if counts.items else None,
    )
    return Evaluation.from_dict({"metadata": _metadata(dataset), "spec": body.to_dict()})


def _metadata(dataset: Dataset) -> dict[str, Any]:
    """Named like the run and owned by its Dataset, so that both go together."""
    owner = {
        "apiVersion": API_VERSION,
        "kind": "Dataset",
        "name": dataset.metadata.name,
        "uid": dataset.metadata.uid,
        "controller": True,
    }
    return {
        "name": dataset.metadata.name,
        "namespace": dataset.metadata.namespace,
        "labels": dict(dataset.metadata.labels),
        "ownerReferences": [owner] if dataset.metadata.uid else [],
    }


def _metrics(findings: Findings, matrix: ConfusionMatrix | None) -> EvaluationMetrics:
    if findings.detection is not None:
        metrics = detection_metrics(findings.detection, findings.detection.plain)
        return EvaluationMetrics(object_detection_metrics=metrics)
    curve = _curve(findings.result.plain)
    return EvaluationMetrics(
        classification_metrics=ClassificationMetrics(pr_curve=curve, confusion_matrix=matrix)
    )


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


def _label_lines(figures: Figures, findings: Findings) -> list[LabelMetrics]:
    """One line a label, the most frequent in truth first; ties in the order of the set."""
    wanted = set(findings.slice_labels) or set(findings.labels)
    predicted = _predicted_counts(figures, is_detection=findings.detection is not None)
    lines = [
        (curve, label, count)
        for curve, label, count in zip(figures.labels, findings.labels, predicted, strict=True)
        if label in wanted
    ]
    lines.sort(key=lambda line: -line[0].truths)
    return [
        LabelMetrics(
            display_name=label,
            truth_count=round(curve.truths),
            predicted_count=count,
            average_precision=curve.area,
        )
        for curve, label, count in lines
    ]


def _predicted_counts(figures: Figures, *, is_detection: bool) -> Sequence[int | None]:
    if is_detection:
        return [round(curve.scored) for curve in figures.labels]
    if figures.confusion is not None:
        return [round(float(column)) for column in figures.confusion.cells.sum(axis=0)[:-1]]
    return [None for _ in figures.labels]


def _matrix(
    figures: Figures, findings: Findings, kept: int | None
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
        return _matrix_of(cells, findings.labels, chosen, every_row=True), None
    filled = [
        (float(cells.cells[row, column]), int(row), int(column))
        for row, column in zip(*cells.cells.nonzero(), strict=True)
    ]
    filled.sort(key=lambda cell: (-cell[0], cell[1], cell[2]))
    chosen = {(row, column) for _, row, column in filled[:kept]}
    every_row = kept >= len(findings.labels)
    return _matrix_of(cells, findings.labels, chosen, every_row=every_row), len(filled)


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


def _weighted(findings: Findings) -> WeightedMetrics | None:
    figures = findings.result.weighted
    if figures is None:
        return None
    return WeightedMetrics(
        mean_average_precision=figures.mean_average_precision,
        area_under_curve=figures.aggregate.area,
        accuracy=figures.accuracy,
        object_detection_metrics=weighted_detection_metrics(findings.detection),
        pieces=[WeightedPiece(n=piece.items, p=piece.p) for piece in findings.pieces[:PIECES_KEPT]],
    )
