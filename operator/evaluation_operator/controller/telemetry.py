"""What the operator says about itself and about quality, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from evaluation_operator.controller.store import Store
from evaluation_operator.domain.facts.reading import parse_time
from evaluation_operator.domain.plan import EventRecord
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.kube.resources import Resource

PREFIX = "evaluation_operator"


class Telemetry:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconciles = Counter(
            f"{PREFIX}_reconciles",
            "Turns of the control loop, by kind and how they ended.",
            ["kind", "result"],
            registry=self.registry,
        )
        self.duration = Histogram(
            f"{PREFIX}_reconcile_duration_seconds",
            "How long a turn of the control loop took.",
            ["kind"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self.writes = Counter(
            f"{PREFIX}_api_writes",
            "Writes to the API server, by verb and resource.",
            ["verb", "resource"],
            registry=self.registry,
        )
        self.restarts = Counter(
            f"{PREFIX}_watch_restarts",
            "How often watching ended and was started anew.",
            registry=self.registry,
        )
        self.no_data_runs = Counter(
            f"{PREFIX}_no_data_runs",
            "Runs that found no rows in their windows.",
            registry=self.registry,
        )

    def wrote(self, verb: str, resource: Resource) -> None:
        self.writes.labels(verb, resource.plural).inc()

    def told(self, event: EventRecord) -> None:
        if event.reason is Reason.NO_DATA:
            self.no_data_runs.inc()

    def export(self, store: Store, gauges: dict[str, Callable[[], float]]) -> None:
        """Read the rest, quality included, from the store when somebody asks."""
        self.registry.register(_Quality(store))
        self.registry.register(_Gauges(gauges))


class _Gauges(Collector):
    def __init__(self, gauges: dict[str, Callable[[], float]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        for name, value in self._gauges.items():
            yield GaugeMetricFamily(f"{PREFIX}_{name}", name.replace("_", " "), value=value())


class _Quality(Collector):
    """One sample a job: what a dashboard or an alert rule wants of it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        names = ["namespace", "evaluationjob", "model_version"]
        figures = {
            "mean_average_precision": "Mean average precision of the newest Evaluation.",
            "min_acceptable_mean_average_precision": "The alert threshold.",
            "evaluated_items": "Items that the newest Evaluation compared with ground truth.",
            "last_success_time_seconds": "When a run last succeeded, in Unix time.",
            "next_run_time_seconds": "When the next run is due, in Unix time.",
            "active_runs": "Runs that have not ended.",
            "info": "Always 1; the labels say the state.",
        }
        gauges = {
            key: GaugeMetricFamily(
                f"evaluationjob_{key}", text, labels=[*names, *(["state"] if key == "info" else [])]
            )
            for key, text in figures.items()
        }
        failed = CounterMetricFamily("evaluationjob_failed_runs", "Runs that failed.", labels=names)
        for (namespace, name), stored in self._store.jobs.items():
            body = stored.parse()
            labels = [namespace, name, str(body["spec"].get("modelVersion", ""))]
            for key, value in _figures(body).items():
                gauges[key].add_metric(labels, value)
            status = body["status"]
            gauges["info"].add_metric([*labels, str(status.get("state", ""))], 1)
            failed.add_metric(labels, float(status.get("failedRuns") or 0))
        yield from gauges.values()
        yield failed


def _figures(body: dict[str, Any]) -> dict[str, float]:
    status, config = body["status"], body["spec"].get("evaluationJobConfig") or {}
    latest = status.get("latestEvaluation") or {}
    alert = config.get("evaluationJobAlertConfig") or {}
    found: dict[str, Any] = {
        "mean_average_precision": latest.get("meanAveragePrecision"),
        "min_acceptable_mean_average_precision": alert.get("minAcceptableMeanAveragePrecision"),
        "evaluated_items": latest.get("evaluatedItemCount"),
        "active_runs": len(status.get("active") or ()),
    }
    for key, field in (
        ("last_success_time_seconds", "lastSuccessTime"),
        ("next_run_time_seconds", "nextRunTime"),
    ):
        if status.get(field):
            found[key] = parse_time(status[field]).timestamp()
    return {key: float(value) for key, value in found.items() if value is not None}
