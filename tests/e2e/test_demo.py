"""The demo from its first line to its last, and its figures computed once more on a laptop."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.cli.summary import mean_average_precision
from evaluation_operator.tables.importing import read_label_file, read_row_file
from evaluation_operator.tables.open import open_table
from manifests.demo.digits import build_files, predict_held_out_images
from tests.cluster.settings import CHECKOUT
from tests.e2e.demonstration import Demonstration
from tests.e2e.live import Body, Live

pytestmark = pytest.mark.cluster

NAMESPACE = "digits"
COMPUTED_ANEW = ("createTime", "labelCutoffTime", "resultsUri", "evaluationJobRunTime", "dataset")
COMPUTED_FROM_MANIFESTS = (*COMPUTED_ANEW, "evaluationJobVersion")


@pytest.fixture(scope="module")
def latest(live: Live, demo: Demonstration) -> Mapping[str, Body]:
    """The newest Evaluation of each of the demo's jobs."""
    found = live.list("evaluation", NAMESPACE)
    found.sort(key=lambda body: str(body["spec"]["createTime"]))
    return {body["spec"]["evaluationJob"]: body for body in found}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo's rows and labels, as a table on this machine."""
    files, folder = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("digits")
    copy = open_table(folder.as_uri())
    for name, content in build_files(predict_held_out_images()).items():
        (files / name).write_bytes(content)
    for file in files.glob("rows-*.parquet"):
        copy.append_rows(read_row_file(file))
    copy.append_labels(read_label_file(files / "labels.parquet", labeled_at=datetime.now(UTC)))
    copy.close()
    return folder


def test_it_works_a_second_time_within_two_minutes(demo: Demonstration) -> None:
    assert demo.exit_code == 0, demo.output
    assert demo.seconds < 120


def test_it_shows_both_evaluations_and_what_to_type_next(
    demo: Demonstration, latest: Mapping[str, Body], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{demo.output}")
    for body in latest.values():
        figure = mean_average_precision(Evaluation.from_dict(body))
        assert figure is not None
        assert f"{figure:.4f}" in demo.output
        assert f"{body['spec']['accuracy']:.4f}" in demo.output
    for word in ("SCHEDULED", "10:00 UTC", "taken for", "export KUBECONFIG=", "cluster-down"):
        assert word in demo.output


def test_figures_are_those_of_the_predictions_themselves(latest: Mapping[str, Body]) -> None:
    predictions = predict_held_out_images()
    for version, scores in predictions.scores.items():
        spec = latest[f"digits-{version}"]["spec"]
        right = float((scores.argmax(axis=1) == predictions.truth).mean())
        assert spec["accuracy"] == pytest.approx(right, abs=1e-12)
        assert spec["evaluatedItemCount"] == len(predictions.truth)


def test_rows_are_loaded_once_however_often_the_demo_runs(live: Live, demo: Demonstration) -> None:
    assert len(live.list("jobs", NAMESPACE, "!app.kubernetes.io/managed-by")) == 1


@pytest.mark.parametrize("job", ["digits-v1", "digits-v2"])
def test_a_laptop_computes_the_same_from_the_runs_dataset(
    live: Live, latest: Mapping[str, Body], table: Path, tmp_path: Path, job: str
) -> None:
    published = latest[job]["spec"]
    order = tmp_path / "dataset.json"
    order.write_text(json.dumps(live.get("evds", published["dataset"], NAMESPACE)))

    computed = evaluate_here(order, table)

    assert computed["digest"] == published["digest"]
    assert without(computed, COMPUTED_ANEW) == without(published, COMPUTED_ANEW)


@pytest.mark.parametrize("job", ["digits-v1", "digits-v2"])
def test_a_laptop_computes_the_same_from_the_manifests(
    latest: Mapping[str, Body], table: Path, job: str
) -> None:
    published = latest[job]["spec"]
    manifests = CHECKOUT / "manifests" / "demo" / "jobs.yaml"

    computed = evaluate_here(manifests, table, "--job", job)

    assert computed["digest"] == published["digest"]
    assert without(computed, COMPUTED_FROM_MANIFESTS) == without(published, COMPUTED_FROM_MANIFESTS)


def evaluate_here(file: Path, table: Path, *options: str) -> Body:
    program = Path(sys.executable).with_name("kubectl-evaluations")
    ended = subprocess.run(
        [program, "evaluate", "-f", file, "--table", table, "-o", "json", *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    spec: Body = json.loads(ended.stdout)["spec"]
    return spec


def without(spec: Body, names: tuple[str, ...]) -> Body:
    return {name: value for name, value in spec.items() if name not in names}
