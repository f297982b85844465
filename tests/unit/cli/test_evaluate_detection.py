"""`evaluate` over boxes: from manifests and a table to the Evaluation and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation_operator.offline import validate_manifest
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.schema import ROW_SCHEMA
from tests.builders import make_detection_job, make_spec_set
from tests.unit.cli.running import FIRST_TIME, json_of, run_cli, write_manifests

Corners = tuple[float, float, float, float]

SQUARE: Corners = (0, 0, 100, 100)
MOST: Corners = (0, 0, 100, 80)
THIRD: Corners = (0, 0, 100, 33)
AWAY: Corners = (500, 500, 600, 600)
NOWHERE: Corners = (0, 900, 50, 950)


def boxes(*found: tuple[str, Corners], scores: Sequence[float] | None = None) -> str:
    entry: dict[str, Any] = {
        "labels": [label for label, _ in found],
        "boxes": [
            {"top_left": {"x": box[0], "y": box[1]}, "bottom_right": {"x": box[2], "y": box[3]}}
            for _, box in found
        ],
    }
    if scores is not None:
        entry["scores"] = list(scores)
    return json.dumps({"predictions": [entry]})


# (prediction, ground truth) of each row.
ROWS: list[tuple[str | None, str | None]] = [
    # Right at IoU 0.8, and once more with a lower score.
    (
        boxes(("ripe", MOST), ("ripe", MOST), scores=[0.9, 0.6]),
        boxes(("ripe", SQUARE)),
    ),
    # One in a poor place, one of the wrong class, one where nothing is.
    (
        boxes(
            ("ripe", THIRD), ("ripe", AWAY), ("unripe", (0, 900, 50, 950)), scores=[0.8, 0.7, 0.2]
        ),
        boxes(("ripe", SQUARE), ("unripe", AWAY)),
    ),
    # Nothing predicted: a miss. Nothing there and nothing predicted: fine.
    (boxes(scores=[]), boxes(("unripe", SQUARE))),
    (boxes(scores=[]), boxes()),
    # Left out and counted.
    (boxes(("ripe", SQUARE), scores=[0.9]), None),
    (None, boxes(("ripe", SQUARE))),
    # Faults.
    (boxes(("ripe", (10, 0, 5, 5)), scores=[0.9]), boxes()),
    (boxes(("ripe", SQUARE), scores=[]), boxes()),
    (boxes(("rotten", SQUARE), scores=[0.9]), boxes()),
]


@pytest.fixture
def table(tmp_path: Path) -> str:
    folder = tmp_path / "table"
    rows = [
        {
            "model": "ripeness",
            "model_version": "v1",
            "time": FIRST_TIME + timedelta(minutes=place),
            "raw_data": json.dumps({"instances": [{"image": f"{place}.png"}]}),
            "raw_prediction": prediction,
            "groundtruth": truth,
            "id": f"row-{place}",
        }
        for place, (prediction, truth) in enumerate(ROWS)
    ]
    with closing(open_table(folder.as_uri())) as opened:
        opened.ensure()
        opened.append_rows([pa.RecordBatch.from_pylist(rows, schema=ROW_SCHEMA)])
    return str(folder)


def manifests(folder: Path, **spec: Any) -> str:
    config = {"exampleSamplePercentage": 1}
    job = make_detection_job(spec={"evaluationJobConfig": config} | spec)
    return write_manifests(folder / "job.yaml", job, make_spec_set())


def evaluation(*arguments: str) -> Any:
    result = run_cli("evaluate", *arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    return json_of(result)


def test_the_evaluation_is_a_valid_resource_with_the_figures(table: str, tmp_path: Path) -> None:
    found = evaluation("-f", manifests(tmp_path), "--table", table)
    assert validate_manifest(found) == []
    spec = found["spec"]
    assert spec["evaluatedItemCount"] == 4
    counts = {"items": 9, "labeled": 4, "unlabeled": 1, "failedPredictions": 1, "faulty": 3}
    assert spec["itemCounts"] == counts
    # Of two ripe ones one is found first of all; of two unripe ones none is.
    assert spec["meanAveragePrecision"] == pytest.approx((0.5 + 0.0) / 2)
    metrics = spec["evaluationMetrics"]["objectDetectionMetrics"]
    assert metrics["prCurve"]["meanAveragePrecision"] == spec["meanAveragePrecision"]
    assert metrics["prCurve"]["areaUnderCurve"] == pytest.approx(0.25)
    at = {
        entry["confidenceThreshold"]: entry
        for entry in metrics["prCurve"]["confidenceMetricsEntries"]
    }
    assert list(at) == [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    assert (at[0.8]["precision"], at[0.8]["recall"]) == (1 / 5, 1 / 4)
    assert (at[0.85]["precision"], at[0.85]["recall"]) == (0.0, 0.0)
    score = metrics["scorePrCurve"]["confidenceMetricsEntries"]
    assert len(score) == 24
    assert next(it for it in score if it["confidenceThreshold"] == 0.9)["precision"] == 1.0
    assert metrics["bestF1"]["scoreThreshold"] == 0.9
    assert metrics["coco"]["AP50"] == pytest.approx(51 / 101 / 2)
    assert metrics["coco"]["APlarge"] is not None
    assert metrics["errors"] == {
        "truePositives": 1,
        "poorPlace": 1,
        "wrongClass": 1,
        "duplicate": 1,
        "background": 1,
        "both": 0,
        "missed": 1,
    }
    assert (metrics["truthBoxCount"], metrics["predictedBoxCount"]) == (4, 5)
    lines = {it["displayName"]: it for it in spec["labelMetrics"]}
    assert (lines["ripe"]["truthCount"], lines["ripe"]["predictedCount"]) == (2, 4)


def test_each_fault_names_the_item_and_the_cure(table: str, tmp_path: Path) -> None:
    spec = evaluation("-f", manifests(tmp_path), "--table", table)["spec"]
    messages = " ".join(failure["message"] for failure in spec["partialFailures"])
    assert "box 0 is inverted: x is 10 at its top_left and 5 at its bottom_right" in messages
    assert "1 labels" in messages
    assert '"rotten" is not in the annotation spec set' in messages


def test_people_see_figures_curves_and_errors(table: str, tmp_path: Path) -> None:
    result = run_cli("evaluate", "-f", manifests(tmp_path), "--table", table)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["mAP:", "0.2500"] in lines
    assert ["Boxes:", "4", "true,", "5", "predicted"] in lines
    assert ["0.8", "0.2000", "0.2500", "0.2222"] in lines
    assert ["poor", "place", "1"] in lines
    assert "AP50 0.25" in result.stdout


def test_what_became_of_each_box_is_kept(table: str, tmp_path: Path) -> None:
    kept = str(tmp_path / "kept")
    found = evaluation("-f", manifests(tmp_path), "--table", table, "--results", kept)
    folder = Path(found["spec"]["resultsUri"].removeprefix("file://"))
    items = {
        line["item"]: line["row_id"] for line in pq.read_table(folder / "items.parquet").to_pylist()
    }
    lines = pq.read_table(folder / "boxes.parquet").to_pylist()
    shown = [(items[it["item"]], it["place"], it["kind"], it["match"]) for it in lines]
    assert shown == [
        ("row-0", 0, "true_positive", 0),
        ("row-0", 1, "duplicate", None),
        ("row-1", 0, "poor_place", None),
        ("row-1", 1, "wrong_class", None),
        ("row-1", 2, "background", None),
        ("row-0", 0, "found", 0),
        ("row-1", 0, "mistaken", None),
        ("row-1", 1, "mistaken", None),
        ("row-2", 0, "missed", None),
    ]
    assert lines[0] | {"iou": 0.8, "score": 0.9, "right": 100.0, "bottom": 80.0} == lines[0]
    assert pq.read_table(folder / "overlaps.parquet").num_rows == 10
    curves = pq.read_table(folder / "curves.parquet").to_pylist()
    assert {line["cut"] for line in curves} == {"every"}


def test_units_change_the_digest_and_take_away_figures_by_area(table: str, tmp_path: Path) -> None:
    pixels = evaluation("-f", manifests(tmp_path), "--table", table)["spec"]
    spelt = evaluation("-f", manifests(tmp_path, boundingBoxUnits="PIXELS"), "--table", table)
    fractions = manifests(tmp_path, boundingBoxUnits="NORMALIZED")
    normalised = evaluation("-f", fractions, "--table", table)["spec"]
    assert pixels["digest"] == spelt["spec"]["digest"] != normalised["digest"]
    assert pixels["meanAveragePrecision"] == normalised["meanAveragePrecision"]
    coco = normalised["evaluationMetrics"]["objectDetectionMetrics"]["coco"]
    assert set(coco) == {"AP", "AP50", "AP75", "AR1", "AR10", "AR100"}


def test_a_chosen_overlap_stands_on_the_curve_too(table: str, tmp_path: Path) -> None:
    job = manifests(
        tmp_path,
        evaluationJobConfig={
            "exampleSamplePercentage": 1,
            "evaluationConfig": {"boundingBoxEvaluationOptions": {"iouThreshold": 0.3}},
        },
    )
    spec = evaluation("-f", job, "--table", table)["spec"]
    metrics = spec["evaluationMetrics"]["objectDetectionMetrics"]
    first = metrics["prCurve"]["confidenceMetricsEntries"][0]
    assert (first["confidenceThreshold"], first["precision"]) == (0.3, 2 / 5)
    assert spec["meanAveragePrecision"] == pytest.approx(0.5)


def test_many_thresholds_and_labels_fit_into_the_summary(table: str, tmp_path: Path) -> None:
    labels = ("ripe", "unripe", *(f"label-{place:04}-{'x' * 40}" for place in range(900)))
    job = make_detection_job(spec={"evaluationJobConfig": {"exampleSamplePercentage": 1}})
    file = write_manifests(tmp_path / "many.yaml", job, make_spec_set(labels=labels))
    thresholds = ",".join(f"{place / 100}" for place in range(101))
    found = evaluation("-f", file, "--table", table, "--thresholds", thresholds)
    assert len(json.dumps(found)) <= 16 * 1024
    metrics = found["spec"]["evaluationMetrics"]["objectDetectionMetrics"]
    shown = [
        it["confidenceThreshold"] for it in metrics["scorePrCurve"]["confidenceMetricsEntries"]
    ]
    assert (len(shown), shown[0], shown[-1]) == (50, 0.0, 1.0)
    assert found["spec"]["labelMetricsTotal"] == 902
