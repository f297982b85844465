"""items.parquet: what became of every item, and what comparing two runs needs of it.

A row that could not be split into items has one line, too, without an item id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evaluation_operator.results.parquet import column

Booleans: TypeAlias = NDArray[np.bool_]

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
        column(
            "scores",
            pa.list_(pa.float64()),
            "The score of each predicted label; null: none was given.",
        ),
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


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items are wanted: those that fit everything that is given.

    `cell` is one of the confusion matrix: the true label, and the best predicted one or None where
    nothing was predicted; it has no item with boxes or several labels. `label`: one that is true or
    predicted. `confidence`: the highest score of the item's prediction, from and up to, both
    included.
    """

    cell: tuple[str, str | None] | None = None
    label: str | None = None
    state: str | None = None
    confidence: tuple[float, float] | None = None

    def among(self, batch: pa.RecordBatch, labels: Sequence[str]) -> pa.RecordBatch:
        """The wanted lines of a batch of the file. ValueError for a label that is not in the label
        set, or a state that there is not."""
        self._check(labels)
        wanted = np.ones(batch.num_rows, dtype=bool)
        if self.state is not None:
            wanted &= _equal(batch["state"], self.state)
        if self.cell is not None:
            truth, predicted = self.cell
            place = None if predicted is None else labels.index(predicted)
            wanted &= _equal(batch["state"], EVALUATED)
            wanted &= _equal(batch["truth_index"], labels.index(truth))
            wanted &= _equal(batch["predicted_index"], place)
        if self.label is not None:
            wanted &= _holds(batch["truth"], self.label) | _holds(batch["labels"], self.label)
        if self.confidence is not None:
            low, high = self.confidence
            highest = _highest(batch["scores"])
            wanted &= (highest >= low) & (highest <= high)
        return batch.filter(pa.array(wanted))

    def _check(self, labels: Sequence[str]) -> None:
        if self.state is not None and self.state not in STATES:
            raise ValueError(f"state: {self.state!r}; give one of {', '.join(STATES)}")
        if self.cell is not None and (len(self.cell) != 2 or self.cell[0] is None):
            raise ValueError(f"cell: {self.cell!r}; give a true label, and a predicted one or None")
        self._check_confidence()
        if not labels:  # Not told, by version 1.
            if self.cell is not None:
                raise ValueError("cell: this run has no confusion matrix; filter by label")
            return
        named = {self.label, *(self.cell or ())} - {None}
        for label in sorted(str(it) for it in named):
            if label not in labels:
                raise ValueError(f"label: {label!r} is not in the label set; give one that is")

    def _check_confidence(self) -> None:
        if self.confidence is None:
            return
        bounds = self.confidence
        are_numbers = len(bounds) == 2 and all(isinstance(it, int | float) for it in bounds)
        if not are_numbers or not bounds[0] <= bounds[1]:
            raise ValueError(f"confidence: {bounds!r}; give two numbers, the lower one first")


def _equal(column: pa.Array, value: object) -> Booleans:
    found = pc.is_null(column) if value is None else pc.fill_null(pc.equal(column, value), False)
    return found.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _holds(column: pa.Array, value: str) -> Booleans:
    """Which lists hold the value."""
    found = np.zeros(len(column), dtype=bool)
    is_it = _equal(pc.list_flatten(column), value)
    found[pc.list_parent_indices(column).to_numpy(zero_copy_only=False)[is_it]] = True
    return found


def _highest(column: pa.Array) -> NDArray[np.float64]:
    """The highest value of each list; NaN where it is empty or null."""
    highest = np.full(len(column), np.nan)
    parents = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
    np.fmax.at(highest, parents, pc.list_flatten(column).to_numpy(zero_copy_only=False))
    return highest


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
