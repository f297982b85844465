"""What probes and Prometheus are answered."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from evaluation_operator.controller.store import Store
from evaluation_operator.controller.telemetry import Telemetry
from evaluation_operator.domain.plan import EventRecord
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.kube import JOBS
from evaluation_operator.serving import health, heartbeat
from evaluation_operator.serving.health import MetricsPage, ThreadedServer, health_pages
from evaluation_operator.serving.heartbeat import Heartbeat
from evaluation_operator.serving.limits import Limits
from evaluation_operator.serving.server import Server, listen
from tests.builders import make_evaluation_job, merged, stored


@dataclass
class Probed:
    telemetry: Telemetry = field(default_factory=Telemetry)
    store: Store = field(default_factory=Store)
    live: str | None = None
    ready: str | None = "the first sweep has not ended"
    port: int = 0

    def get(self, path: str) -> tuple[int, str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def probed() -> Iterator[Probed]:
    probed = Probed()
    probed.telemetry.export(probed.store, {"queue_depth": lambda: 3.0})
    pages = health_pages(
        probed.telemetry.registry, live=lambda: probed.live, ready=lambda: probed.ready
    )
    server = ThreadedServer(Server(pages, Limits()), listen("127.0.0.1", 0))
    server.start()
    probed.port = server.port
    yield probed
    server.stop()


def test_probes_say_what_is_wrong(probed: Probed) -> None:
    assert probed.get("/healthz") == (200, "ok\n")
    assert probed.get("/readyz?verbose") == (503, "the first sweep has not ended\n")
    assert probed.get("/secrets")[0] == 404

    probed.live, probed.ready = "the event loop has not turned for 31 s", None
    assert probed.get("/healthz") == (503, "the event loop has not turned for 31 s\n")
    assert probed.get("/readyz") == (200, "ok\n")


def test_metrics_show_quality_and_work(probed: Probed) -> None:
    status = {
        "state": "RUNNING",
        "latestEvaluation": {"meanAveragePrecision": 0.75, "evaluatedItemCount": 40},
        "nextRunTime": "1970-01-01T00:01:00Z",
        "active": [{}],
        "failedRuns": 2,
    }
    probed.store.apply("EvaluationJob", merged(stored(make_evaluation_job()), {"status": status}))
    probed.telemetry.wrote("create", JOBS)
    probed.telemetry.told(EventRecord(Reason.NO_DATA, "no rows"))

    text = probed.get("/metrics")[1]

    labels = (
        'evaluationjob="ripeness",model_version="models/ripeness/versions/v1",namespace="fruit"'
    )
    assert f"evaluationjob_mean_average_precision{{{labels}}} 0.75" in text
    assert f"evaluationjob_next_run_time_seconds{{{labels}}} 60.0" in text
    assert f"evaluationjob_failed_runs_total{{{labels}}} 2.0" in text
    assert 'state="RUNNING"' in text
    assert "evaluation_operator_queue_depth 3.0" in text
    assert 'evaluation_operator_api_writes_total{resource="jobs",verb="create"} 1.0' in text
    assert "evaluation_operator_no_data_runs_total 1.0" in text


def test_making_the_page_of_metrics_takes_a_tenth_of_the_time_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever reaches the port could ask for it over and over; with many jobs it is dear."""
    now, made = 0.0, []

    def make(registry: CollectorRegistry) -> bytes:
        nonlocal now
        now += 0.5
        made.append(now)
        return f"page {len(made)}".encode()

    monkeypatch.setattr(health, "generate_latest", make)
    page = MetricsPage(CollectorRegistry(), clock=lambda: now)

    assert page() == b"page 1"
    now = 0.5 + 4.4
    assert page() == b"page 1"
    now = 0.5 + 4.5
    assert page() == b"page 2"


async def test_a_blocked_loop_shows_in_the_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.01)
    beat = Heartbeat()
    task = asyncio.create_task(beat.run())
    await asyncio.sleep(0.02)

    time.sleep(0.2)
    assert beat.age_seconds() >= 0.2
    async with asyncio.timeout(5):
        while beat.longest_lag_seconds < 0.15:
            await asyncio.sleep(0.01)
    assert beat.age_seconds() < 0.2

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
