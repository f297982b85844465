"""The Evaluation: a summary of a run that fits into the cluster's store, whatever the data.

Exact areas, the aggregate curve and the counts always fit. Of the lines by label and the cells
of the confusion matrix as many are kept as fit, the largest first; all of them are in the full
result at `resultsUri`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evaluation_operator.api.base import API_VERSION, RpcStatus
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import (
    Evaluation,
    EvaluationSpec,
    ItemCounts,
    LabelingSummary,
    LabelMetrics,
)
from evaluation_operator.tasks.kind import Judged

LIMIT_BYTES = 16 * 1024
ENVELOPE_BYTES = 1024
"""Left for metadata that the API server adds: managed fields come from one writer only."""

PIECES_KEPT = 20
FAILURES_KEPT = 10
MESSAGE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a run found out, before it is cut to size."""

    judged: Judged
    labels: tuple[str, ...]
    slice_labels: tuple[str, ...]
    digest: str
    label_cutoff: datetime
    warnings: tuple[str, ...]
    labeling: LabelingSummary | None = None


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
    judged, spec = findings.judged, dataset.spec
    counts, plain = judged.counts, judged.result.plain
    labeled = counts.evaluated
    metrics, cells_total = judged.metrics(findings.labels, kept_cells)
    lines = _label_lines(findings)
    version = spec.evaluation_job_version
    body = EvaluationSpec(
        config=spec.evaluation_config,
        evaluation_job_run_time=spec.scheduled_time,
        create_time=now,
        annotation_type=spec.input_configs[0].annotation_type,
        evaluated_item_count=counts.evaluated,
        evaluation_metrics=metrics,
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
            unscored=counts.unscored or None,
        ),
        labeling=findings.labeling,
        weighted=judged.weighted(),
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


def _label_lines(findings: Findings) -> list[LabelMetrics]:
    """One line a label, the most frequent in truth first; ties in the order of the set."""
    wanted = set(findings.slice_labels) or set(findings.labels)
    figures, predicted = findings.judged.result.plain, findings.judged.predicted_counts()
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
