"""boxes.parquet: what became of every box of the evaluated items; object detection only."""

from __future__ import annotations

from typing import Final, NamedTuple

import pyarrow as pa

from evaluation_operator.metrics.detection_errors import BoxKind
from evaluation_operator.results.parquet import column

FOUND: Final = "found"
MISSED: Final = "missed"
MISTAKEN: Final = "mistaken"
_KINDS: Final = ", ".join(kind.name.lower() for kind in BoxKind)

BOXES_SCHEMA: Final = pa.schema(
    [
        column("item", pa.int64(), "The item's number in items.parquet.", is_nullable=False),
        column("is_truth", pa.bool_(), "Whether it is a true box.", is_nullable=False),
        column("place", pa.int32(), "Counts from 0 in the item's own array.", is_nullable=False),
        column("label", pa.string(), "The box's label.", is_nullable=False),
        column("score", pa.float64(), "Of a predicted box."),
        column("left", pa.float64(), "In the units of the job.", is_nullable=False),
        column("top", pa.float64(), "In the units of the job.", is_nullable=False),
        column("right", pa.float64(), "In the units of the job.", is_nullable=False),
        column("bottom", pa.float64(), "In the units of the job.", is_nullable=False),
        column(
            "kind",
            pa.string(),
            f"What a predicted box is: {_KINDS}. A true box is {FOUND}, {MISSED}, or {MISTAKEN}: "
            "meant by a box of a poor place or a wrong class.",
            is_nullable=False,
        ),
        column("match", pa.int32(), "The place of the box on the other side that it matches."),
        column(
            "iou", pa.float64(), "How well a predicted box lies on the best true box of its label."
        ),
    ]
)


class BoxLine(NamedTuple):
    """A line of the file; those of predicted boxes come first."""

    item: int
    is_truth: bool
    place: int
    label: str
    score: float | None
    left: float
    top: float
    right: float
    bottom: float
    kind: str
    match: int | None
    iou: float | None
