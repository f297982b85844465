"""The demo from its first line to its last, and its figures computed once more on a laptop."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.domain.headline import headline
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery
from manifests.demo.model.digits import MODEL, VERSIONS, row_id, split_images, train
from tests.cluster.settings import CHECKOUT
from tests.conftest import Tell
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
def table(live: Live, demo: Demonstration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo's table on this machine, with all that the sampler wrote."""
    folder = tmp_path_factory.mktemp("digits")
    source = f"{NAMESPACE}/evaluation-sampler-0:/var/lib/evaluations/table/digits"
    live.kubectl("cp", "--container", "sampler", source, folder)
    return folder


def read(table: Path, version: str) -> list[Body]:
    with closing(open_table(table.as_uri())) as opened:
        batches = opened.read_rows(RowQuery(MODEL, version))
        return [row for batch in batches for row in batch.to_pylist()]


def test_it_works_a_second_time(demo: Demonstration, tell: Tell) -> None:
    tell(f"--- the demo took {demo.seconds:.0f} s")
    assert demo.exit_code == 0, demo.output


def test_it_shows_both_evaluations_and_what_to_type_next(
    demo: Demonstration, latest: Mapping[str, Body], tell: Tell
) -> None:
    tell(demo.output)
    for body in latest.values():
        figure = headline(Evaluation.from_dict(body).spec).mean_average_precision
        assert figure is not None
        assert f"{figure:.4f}" in demo.output
        assert f"{body['spec']['accuracy']:.4f}" in demo.output
    for word in ("SCHEDULED", "10:00 UTC", "taken for", "export KUBECONFIG=", "cluster-down"):
        assert word in demo.output


def test_it_tells_how_predictions_became_rows_and_got_labels(demo: Demonstration) -> None:
    _, asked = split_images()
    count = len(asked.truth)
    for version in VERSIONS:
        assert f"{count} predictions by digits-{version}" in demo.output
        assert f"digits-{version}: {count} predictions seen, {count} sampled" in demo.output
    assert f"imported {2 * count} labels" in demo.output


def test_figures_are_those_of_the_served_models(latest: Mapping[str, Body]) -> None:
    _, asked = split_images()
    for version in VERSIONS:
        spec = latest[f"digits-{version}"]["spec"]
        scores = train(version).predict_proba(asked.greys / 255)
        right = float((scores.argmax(axis=1) == asked.truth).mean())
        assert spec["accuracy"] == pytest.approx(right, abs=1e-12)
        assert spec["evaluatedItemCount"] == len(asked.truth)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_prediction_is_one_row_however_often_the_demo_runs(table: Path, version: str) -> None:
    _, asked = split_images()
    ids = [row["id"] for row in read(table, version)]
    assert ids == [row_id(version, number) for number in range(len(asked.truth))]


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_came_later_than_the_rows(table: Path, version: str) -> None:
    rows = read(table, version)
    assert max(row["sampled_at"] for row in rows) < min(row["labeled_at"] for row in rows)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_model_is_served_by_kserve_behind_envoy(live: Live, version: str) -> None:
    (pod,) = [
        body
        for body in live.list("pods", NAMESPACE, f"app.kubernetes.io/version={version}")
        if "deletionTimestamp" not in body["metadata"]
    ]
    at = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}"
    served = json.loads(live.kubectl("get", "--raw", f"{at}:9080/proxy/v1/models/{MODEL}"))
    assert served == {"name": MODEL, "ready": True}
    metrics = live.kubectl("get", "--raw", f"{at}:9082/proxy/metrics").splitlines()
    drawn = next(line for line in metrics if line.startswith("envoy_http_lua_evaluation_drawn"))
    assert int(drawn.split()[-1]) >= len(split_images()[1].truth)


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
