"""A run over boxes: collect them, compute, and keep what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.api.dataset import DatasetSpec
from evaluation_operator.api.evaluation_options import BoundingBoxUnits
from evaluation_operator.metrics import Piece, piece_weights
from evaluation_operator.metrics.counts import Floats, Integers
from evaluation_operator.metrics.detection import DetectionResult, Detections, detect
from evaluation_operator.metrics.detection_boxes import Boxes
from evaluation_operator.metrics.detection_errors import BoxKind
from evaluation_operator.metrics.detection_matching import FREE
from evaluation_operator.results.boxes import BOXES_SCHEMA, FOUND, MISSED, MISTAKEN
from evaluation_operator.results.errors import InvalidRun
from evaluation_operator.tasks.item_files import ItemCounts, write_items
from evaluation_operator.tasks.items import Box, Item, Outcome


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """The boxes of a run; `items` has the ordinal of each image among the run's items."""

    detections: Detections
    pieces: tuple[Piece, ...]
    items: Integers


def iou_threshold(spec: DatasetSpec) -> float:
    """From which intersection over union on boxes match; InvalidRun where nobody has said."""
    options = spec.evaluation_config.bounding_box_evaluation_options
    if options is None:
        raise InvalidRun(
            "evaluationConfig.boundingBoxEvaluationOptions: boxes need an iouThreshold; add it"
        )
    return options.iou_threshold


def collect_boxes(
    outcomes: Iterable[Outcome], labels: Sequence[str], items_path: Path
) -> tuple[ItemCounts, Collected]:
    """Write the items, overwriting the file, and keep the boxes of those that can be evaluated.

    About a hundred bytes a box stay in memory.
    """
    true, predicted = _Gathered(), _Gathered()
    scores: list[Floats] = []
    ps: list[float] = []
    items: list[int] = []

    def take(ordinal: int, item: Item) -> None:
        true.add(len(items), item.truth, item.true_boxes)
        predicted.add(len(items), item.labels, item.boxes)
        scores.append(np.array(item.scores, dtype=np.float64))
        ps.append(item.p)
        items.append(ordinal)

    counts = write_items(outcomes, labels, items_path, take)
    known, pieces, per_piece = np.unique(
        np.array(ps, dtype=np.float64), return_inverse=True, return_counts=True
    )
    detections = Detections(
        true.boxes(),
        predicted.boxes(),
        np.concatenate(scores) if scores else np.zeros(0, dtype=np.float64),
        pieces.astype(np.int64),
    )
    found = tuple(
        Piece(p=float(p), items=int(count)) for p, count in zip(known, per_piece, strict=True)
    )
    return counts, Collected(detections, found, np.array(items, dtype=np.int64))


class _Gathered:
    """Boxes, image after image."""

    def __init__(self) -> None:
        self._counts: list[int] = []
        self._labels: list[Integers] = []
        self._corners: list[Floats] = []

    def add(self, image: int, labels: Sequence[int], boxes: Sequence[Box]) -> None:
        assert image == len(self._counts)
        self._counts.append(len(labels))
        if labels:
            self._labels.append(np.array(labels, dtype=np.int64))
            self._corners.append(np.array(boxes, dtype=np.float64))

    def boxes(self) -> Boxes:
        images = np.repeat(np.arange(len(self._counts)), self._counts)
        if not self._labels:
            return Boxes(images, np.zeros(0, dtype=np.int64), np.zeros((0, 4), dtype=np.float64))
        return Boxes(images, np.concatenate(self._labels), np.concatenate(self._corners))


def compute_detection(spec: DatasetSpec, collected: Collected) -> DetectionResult:
    """All figures, by the options of the Dataset."""
    labels = list(spec.annotation_specs)
    units = spec.bounding_box_units or BoundingBoxUnits.PIXELS
    return detect(
        collected.detections,
        len(labels),
        iou_threshold(spec),
        sorted(spec.score_thresholds) or None,
        piece_weights(collected.pieces),
        by_area=units is BoundingBoxUnits.PIXELS,
        only_labels=[labels.index(label) for label in spec.slice_labels],
    )


def write_boxes(
    collected: Collected, result: DetectionResult, labels: Sequence[str], path: Path
) -> None:
    """What became of each box; the predicted ones first."""
    true, predicted = collected.detections.true, collected.detections.predicted
    true_places, predicted_places = _places(true.image), _places(predicted.image)
    matched = np.flatnonzero(result.matched != FREE)
    taker = np.full(len(true), FREE, dtype=np.int64)
    taker[result.matched[matched]] = matched
    kinds = np.array([kind.name.lower() for kind in BoxKind])[result.errors.kinds]
    states = np.where(taker != FREE, FOUND, np.where(result.errors.missed, MISSED, MISTAKEN))
    sides = (
        (predicted, predicted_places, kinds, _place_of(result.matched, true_places)),
        (true, true_places, states, _place_of(taker, predicted_places)),
    )
    figures = (
        (pa.array(collected.detections.scores), pa.array(result.best_iou)),
        (pa.nulls(len(true), pa.float64()), pa.nulls(len(true), pa.float64())),
    )
    names = pa.array(list(labels), pa.string())
    with pq.ParquetWriter(path, BOXES_SCHEMA, compression="zstd") as writer:
        for is_truth, ((boxes, places, kind, match), (score, iou)) in enumerate(
            zip(sides, figures, strict=True)
        ):
            columns = [
                pa.array(collected.items[boxes.image]),
                pa.array(np.full(len(boxes), bool(is_truth))),
                pa.array(places, pa.int32()),
                names.take(pa.array(boxes.label)),
                score,
                *(pa.array(corner) for corner in np.ascontiguousarray(boxes.corners.T)),
                pa.array(kind, pa.string()),
                match,
                iou,
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=BOXES_SCHEMA))


def _places(images: Integers) -> Integers:
    """The place of each box in its image."""
    starts = np.searchsorted(images, images, side="left")
    return np.arange(len(images)) - starts


def _place_of(others: Integers, places: Integers) -> pa.Array:
    """The places of the boxes on the other side; null where there is none."""
    none = others == FREE
    found = np.zeros(len(others), dtype=np.int32)
    found[~none] = places[others[~none]]
    return pa.array(found, pa.int32(), mask=none)
