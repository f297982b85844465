"""`kubectl evaluations` against a real API server.

No operator runs here: what it would write into a status is written by the test, so that each
state can be looked at for as long as it takes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import Result

from tests.builders import (
    CREATE_TIME,
    NAMESPACE,
    Manifest,
    make_evaluation,
    make_evaluation_job,
    make_spec_set,
    make_version,
)
from tests.cluster.control_plane import ControlPlane
from tests.cluster.host import ClusterError, wait_until
from tests.unit.cli.running import json_of, run_cli, write_manifests

pytestmark = pytest.mark.integration

RUN = "evj-ripeness-29541240"
HELD_UP = "FailedCreate: exceeded quota: pods; raise the ResourceQuota"
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Ready",
    "message": "runs are scheduled",
    "lastTransitionTime": CREATE_TIME,
}
JOB_STATUS = {
    "state": "RUNNING",
    "conditions": [READY],
    "intervalDays": 2,
    "scheduleExplanation": "every 2 days: a run every 2 days at 10:00 UTC",
    "nextRunTime": "2026-03-05T10:00:00Z",
    "lastRunTime": "2026-03-03T10:00:00Z",
    "failedRuns": 1,
    "totalAttempts": 1,
    "active": [
        {
            "name": RUN,
            "scheduledTime": "2026-03-03T10:00:00Z",
            "phase": "Queuing",
            "reason": "FailedCreate",
            "message": HELD_UP,
        }
    ],
    "attempts": [
        {
            "attemptTime": "2026-03-03T10:05:00Z",
            "dataset": "evj-ripeness-29538360",
            "partialFailures": [{"code": 9, "message": "none of 10 items has ground truth"}],
        }
    ],
    "latestEvaluation": {"name": RUN, "meanAveragePrecision": 0.7},
}


class Namespace:
    """A test module's namespace, seen through kubectl and through the command line."""

    def __init__(self, control_plane: ControlPlane, name: str = NAMESPACE) -> None:
        self._control_plane = control_plane
        self._name = name

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self._control_plane.kubectl("-n", self._name, *arguments, stdin=stdin)

    def apply(self, *manifests: Manifest) -> None:
        self.kubectl("create", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def get(self, kind: str, name: str) -> Any:
        return json.loads(self.kubectl("get", kind, name, "-o", "json", "--show-managed-fields"))

    def set_status(self, kind: str, name: str, status: Manifest) -> None:
        patch = json.dumps({"status": status})
        self.kubectl(
            "patch", kind, name, "--subresource=status", "--type=merge", f"--patch={patch}"
        )

    def run(self, *arguments: str, namespace: str | None = None) -> Result:
        kubeconfig = str(self._control_plane.kubeconfig)
        return run_cli(*arguments, "--kubeconfig", kubeconfig, "-n", namespace or self._name)


@pytest.fixture(scope="module")
def empty_namespace(control_plane: ControlPlane) -> Iterator[Namespace]:
    control_plane.kubectl("create", "namespace", NAMESPACE)
    yield Namespace(control_plane)
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--timeout=60s")


@pytest.fixture
def namespace(empty_namespace: Namespace) -> Iterator[Namespace]:
    """With the job `ripeness` and its labels; what a test makes goes with it."""
    empty_namespace.apply(make_evaluation_job(), make_spec_set())
    yield empty_namespace
    empty_namespace.kubectl("delete", "evj,evjv,specset,evaluations.evaluations.dev", "--all")


class Operator:
    """Plays the operator's part for one version: one status after the other, as each is seen."""

    def __init__(self, namespace: Namespace, version: str, *statuses: Manifest) -> None:
        self._namespace = namespace
        self._version = version
        self._statuses = statuses
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()

    def _play(self) -> None:
        wait_until(self._exists, f"version {self._version}", 60)
        for status in self._statuses:
            self._namespace.set_status("evjv", self._version, status)

    def _exists(self) -> bool:
        try:
            self._namespace.get("evjv", self._version)
        except ClusterError:
            return False
        return True


def test_list_shows_state_interval_and_figure(namespace: Namespace) -> None:
    namespace.set_status("evj", "ripeness", JOB_STATUS)
    header, line = namespace.run("list").stdout.splitlines()
    assert header.split() == [
        *("NAME", "STATE", "READY", "REASON", "HELD", "UP", "INTERVAL", "NEXT", "RUN"),
        *("mAP", "ACTIVE", "AGE"),
    ]
    assert line.split()[:-1] == [
        *("ripeness", "RUNNING", "True", "Ready", "FailedCreate", "2", "days"),
        *("2026-03-05T10:00:00Z", "0.7000", "1"),
    ]


def test_list_of_every_namespace_says_which(namespace: Namespace) -> None:
    lines = namespace.run("list", "-A").stdout.splitlines()
    assert ["fruit", "ripeness"] in [line.split()[:2] for line in lines]
    found = json_of(namespace.run("list", "-A", "-o", "json"))
    seen = {tuple(it["metadata"][key] for key in ("namespace", "name")) for it in found["items"]}
    assert ("fruit", "ripeness") in seen


def test_list_of_an_empty_namespace_says_so(namespace: Namespace) -> None:
    result = namespace.run("list", namespace="default")
    assert (result.exit_code, result.stdout) == (0, "no EvaluationJobs in namespace default\n")


def test_describe_tells_all_of_a_job(namespace: Namespace) -> None:
    namespace.set_status("evj", "ripeness", JOB_STATUS)
    namespace.apply(make_version("again"), make_evaluation(RUN))
    version = {"number": 1, "state": "Completed", "meanAveragePrecision": 0.61}
    namespace.set_status("evjv", "again", version)
    shown = namespace.run("describe", "ripeness").stdout
    assert "every 2 days: a run every 2 days at 10:00 UTC" in shown
    assert "none of 10 items has ground truth" in shown
    assert shown.startswith("Needs you:  Unattended (due for "), "no operator runs here"
    assert f"And:        FailedCreate (run {RUN}): exceeded quota: pods; raise" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["State:", "RUNNING"] in lines
    assert any(
        line[:5] == ["Next", "run:", "2026-03-05T10:00:00Z", "(due", "for"] for line in lines
    )
    assert any(
        line[:3] == ["Ready", "True", "Ready"] and line[4:] == ["runs", "are", "scheduled"]
        for line in lines
    )
    assert any(line[:2] == [RUN, "2026-03-03T10:00:00Z"] and "Queuing" in line for line in lines)
    assert ["1", "again", "Completed", "0.6100", "-"] in lines
    assert ["mAP:", "0.7000"] in lines


def test_describe_as_json_holds_the_objects(namespace: Namespace) -> None:
    namespace.apply(make_version("again"))
    found = json_of(namespace.run("describe", "ripeness", "-o", "json"))
    assert found["evaluationJob"]["metadata"]["name"] == "ripeness"
    assert [it["metadata"]["name"] for it in found["evaluationJobVersions"]] == ["again"]
    assert found["latestEvaluation"] is None


@pytest.mark.parametrize("command", ["describe", "pause", "resume", "run"])
def test_a_job_that_is_not_there_is_not_found(namespace: Namespace, command: str) -> None:
    result = namespace.run(command, "absent")
    assert (result.exit_code, result.stdout) == (1, "")
    assert 'evaluationjobs.evaluations.dev "absent" not found' in result.stderr
    error = json_of(namespace.run(command, "absent", "-o", "json"))["error"]
    assert (error["code"], error["status"]) == (5, "NOT_FOUND")


def test_pause_and_resume_own_that_one_field(namespace: Namespace) -> None:
    before = namespace.get("evj", "ripeness")["spec"]
    result = namespace.run("pause", "ripeness")
    assert result.exit_code == 0
    assert "GitOps" in result.stderr
    paused = namespace.get("evj", "ripeness")
    assert paused["spec"] == before | {"paused": True}
    namespace.run("resume", "ripeness")
    resumed = namespace.get("evj", "ripeness")
    assert resumed["spec"] == before | {"paused": False}
    owned = [
        entry["fieldsV1"]
        for entry in resumed["metadata"]["managedFields"]
        if entry["manager"] == "kubectl-evaluations"
    ]
    assert owned == [{"f:spec": {"f:paused": {}}}]


def test_run_makes_a_version_with_its_options(namespace: Namespace, tmp_path: Path) -> None:
    template = {"resources": {"requests": {"cpu": "2"}}}
    file = write_manifests(tmp_path / "v.yaml", make_version(spec={"runTemplate": template}))
    result = namespace.run(
        *("run", "ripeness", "--label", "ripe", "--label", "unripe", "--queue-name", "gpu"),
        *("--window", "2026-03-01/2026-03-02", "--thresholds", "0.9,0.5", "-f", file),
        *("--description", "both", "-o", "json"),
    )
    assert result.exit_code == 0, result.output
    name = json_of(result)["metadata"]["name"]
    assert name.startswith("ripeness-")
    assert namespace.get("evjv", name)["spec"] == {
        "evaluationJob": "ripeness",
        "description": "both",
        "labels": ["ripe", "unripe"],
        "scoreThresholds": [0.5, 0.9],
        "window": {"startTime": "2026-03-01T00:00:00Z", "endTime": "2026-03-02T00:00:00Z"},
        "runTemplate": template | {"queueName": "gpu"},
    }


def test_run_says_what_was_created_and_how_to_follow_it(namespace: Namespace) -> None:
    shown = namespace.run("run", "ripeness", "--name", "once").stdout
    assert "evaluationjobversion.evaluations.dev/once created" in shown
    assert "kubectl get evjv once -n fruit --watch" in shown


BAD_RUNS = {
    "a name that is taken": (["--name", "taken"], "choose another name"),
    "a name that is too long": (["--name", "n" * 54], "more than 53 characters"),
    "a window and a Dataset": (
        ["--window", "2026-03-01/2026-03-02", "--dataset", "d"],
        "leave one of them out",
    ),
    "a duration of nobody": (["--timeout", "soon"], "'soon' is not a duration"),
    "a file without a version": (["-f", "{tmp_path}/set.yaml"], "holds 0 EvaluationJobVersions"),
    "a file of another job": (["-f", "{tmp_path}/other.yaml"], "is of EvaluationJob 'other'"),
}


@pytest.mark.parametrize("case", BAD_RUNS)
def test_a_run_that_cannot_be_is_refused(namespace: Namespace, tmp_path: Path, case: str) -> None:
    arguments, message = BAD_RUNS[case]
    namespace.apply(make_version("taken"))
    write_manifests(tmp_path / "set.yaml", make_spec_set())
    write_manifests(tmp_path / "other.yaml", make_version(spec={"evaluationJob": "other"}))
    given = [argument.format(tmp_path=tmp_path) for argument in arguments]
    result = namespace.run("run", "ripeness", *given)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr


def test_waiting_follows_a_version_to_its_evaluation(namespace: Namespace) -> None:
    evaluation = make_evaluation("evjv-once")
    namespace.apply(evaluation)
    done = {"state": "Completed", "evaluation": "evjv-once", "message": "published"}
    with Operator(namespace, "once", {"state": "Creating", "message": "is created"}, done):
        result = namespace.run("run", "ripeness", "--name", "once", "--wait", "--timeout", "60s")
    assert result.exit_code == 0, result.output
    assert "once: Completed: published" in result.stderr
    assert ["mAP:", "0.7000"] in [line.split() for line in result.stdout.splitlines()]


def test_waiting_for_json_gives_the_evaluation_alone(namespace: Namespace) -> None:
    namespace.apply(make_evaluation("evjv-once"))
    with Operator(namespace, "once", {"state": "Completed", "evaluation": "evjv-once"}):
        result = namespace.run("run", "ripeness", "--name", "once", "--wait", "-o", "json")
    assert json_of(result)["kind"] == "Evaluation"


@pytest.mark.parametrize(
    ("status", "exit_code", "expected"),
    [
        ({"state": "Completed", "message": "no rows to evaluate"}, 0, "no rows to evaluate"),
        (
            {
                "state": "Failed",
                "message": "nothing usable",
                "partialFailures": [{"code": 3, "message": "row 7: scores: 1.5"}],
            },
            1,
            "row 7: scores: 1.5",
        ),
        ({"state": "Terminated", "message": "by spec.terminate"}, 3, "was terminated"),
        (
            {
                "state": "Failed",
                "message": "image is not allowed",
                "conditions": [READY | {"type": "Stalled", "reason": "InvalidSpec"}],
            },
            1,
            "image is not allowed",
        ),
    ],
    ids=["no data", "failed", "terminated", "refused"],
)
def test_waiting_exits_as_the_version_ended(
    namespace: Namespace, status: Manifest, exit_code: int, expected: str
) -> None:
    with Operator(namespace, "once", status):
        result = namespace.run("run", "ripeness", "--name", "once", "--wait")
    assert result.exit_code == exit_code
    assert expected in result.output


def test_waiting_is_over_when_the_time_is(namespace: Namespace) -> None:
    result = namespace.run("run", "ripeness", "--name", "once", "--wait", "--timeout", "1s")
    assert result.exit_code == 3
    assert "once: waits for the operator" in result.stderr
    assert "kubectl get evjv once -n fruit" in result.stderr


def test_namespace_and_context_come_from_the_kubeconfig(
    control_plane: ControlPlane, namespace: Namespace, tmp_path: Path
) -> None:
    content = yaml.safe_load(control_plane.kubeconfig.read_text())
    first = content["contexts"][0]
    content["contexts"] += [
        {"name": "fruit", "context": first["context"] | {"namespace": NAMESPACE}},
        {"name": "bare", "context": first["context"]},
    ]
    content["current-context"] = "fruit"
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(content))
    assert "ripeness" in run_cli("list", "--kubeconfig", str(file)).stdout
    elsewhere = run_cli("list", "--kubeconfig", str(file), "--context", "bare")
    assert elsewhere.stdout == "no EvaluationJobs in namespace default\n"
    unknown = run_cli("list", "--kubeconfig", str(file), "--context", "moon")
    assert unknown.exit_code == 1
    assert "context moon" in unknown.stderr


def test_labels_are_imported_for_a_job_of_the_cluster(namespace: Namespace, tmp_path: Path) -> None:
    """Its model version is read from it, and stands beside each label."""
    labels = tmp_path / "labels.jsonl"
    labels.write_text(json.dumps({"id": "a", "groundtruth": {"predictions": []}}))
    (tmp_path / "table").mkdir()
    command = ("labels", "import", str(labels), "--table", str(tmp_path / "table"), "--job")
    done = namespace.run(*command, "ripeness")
    assert done.exit_code == 0, done.output
    (file,) = (tmp_path / "table" / "_labels").glob("*.parquet")
    (line,) = pq.read_table(file).to_pylist()
    assert (line["model"], line["model_version"]) == ("ripeness", "v1")
    missing = namespace.run(*command, "roses")
    assert missing.exit_code == 1
    assert "roses" in missing.stderr
