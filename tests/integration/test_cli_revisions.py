"""`kubectl evaluations reevaluate` against a real API server, where the test plays the operator."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from evaluation_operator.domain.naming import ANNOTATION_REEVALUATE
from tests.builders import NAMESPACE, Manifest, make_dataset, make_evaluation, make_evaluation_job
from tests.cluster.control_plane import ControlPlane
from tests.cluster.host import wait_until
from tests.integration.test_cli import READY, Namespace
from tests.unit.cli.running import json_of

pytestmark = pytest.mark.integration

RUN = "evj-ripeness-29541240"
REVISION = f"{RUN}-r1"
LABELS = {"evaluations.dev/job": "ripeness"}
SUCCEEDED = {"result": "Succeeded", "time": "2026-03-03T10:01:00Z", "evaluation": RUN}


@pytest.fixture(scope="module")
def empty_namespace(control_plane: ControlPlane) -> Iterator[Namespace]:
    control_plane.kubectl("create", "namespace", NAMESPACE)
    yield Namespace(control_plane)
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--timeout=60s")


@pytest.fixture
def namespace(empty_namespace: Namespace) -> Iterator[Namespace]:
    """With the job `ripeness` and a run of it that succeeded."""
    empty_namespace.apply(make_evaluation_job())
    empty_namespace.apply(run_of(empty_namespace), make_evaluation(RUN))
    end(empty_namespace, RUN)
    yield empty_namespace
    kinds = "evj,datasets,evaluations.evaluations.dev"
    empty_namespace.kubectl("delete", kinds, "--all")


def run_of(namespace: Namespace, name: str = RUN, **spec: object) -> Manifest:
    uid = namespace.get("evj", "ripeness")["metadata"]["uid"]
    job = {"evaluationJob": {"name": "ripeness", "uid": uid}}
    return make_dataset(name, metadata={"labels": LABELS}, spec=job | spec)


def end(namespace: Namespace, name: str, **outcome: str) -> None:
    namespace.set_status("dataset", name, {"outcome": SUCCEEDED | outcome})


def request_of(namespace: Namespace) -> str:
    annotations = namespace.get("evj", "ripeness")["metadata"].get("annotations", {})
    return str(annotations.get(ANNOTATION_REEVALUATE, ""))


class Operator:
    """Makes the revision that is asked for, and ends it as the test wants."""

    def __init__(self, namespace: Namespace, **outcome: str) -> None:
        self._namespace = namespace
        self._outcome = outcome
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()

    def _play(self) -> None:
        namespace = self._namespace
        wait_until(lambda: bool(request_of(namespace)), "a request", 60)
        revision = {"run": RUN, "number": 1, "supersedes": RUN, "request": request_of(namespace)}
        namespace.apply(run_of(namespace, REVISION, revision=revision, sourceDataset=RUN))
        if self._outcome["result"] == "Succeeded":
            namespace.apply(make_evaluation(REVISION, spec={"supersedes": RUN}))
            namespace.set_status("evaluations.evaluations.dev", RUN, {"supersededBy": REVISION})
        end(namespace, REVISION, **self._outcome)


def test_a_run_is_asked_for_by_an_annotation_and_nothing_else(namespace: Namespace) -> None:
    before = namespace.get("evj", "ripeness")
    result = namespace.run("reevaluate", RUN)
    assert result.exit_code == 0
    assert f"evaluationjob.evaluations.dev/ripeness is to evaluate {RUN} again" in result.stdout
    after = namespace.get("evj", "ripeness")
    assert request_of(namespace).split()[0] == RUN
    assert len(request_of(namespace).split()) == 2
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


def test_waiting_shows_the_new_evaluation_and_what_it_supersedes(namespace: Namespace) -> None:
    with Operator(namespace, result="Succeeded", evaluation=REVISION):
        result = namespace.run("reevaluate", RUN, "--wait")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["Evaluation:", REVISION] in lines
    assert ["Supersedes:", RUN] in lines
    assert f"{REVISION}: Succeeded" in result.stderr
    namespace.set_status(
        "evj", "ripeness", {"conditions": [READY], "latestEvaluation": {"name": RUN}}
    )
    shown = namespace.run("describe", "ripeness").stdout
    assert f"{REVISION}: labels have come since, look at that one" in shown


def test_a_revision_that_fails_says_why(namespace: Namespace) -> None:
    with Operator(namespace, result="Failed", message="the table is gone"):
        result = namespace.run("reevaluate", RUN, "--wait", "-o", "json")
    found = json_of(result)
    assert result.exit_code == 1
    assert found["error"]["message"] == f"{REVISION} ended as Failed: the table is gone"


def test_waiting_ends_with_code_3_when_the_time_is_over(namespace: Namespace) -> None:
    not_ready = READY | {"status": "False", "reason": "TableInvalid", "message": "no column id"}
    namespace.set_status("evj", "ripeness", {"conditions": [not_ready]})
    result = namespace.run("reevaluate", RUN, "--wait", "--timeout", "1s")
    assert result.exit_code == 3
    assert "the job is not ready: TableInvalid: no column id" in result.stderr


def test_what_cannot_be_evaluated_again_is_refused_with_the_cure(namespace: Namespace) -> None:
    version = {"name": "again", "uid": "uid-of-again"}
    revision = {"run": RUN, "number": 1, "supersedes": RUN}
    namespace.apply(
        run_of(namespace, "evjv-again", evaluationJobVersion=version),
        run_of(namespace, REVISION, revision=revision),
        run_of(namespace, "evj-ripeness-1"),
        run_of(namespace, "evj-ripeness-2"),
        run_of(namespace, "evj-ripeness-3", evaluationJob={"name": "ripeness", "uid": "other"}),
    )
    for name, result in ((REVISION, "Succeeded"), ("evj-ripeness-2", "NoData")):
        end(namespace, name, result=result)
    end(namespace, "evj-ripeness-3")
    refusals = {
        "evj-ripeness-0": "run 'evj-ripeness-0' does not exist",
        "evjv-again": "make another version with `kubectl evaluations run ripeness`",
        REVISION: f"name the run itself, {RUN}",
        "evj-ripeness-1": "has not ended: wait for its Evaluation",
        "evj-ripeness-2": "ended as NoData",
        "evj-ripeness-3": "is gone: name a newer run",
    }
    for name, why in refusals.items():
        refused = namespace.run("reevaluate", name)
        assert refused.exit_code == 1
        assert why in refused.stderr
    assert request_of(namespace) == ""


def test_a_request_that_nobody_has_seen_is_not_overwritten(namespace: Namespace) -> None:
    assert namespace.run("reevaluate", RUN).exit_code == 0
    waiting = request_of(namespace)
    refused = json.loads(namespace.run("reevaluate", RUN, "-o", "json").stdout)
    assert waiting in refused["error"]["message"]
    assert request_of(namespace) == waiting
    namespace.kubectl("annotate", "evj", "ripeness", f"{ANNOTATION_REEVALUATE}-")
    assert namespace.run("reevaluate", RUN).exit_code == 0
