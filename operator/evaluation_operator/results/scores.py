"""scores.parquet: every pair of an evaluated item and a label; what the curves are counted from.

Classification only: with boxes, what became of each is in boxes.parquet.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import pyarrow as pa

from evaluation_operator.results.parquet import column

SCORES_SCHEMA: Final = pa.schema(
    [
        column("item", pa.int64(), "The item's number in items.parquet.", is_nullable=False),
        column("label", pa.int32(), "The label's place in the label set.", is_nullable=False),
        column(
            "score",
            pa.float64(),
            "Null: the prediction does not list this true label, or gives no scores.",
        ),
        column("is_truth", pa.bool_(), "Whether the label is true.", is_nullable=False),
        column(
            "rank",
            pa.int16(),
            "From 1 within the item, by falling score and then label; null: not predicted.",
        ),
        column("p", pa.float64(), "The item's inclusion probability.", is_nullable=False),
    ]
)


class Pair(NamedTuple):
    """A line of the file: a label that is scored, true, or both."""

    item: int
    label: int
    score: float | None
    is_truth: bool
    rank: int | None
    p: float
