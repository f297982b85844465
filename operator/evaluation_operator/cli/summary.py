"""An Evaluation for people: figures first, then the curve, then what goes wrong most."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation_operator.api.base import format_time
from evaluation_operator.api.evaluation import (
    ConfidenceMetricsEntry,
    ConfusionMatrix,
    Evaluation,
    EvaluationMetrics,
    EvaluationSpec,
    ItemCounts,
    LabelMetrics,
    PrCurve,
)
from evaluation_operator.cli.detection_summary import detection_fields, print_detection
from evaluation_operator.cli.figures import count, number, spread
from evaluation_operator.cli.output import print_fields, print_table, print_title

CONFUSIONS = 5
WEAK_LABELS = 5
NOTHING = "(nothing)"


def print_evaluation(evaluation: Evaluation) -> None:
    spec = evaluation.spec
    both = spec.evaluation_metrics or EvaluationMetrics()
    metrics, detection = both.classification_metrics, both.object_detection_metrics
    print_fields(_fields(evaluation))
    if metrics is not None and metrics.pr_curve is not None:
        entries = metrics.pr_curve.confidence_metrics_entries
        print_title("Curve")
        print_table(
            ("#THRESHOLD", "#PRECISION", "#RECALL", "#F1", "#PRECISION@1", "#RECALL@1"),
            [_curve_line(entry) for entry in spread(entries)],
            indent=2,
        )
    if detection is not None:
        print_detection(detection)
    if weak := weakest_labels(spec.label_metrics):
        print_title("Weakest labels")
        print_table(
            ("LABEL", "#AVERAGE PRECISION", "#ITEMS" if detection is None else "#BOXES"),
            [(it.display_name, number(it.average_precision), count(it.truth_count)) for it in weak],
            indent=2,
        )
    if metrics is not None and (worst := worst_confusions(metrics.confusion_matrix)):
        print_title("Worst confusions")
        lines = [(truth, predicted, str(items)) for truth, predicted, items in worst]
        print_table(("TRUTH", "PREDICTED", "#ITEMS"), lines, indent=2)


def mean_average_precision(evaluation: Evaluation) -> float | None:
    """Of the plain figures, as the resource's column has it."""
    if evaluation.spec.mean_average_precision is not None:
        return evaluation.spec.mean_average_precision
    # Evaluations from before that field was there have it in their curve only.
    curve = _curve(evaluation)
    return curve.mean_average_precision if curve is not None else None


def _curve(evaluation: Evaluation) -> PrCurve | None:
    both = evaluation.spec.evaluation_metrics or EvaluationMetrics()
    metrics = both.classification_metrics or both.object_detection_metrics
    return metrics.pr_curve if metrics is not None else None


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


def _fields(evaluation: Evaluation) -> list[tuple[str, str]]:
    spec, curve = evaluation.spec, _curve(evaluation)
    both = spec.evaluation_metrics or EvaluationMetrics()
    boxes = both.object_detection_metrics
    return [
        ("Evaluation", evaluation.name),
        ("Job", spec.evaluation_job),
        ("Version", spec.evaluation_job_version or ""),
        ("Model version", str(spec.model_version)),
        ("Supersedes", spec.supersedes or ""),
        ("Superseded by", _superseded_by(evaluation)),
        ("Run time", format_time(spec.evaluation_job_run_time)),
        ("mAP", number(mean_average_precision(evaluation))),
        ("Area under curve", number(curve.area_under_curve if curve else None)),
        ("Accuracy", "" if spec.accuracy is None else number(spec.accuracy)),
        *(detection_fields(boxes) if boxes is not None else ()),
        *_weighted_fields(spec),
        ("Items", _items(spec.evaluated_item_count, spec.item_counts)),
        *(("Warning", text) for text in spec.warnings),
        *(("Left out", failure.message) for failure in spec.partial_failures),
        ("Digest", spec.digest),
        ("Full result", spec.results_uri),
    ]


def _superseded_by(evaluation: Evaluation) -> str:
    newer = evaluation.status.superseded_by
    return f"{newer}: labels have come since, look at that one" if newer else ""


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
