"""The part of an Evaluation about boxes, for people."""

from __future__ import annotations

from evaluation_operator.api.detection_metrics import DetectionErrors
from evaluation_operator.api.evaluation import ConfidenceMetricsEntry, ObjectDetectionMetrics
from evaluation_operator.cli.figures import number, spread
from evaluation_operator.cli.output import print_table, print_title

_ERRORS = (
    ("poor place", "poor_place"),
    ("wrong class", "wrong_class"),
    ("both", "both"),
    ("duplicate", "duplicate"),
    ("background", "background"),
    ("missed", "missed"),
)


def detection_fields(metrics: ObjectDetectionMetrics) -> list[tuple[str, str]]:
    """COCO's figures and the best F1, a line each; an empty text where there is nothing to say."""
    coco = metrics.coco.to_dict() if metrics.coco is not None else {}
    best = metrics.best_f1
    counts = (metrics.truth_box_count, metrics.predicted_box_count)
    return [
        ("Boxes", f"{counts[0] or 0} true, {counts[1] or 0} predicted"),
        ("COCO", ", ".join(f"{name} {value:.4f}" for name, value in coco.items())),
        (
            "Best F1",
            f"{number(best.f1_score)} from score {best.score_threshold:g} on" if best else "",
        ),
    ]


def print_detection(metrics: ObjectDetectionMetrics) -> None:
    score, overlap = metrics.score_pr_curve, metrics.pr_curve
    if score is not None:
        _print_curve("Curve over the score", "#SCORE", score.confidence_metrics_entries)
    if overlap is not None:
        _print_curve("Curve over the overlap", "#IOU", overlap.confidence_metrics_entries)
    if metrics.errors is not None:
        print_title("Errors")
        print_table(("KIND", "#BOXES"), _error_lines(metrics.errors), indent=2)


def _print_curve(title: str, threshold: str, entries: list[ConfidenceMetricsEntry]) -> None:
    print_title(title)
    lines = [
        (
            "-" if entry.confidence_threshold is None else f"{entry.confidence_threshold:g}",
            number(entry.precision),
            number(entry.recall),
            number(entry.f1_score),
        )
        for entry in spread(entries)
    ]
    print_table((threshold, "#PRECISION", "#RECALL", "#F1"), lines, indent=2)


def _error_lines(errors: DetectionErrors) -> list[tuple[str, str]]:
    """The most frequent first."""
    found = [(name, int(getattr(errors, field))) for name, field in _ERRORS]
    found.sort(key=lambda line: -line[1])
    return [(name, str(count)) for name, count in found]
