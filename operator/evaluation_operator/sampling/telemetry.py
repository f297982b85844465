"""What the sampler says about itself, for Prometheus.

Counters of the event path are plain numbers, put into Prometheus' form when somebody asks. Labels
are closed sets, or names of jobs that exist: what senders make up never becomes one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

PREFIX: Final = "evaluation_sampler"
BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

Gauges = Mapping[str, tuple[str, Callable[[], float]]]
"""By name without prefix: what it says, and its value."""


class Telemetry(Collector):
    """Counts of one process; `read_metrics` and `gauges` tell the rest when somebody asks."""

    def __init__(self) -> None:
        self.received_bytes = 0
        self._answers: dict[int, int] = {}
        self._slots = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0
        self._gauges: Gauges = {}
        self._more: Callable[[], Iterator[Metric]] = lambda: iter(())
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def answered(self, status: int, seconds: float) -> None:
        """A request for events or predictions; 499: its sender had gone."""
        self._answers[status] = self._answers.get(status, 0) + 1
        self._slots[bisect_left(BOUNDS, seconds)] += 1
        self._seconds += seconds

    def export(self, gauges: Gauges, more: Callable[[], Iterator[Metric]]) -> None:
        """What others count."""
        self._gauges = gauges
        self._more = more

    def collect(self) -> Iterator[Metric]:
        answers = CounterMetricFamily(
            f"{PREFIX}_requests", "Requests with events or predictions, by answer.", labels=["code"]
        )
        for status, count in sorted(self._answers.items()):
            answers.add_metric([str(status)], count)
        yield answers
        yield CounterMetricFamily(
            f"{PREFIX}_received_bytes", "Bytes of their bodies.", value=self.received_bytes
        )
        yield self._histogram()
        for name, (text, value) in self._gauges.items():
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value())
        yield from self._more()

    def _histogram(self) -> Metric:
        total, buckets = 0, []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self._slots, strict=True):
            total += count
            buckets.append((bound, total))
        metric = HistogramMetricFamily(
            f"{PREFIX}_answer_seconds", "From the end of a request's headers to its answer."
        )
        metric.add_metric([], buckets, self._seconds)
        return metric
