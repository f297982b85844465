"""The cut: the rows that a run evaluates, copied once and never changed again.

A retried run finds the cut that exists and uses it, and a later look at an Evaluation finds the
very rows, and the labels as they were, that it was computed from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.api.base import TimeSpan
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.domain.answer_spec import answers_of
from evaluation_operator.evaluator.draw import Draw, RowDict
from evaluation_operator.evaluator.intervals import Intervals
from evaluation_operator.results import layout
from evaluation_operator.results.rows import CUT_SCHEMA, Cut, CutFigures
from evaluation_operator.tables.protocol import RowQuery, Table, Window
from evaluation_operator.tables.schema import ID_SCHEMA, READ_SCHEMA
from evaluation_operator.tasks.items import (
    Fault,
    Item,
    LeftOut,
    Origin,
    Outcome,
    Row,
    RowReader,
)
from evaluation_operator.tasks.kind import TaskKind
from evaluation_operator.tasks.registry import kind_of

# What a draw needs to know of a row. `items`: how many it holds; `is_offered`: whether they may
# be drawn, or only count for others.
_STANDING: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("interval", pa.string()),
        pa.field("priority", pa.float64()),
        pa.field("p", pa.float64()),
        pa.field("items", pa.int32(), nullable=False),
        pa.field("is_offered", pa.bool_(), nullable=False),
    ]
)
_TEXTS: Final = ("raw_data", "raw_prediction", "groundtruth")
_CONTENT: Final = (*_TEXTS, "labeled_at")
_CANDIDATE_SCHEMA: Final = pa.schema(
    [
        *_STANDING,
        *(CUT_SCHEMA.field(name) for name in ("time", *_CONTENT, "is_duplicate")),
    ]
)
_READ: Final = [
    name for name in READ_SCHEMA.names if name not in ("model", "model_version", "job_uid")
]
_CANDIDATES: Final = "candidates.parquet"
_BATCH_ROWS: Final = 1024
_BATCH_CHARACTERS: Final = 8 * 2**20
_MODULUS: Final = 2**256


def row_query(dataset: Dataset, label_cutoff: datetime) -> RowQuery:
    """What the Dataset asks of the table: its windows, and what else their intervals have."""
    spec = dataset.spec
    windows = None if spec.all_rows else tuple(_window(span) for span in spec.windows)
    context = () if windows is None else _intervals(dataset).rest(windows)
    paused = tuple(Window(span.start_time, span.end_time) for span in spec.paused_spans)
    return RowQuery(
        model=spec.model_version.model,
        model_version=spec.model_version.version,
        windows=windows,
        paused_spans=paused,
        label_cutoff=label_cutoff,
        context=context,
    )


def _intervals(dataset: Dataset) -> Intervals:
    spec = dataset.spec
    created = spec.evaluation_job.create_time or spec.scheduled_time
    return Intervals(created, spec.interval_days or 1)


def _window(span: TimeSpan) -> Window:
    return Window(span.start_time, span.end_time)


def kind_of_dataset(dataset: Dataset) -> TaskKind:
    return kind_of(dataset.spec.input_configs[0].annotation_type)


def build_reader(dataset: Dataset) -> RowReader:
    """How the rows of this Dataset are read: its labels and import keys."""
    return kind_of_dataset(dataset).reader(answers_of(dataset.spec))


def cut_rows(
    dataset: Dataset,
    table: Table,
    scratch: Path,
    now: datetime,
    *,
    taken: Callable[[Sequence[str]], set[str]] = lambda _: set(),
) -> Cut:
    """Read the Dataset's rows, draw the sample, and write both to a file in `scratch`.

    `taken` says which of some ids earlier runs of the job have evaluated: those are not drawn
    again. Memory does not grow with the rows. Raises TableInvalid.
    """
    candidates, path = scratch / _CANDIDATES, scratch / layout.ROWS
    seen = scratch / layout.SEEN
    draw = Draw(dataset)
    query = row_query(dataset, now)
    found = table.read_rows(query)
    rows = _judged(found, taken, build_reader(dataset), _intervals(dataset))
    with (
        pq.ParquetWriter(candidates, _CANDIDATE_SCHEMA, compression="zstd") as writer,
        pq.ParquetWriter(seen, ID_SCHEMA, compression="zstd") as seen_writer,
    ):
        for batch in rows:
            for row in batch:
                draw.limit(row)
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=_CANDIDATE_SCHEMA))
            inside = [row for row in batch if row["is_inside"]]
            seen_writer.write_batch(pa.RecordBatch.from_pylist(inside, schema=ID_SCHEMA))
    for row in _read(candidates, _STANDING.names):
        draw.see(row)
    digest = RowsDigest()
    row_count = item_count = timeless = 0
    with pq.ParquetWriter(path, CUT_SCHEMA, compression="zstd") as writer:
        for kept in batched(_drawn(candidates, draw)):
            for row in kept:
                digest.add(row)
                timeless += row["time"] is None
                item_count += row["items"] if row["kept"] is None else len(row["kept"])
            row_count += len(kept)
            writer.write_batch(pa.RecordBatch.from_pylist(kept, schema=CUT_SCHEMA))
    candidates.unlink()
    figures = CutFigures(
        row_count=row_count,
        item_count=item_count,
        digest=digest.hexdigest(),
        time=now,
        shares_labels=shares_labels(table, query),
        timeless_count=timeless or None,
    )
    return Cut(path, figures, seen)


def shares_labels(table: Table, query: RowQuery) -> bool:
    """Whether a label may count for a row of the query and be meant for another model version's."""
    return table.shares_labels() and len(table.model_versions(2, query.spans)) > 1


def _judged(
    batches: Iterable[pa.RecordBatch],
    taken: Callable[[Sequence[str]], set[str]],
    reader: RowReader,
    intervals: Intervals,
) -> Iterator[list[RowDict]]:
    """Rows batch by batch, with all that is known of each before any is drawn.

    What cannot be drawn keeps no content: only its priority matters.
    """
    last = None
    for batch in batches:
        rows: list[RowDict] = batch.select(_READ).to_pylist()
        gone = taken([row["id"] for row in rows])
        for row in rows:
            if row["sampled_at"] is None:  # A column of that name may be somebody's own.
                row["priority"] = None
            row["is_duplicate"] = row["id"] == last
            last = row["id"] if row["is_inside"] else last
            row["items"] = _item_count(row, reader)
            moment = row["time"] if row["sampled_at"] is None else row["sampled_at"]
            row["interval"] = intervals.of(row["interval_start"], moment)
            row["is_offered"] = row["is_inside"] and row["id"] not in gone
            if not row["is_offered"]:
                row.update(dict.fromkeys(_CONTENT))
        yield rows


def _item_count(row: RowDict, reader: RowReader) -> int:
    """How many items the row holds; one that cannot be split counts as one."""
    text = Row(row["id"], row["raw_data"], row["raw_prediction"], row["groundtruth"])
    return max(len(reader.read(text)), 1)


def _drawn(candidates: Path, draw: Draw) -> Iterator[RowDict]:
    """The rows that have drawn items, with those and their probability."""
    for row in _read(candidates, _CANDIDATE_SCHEMA.names):
        drawn = draw.draw(row) if row["is_offered"] else None
        if drawn is not None:
            kept, row["p"] = drawn
            row["kept"] = None if len(kept) == row["items"] else kept
            row["is_item"] = row["priority"] is not None
            yield row


def _read(path: Path, columns: list[str] | None = None) -> Iterator[RowDict]:
    """Rows, of no more than what was written at once at a time: they may be large."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns):
                yield from batch.to_pylist()


def batched(rows: Iterable[RowDict]) -> Iterator[list[RowDict]]:
    """The rows, as many at a time as are written at once; of large ones few."""
    batch: list[RowDict] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(row.get(name) or "") for name in _TEXTS)
        if len(batch) == _BATCH_ROWS or size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def read_outcomes(path: Path, reader: RowReader) -> Iterator[Outcome]:
    """Every item of a cut, in its order."""
    for row in read_cut(path):
        yield from outcomes_of(row, reader)


def read_cut(path: Path) -> Iterator[RowDict]:
    """Every row of a cut. One of an earlier version of this system may lack the last columns."""
    return _read(path)


def outcomes_of(row: RowDict, reader: RowReader) -> Iterable[Outcome]:
    """The drawn items of a row of a cut."""
    if row["is_duplicate"]:
        message = (
            f"row {row['id'][:60]}: another row has this id and differs from it; give each row "
            "an id of its own"
        )
        return [Fault(row["id"], None, message, origin=Origin(row["id"], row["time"]))]
    outcomes = reader.read(
        Row(
            row["id"],
            row["raw_data"],
            row["raw_prediction"],
            row["groundtruth"],
            row["p"],
            is_item=bool(row.get("is_item")),
            time=row["time"],
        )
    )
    kept = row["kept"]
    if kept is None:
        return outcomes
    chosen = set(kept)
    return [outcome for outcome in outcomes if _index(outcome) in chosen]


def _index(outcome: Outcome) -> int:
    match outcome:
        case Item(index=index) | LeftOut(index=index):
            return index
        case Fault(index=index):
            return index or 0


class RowsDigest:
    """A digest of rows that does not depend on their order: sums of SHA-256 values."""

    def __init__(self) -> None:
        self._sum = 0
        self._count = 0

    def add(self, row: RowDict) -> None:
        parts = (
            row["id"],
            row["raw_prediction"],
            row["groundtruth"],
            repr(row["p"]),
            repr(row["kept"]),
            repr(row["is_duplicate"]),
        )
        text = "".join("~" if part is None else f"{len(part)}:{part}" for part in parts)
        value = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        self._sum = (self._sum + int.from_bytes(value, "big")) % _MODULUS
        self._count += 1

    def hexdigest(self) -> str:
        return hashlib.sha256(f"{self._count}:{self._sum:064x}".encode()).hexdigest()
