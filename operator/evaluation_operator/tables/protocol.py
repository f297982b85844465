"""What every table can do, whatever holds its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Half-open time: `start` belongs to it, `end` does not; no end is an open end."""

    start: datetime
    end: datetime | None = None

    def __post_init__(self) -> None:
        for name, time in (("start", self.start), ("end", self.end)):
            if time is not None and time.utcoffset() is None:
                raise ValueError(f"{name}: {time} has no time zone; give one, such as UTC")

    def overlaps(self, other: Window) -> bool:
        """Whether any moment belongs to both."""
        return (other.end is None or self.start < other.end) and (
            self.end is None or other.start < self.end
        )


@dataclass(frozen=True, slots=True)
class RowQuery:
    """Rows of a model version.

    `windows`: only rows whose `sampled_at` lies in one of them, or whose `time` does where a
    row has no `sampled_at` (somebody else wrote it); None means all rows, () none.
    `paused_spans`: these times are left out, for rows without `sampled_at` alone: the sampler
    leaves them out by itself. `label_cutoff`: later labels do not count; None counts all.
    `context`: rows of these times come too, with `is_inside` false, unless a window has them.
    """

    model: str
    model_version: str
    windows: tuple[Window, ...] | None = None
    paused_spans: tuple[Window, ...] = ()
    label_cutoff: datetime | None = None
    context: tuple[Window, ...] = ()

    @property
    def spans(self) -> tuple[Window, ...] | None:
        """All times that rows may come from; None is all there are."""
        return None if self.windows is None else self.windows + self.context


@dataclass(frozen=True, slots=True)
class TableState:
    """`is_created`: the table was missing and has been made. `has_labels`: ground truth that
    comes later can be appended (not where others own the database and let us only read).
    `keeps_versions`: labels can say whose rows they are of (not where others made the table for
    them without columns for it)."""

    is_created: bool
    has_labels: bool
    keeps_versions: bool = True


class Table(Protocol):
    """Rows and labels behind one URI. Every method may raise TableInvalid, AccessRefused
    and TableUnavailable."""

    def ensure(self) -> TableState:
        """Make the table if it is missing; raise TableInvalid if its columns will not do."""

    def append_rows(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add rows with ids: all of them or none, and each id once however often it is tried."""

    def append_halves(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add halves of rows, as HALF_SCHEMA: all or none, each once however often it is tried.

        Once both halves of a row are there they read as a row: of the request's `time`, and
        sampled when the later one was.
        """

    def append_labels(
        self, batches: Iterable[pa.RecordBatch], *, for_all_versions: bool = False
    ) -> None:
        """Add ground truth by row id: all or none; the newest of an id wins.

        A label with `model` and `model_version` counts for rows of these alone, one without for
        every row of its id; so where the table has several, it is only taken if it is meant
        `for_all_versions`.
        """

    def read_rows(self, query: RowQuery) -> Iterator[pa.RecordBatch]:
        """Rows as READ_SCHEMA, by rising id (in bytes), in memory that does not grow with them.

        A row stored twice comes once. Of rows with `sampled_at` that share an id only the one
        sampled first comes: the others are the same event, delivered again. Rows of others that
        share an id and differ come one after another: the caller must refuse them.
        """

    def read_truth(self, query: RowQuery) -> Iterator[pa.RecordBatch]:
        """The ground truth of the rows of `read_rows`, as TRUTH_SCHEMA and by rising id.

        Rows of one id that differ in their ground truth come one after another. It may hold ids
        of events of which only one half has come, and none of the query's context.
        """

    def count_late(self, query: RowQuery, known_ids: Iterable[pa.RecordBatch]) -> int:
        """How many rows of others lie in the query's windows without being in `known_ids`.

        `known_ids` (ID_SCHEMA) are the rows that were there when the windows were read.
        """

    def model_versions(
        self, most: int, spans: tuple[Window, ...] | None = None
    ) -> list[tuple[str, str]]:
        """Models and versions that the table has rows of, in order; `most` of them, if there are
        more. What has rows outside of `spans` alone may be left out."""

    def shares_labels(self) -> bool:
        """Whether a label counts for every model version that has a row of its id."""

    def close(self) -> None:
        """Give back what is held; the table cannot be used any more."""
