"""Rows and half rows on their way into a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from evaluation_operator.sampling.sample.record import Content, Record, interval_start
from evaluation_operator.sampling.sample.sifting import Item
from evaluation_operator.sampling.sample.threshold import Threshold

Column = list[str | float | datetime | None]
_LEADING = ("model", "model_version", "time", "raw_data", "raw_prediction")
_OWN = ("id", "priority", "p", "example_count", "example_sample_percentage")
_BATCH_ROWS = 1_000
_PLACING = ("sampled_at", "interval_start", "job_uid")


@dataclass(slots=True, eq=False)
class Entry:
    """The rows of one prediction for one job: whole ones of one or two halves, or half rows.

    `stamp` is their `sampled_at`: when the later half came. `threshold` is that of the interval
    which holds it.
    """

    kept: tuple[Record, ...]
    stamp: datetime
    items: tuple[Item, ...]
    p: float
    threshold: Threshold
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(kept.bytes_written for kept in self.kept)

    @property
    def is_row(self) -> bool:
        """Whether these are rows; else they are half rows."""
        return len(self.kept) == 2 or self.kept[0].is_whole

    @property
    def last(self) -> Record:
        """The later half."""
        return self.kept[-1]

    def ids(self) -> list[tuple[str, str]]:
        """Job uid and row id of each."""
        return [(self.last.job.uid, row_id(self.last, index)) for index, _ in self.items]

    def restamp(self, stamp: datetime, threshold: Threshold) -> None:
        """Move to a later time, and into the interval that holds it, whose threshold is given.

        If that is another one, what the old one has ruled out since is dropped, and the others
        were drawn with its limit at most: so they are a sample that the new one can draw from.
        """
        self.stamp = stamp
        if threshold is self.threshold:
            return
        self.p = min(self.p, self.threshold.limit)
        self.items = tuple(item for item in self.items if item[1] < self.p)
        self.threshold = threshold
        if self.is_row:
            for _, priority in self.items:
                threshold.offer(priority)


def row_id(kept: Record, index: int) -> str:
    """The id of an item is that of its row."""
    return f"{kept.event_id}/{index}"


def row_of(kept: Record) -> Entry:
    """A whole prediction, or a half by itself."""
    return Entry((kept,), kept.stamp, kept.items, kept.p, kept.threshold)


def row_of_two(earlier: Record, later: Record) -> Entry:
    """Both halves of a prediction: the items that both have kept, in the later one's interval."""
    common = {index for index, _ in earlier.items}
    items = tuple(item for item in later.items if item[0] in common)
    return Entry((earlier, later), later.stamp, items, min(earlier.p, later.p), later.threshold)


def to_batches(
    entries: Iterable[tuple[Entry, Sequence[Content]]], *, with_counts: bool
) -> Iterator[pa.RecordBatch]:
    """The entries as columns of a table; `with_counts` as those of its half rows. The contents
    are those of the entry's `kept`, in order. Few rows at a time: while they become columns, no
    other thread runs."""
    names = _LEADING + _OWN + _PLACING + (("item_count",) if with_counts else ())
    columns: list[Column] = [[] for _ in names]
    for entry, contents in entries:
        for row in _rows(entry, contents, with_counts=with_counts):
            for column, value in zip(columns, row, strict=True):
                column.append(value)
            if len(columns[0]) == _BATCH_ROWS:
                yield pa.RecordBatch.from_pydict(dict(zip(names, columns, strict=True)))
                columns = [[] for _ in names]
    if columns[0]:
        yield pa.RecordBatch.from_pydict(dict(zip(names, columns, strict=True)))


def _rows(
    entry: Entry, contents: Sequence[Content], *, with_counts: bool
) -> Iterator[tuple[str | float | datetime | None, ...]]:
    job = entry.last.job
    data, predictions, time = _texts(entry, contents)
    started = interval_start(job, entry.stamp)
    cap = float(min(kept.cap for kept in entry.kept))
    fraction = min(kept.fraction for kept in entry.kept)
    count = (float(entry.last.item_count),) if with_counts else ()
    for index, priority in entry.items:
        yield (
            *(job.model, job.version, time, data.get(index), predictions.get(index)),
            *(row_id(entry.last, index), priority, entry.p, cap, fraction),
            *(entry.stamp, started, job.uid, *count),
        )


def _texts(
    entry: Entry, contents: Sequence[Content]
) -> tuple[dict[int, str], dict[int, str], datetime]:
    """Texts by index, and the time of the request if it is there."""
    data: dict[int, str] = {}
    predictions: dict[int, str] = {}
    time = contents[0].time
    for kept, content in zip(entry.kept, contents, strict=True):
        if content.data is not None:
            time = content.time
        for texts, given in ((data, content.data), (predictions, content.predictions)):
            if given is not None:
                texts.update(zip((index for index, _ in kept.items), given, strict=True))
    return data, predictions, time
