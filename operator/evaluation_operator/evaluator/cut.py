"""The cut: the rows that a run evaluates, copied once and never changed again.

A retried run finds the cut that exists and uses it, and a later look at an Evaluation finds the
very rows, and the labels as they were, that it was computed from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.api.base import TimeSpan, format_time
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.domain.schedule import first_run_time
from evaluation_operator.evaluator.items import Fault, Item, LeftOut, Outcome, Row, RowReader
from evaluation_operator.tables.protocol import RowQuery, Table, Window
from evaluation_operator.tables.sample import BottomK

# `kept` lists the instances that are in the sample; null means all of them. `is_duplicate`
# marks a row that shares its id with the one before it and differs from it.
CUT_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("time", pa.timestamp("us", "UTC")),
        pa.field("raw_data", pa.string()),
        pa.field("raw_prediction", pa.string()),
        pa.field("groundtruth", pa.string()),
        pa.field("labeled_at", pa.timestamp("us", "UTC")),
        pa.field("p", pa.float64(), nullable=False),
        pa.field("kept", pa.list_(pa.int32())),
        pa.field("is_duplicate", pa.bool_(), nullable=False),
    ]
)
_CANDIDATES: Final = "candidates.parquet"
_BATCH_ROWS: Final = 1024
_MODULUS: Final = 2**256

RowDict = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cut:
    """The rows at `path`; `digest` stands for all that the figures are computed from.

    `seen` holds the ids of all rows that were there to choose from.
    """

    path: Path
    row_count: int
    item_count: int
    digest: str
    time: datetime
    seen: Path | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "rowCount": self.row_count,
            "itemCount": self.item_count,
            "digest": self.digest,
            "time": format_time(self.time),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any], path: Path) -> Cut:
        return cls(
            path=path,
            row_count=int(content["rowCount"]),
            item_count=int(content["itemCount"]),
            digest=str(content["digest"]),
            time=datetime.fromisoformat(content["time"]),
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


def row_query(dataset: Dataset, label_cutoff: datetime) -> RowQuery:
    """What the Dataset asks of the table."""
    spec = dataset.spec
    windows = None if spec.all_rows else tuple(_window(span) for span in spec.windows)
    paused = tuple(Window(span.start_time, span.end_time) for span in spec.paused_spans)
    return RowQuery(
        model=spec.model_version.model,
        model_version=spec.model_version.version,
        windows=windows,
        paused_spans=paused,
        label_cutoff=label_cutoff,
    )


def _window(span: TimeSpan) -> Window:
    return Window(span.start_time, span.end_time)


def build_reader(dataset: Dataset) -> RowReader:
    """How the rows of this Dataset are read: its labels and import keys."""
    spec, keys = dataset.spec, dataset.spec.bigquery_import_keys
    metadata = spec.input_configs[0].classification_metadata
    return RowReader(
        spec.annotation_specs,
        keys.label_json_key or "label",
        keys.label_score_json_key or "score",
        is_multi_label=bool(metadata and metadata.is_multi_label),
    )


def cut_rows(
    dataset: Dataset,
    table: Table,
    scratch: Path,
    now: datetime,
    *,
    taken: Callable[[Sequence[str]], set[str]] = lambda _: set(),
) -> Cut:
    """Read the Dataset's rows, draw the sample, and write both to a file in `scratch`.

    `taken` says which of some ids earlier runs of the job have evaluated: those are left out.
    Two passes, since the cap on an interval is known only once all of it has been seen; memory
    does not grow with the rows.
    """
    reader = build_reader(dataset)
    candidates = scratch / _CANDIDATES
    drawn = _Sampler(dataset, reader)
    with pq.ParquetWriter(candidates, _candidate_schema(), compression="zstd") as writer:
        for rows in _unseen(table.read_rows(row_query(dataset, now)), taken):
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=_candidate_schema()))
            for row in rows:
                drawn.see(row)
    path = scratch / "rows.parquet"
    digest = RowsDigest()
    row_count = item_count = 0
    with ExitStack() as files:
        writer = files.enter_context(pq.ParquetWriter(path, CUT_SCHEMA, compression="zstd"))
        for batch in pq.ParquetFile(candidates).iter_batches(_BATCH_ROWS):
            draws = (drawn.draw(candidate) for candidate in batch.to_pylist())
            kept = [row for row in draws if row is not None]
            for row in kept:
                digest.add(row)
                item_count += row.pop("_items")
            row_count += len(kept)
            writer.write_batch(pa.RecordBatch.from_pylist(kept, schema=CUT_SCHEMA))
    seen = scratch / "seen.parquet"
    pq.write_table(pq.read_table(candidates, columns=["id"]), seen, compression="zstd")
    candidates.unlink()
    return Cut(path, row_count, item_count, digest.hexdigest(), now, seen)


def read_outcomes(path: Path, reader: RowReader) -> Iterator[Outcome]:
    """Every item of a cut, in its order."""
    for batch in pq.ParquetFile(path).iter_batches(_BATCH_ROWS):
        for row in batch.to_pylist():
            yield from _outcomes_of(row, reader)


def _outcomes_of(row: RowDict, reader: RowReader) -> Iterable[Outcome]:
    if row["is_duplicate"]:
        message = (
            f"row {row['id'][:60]}: another row has this id and differs from it; give each row "
            "an id of its own"
        )
        return [Fault(row["id"], None, message)]
    outcomes = reader.read(
        Row(row["id"], row["raw_data"], row["raw_prediction"], row["groundtruth"], row["p"])
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


def _candidate_schema() -> pa.Schema:
    extra = [
        pa.field("priority", pa.float64()),
        pa.field("sampled_at", pa.timestamp("us", "UTC")),
        pa.field("interval_start", pa.timestamp("us", "UTC")),
    ]
    names = [field for field in CUT_SCHEMA if field.name not in ("p", "kept")]
    return pa.schema([*names, *extra])


def _unseen(
    batches: Iterable[pa.RecordBatch], taken: Callable[[Sequence[str]], set[str]]
) -> Iterator[list[RowDict]]:
    """Rows batch by batch, marked where they share an id with the one before."""
    columns = [field.name for field in _candidate_schema() if field.name != "is_duplicate"]
    last = None
    for batch in batches:
        rows: list[RowDict] = batch.select(columns).to_pylist()
        gone = taken([row["id"] for row in rows])
        for row in rows:
            row["is_duplicate"] = row["id"] == last
            last = row["id"]
        yield [row for row in rows if row["id"] not in gone]


class _Sampler:
    """Draws items, not rows: a row of a table that others fill may hold several."""

    def __init__(self, dataset: Dataset, reader: RowReader) -> None:
        spec = dataset.spec
        self._reader = reader
        self._bottom = BottomK(spec.example_count, spec.example_sample_percentage or 1.0)
        created = spec.evaluation_job.create_time or spec.scheduled_time
        self._anchor = first_run_time(created)
        self._days = spec.interval_days or 1

    def see(self, row: RowDict) -> None:
        for index in range(self._count(row)):
            self._bottom.see(f"{row['id']}/{index}", self._interval(row), row["priority"])

    def draw(self, row: RowDict) -> RowDict | None:
        """The row with its probability and its kept items, or None when it has none."""
        interval, count = self._interval(row), self._count(row)
        drawn = [
            self._bottom.inclusion(f"{row['id']}/{index}", interval, row["priority"])
            for index in range(count)
        ]
        kept = [index for index, p in enumerate(drawn) if p is not None]
        if not kept:
            return None
        drawn_row = {name: row[name] for name in CUT_SCHEMA.names if name not in ("p", "kept")}
        drawn_row["p"] = drawn[kept[0]]
        drawn_row["kept"] = None if len(kept) == count else kept
        drawn_row["_items"] = len(kept)
        return drawn_row

    def _count(self, row: RowDict) -> int:
        """How many items the row holds; one that cannot be split counts as one."""
        text = Row(row["id"], row["raw_data"], row["raw_prediction"], row["groundtruth"])
        return max(len(self._reader.read(text)), 1)

    def _interval(self, row: RowDict) -> Hashable:
        """Intervals begin at run times, counted from the job's first one."""
        start: datetime | None = row["interval_start"]
        time: datetime | None = row["time"]
        if start is not None or time is None:
            return start
        return (time - self._anchor).days // self._days


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
