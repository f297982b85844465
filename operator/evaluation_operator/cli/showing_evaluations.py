"""An Evaluation for people: figures first, then the curves, then what goes wrong most."""

from __future__ import annotations

from evaluation_operator.api.base import format_time
from evaluation_operator.api.evaluation import ConfidenceMetricsEntry, Evaluation
from evaluation_operator.cli.figures import count, number, spread
from evaluation_operator.cli.output import print_fields, print_table, print_title
from evaluation_operator.tasks.kind import Curve
from evaluation_operator.views.evaluation import EvaluationView, ItemsView, view_evaluation


def print_evaluation(evaluation: Evaluation) -> None:
    view = view_evaluation(evaluation)
    highlights = view.highlights
    print_fields(_fields(view))
    for curve in highlights.curves:
        _print_curve(curve)
    if highlights.errors:
        print_title("Errors")
        lines = [(kind, str(boxes)) for kind, boxes in highlights.errors]
        print_table(("KIND", f"#{highlights.counted.upper()}"), lines, indent=2)
    if view.weakest:
        print_title("Weakest labels")
        print_table(
            ("LABEL", "#AVERAGE PRECISION", f"#{highlights.counted.upper()}"),
            [
                (it.display_name, number(it.average_precision), count(it.truth_count))
                for it in view.weakest
            ],
            indent=2,
        )
    if highlights.confusions:
        print_title("Worst confusions")
        cells = [
            (truth, predicted, str(items)) for truth, predicted, items in highlights.confusions
        ]
        print_table(("TRUTH", "PREDICTED", f"#{highlights.counted.upper()}"), cells, indent=2)


def _fields(view: EvaluationView) -> list[tuple[str, str]]:
    newer = view.superseded_by
    return [
        ("Evaluation", view.name),
        ("Job", view.job),
        ("Version", view.version),
        ("Model version", view.model_version),
        ("Supersedes", view.supersedes),
        ("Superseded by", f"{newer}: labels have come since, look at that one" if newer else ""),
        ("Run time", format_time(view.run_time)),
        ("mAP", number(view.plain)),
        ("Area under curve", number(view.highlights.area_under_curve)),
        ("Accuracy", "" if view.accuracy is None else number(view.accuracy)),
        *view.highlights.facts,
        *_weighted_fields(view),
        ("Items", _items(view.items)),
        *(("Warning", text) for text in view.warnings),
        *(("Left out", text) for text in view.left_out),
        ("Digest", view.digest),
        ("Full result", view.results_uri),
    ]


def _weighted_fields(view: EvaluationView) -> list[tuple[str, str]]:
    if not view.headline.is_weighted:
        return []
    figures = [
        ("mAP", view.headline.mean_average_precision),
        ("accuracy", view.weighted_accuracy),
    ]
    text = ", ".join(f"{name} {value:.4f}" for name, value in figures if value is not None)
    return [("Weighted", f"{text}: alerts go by these")]


def _items(items: ItemsView) -> str:
    """How many were evaluated, and where the others went."""
    text = f"{items.evaluated} evaluated"
    if items.total is None:
        return text
    others = [
        (items.unlabeled, "without ground truth"),
        (items.failed_predictions, "without prediction"),
        (items.faulty, "unreadable"),
    ]
    missing = ", ".join(f"{number} {what}" for number, what in others if number)
    return f"{text} of {items.total}" + (f" ({missing})" if missing else "")


def _print_curve(curve: Curve) -> None:
    print_title(curve.title)
    ranked = ("#PRECISION@1", "#RECALL@1") if curve.is_ranked else ()
    print_table(
        (f"#{curve.over.upper()}", "#PRECISION", "#RECALL", "#F1", *ranked),
        [_curve_line(entry, curve.is_ranked) for entry in spread(curve.entries)],
        indent=2,
    )


def _curve_line(entry: ConfidenceMetricsEntry, is_ranked: bool) -> tuple[str, ...]:
    threshold = entry.confidence_threshold
    ranked = (number(entry.precision_at1), number(entry.recall_at1)) if is_ranked else ()
    return (
        "-" if threshold is None else f"{threshold:g}",
        number(entry.precision),
        number(entry.recall),
        number(entry.f1_score),
        *ranked,
    )
