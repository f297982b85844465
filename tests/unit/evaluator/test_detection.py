"""Boxes of items that stand for different numbers of predictions, up to the Evaluation."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.domain.headline import Headline, headline
from evaluation_operator.evaluator.summary import Findings, build_evaluation
from evaluation_operator.tasks.detection.judging import judge
from evaluation_operator.tasks.detection.reader import BoxReader
from evaluation_operator.tasks.forms import Keys
from evaluation_operator.tasks.items import Row
from evaluation_operator.tasks.kind import Limits
from evaluation_operator.tasks.label_names import LabelNames
from tests.builders import make_dataset, make_detection_job

LABELS = ("ripe", "unripe")
BOX = {"top_left": {"x": 0, "y": 0}, "bottom_right": {"x": 40, "y": 40}}
ELSEWHERE = {"top_left": {"x": 90, "y": 90}, "bottom_right": {"x": 99, "y": 99}}


def row(number: int, p: float, box: object) -> Row:
    """One true box, and one predicted one, which is right or elsewhere."""
    prediction = {"labels": ["ripe"], "scores": [0.5], "boxes": [box]}
    truth = {"labels": ["ripe"], "boxes": [BOX]}
    said, true = (json.dumps({"predictions": [entry]}) for entry in (prediction, truth))
    return Row(f"row-{number}", None, said, true, p)


def dataset() -> Dataset:
    config = make_detection_job()["spec"]["evaluationJobConfig"]
    return Dataset.from_dict(
        make_dataset(
            spec={
                "inputConfigs": [config["inputConfig"]],
                "bigqueryImportKeys": config["bigqueryImportKeys"],
                "evaluationConfig": config["evaluationConfig"],
            }
        )
    )


def evaluated(folder: Path, rows: list[Row]) -> Evaluation:
    reader = BoxReader(LabelNames(LABELS), Keys("labels", "scores"), "boxes")
    outcomes = (outcome for line in rows for outcome in reader.read(line))
    spec = dataset().spec.changed(annotation_specs=list(LABELS))
    judged = judge(spec, outcomes, Limits(folder))
    judged.write(LABELS, folder)
    now = datetime(2026, 3, 3, 10, tzinfo=UTC)
    findings = Findings(
        judged=judged,
        labels=LABELS,
        slice_labels=(),
        digest="sha256:1",
        label_cutoff=now,
        warnings=(),
    )
    return build_evaluation(dataset(), findings, now, folder.as_uri())


def test_an_item_counts_for_those_it_stands_for(tmp_path: Path) -> None:
    """One right item of p 0.25 and two wrong ones of p 1: a third, or two thirds weighted."""
    rows = [row(0, 0.25, BOX), row(1, 1.0, ELSEWHERE), row(2, 1.0, ELSEWHERE)]
    spec = evaluated(tmp_path, rows).spec
    assert spec.evaluation_metrics is not None
    plain = spec.evaluation_metrics.object_detection_metrics
    assert plain is not None
    assert plain.pr_curve is not None
    first = plain.pr_curve.confidence_metrics_entries[0]
    assert (first.precision, first.recall) == (1 / 3, 1 / 3)
    assert spec.mean_average_precision == pytest.approx(1 / 9)

    assert spec.weighted is not None
    assert [(piece.n, piece.p) for piece in spec.weighted.pieces] == [(1, 0.25), (2, 1.0)]
    assert spec.weighted.mean_average_precision == pytest.approx(4 / 9)
    weighted = spec.weighted.object_detection_metrics
    assert weighted is not None
    assert weighted.pr_curve is not None
    assert weighted.best_f1 is not None
    assert weighted.coco is not None
    first = weighted.pr_curve.confidence_metrics_entries[0]
    assert (first.precision, first.recall) == (4 / 6, 4 / 6)
    assert weighted.best_f1.recall == 4 / 6
    assert weighted.coco.ar100 == pytest.approx(4 / 6)


def test_alerts_use_the_weighted_figure_where_there_is_one(tmp_path: Path) -> None:
    right, wrong = row(0, 0.25, BOX), row(1, 1.0, ELSEWHERE)
    weighted = headline(evaluated(tmp_path, [right, wrong]).spec)
    assert weighted.is_weighted
    assert weighted.mean_average_precision == pytest.approx(0.64)
    assert headline(evaluated(tmp_path, [right]).spec) == Headline(1.0, is_weighted=False)


def test_items_of_one_probability_need_no_weights(tmp_path: Path) -> None:
    found = evaluated(tmp_path, [row(0, 0.25, BOX), row(1, 0.25, ELSEWHERE)])
    assert found.spec.weighted is None
