"""labels.parquet and labels.json: what people said of a run's items; and the same, later.

labels.json is written last: it says that the rest is whole. With people's labels that came after
the run went on there are late-labels.parquet and late-labels.json beside them, of all labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import pyarrow as pa
from pydantic import Field, ValidationError

from evaluation_operator.api.base import Model, Timestamp
from evaluation_operator.api.faults import first_fault
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.results import layout
from evaluation_operator.results.errors import Unavailable
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.parquet import column, read_lines, store_lines

LABELS_SCHEMA: Final = pa.schema(
    [
        column("item_id", pa.string(), "The item, as in items.parquet.", is_nullable=False),
        column("row_id", pa.string(), "The row of the table.", is_nullable=False),
        column("index", pa.int32(), "The item's place in the row, from 0.", is_nullable=False),
        column("is_resolved", pa.bool_(), "Whether people agree on a label.", is_nullable=False),
        column("groundtruth", pa.string(), "JSON of one entry of the ground truth, if they do."),
        column("score", pa.float64(), "The share of those who agree."),
        column("total_votes", pa.int32(), "How many have answered.", is_nullable=False),
        column("label_votes", pa.int32(), "How many of these are for it.", is_nullable=False),
        column("comments", pa.list_(pa.string()), "What they remarked.", is_nullable=False),
        column("sentiment", pa.string(), "Of a text, where that was asked."),
        column("answers", pa.string(), "JSON of all answers: who, when, what.", is_nullable=False),
    ]
)
_TRUTHS_SCHEMA: Final = pa.schema(
    [LABELS_SCHEMA.field(it) for it in ("item_id", "row_id", "index", "is_resolved", "groundtruth")]
)


class LabelLine(NamedTuple):
    """A line of the file: an item that somebody has answered."""

    item_id: str
    row_id: str
    place: int
    is_resolved: bool
    groundtruth: str | None
    score: float | None
    total_votes: int
    label_votes: int
    comments: list[str]
    sentiment: str | None
    answers: str


class LabelSummary(Model):
    """labels.json: how labelling ended. Counts are of items, `annotators` of people; `agreement`
    is null where nobody could disagree."""

    time: Timestamp
    asked: int = Field(ge=0)
    answered: int = Field(ge=0)
    resolved: int = Field(ge=0)
    unresolved: int = Field(ge=0)
    annotators: int = Field(ge=0)
    agreement: float | None = None
    reason: Reason


class LabelFiles(NamedTuple):
    """Names in a run's folder."""

    lines: str
    summary: str


FIRST: Final = LabelFiles(layout.LABELS, layout.LABELED)
"""Those that the run was evaluated with."""
LATE: Final = LabelFiles(layout.LATE_LABELS, layout.LATE_LABELED)
"""The same with what came after the run went on; written anew as it grows."""


def write_labels(
    folder: Folder, files: LabelFiles, lines: Iterable[LabelLine], summary: LabelSummary
) -> None:
    """The labels, then the file that says that they are whole. Raises Unavailable."""
    store_lines(folder, files.lines, LABELS_SCHEMA, lines)
    write_summary(folder, files, summary)


def write_summary(folder: Folder, files: LabelFiles, summary: LabelSummary) -> None:
    """Alone where there is nothing to label. Raises Unavailable."""
    folder.write_json(files.summary, summary.model_dump(mode="json", by_alias=True))


def read_summary(folder: Folder, files: LabelFiles = FIRST) -> LabelSummary | None:
    """None while the labels are not whole. Raises Unavailable, also for one that somebody else has
    written there."""
    if not folder.exists(files.summary):
        return None
    try:
        return LabelSummary.from_dict(folder.read_json(files.summary))
    except ValidationError as error:
        raise Unavailable(
            f"{folder.uri}/{files.summary}: {first_fault(error)}; not as written: remove it"
        ) from error


def read_label_lines(folder: Folder, files: LabelFiles = FIRST) -> Iterator[LabelLine]:
    """What people said, an item a line; none without the file. Raises Unavailable, and InvalidRun
    for a file that no labeler writes."""
    if folder.exists(files.lines):
        for line in read_lines(folder, files.lines, LABELS_SCHEMA):
            yield LabelLine(*line.values())


def read_truths(folder: Folder, files: LabelFiles = FIRST) -> Iterator[tuple[str, str, int, str]]:
    """Item id, row id, place in the row, and ground truth of each item on which people agree; none
    without the file. Raises as read_label_lines does."""
    if folder.exists(files.lines):
        for line in read_lines(folder, files.lines, _TRUTHS_SCHEMA):
            if line["is_resolved"] and line["groundtruth"] is not None:
                yield line["item_id"], line["row_id"], line["index"], line["groundtruth"]
