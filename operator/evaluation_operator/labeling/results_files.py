"""The files of a run's folder that are about labelling: tasks in, answers kept, labels out.

Answers are kept as they are read, so that a project deleted later takes nothing with it that
somebody has already said. `labels.json` is written last: it says that the rest is whole.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, TypeAdapter

from evaluation_operator.api.base import Model, Timestamp
from evaluation_operator.labeling.answers import Answer, Task
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.layout import (
    LABELED,
    LABELS,
    LATE_LABELED,
    LATE_LABELS,
    TASKS,
)

ANSWERS = "answers.parquet"
_TASK_BYTES = 32 * 2**20

_ANSWERS = TypeAdapter(tuple[Answer, ...])
_KEPT_SCHEMA = pa.schema(
    [("item_id", pa.string()), ("answers", pa.string()), ("further", pa.int32())]
)
_LABEL_SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("row_id", pa.string()),
        ("index", pa.int32()),
        ("is_resolved", pa.bool_()),
        ("groundtruth", pa.string()),
        ("score", pa.float64()),
        ("total_votes", pa.int32()),
        ("label_votes", pa.int32()),
        ("comments", pa.list_(pa.string())),
        ("sentiment", pa.string()),
        ("answers", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class CutItem:
    """An item of the cut that has no ground truth, and the row that it belongs to. What is to be
    shown of it may be large, and is read when it is needed."""

    item_id: str
    row_id: str
    index: int
    priority: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of one item: answers by rising time, the latest of each person, and how many
    further opinions have been asked for."""

    answers: tuple[Answer, ...] = ()
    further: int = 0


@dataclass(frozen=True, slots=True)
class LabelLine:
    """One line of labels.parquet. `groundtruth` is JSON of one entry, in the table's own form."""

    item: CutItem
    is_resolved: bool
    groundtruth: str | None
    score: float | None
    total_votes: int
    label_votes: int
    answers: tuple[Answer, ...]
    sentiment: str | None = None

    def to_row(self) -> dict[str, object]:
        return {
            "item_id": self.item.item_id,
            "row_id": self.item.row_id,
            "index": self.item.index,
            "is_resolved": self.is_resolved,
            "groundtruth": self.groundtruth,
            "score": self.score,
            "total_votes": self.total_votes,
            "label_votes": self.label_votes,
            "comments": [it.comment for it in self.answers if it.comment],
            "sentiment": self.sentiment,
            "answers": format_answers(self.answers),
        }


class Summary(Model):
    """How labelling ended. Counts are of items, `annotators` of people."""

    time: Timestamp
    asked: int = Field(ge=0)
    answered: int = Field(ge=0)
    resolved: int = Field(ge=0)
    unresolved: int = Field(ge=0)
    annotators: int = Field(ge=0)
    agreement: float | None = None
    reason: str


def format_answers(answers: Sequence[Answer]) -> str:
    """JSON; `parse_answers` reads it."""
    return _ANSWERS.dump_json(tuple(answers), exclude_none=True).decode()


def parse_answers(text: str) -> tuple[Answer, ...]:
    return _ANSWERS.validate_json(text)


def read_items(folder: Folder) -> tuple[CutItem, ...]:
    """What people are asked, in order of priority. Raises Unavailable without the file."""
    columns = [it.name for it in fields(CutItem)]
    rows = [row for batch in folder.batches(TASKS, columns) for row in batch.to_pylist()]
    return tuple(sorted((CutItem(**row) for row in rows), key=lambda it: (it.priority, it.item_id)))


def read_tasks(folder: Folder, wanted: Set[str]) -> Iterator[list[Task]]:
    """The tasks of these items in order of priority, some 32 MB at a time."""
    tasks: list[Task] = []
    size = 0
    for batch in folder.batches(TASKS, ["item_id", "priority", "instance"]):
        for row in batch.to_pylist():
            if row["item_id"] not in wanted:
                continue
            tasks.append(Task(row["item_id"], row["priority"], row["instance"]))
            size += len(row["instance"])
            if size > _TASK_BYTES:
                yield tasks
                tasks, size = [], 0
    if tasks:
        yield tasks


def read_kept(folder: Folder) -> dict[str, Kept]:
    """By item id; empty before anything was kept."""
    if not folder.exists(ANSWERS):
        return {}
    batches = folder.batches(ANSWERS, _KEPT_SCHEMA.names)
    rows = [row for batch in batches for row in batch.to_pylist()]
    return {row["item_id"]: Kept(parse_answers(row["answers"]), row["further"]) for row in rows}


def write_kept(folder: Folder, kept: Mapping[str, Kept]) -> None:
    rows = [
        {"item_id": item, "answers": format_answers(it.answers), "further": it.further}
        for item, it in sorted(kept.items())
    ]
    _write(folder, ANSWERS, rows, _KEPT_SCHEMA)


def write_labels(folder: Folder, lines: Iterable[LabelLine], summary: Summary) -> None:
    """The labels, then the file that says that they are whole."""
    _write_labels(folder, LABELS, LABELED, lines, summary)


def write_late_labels(folder: Folder, lines: Iterable[LabelLine], summary: Summary) -> None:
    """The same, all of them, with what came after the run went on; written anew as it grows."""
    _write_labels(folder, LATE_LABELS, LATE_LABELED, lines, summary)


def read_resolved(folder: Folder, *, is_late: bool = False) -> dict[str, str]:
    """Ground truth by item, of those on which people agree; empty without the file."""
    name = LATE_LABELS if is_late else LABELS
    if not folder.exists(name):
        return {}
    columns = ["item_id", "is_resolved", "groundtruth"]
    rows = (row for batch in folder.batches(name, columns) for row in batch.to_pylist())
    return {row["item_id"]: row["groundtruth"] for row in rows if row["is_resolved"]}


def read_summary(folder: Folder) -> Summary | None:
    """None while the labels are not whole."""
    return Summary.from_dict(folder.read_json(LABELED)) if folder.exists(LABELED) else None


def merged_answers(before: Sequence[Answer], read: Sequence[Answer]) -> tuple[Answer, ...]:
    """The latest of each person. What is no longer there was said all the same, and counts."""
    latest: dict[str, Answer] = {}
    for answer in sorted((*before, *read), key=_by_time):
        latest[answer.annotator] = answer
    return tuple(sorted(latest.values(), key=_by_time))


def _by_time(answer: Answer) -> tuple[datetime, str]:
    return answer.time, answer.annotator


def _write_labels(
    folder: Folder, labels: str, told: str, lines: Iterable[LabelLine], summary: Summary
) -> None:
    _write(folder, labels, [line.to_row() for line in lines], _LABEL_SCHEMA)
    folder.write_json(told, summary.model_dump(mode="json", by_alias=True))


def _write(folder: Folder, name: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    with tempfile.TemporaryDirectory(prefix="labels-") as scratch:
        local = Path(scratch) / name
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), local, compression="zstd")
        folder.store(local, name)
