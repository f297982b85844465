"""`kubectl evaluations labeling` against a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evaluation_operator.domain.naming import LABEL_JOB
from tests.builders import ABSENT, Manifest, make_dataset, make_evaluation, make_human_job, merged
from tests.cluster.control_plane import ControlPlane
from tests.integration.test_cli import Namespace
from tests.unit.cli.running import json_of

pytestmark = pytest.mark.integration

WAITING = "evj-ripeness-29541240"
CUTTING = "evj-ripeness-29542680"
ENDED = "evj-ripeness-29538360"
WHERE = "people label at https://labels.example/projects/7: 412 of 500 items are done"


@pytest.fixture(scope="module")
def vineyard(control_plane: ControlPlane) -> Iterator[Namespace]:
    control_plane.kubectl("create", "namespace", "vineyard")
    yield Namespace(control_plane, "vineyard")
    control_plane.kubectl("delete", "namespace", "vineyard", "--timeout=60s")


def make_run(name: str, uid: str, scheduled: str, **changes: Any) -> Manifest:
    labeling = {
        "instruction": {"displayName": "How to tell", "dataType": "IMAGE"},
        "annotatedDatasetDisplayName": "Ripeness",
        "deadline": "48h",
    }
    spec = {
        "evaluationJob": {"uid": uid},
        "scheduledTime": scheduled,
        "labeling": labeling,
    }
    here = {"namespace": "vineyard", "labels": {LABEL_JOB: "ripeness"}}
    run = make_dataset(name, metadata=here, spec=spec)
    return merged(run, {"spec": changes})


def labeled(status: str, reason: str, message: str) -> Manifest:
    return {
        "type": "Labeled",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-03-03T10:00:00Z",
    }


@pytest.fixture
def namespace(vineyard: Namespace) -> Iterator[Namespace]:
    """With a job of which one run waits for people, one is being cut, and one has ended."""
    vineyard.apply(make_human_job(metadata={"namespace": "vineyard"}))
    uid = vineyard.get("evj", "ripeness")["metadata"]["uid"]
    vineyard.apply(
        make_run(ENDED, uid, "2026-03-01T10:00:00Z"),
        make_run(WAITING, uid, "2026-03-03T10:00:00Z"),
        make_run(CUTTING, uid, "2026-03-04T10:00:00Z"),
        make_run("evj-other-1", "somebody-else", "2026-03-04T10:00:00Z"),
        make_run("evj-ripeness-1", uid, "2026-03-04T10:00:00Z", labeling=ABSENT),
        make_evaluation(
            ENDED,
            metadata={"namespace": "vineyard"},
            spec={
                "labeling": {
                    "askedItemCount": 500,
                    "answeredItemCount": 500,
                    "unresolvedItemCount": 7,
                    "annotatorCount": 4,
                    "agreement": 0.8312,
                }
            },
        ),
    )
    cut = {"uri": "file:///x", "rowCount": 500, "time": "2026-03-03T10:01:00Z"}
    status = {
        "cut": cut,
        "progressPercent": 82,
        "completedCount": 412,
        "totalCount": 500,
        "conditions": [labeled("False", "Labeling", WHERE)],
        "partialFailures": [{"code": 3, "message": "item x, annotator 4: 'blue': no label"}],
    }
    vineyard.set_status("evds", WAITING, status)
    outcome = {"result": "Succeeded", "time": "2026-03-02T10:00:00Z", "evaluation": ENDED}
    vineyard.set_status("evds", ENDED, {"cut": cut, "outcome": outcome})
    latest = {"name": ENDED, "meanAveragePrecision": 0.7}
    vineyard.set_status("evj", "ripeness", {"latestEvaluation": latest})
    yield vineyard
    vineyard.kubectl("delete", "evj,evds,evaluations.evaluations.dev", "--all")


def test_it_shows_who_is_waited_for_and_how_much_people_agreed(namespace: Namespace) -> None:
    result = namespace.run("labeling", "ripeness")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [WAITING, "412", "500", "82", "Labeling", "2026-03-05T10:01:00Z"] in lines
    assert [CUTTING, "-", "-", "-", "Cutting", "-"] in lines
    assert WHERE in result.stdout
    assert "item x, annotator 4: 'blue': no label" in result.stdout
    assert [ENDED, "500", "500", "7", "4", "0.8312"] in lines

    found = json_of(namespace.run("labeling", "ripeness", "-o", "json"))
    assert [it["name"] for it in found["runs"]] == [CUTTING, WAITING, ENDED]
    assert found["runs"][1]["deadline"] == "2026-03-05T10:01:00Z"
    assert found["runs"][2]["outcome"] == "Succeeded"
    assert found["latestLabeling"]["agreement"] == 0.8312


def test_a_job_that_is_not_there_is_told(namespace: Namespace) -> None:
    result = namespace.run("labeling", "nobody")
    assert result.exit_code == 1
    assert "nobody" in result.stderr


def test_labels_that_came_late_are_told_with_what_holds_now(namespace: Namespace) -> None:
    assert "came after" not in namespace.run("labeling", "ripeness").stdout
    uid = namespace.get("evj", "ripeness")["metadata"]["uid"]
    revision = {"run": ENDED, "number": 1, "supersedes": ENDED, "newLabelCount": 90}
    newest = f"{ENDED}-r1"
    namespace.apply(
        make_run(newest, uid, "2026-03-01T10:00:00Z", labeling=ABSENT, revision=revision)
    )
    namespace.set_status("evds", ENDED, {"newLabelCount": 123})
    for name in (ENDED, newest):
        outcome = {"result": "Succeeded", "time": "2026-03-02T10:00:00Z", "evaluation": name}
        namespace.set_status("evds", name, {"outcome": outcome})
    lines = [line.split() for line in namespace.run("labeling", "ripeness").stdout.splitlines()]
    assert [ENDED, "123", newest] in lines
    found = json_of(namespace.run("labeling", "ripeness", "-o", "json"))["lateLabels"]
    assert found == [{"run": ENDED, "newLabelCount": 123, "newestEvaluation": newest}]
