"""tasks.parquet: what people are asked, by rising priority; the run writes it for the labeler."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Final, NamedTuple

import pyarrow as pa

from evaluation_operator.results import layout
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.parquet import column, read_lines

TASKS_SCHEMA: Final = pa.schema(
    [
        column("item_id", pa.string(), "The item, as in items.parquet.", is_nullable=False),
        column("row_id", pa.string(), "The row of the table.", is_nullable=False),
        column("index", pa.int32(), "The item's place in the row, from 0.", is_nullable=False),
        column("priority", pa.float64(), "Lower ones are asked first.", is_nullable=False),
        column("instance", pa.string(), "JSON of what the model was given.", is_nullable=False),
    ]
)
_ASKED_SCHEMA: Final = pa.schema(list(TASKS_SCHEMA)[:4])


class AskedItem(NamedTuple):
    """An item of the cut that has no ground truth, and the row that it belongs to. What is to be
    shown of it may be large, and is read when it is needed."""

    item_id: str
    row_id: str
    place: int
    priority: float


class TaskLine(NamedTuple):
    """A line of the file."""

    item_id: str
    row_id: str
    place: int
    priority: float
    instance: str


def read_asked(folder: Folder) -> tuple[AskedItem, ...]:
    """All of them, by rising priority. Raises Unavailable without the file, and
    InvalidRun for one that no run writes."""
    lines = read_lines(folder, layout.TASKS, _ASKED_SCHEMA)
    found = (AskedItem(*line.values()) for line in lines)
    return tuple(sorted(found, key=lambda it: (it.priority, it.item_id)))


def read_tasks(folder: Folder, wanted: Set[str]) -> Iterator[TaskLine]:
    """The tasks of these items, by rising priority. Raises Unavailable without the file, and
    InvalidRun for one that no run writes."""
    for line in read_lines(folder, layout.TASKS, TASKS_SCHEMA):
        if line["item_id"] in wanted:
            yield TaskLine(*line.values())
