"""Predictions that are sent to two replicas of the sampler, and two runs over them.

One replica is killed, everything is sent twice, and the cap is exact all the same. At the first
run no label is there, so it fails; its rows go to the second, which has the labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.cluster.host import ClusterError
from tests.e2e.live import Body, Live, spec_set, table_uri, text_job

pytestmark = pytest.mark.cluster

LABELS = ("glad", "sad", "angry")
JOB = "live"
TABLE = "moods"
SENT = 60
CAP = 20
REPLICAS = 2

_POST = """
import sys, urllib.request
url = "http://localhost:8080/v1/jobs/{job}/predictions"
headers = {{"Content-Type": "application/json"}}
request = urllib.request.Request(url, sys.stdin.buffer.read(), headers)
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""

_KILL = """
import os, pathlib
for process in pathlib.Path("/proc").glob("[0-9]*"):
    words = (process / "cmdline").read_bytes().split(b"\\0")
    if words[1:2] and words[1].endswith(b"/evaluation-sampler"):
        os.kill(int(process.name), 9)
"""


def predictions(numbers: Sequence[int]) -> str:
    answer = {"labels": LABELS, "scores": [0.7, 0.2, 0.1]}
    return json.dumps(
        [
            {
                "id": f"message-{number}",
                "instances": [{"text": f"message {number}"}],
                "predictions": [answer],
            }
            for number in numbers
        ]
    )


def labels() -> str:
    truth = {"predictions": [{"labels": ["glad"]}]}
    return "".join(
        json.dumps({"id": f"message-{number}/0", "groundtruth": truth}) + "\n"
        for number in range(SENT)
    )


def send(live: Live, namespace: str, replica: int, numbers: Sequence[int]) -> None:
    program = ("python3", "-c", _POST.format(job=JOB))
    said = live.in_sampler(namespace, replica, *program, stdin=predictions(numbers))
    assert json.loads(said)["accepted"] == len(numbers)


def kill(live: Live, namespace: str, replica: int) -> None:
    """As the kernel would, with no time for any last word."""
    with suppress(ClusterError):  # what kills dies with it
        live.in_sampler(namespace, replica, "python3", "-c", _KILL)


def is_back(pod: Body) -> bool:
    (container,) = pod["status"]["containerStatuses"]
    return bool(container["restartCount"] == 1 and container["ready"])


def import_labels(live: Live, namespace: str) -> str:
    file = "/tmp/labels.jsonl"
    command = f"kubectl-evaluations labels import {file} --table {table_uri(TABLE)}"
    return live.in_sampler(namespace, 0, "sh", "-c", f"cat > {file} && {command}", stdin=labels())


@dataclass(frozen=True)
class Days:
    """The job after its first run and after its second, and when they were due."""

    namespace: str
    due: datetime
    after_first: Body
    after_second: Body


@pytest.fixture(scope="module")
def days(live: Live) -> Iterator[Days]:
    namespace = live.make_namespace("live")
    live.install_sampler(namespace, REPLICAS)
    source = {"inputUri": table_uri(TABLE), "persistentVolumeClaimName": "evaluations"}
    job = text_job(JOB, source, spec={"evaluationJobConfig": {"exampleCount": CAP}})
    live.apply(namespace, spec_set(LABELS), job)
    due = datetime.fromisoformat(live.wait_ready(JOB, namespace)["status"]["nextRunTime"])

    half = SENT // 2
    send(live, namespace, 0, range(half + 10))
    kill(live, namespace, 0)
    send(live, namespace, 1, range(SENT - 1, half - 10, -1))
    live.wait_for(
        "pod", "evaluation-sampler-0", namespace, is_back, "the killed replica to come back"
    )
    send(live, namespace, 0, range(half, SENT))

    first = run_at(live, namespace, due, "attempts")
    import_labels(live, namespace)
    second = run_at(live, namespace, due + timedelta(days=1), "latestEvaluation")
    yield Days(namespace, due, first, second)
    live.install()
    live.kubectl("delete", "namespace", namespace, "--wait=false")


def run_at(live: Live, namespace: str, due: datetime, field: str) -> Body:
    """The job once `field` is in its status, on that day by a shifted clock."""
    offset = due - datetime.now(UTC)
    live.install_sampler(namespace, REPLICAS, offset)
    live.install(offset, [namespace])
    return live.wait_for(
        "evaluationjob", JOB, namespace, lambda it: it["status"].get(field), f"its {field}"
    )


def test_a_run_before_any_label_fails_and_says_so(days: Days) -> None:
    status = days.after_first["status"]
    (attempt,) = status["attempts"]
    assert "ground truth" in attempt["partialFailures"][0]["message"]
    (window,) = status["retryWindows"]
    assert datetime.fromisoformat(window["endTime"]) == days.due
    assert "latestEvaluation" not in status


def test_its_rows_go_to_the_next_run_exactly_as_many_as_the_cap(live: Live, days: Days) -> None:
    latest = days.after_second["status"]["latestEvaluation"]
    spec = live.get("evaluation", latest["name"], days.namespace)["spec"]
    due = days.due + timedelta(days=1)
    assert datetime.fromisoformat(spec["evaluationJobRunTime"]) == due
    assert spec["evaluatedItemCount"] == CAP
    assert spec["accuracy"] == 1.0
    assert days.after_second["status"].get("retryWindows", []) == []


def test_a_sampler_may_do_no_more_than_it_does(live: Live, days: Days) -> None:
    account = f"system:serviceaccount:{days.namespace}:evaluation-sampler"

    def can(verb: str, resource: str, namespace: str = days.namespace) -> bool:
        return live.can(account, verb, resource, namespace)

    assert can("watch", "evaluations.dev:evaluationjobs")
    assert can("update", "coordination.k8s.io:leases")
    assert not can("update", "coordination.k8s.io:leases", "default")
    assert not can("list", "evaluations.dev:evaluationjobs", "default")
    for verb, resource in (
        ("update", "evaluations.dev:evaluationjobs"),
        ("update", "evaluations.dev:evaluationjobs/status"),
        ("create", "evaluations.dev:evaluations"),
        ("get", "evaluations.dev:datasets"),
        ("get", "secrets"),
        ("list", "pods"),
        ("create", "pods"),
    ):
        assert not can(verb, resource)


def test_a_replica_that_is_scaled_away_leaves_no_lease(live: Live, days: Days) -> None:
    """It has written everything, so no run waits for it."""
    scale = ("scale", "statefulset/evaluation-sampler", "-n", days.namespace)
    live.kubectl(*scale, "--replicas=1")
    pod = ("pod/evaluation-sampler-1", "-n", days.namespace)
    live.kubectl("wait", "--for=delete", *pod, "--timeout=90s")
    leases = live.list("lease", days.namespace, "app.kubernetes.io/name=evaluation-sampler")
    assert [it["spec"]["holderIdentity"] for it in leases] == ["evaluation-sampler-0"]
