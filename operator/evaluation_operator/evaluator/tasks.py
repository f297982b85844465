"""What people are asked: the items of a cut that have a prediction and no ground truth.

A task says what the model was given and never what it answered: people agree with what they are
shown. Tasks come by rising priority, the one that items are sampled by, so that those which are
done when time is up are close to a random part of all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.evaluator.cut import outcomes_of, read_cut
from evaluation_operator.evaluator.draw import RowDict
from evaluation_operator.evaluator.items import LeftOut, Reason, RowReader
from evaluation_operator.tables.sample import hashed_priority

TASKS_SCHEMA: Final = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),
        pa.field("priority", pa.float64(), nullable=False),
        pa.field("instance", pa.string(), nullable=False),
    ]
)
_GROUP_BYTES: Final = 16 * 2**20


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """A task, and where its instance lies in the spool: images are not held in memory."""

    priority: float
    item_id: str
    row_id: str
    index: int
    offset: int
    size: int


def write_tasks(cut: Path, reader: RowReader, path: Path) -> int:
    """Write a cut's tasks to `path`, overwriting it; how many there are.

    Memory: a few numbers a task, and 16 MB. An item whose instance is not in the row is no task,
    since there is nothing to show.
    """
    spool_path = path.with_suffix(".spool")
    places: list[_Place] = []
    with spool_path.open("wb") as spool:
        for row in read_cut(cut):
            for item, instance in _tasks_of(row, reader):
                text = json.dumps(instance, ensure_ascii=False).encode("utf-8", "surrogatepass")
                priority = row.get("priority")
                places.append(
                    _Place(
                        hashed_priority(item.item_id) if priority is None else priority,
                        item.item_id,
                        item.row_id,
                        item.index,
                        spool.tell(),
                        spool.write(text),
                    )
                )
    places.sort()
    with pq.ParquetWriter(path, TASKS_SCHEMA, compression="zstd") as writer:
        for group in _groups(places, spool_path):
            writer.write_batch(pa.RecordBatch.from_pylist(group, schema=TASKS_SCHEMA))
    spool_path.unlink()
    return len(places)


def _tasks_of(row: RowDict, reader: RowReader) -> Iterator[tuple[LeftOut, object]]:
    wanted = [
        outcome
        for outcome in outcomes_of(row, reader)
        if isinstance(outcome, LeftOut) and outcome.reason is Reason.UNLABELED
    ]
    data = json.loads(row["raw_data"]) if wanted and row["raw_data"] is not None else None
    instances = data.get("instances") if isinstance(data, dict) else None
    if instances is not None:
        yield from ((outcome, instances[outcome.index]) for outcome in wanted)


def _groups(places: list[_Place], spool_path: Path) -> Iterator[list[dict[str, Any]]]:
    """Lines of the file, as many at a time as may be in memory."""
    group: list[dict[str, Any]] = []
    size = 0
    with spool_path.open("rb") as spool:
        for place in places:
            spool.seek(place.offset)
            group.append(
                {
                    "item_id": place.item_id,
                    "row_id": place.row_id,
                    "index": place.index,
                    "priority": place.priority,
                    "instance": spool.read(place.size).decode("utf-8", "replace"),
                }
            )
            size += place.size
            if size >= _GROUP_BYTES:
                yield group
                group, size = [], 0
    if group:
        yield group
