"""What is told about an Evaluation, before any face shows it."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.domain.headline import Headline
from evaluation_operator.views.evaluation import view_evaluation
from tests.builders import make_evaluation

WEIGHTED = {"meanAveragePrecision": 0.6, "accuracy": 0.5, "pieces": []}
OVERLAP = {"meanAveragePrecision": 0.4, "areaUnderCurve": 0.3, "confidenceMetricsEntries": []}

ERRORS = ("truePositives", "poorPlace", "wrongClass", "both", "duplicate", "background", "missed")


def told(**spec: Any) -> Evaluation:
    return Evaluation.from_dict(make_evaluation(spec=spec))


@pytest.mark.parametrize(
    ("spec", "stands"),
    [
        ({}, Headline(0.7, is_weighted=False)),
        ({"weighted": WEIGHTED}, Headline(0.6, is_weighted=True)),
        ({"meanAveragePrecision": None}, Headline(0.7, is_weighted=False)),
        ({"meanAveragePrecision": None, "evaluationMetrics": None}, Headline(None, False)),
    ],
    ids=["plain", "weighted", "of an earlier version", "nothing known"],
)
def test_one_figure_stands_for_it(spec: dict[str, Any], stands: Headline) -> None:
    view = view_evaluation(told(**spec))
    assert view.headline == stands
    assert view.plain == (None if stands.mean_average_precision is None else 0.7)


def test_a_classification_tells_of_one_curve_and_of_items() -> None:
    view = view_evaluation(told())
    assert [(it.over, it.is_ranked) for it in view.highlights.curves] == [("threshold", True)]
    assert (view.highlights.counted, view.highlights.area_under_curve) == ("items", 0.8)
    assert view.highlights.errors == ()


def test_a_detection_tells_of_both_curves_of_errors_and_of_boxes() -> None:
    metrics = {
        "prCurve": OVERLAP,
        "scorePrCurve": OVERLAP,
        "errors": dict.fromkeys(ERRORS, 0) | {"poorPlace": 2, "missed": 5},
        "truthBoxCount": 7,
    }
    view = view_evaluation(
        told(
            annotationType="IMAGE_BOUNDING_BOX_ANNOTATION",
            meanAveragePrecision=None,
            evaluationMetrics={
                "classificationMetrics": None,
                "objectDetectionMetrics": metrics,
            },
        )
    )
    assert [it.over for it in view.highlights.curves] == ["score", "IoU"]
    assert view.highlights.errors[:2] == (("missed", 5), ("poor place", 2))
    assert view.highlights.counted == "boxes"
    assert ("Boxes", "7 true, 0 predicted") in view.highlights.facts
    assert view.headline == Headline(0.4, is_weighted=False)


def test_confusions_come_largest_first_and_without_what_was_right() -> None:
    matrix = {
        "row": [
            {
                "annotationSpec": {"displayName": "ripe"},
                "entries": [
                    {"annotationSpec": {"displayName": "ripe"}, "itemCount": 9},
                    {"annotationSpec": {"displayName": "unripe"}, "itemCount": 1},
                    {"annotationSpec": {}, "itemCount": 3},
                ],
            }
        ]
    }
    curve = {"meanAveragePrecision": 0.7, "confidenceMetricsEntries": []}
    metrics = {"classificationMetrics": {"prCurve": curve, "confusionMatrix": matrix}}
    found = view_evaluation(told(evaluationMetrics=metrics)).highlights.confusions
    assert found == (("ripe", "(nothing)", 3), ("ripe", "unripe", 1))


def test_the_weakest_labels_are_those_with_truth_by_average_precision() -> None:
    lines = [
        {"displayName": "often", "truthCount": 9, "averagePrecision": 0.9},
        {"displayName": "never", "truthCount": 0},
        {"displayName": "weak", "truthCount": 2, "averagePrecision": 0.1},
    ]
    view = view_evaluation(told(labelMetrics=lines))
    assert [it.display_name for it in view.weakest] == ["weak", "often"]
