"""rows.parquet and cut.json: the very rows that a run evaluates, and what it asked the table for.

seen.parquet beside them has the ids of all rows that lay in the windows, drawn or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from evaluation_operator.api.base import format_time
from evaluation_operator.results.parquet import column
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


@dataclass(frozen=True, slots=True)
class Cut:
    """The rows at `path`; `digest` stands for all that the figures are computed from.

    `seen` holds the ids of all rows that lay in the windows. `shares_labels`: ground truth may be
    that of another model version, whose row has the same id.
    """

    path: Path
    row_count: int
    item_count: int
    digest: str
    time: datetime
    seen: Path | None = None
    shares_labels: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "rowCount": self.row_count,
            "itemCount": self.item_count,
            "digest": self.digest,
            "time": format_time(self.time),
            "sharesLabels": self.shares_labels,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any], path: Path) -> Cut:
        return cls(
            path=path,
            row_count=int(content["rowCount"]),
            item_count=int(content["itemCount"]),
            digest=str(content["digest"]),
            time=datetime.fromisoformat(content["time"]),
            shares_labels=bool(content.get("sharesLabels")),
        )


@dataclass(frozen=True, slots=True)
class RowQueryRecord:
    """The times that a run asked for, kept with its cut: who looks later knows what it covered."""

    windows: tuple[Window, ...]
    paused_spans: tuple[Window, ...]

    @classmethod
    def of(cls, query: RowQuery) -> RowQueryRecord:
        return cls(query.windows or (), query.paused_spans)

    def to_json(self) -> dict[str, Any]:
        return {
            "windows": [_span_json(window) for window in self.windows],
            "pausedSpans": [_span_json(span) for span in self.paused_spans],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> RowQueryRecord:
        return cls(
            tuple(_span_of(item) for item in content.get("windows") or ()),
            tuple(_span_of(item) for item in content.get("pausedSpans") or ()),
        )


def _span_json(window: Window) -> dict[str, str]:
    span = {"startTime": format_time(window.start)}
    return span | {"endTime": format_time(window.end)} if window.end is not None else span


def _span_of(item: dict[str, str]) -> Window:
    end = item.get("endTime")
    start = datetime.fromisoformat(item["startTime"])
    return Window(start, datetime.fromisoformat(end) if end else None)
