"""An Evaluation for people: figures first, then the curve, then what goes wrong most."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation_operator.api.base import format_time
from evaluation_operator.api.evaluation import (
    ClassificationMetrics,
    ConfidenceMetricsEntry,
    ConfusionMatrix,
    Evaluation,
    EvaluationSpec,
    ItemCounts,
    LabelMetrics,
)
from evaluation_operator.cli.output import print_fields, print_table, print_title

CURVE_LINES = 12
CONFUSIONS = 5
WEAK_LABELS = 5
NOTHING = "(nothing)"


def print_evaluation(evaluation: Evaluation) -> None:
    spec = evaluation.spec
    metrics = spec.evaluation_metrics.classification_metrics if spec.evaluation_metrics else None
    print_fields(_fields(evaluation, metrics))
    if metrics is not None and metrics.pr_curve is not None:
        entries = metrics.pr_curve.confidence_metrics_entries
        print_title("Curve")
        print_table(
            ("#THRESHOLD", "#PRECISION", "#RECALL", "#F1", "#PRECISION@1", "#RECALL@1"),
            [_curve_line(entry) for entry in _spread(entries, CURVE_LINES)],
            indent=2,
        )
    if weak := weakest_labels(spec.label_metrics):
        print_title("Weakest labels")
        print_table(
            ("LABEL", "#AVERAGE PRECISION", "#ITEMS"),
            [(it.display_name, number(it.average_precision), count(it.truth_count)) for it in weak],
            indent=2,
        )
    if metrics is not None and (worst := worst_confusions(metrics.confusion_matrix)):
        print_title("Worst confusions")
        lines = [(truth, predicted, str(items)) for truth, predicted, items in worst]
        print_table(("TRUTH", "PREDICTED", "#ITEMS"), lines, indent=2)


def mean_average_precision(evaluation: Evaluation) -> float | None:
    """Of the plain figures, as the resource's column has it."""
    metrics = evaluation.spec.evaluation_metrics
    if metrics is None or metrics.classification_metrics is None:
        return None
    curve = metrics.classification_metrics.pr_curve
    return curve.mean_average_precision if curve is not None else None


def worst_confusions(matrix: ConfusionMatrix | None) -> list[tuple[str, str, int]]:
    """(truth, predicted, items) of the largest cells off the diagonal, largest first."""
    cells = []
    for row in matrix.row if matrix is not None else ():
        truth = (row.annotation_spec.display_name if row.annotation_spec else None) or NOTHING
        for entry in row.entries:
            spec = entry.annotation_spec
            predicted = (spec.display_name if spec else None) or NOTHING
            if truth != predicted and entry.item_count:
                cells.append((truth, predicted, entry.item_count))
    return sorted(cells, key=lambda cell: -cell[2])[:CONFUSIONS]


def weakest_labels(labels: Sequence[LabelMetrics]) -> list[LabelMetrics]:
    """Labels that have truth, by rising average precision."""
    known = [label for label in labels if label.average_precision is not None]
    return sorted(known, key=lambda label: label.average_precision or 0.0)[:WEAK_LABELS]


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _fields(evaluation: Evaluation, metrics: ClassificationMetrics | None) -> list[tuple[str, str]]:
    spec, curve = evaluation.spec, metrics.pr_curve if metrics else None
    return [
        ("Evaluation", evaluation.name),
        ("Job", spec.evaluation_job),
        ("Version", spec.evaluation_job_version or ""),
        ("Model version", str(spec.model_version)),
        ("Run time", format_time(spec.evaluation_job_run_time)),
        ("mAP", number(curve.mean_average_precision if curve else None)),
        ("Area under curve", number(curve.area_under_curve if curve else None)),
        ("Accuracy", "" if spec.accuracy is None else number(spec.accuracy)),
        *_weighted_fields(spec),
        ("Items", _items(spec.evaluated_item_count, spec.item_counts)),
        *(("Warning", text) for text in spec.warnings),
        *(("Left out", failure.message) for failure in spec.partial_failures),
        ("Digest", spec.digest),
        ("Full result", spec.results_uri),
    ]


def _weighted_fields(spec: EvaluationSpec) -> list[tuple[str, str]]:
    weighted = spec.weighted
    if weighted is None:
        return []
    figures = [("mAP", weighted.mean_average_precision), ("accuracy", weighted.accuracy)]
    text = ", ".join(f"{name} {value:.4f}" for name, value in figures if value is not None)
    return [("Weighted", text)]


def _items(evaluated: int | None, counts: ItemCounts | None) -> str:
    """How many were evaluated, and where the others went."""
    text = f"{evaluated or 0} evaluated"
    if counts is None:
        return text
    others = [
        (counts.unlabeled, "without ground truth"),
        (counts.failed_predictions, "without prediction"),
        (counts.faulty, "unreadable"),
    ]
    missing = ", ".join(f"{number} {what}" for number, what in others if number)
    return f"{text} of {counts.items or 0}" + (f" ({missing})" if missing else "")


def _spread(
    entries: Sequence[ConfidenceMetricsEntry], most: int
) -> Sequence[ConfidenceMetricsEntry]:
    """All of them, or so many, evenly spread, with the first and the last."""
    if len(entries) <= most:
        return entries
    return [entries[place * (len(entries) - 1) // (most - 1)] for place in range(most)]


def _curve_line(entry: ConfidenceMetricsEntry) -> tuple[str, ...]:
    threshold = entry.confidence_threshold
    return (
        "-" if threshold is None else f"{threshold:g}",
        number(entry.precision),
        number(entry.recall),
        number(entry.f1_score),
        number(entry.precision_at1),
        number(entry.recall_at1),
    )
