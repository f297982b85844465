"""rows.parquet and cut.json: the very rows that a run evaluates, and what it asked the table for.

seen.parquet beside them has the ids of all rows that lay in the windows, drawn or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
from pydantic import Field, JsonValue, ValidationError

from evaluation_operator.api.base import Model, Timestamp
from evaluation_operator.api.faults import first_fault
from evaluation_operator.results import layout
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.parquet import column, not_as_written
from evaluation_operator.tables.protocol import RowQuery, Window

CUT_SCHEMA: Final = pa.schema(
    [
        column("id", pa.string(), "The row's id in the table.", is_nullable=False),
        column("time", pa.timestamp("us", "UTC"), "The row's time."),
        column("raw_data", pa.string(), "The request, as in the table."),
        column("raw_prediction", pa.string(), "The answer, as in the table."),
        column(
            "groundtruth", pa.string(), "What was true by the time of the cut, as in the table."
        ),
        column(
            "labeled_at", pa.timestamp("us", "UTC"), "When that was said; null: in the row itself."
        ),
        column(
            "p",
            pa.float64(),
            "The probability with which its items got into the sample.",
            is_nullable=False,
        ),
        column(
            "kept",
            pa.list_(pa.int32()),
            "The places of the instances that are in the sample; null: all of them.",
        ),
        column(
            "is_duplicate",
            pa.bool_(),
            "It shares its id with the row before it, and differs from that.",
            is_nullable=False,
        ),
        column("is_item", pa.bool_(), "Whether the sampler drew it, as one item."),
        column("priority", pa.float64(), "The sampler's; null in rows of others."),
    ]
)


class CutFigures(Model):
    """What manifest.json tells of a cut, too. `digest` stands for all that the figures are computed
    from. `shares_labels`: ground truth may be that of another model version, whose row has the same
    id. `timeless_count`: of the rows, those without a time that can be; None where all have one."""

    row_count: int = Field(ge=0, strict=True)
    item_count: int = Field(ge=0, strict=True)
    digest: str
    time: Timestamp
    shares_labels: bool = Field(default=False, strict=True)
    timeless_count: int | None = Field(default=None, ge=1, strict=True)

    def to_json(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class AskedSpan(Model):
    """A half-open span of time; without an end, an open one."""

    start_time: Timestamp
    end_time: Timestamp | None = None

    @classmethod
    def of(cls, window: Window) -> AskedSpan:
        return cls(start_time=window.start, end_time=window.end)

    def window(self) -> Window:
        return Window(self.start_time, self.end_time)


class CutRecord(CutFigures):
    """cut.json: also the times that the run asked for, so that who looks later knows what it
    covered. `taken_runs`: those that taken.parquet speaks for, if there is one."""

    windows: list[AskedSpan] = Field(default=[])
    paused_spans: list[AskedSpan] = Field(default=[])
    taken_runs: list[str] | None = None

    def asked(self) -> tuple[Window, ...]:
        return tuple(span.window() for span in self.windows)

    def paused(self) -> tuple[Window, ...]:
        return tuple(span.window() for span in self.paused_spans)


@dataclass(frozen=True, slots=True)
class Cut:
    """The rows at `path`. `seen` holds the ids of all rows that lay in the windows."""

    path: Path
    figures: CutFigures
    seen: Path | None = None

    def record(self, query: RowQuery, taken_runs: Sequence[str] | None) -> CutRecord:
        return CutRecord(
            **dict(self.figures),
            windows=[AskedSpan.of(window) for window in query.windows or ()],
            paused_spans=[AskedSpan.of(span) for span in query.paused_spans],
            taken_runs=None if taken_runs is None else list(taken_runs),
        )


def read_record(folder: Folder) -> CutRecord:
    """Raises Unavailable without the file, and InvalidRun for one that no run writes: what it does
    not tell would be evaluated twice."""
    try:
        return CutRecord.from_dict(folder.read_json(layout.CUT))
    except ValidationError as error:
        raise not_as_written(folder, layout.CUT, first_fault(error)) from error


def write_record(folder: Folder, record: CutRecord) -> None:
    """Last, since it says that the rows are whole. Raises Unavailable."""
    folder.write_json(layout.CUT, record.to_json())
