"""`evaluate`: the Evaluation from manifests and a table, with no cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from evaluation_operator.offline import validate_manifest
from tests.builders import Manifest, make_dataset, make_evaluation_job, make_spec_set, make_version
from tests.unit.cli.running import json_of, make_table, run_cli, write_manifests

# Four of five are right: the last row is taken for ripe, at 0.7.
ROWS = [(0.9, "ripe"), (0.8, "ripe"), (0.3, "unripe"), (0.1, "unripe"), (0.7, "unripe")]
JOB = make_evaluation_job(spec={"evaluationJobConfig": {"exampleSamplePercentage": 1}})


@pytest.fixture
def table(tmp_path: Path) -> str:
    return make_table(tmp_path / "table", ROWS)


@pytest.fixture
def files(tmp_path: Path) -> str:
    return write_manifests(tmp_path / "job.yaml", JOB, make_spec_set())


def evaluation(*arguments: str) -> Any:
    result = run_cli("evaluate", *arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    return json_of(result)


def test_the_evaluation_is_a_valid_resource_with_the_figures(table: str, files: str) -> None:
    found = evaluation("-f", files, "--table", table)
    assert (found["apiVersion"], found["kind"]) == ("evaluations.dev/v1beta1", "Evaluation")
    assert found["metadata"]["namespace"] == "fruit"
    assert validate_manifest(found) == []
    spec = found["spec"]
    assert (spec["evaluatedItemCount"], spec["accuracy"]) == (5, 0.8)
    curve = spec["evaluationMetrics"]["classificationMetrics"]["prCurve"]
    assert curve["meanAveragePrecision"] == pytest.approx(1.0)
    assert len(curve["confidenceMetricsEntries"]) == 24
    assert spec["resultsUri"] == ""


def test_people_see_figures_curve_and_confusions(table: str, files: str) -> None:
    result = run_cli("evaluate", "-f", files, "--table", table)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert ["Accuracy:", "0.8000"] in lines
    assert ["unripe", "ripe", "1"] in lines
    assert ["0.5", "0.8000", "0.8000", "0.8000", "0.8000", "0.8000"] in lines


def test_the_same_rows_give_the_same_digest(table: str, files: str, tmp_path: Path) -> None:
    again = make_table(tmp_path / "copy", list(ROWS))
    other = make_table(tmp_path / "other", [*ROWS[:4], (0.7, "ripe")])
    digests = [
        evaluation("-f", files, "--table", place)["spec"]["digest"]
        for place in (table, again, other)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_window_a_label_and_thresholds_narrow_it(table: str, files: str) -> None:
    spec = evaluation(
        *("-f", files, "--table", table, "--label", "ripe", "--thresholds", "0.9,0.5"),
        *("--window", "2026-03-01/2026-03-01T00:04:00Z"),
    )["spec"]
    assert spec["evaluatedItemCount"] == 4
    assert [line["displayName"] for line in spec["labelMetrics"]] == ["ripe"]
    entries = spec["evaluationMetrics"]["classificationMetrics"]["prCurve"][
        "confidenceMetricsEntries"
    ]
    assert [entry["confidenceThreshold"] for entry in entries] == [0.5, 0.9]


def test_a_version_brings_its_own_options(table: str, files: str, tmp_path: Path) -> None:
    window = {"startTime": "2026-03-01T00:00:00Z", "endTime": "2026-03-01T00:02:00Z"}
    version = write_manifests(tmp_path / "v.yaml", make_version(spec={"window": window}))
    found = evaluation("-f", files, "-f", version, "--table", table)
    assert found["metadata"]["name"] == "evjv-ripeness-again"
    assert found["spec"]["evaluationJobVersion"] == "ripeness-again"
    assert found["spec"]["evaluatedItemCount"] == 2


def test_a_dataset_is_computed_again_with_the_labels_of_its_time(
    table: str, tmp_path: Path
) -> None:
    cut = {"uri": "file:///gone", "rowCount": 5, "time": "2026-03-04T10:00:00Z"}
    window = {"startTime": "2026-03-01T00:01:00Z", "endTime": "2026-03-03T10:00:00Z"}
    dataset = make_dataset(spec={"windows": [window]}, status={"cut": cut})
    found = evaluation("-f", write_manifests(tmp_path / "dataset.yaml", dataset), "--table", table)
    assert found["spec"]["evaluatedItemCount"] == 4
    assert found["spec"]["labelCutoffTime"] == "2026-03-04T10:00:00Z"


def test_the_full_result_is_kept_where_asked(table: str, files: str, tmp_path: Path) -> None:
    found = evaluation("-f", files, "--table", table, "--results", str(tmp_path / "kept"))
    folder = Path(found["spec"]["resultsUri"].removeprefix("file://"))
    assert folder.is_relative_to(tmp_path / "kept")
    assert pq.read_table(folder / "rows.parquet").num_rows == 5
    assert (folder / "manifest.json").exists()


def test_labels_that_come_between_two_runs_count(files: str, tmp_path: Path) -> None:
    """Each run on a laptop cuts anew, though an earlier full result lies beside."""
    table = make_table(tmp_path / "table", [(0.9, "ripe"), (0.2, None)])
    options = ("-f", files, "--table", table, "--results", str(tmp_path / "kept"))
    before = evaluation(*options)["spec"]
    labels = tmp_path / "labels.jsonl"
    labels.write_text('{"id": "row-1", "groundtruth": {"predictions": [{"labels": ["unripe"]}]}}')
    assert run_cli("labels", "import", str(labels), "--table", table).exit_code == 0
    after = evaluation(*options)["spec"]
    assert (before["evaluatedItemCount"], after["evaluatedItemCount"]) == (1, 2)


BAD_INPUT: dict[str, tuple[list[Manifest], list[str], str]] = {
    "no spec set": ([JOB], [], "no AnnotationSpecSet ripeness in these files"),
    "no job": ([make_spec_set()], [], "no EvaluationJob in these files"),
    "two jobs": (
        [JOB, make_evaluation_job("other", spec={"modelVersion": "models/m/versions/v"})],
        [],
        "choose one with --job",
    ),
    "unknown label": ([JOB, make_spec_set()], ["--label", "rotten"], "'rotten' is none of"),
    "bad threshold": ([JOB, make_spec_set()], ["--thresholds", "inf"], "write finite numbers"),
    "bad window": ([JOB, make_spec_set()], ["--window", "march"], "write START/END"),
    "naive window": (
        [JOB, make_spec_set()],
        ["--window", "2026-03-01T10:00/2026-03-02"],
        "add Z for UTC",
    ),
    "window the wrong way round": (
        [JOB, make_spec_set()],
        ["--window", "2026-03-02/2026-03-01"],
        "ends before it starts",
    ),
    "no rows": (
        [JOB, make_spec_set()],
        ["--window", "2025-03-02/2025-03-03"],
        "has no rows of models/ripeness/versions/v1 in its windows",
    ),
    "unknown scheme": ([JOB, make_spec_set()], ["--table", "ftp://x/y"], '"ftp" is unknown'),
    "no such folder": ([JOB, make_spec_set()], ["--table", "/no/table"], "no such folder here"),
    "results nowhere": ([JOB, make_spec_set()], ["--results", "ftp://x/y"], "results go to file"),
    "faulty manifest": (
        [make_evaluation_job(spec={"schedule": "hourly"}), make_spec_set()],
        [],
        "EvaluationJob/ripeness: spec.schedule",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_named_with_its_cure(case: str, table: str, tmp_path: Path) -> None:
    manifests, options, message = BAD_INPUT[case]
    file = write_manifests(tmp_path / "bad.yaml", *manifests)
    where = [] if "--table" in options else ["--table", table]
    result = run_cli("evaluate", "-f", file, *where, *options)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert message in result.stderr


def test_rows_without_ground_truth_say_how_to_import_it(files: str, tmp_path: Path) -> None:
    table = make_table(tmp_path / "bare", [(0.9, None)])
    result = run_cli("evaluate", "-f", files, "--table", table)
    assert result.exit_code == 1
    assert "kubectl evaluations labels import" in result.stderr


def test_items_with_scores_beside_one_without_are_a_run_without_scores(
    tmp_path: Path, files: str
) -> None:
    """The labels of the others behind their first counted among the scored ones, and the run
    ended in an error."""
    scored = {"labels": ["ripe", "unripe"], "scores": [0.9, 0.1]}
    lines = [
        {
            "time": "2026-03-01T00:00:00Z",
            "id": f"row-{number}",
            "raw_data": json.dumps({"instances": [number]}),
            "raw_prediction": json.dumps({"predictions": [predicted]}),
            "groundtruth": json.dumps({"predictions": [{"labels": [true]}]}),
        }
        for number, (predicted, true) in enumerate(
            [(scored, "ripe"), (scored, "unripe"), ("ripe", "ripe")]
        )
    ]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = str(tmp_path / "mixed")
    model = ("--model", "ripeness", "--version", "v1")
    assert run_cli("rows", "import", str(source), "--table", table, *model).exit_code == 0
    spec = evaluation("-f", files, "--table", table)["spec"]
    assert (spec["evaluatedItemCount"], spec["itemCounts"]["unscored"]) == (3, 1)
    third = pytest.approx(2 / 3)
    assert spec["accuracy"] == third
    assert spec["evaluationMetrics"]["classificationMetrics"]["prCurve"] == {
        "confidenceMetricsEntries": [
            {"recallAt1": third, "precisionAt1": third, "f1ScoreAt1": third}
        ]
    }


def test_labels_without_scores_have_an_accuracy_and_no_curve(tmp_path: Path, files: str) -> None:
    """A score of 1 that nobody gave would make a curve that nobody measured."""
    rows = [("ripe", "ripe"), ("unripe", "ripe"), ("unripe", "unripe"), ("ripe", "ripe")]
    lines = [
        {
            "time": "2026-03-01T00:00:00Z",
            "id": f"row-{number}",
            "raw_data": json.dumps({"instances": [number]}),
            "raw_prediction": json.dumps({"predictions": [predicted]}),
            "groundtruth": json.dumps({"predictions": [{"labels": [true]}]}),
        }
        for number, (predicted, true) in enumerate(rows)
    ]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = str(tmp_path / "labels")
    model = ("--model", "ripeness", "--version", "v1")
    taken = run_cli("rows", "import", str(source), "--table", table, *model)
    assert taken.exit_code == 0, taken.output
    spec = evaluation("-f", files, "--table", table)["spec"]
    assert (spec["evaluatedItemCount"], spec["accuracy"]) == (4, 0.75)
    assert spec["itemCounts"]["unscored"] == 4
    assert "meanAveragePrecision" not in spec
    assert spec["evaluationMetrics"]["classificationMetrics"]["prCurve"] == {
        "confidenceMetricsEntries": [{"recallAt1": 0.75, "precisionAt1": 0.75, "f1ScoreAt1": 0.75}]
    }
    assert any("labels without scores" in text for text in spec["warnings"])
    shown = run_cli("evaluate", "-f", files, "--table", table)
    assert shown.exit_code == 0, shown.output
    assert ["Accuracy:", "0.7500"] in [line.split() for line in shown.stdout.splitlines()]


def test_percentages_have_a_curve_over_their_own_range(tmp_path: Path, files: str) -> None:
    table = make_table(tmp_path / "percent", [(97.5, "ripe"), (60.2, "unripe"), (2.5, "unripe")])
    spec = evaluation("-f", files, "--table", table)["spec"]
    entries = spec["evaluationMetrics"]["classificationMetrics"]["prCurve"]
    thresholds = [it["confidenceThreshold"] for it in entries["confidenceMetricsEntries"]]
    assert (thresholds[0], thresholds[-1]) == (-96.5, 97.5)
    assert any("scores lie outside 0..1" in text for text in spec["warnings"])
    asked = evaluation("-f", files, "--table", table, "--thresholds", "5")["spec"]
    curve = asked["evaluationMetrics"]["classificationMetrics"]["prCurve"]
    assert [it["confidenceThreshold"] for it in curve["confidenceMetricsEntries"]] == [5]
    assert not any("scores lie outside" in text for text in asked.get("warnings", []))
