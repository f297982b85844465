"""items.parquet: what became of every item, and what comparing two runs needs of it.

A row that could not be split into items has one line, too, without an item id.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

import pyarrow as pa

from evaluation_operator.results.parquet import column

EVALUATED: Final = "evaluated"
UNLABELED: Final = "unlabeled"
FAILED_PREDICTION: Final = "failed_prediction"
FAULTY: Final = "faulty"
STATES: Final = (EVALUATED, UNLABELED, FAILED_PREDICTION, FAULTY)

ITEMS_SCHEMA: Final = pa.schema(
    [
        column("item", pa.int64(), "Counts from 0 in the file's own order.", is_nullable=False),
        column("item_id", pa.string(), "Null: a row that could not be split into items."),
        column("row_id", pa.string(), "The row of the table.", is_nullable=False),
        column(
            "request_id",
            pa.string(),
            "The request that the item came in: the event's id, or the row's where others fill "
            "the table.",
            is_nullable=False,
        ),
        column(
            "data_hash",
            pa.string(),
            "32 hex digits of the SHA-256 of what the model was given, as JSON with sorted keys "
            "and no spaces: equal where two items hold the same data. Null: the row has no data.",
        ),
        column("time", pa.timestamp("us", "UTC"), "The row's time."),
        column("state", pa.string(), f"One of {', '.join(STATES)}.", is_nullable=False),
        column("code", pa.int32(), "google.rpc.Code of a faulty item."),
        column("message", pa.string(), "What is wrong with a faulty item, and the cure."),
        column("p", pa.float64(), "The probability with which the item got into the sample."),
        column("weight", pa.float64(), "1 / p: for how many items it stands."),
        column("truth", pa.list_(pa.string()), "The true labels; with boxes, one a box."),
        column(
            "labels",
            pa.list_(pa.string()),
            "The predicted labels, best first; with boxes, one a box.",
        ),
        column("scores", pa.list_(pa.float64()), "The score of each predicted label."),
        column(
            "truth_index",
            pa.int32(),
            "The true label's place in the label set; null unless exactly one is true.",
        ),
        column(
            "predicted_index",
            pa.int32(),
            "The best predicted label's place in the label set; null where nothing was predicted. "
            "Null with boxes.",
        ),
    ]
)
ADDED_IN_2: Final = frozenset({"request_id", "data_hash", "time", "weight"})
"""Columns that files of version 1 lack."""


class ItemLine(NamedTuple):
    """A line of the file, in the order of its columns, which say what each is."""

    item: int
    item_id: str | None
    row_id: str
    request_id: str
    data_hash: str | None
    time: datetime | None
    state: str
    code: int | None = None
    message: str | None = None
    p: float | None = None
    weight: float | None = None
    truth: list[str] | None = None
    labels: list[str] | None = None
    scores: list[float] | None = None
    truth_index: int | None = None
    predicted_index: int | None = None


def item_line(values: dict[str, object]) -> ItemLine:
    """A line as it was read; what version 1 has not written is filled in as far as it follows."""
    if "request_id" not in values:
        values = values | _as_of_2(values)
    return ItemLine(**values)  # type: ignore[arg-type]  # The schema has the types.


def _as_of_2(values: dict[str, object]) -> dict[str, object]:
    row_id, p = str(values["row_id"]), values["p"]
    is_row = values["item_id"] == row_id
    return {
        "request_id": request_of(row_id) if is_row else row_id,
        "data_hash": None,
        "time": None,
        "weight": 1 / p if isinstance(p, float) else None,
    }


def request_of(item_id: str) -> str:
    """The id of the request, of the id that the sampler gives to an item: `<request>/<place>`."""
    return item_id.rpartition("/")[0] or item_id
