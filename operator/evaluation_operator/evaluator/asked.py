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
from typing import Final

from evaluation_operator.evaluator.cut import outcomes_of, read_cut
from evaluation_operator.evaluator.draw import RowDict
from evaluation_operator.results.parquet import LineWriter
from evaluation_operator.results.tasks import TASKS_SCHEMA, TaskLine
from evaluation_operator.tables.sample import hashed_priority
from evaluation_operator.tasks.items import LeftOut, Reason, RowReader

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
    with LineWriter(path, TASKS_SCHEMA, group_bytes=_GROUP_BYTES) as file:
        for line, size in _lines(places, spool_path):
            file.write(line, size)
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


def _lines(places: list[_Place], spool_path: Path) -> Iterator[tuple[TaskLine, int]]:
    """Each with the bytes of its instance."""
    with spool_path.open("rb") as spool:
        for place in places:
            spool.seek(place.offset)
            text = spool.read(place.size).decode("utf-8", "replace")
            yield (
                TaskLine(place.item_id, place.row_id, place.index, place.priority, text),
                place.size,
            )
