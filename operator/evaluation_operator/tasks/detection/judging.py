"""A run over boxes: collected, matched, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation_operator.api.dataset import DatasetSpec
from evaluation_operator.api.evaluation import EvaluationMetrics, WeightedMetrics
from evaluation_operator.metrics.detection import DetectionResult
from evaluation_operator.results import layout
from evaluation_operator.results.curves import write_curves, write_overlaps
from evaluation_operator.tasks.detection.boxes import (
    collect_boxes,
    compute_detection,
    write_boxes,
)
from evaluation_operator.tasks.detection.summary import (
    detection_metrics,
    weighted_detection_metrics,
)
from evaluation_operator.tasks.items import Outcome
from evaluation_operator.tasks.kind import Judged, Limits
from evaluation_operator.tasks.usable import check_usable


@dataclass(frozen=True, slots=True, eq=False)
class JudgedBoxes(Judged):
    """`result` is of the boxes, over the score."""

    detection: DetectionResult

    def write(self, labels: Sequence[str], scratch: Path) -> list[str]:
        write_curves(self.result, labels, scratch / layout.CURVES, cuts=("every",))
        write_overlaps(self.detection, scratch / layout.OVERLAPS)
        return [layout.CURVES, layout.ITEMS, layout.BOXES, layout.OVERLAPS]

    def metrics(
        self, labels: Sequence[str], kept_cells: int | None
    ) -> tuple[EvaluationMetrics, int | None]:
        metrics = detection_metrics(self.detection, self.detection.plain)
        return EvaluationMetrics(object_detection_metrics=metrics), None

    def predicted_counts(self) -> Sequence[int | None]:
        return [round(curve.scored) for curve in self.result.plain.labels]

    def weighted(self) -> WeightedMetrics | None:
        metrics = Judged.weighted(self)
        if metrics is None:
            return None
        boxes = weighted_detection_metrics(self.detection)
        return metrics.changed(object_detection_metrics=boxes)


def judge(spec: DatasetSpec, outcomes: Iterable[Outcome], limits: Limits) -> JudgedBoxes:
    """The figures of an object detection; its items and boxes lie in the scratch folder then."""
    labels = tuple(spec.annotation_specs)
    counts, collected = collect_boxes(outcomes, labels, limits.scratch / layout.ITEMS)
    check_usable(counts)
    found = compute_detection(spec, collected)
    write_boxes(collected, found, labels, limits.scratch / layout.BOXES)
    return JudgedBoxes(counts, collected.pieces, found.over_scores, found)
