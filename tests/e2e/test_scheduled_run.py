"""A day in the life of two jobs, by a shifted clock: one run succeeds, the other fails.

Both read one table on a claim. The rows of `calm` have ground truth, those of `blind` have none.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation_operator.api.codes import Code
from tests.conftest import Tell
from tests.e2e.live import Body, Live, ready, spec_set, table_uri, text_job

pytestmark = pytest.mark.cluster

LABELS = ("glad", "sad", "angry")
ROWS = 12
RIGHT = 9


def rows(version: str, since: datetime, truth: Sequence[str | None]) -> bytes:
    """One message a second; the model always says `glad`."""
    answer = {"predictions": [{"labels": LABELS, "scores": [0.7, 0.2, 0.1]}]}
    content = [
        {
            "id": f"{version}-{number}",
            "model": "moods",
            "model_version": version,
            "time": since + timedelta(seconds=number),
            "raw_data": json.dumps({"instances": [{"text": f"message {number}"}]}),
            "raw_prediction": json.dumps(answer),
            "groundtruth": json.dumps({"predictions": [{"labels": [it]}]}) if it else None,
        }
        for number, it in enumerate(truth)
    ]
    columns = {
        "time": pa.timestamp("us", "UTC"),
        "groundtruth": pa.string(),
    }
    schema = pa.schema([(name, columns.get(name, pa.string())) for name in content[0]])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(content, schema=schema), sink)
    return sink.getvalue()


@dataclass(frozen=True)
class Day:
    namespace: str
    due: datetime


@pytest.fixture(scope="module")
def day(live: Live) -> Iterator[Day]:
    """Both jobs, with rows, at the second in which their first run is due."""
    namespace = live.make_namespace("schedule")
    source = {
        "inputUri": table_uri("moods"),
        "persistentVolumeClaimName": "evaluations",
    }
    live.apply(namespace, spec_set(LABELS), text_job("calm", source), text_job("blind", source))
    job = live.wait_ready("calm", namespace)
    live.wait_ready("blind", namespace)
    created = max(
        time_of(live.get("evaluationjob", name, namespace)["metadata"]["creationTimestamp"])
        for name in ("calm", "blind")
    )
    due = time_of(job["status"]["nextRunTime"])
    since = created + timedelta(seconds=1)
    truth = ["glad"] * RIGHT + ["sad"] * (ROWS - RIGHT)
    files = {
        "rows-calm.parquet": rows("calm", since, truth),
        "rows-blind.parquet": rows("blind", since, [None] * ROWS),
    }
    live.load(namespace, "moods", files)
    live.install(due - datetime.now(UTC), [namespace])
    yield Day(namespace, due)
    live.install()
    live.kubectl("delete", "namespace", namespace, "--wait=false")


def test_a_run_at_ten_becomes_an_evaluation(live: Live, day: Day, tell: Tell) -> None:
    job = live.wait_for(
        "evaluationjob",
        "calm",
        day.namespace,
        lambda it: it["status"].get("latestEvaluation"),
        "its first run to be evaluated",
    )
    latest = job["status"]["latestEvaluation"]
    evaluation = live.get("evaluation", latest["name"], day.namespace)

    figures = {
        name: value for name, value in evaluation["spec"].items() if name != "evaluationMetrics"
    }
    show(tell, "a scheduled run", latest, figures)
    minutes = int(day.due.timestamp()) // 60
    assert (day.due.hour, day.due.minute) == (10, 0)
    assert latest["name"] == f"evj-calm-{minutes}"
    assert time_of(evaluation["spec"]["evaluationJobRunTime"]) == day.due
    assert evaluation["spec"]["evaluatedItemCount"] == ROWS
    assert evaluation["spec"]["accuracy"] == RIGHT / ROWS
    assert job["status"].get("attempts", []) == []
    assert time_of(job["status"]["nextRunTime"]) == day.due + timedelta(days=1)


def test_a_run_that_fails_becomes_an_attempt_and_its_rows_wait(
    live: Live, day: Day, tell: Tell
) -> None:
    job = live.wait_for(
        "evaluationjob",
        "blind",
        day.namespace,
        lambda it: it["status"].get("attempts"),
        "its first run to fail",
    )
    status = job["status"]

    show(tell, "a failed run", status["attempts"], status["retryWindows"])
    (attempt,) = status["attempts"]
    (failure, *_) = attempt["partialFailures"]
    assert failure["code"] == Code.FAILED_PRECONDITION
    assert "ground truth" in failure["message"]
    assert time_of(attempt["attemptTime"]) >= day.due
    assert status["failedRuns"] == 1
    (window,) = status["retryWindows"]
    assert window["failures"] == 1
    assert time_of(window["endTime"]) == day.due
    assert ready(job)["status"] == "True"
    assert "latestEvaluation" not in status


def test_pods_of_runs_are_as_a_restricted_namespace_wants_them(live: Live, day: Day) -> None:
    """The namespace enforces it, so nothing else could have run; here is what ran."""
    selector = "evaluations.dev/component=run"
    job = live.list("jobs", day.namespace, selector)[0]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "evaluation-runner"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def show(tell: Tell, title: str, *parts: Body | list[Body]) -> None:
    tell(f"--- {title}")
    for part in parts:
        tell(json.dumps(part, indent=1)[:1500])
