"""Rows, labels and a table's content by plain loops, to judge the real ones by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.tables.protocol import RowQuery, Table, Window
from evaluation_operator.tables.schema import HALF_SCHEMA, LABEL_SCHEMA, ROW_SCHEMA, row_digest

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
SIX = ("model", "model_version", "time", "raw_data", "raw_prediction", "groundtruth")
Row = dict[str, object]
FLOWERS = ("flowers", "v1")
TREES = ("trees", "v1")


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def window(start: float, end: float | None) -> Window:
    return Window(at(start), None if end is None else at(end))


def make_row(number: int = 0, **changed: object) -> Row:
    """A row as the sampler writes it; `number` makes it another, an hour later."""
    row: Row = {
        "model": "flowers",
        "model_version": "v1",
        "time": at(number),
        "raw_data": f'{{"instances": [{{"text": "rose {number}"}}]}}',
        "raw_prediction": '{"predictions": [{"labels": ["rose"], "scores": [0.9]}]}',
        "groundtruth": None,
        "id": f"row-{number:04}",
        "priority": number / 1024,
        "p": 0.5,
        "example_count": 100.0,
        "example_sample_percentage": 0.5,
        "sampled_at": at(number),
        "interval_start": START,
        "job_uid": "uid-1",
    }
    return row | changed


def make_foreign_row(number: int = 0, **changed: object) -> Row:
    """A row that somebody else wrote: the source's six columns."""
    row = make_row(number)
    return {name: row[name] for name in SIX} | changed


def make_half(side: str, number: int = 0, **changed: object) -> Row:
    """One side of `make_row(number)`: its request, or its response a second later."""
    row = make_row(number, item_count=1.0)
    del row["groundtruth"]
    if side == "request":
        return row | {"raw_prediction": None} | changed
    later = at(number) + timedelta(seconds=1)
    return row | {"raw_data": None, "time": later, "sampled_at": later} | changed


def make_label(
    row_id: str,
    text: str,
    hours: float = 0,
    labeler: str | None = None,
    of: tuple[str, str] | None = FLOWERS,
) -> Row:
    """`of`: the model version whose rows it is of; None is any."""
    model, version = of or (None, None)
    return {
        "id": row_id,
        "groundtruth": text,
        "labeled_at": at(hours),
        "labeler": labeler,
        "model": model,
        "model_version": version,
    }


def row_batch(*rows: Row) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(rows), schema=ROW_SCHEMA)


def half_batch(*halves: Row) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(halves), schema=HALF_SCHEMA)


def label_batch(*labels: Row) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(labels), schema=LABEL_SCHEMA)


def foreign_table(*rows: Row) -> pa.Table:
    return pa.Table.from_pylist(
        list(rows), schema=pa.schema([ROW_SCHEMA.field(name).with_nullable(True) for name in SIX])
    )


def write_parquet(path: Path, table: pa.Table) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def query(**changed: object) -> RowQuery:
    return RowQuery(**({"model": "flowers", "model_version": "v1"} | changed))  # type: ignore[arg-type]


def read(table: Table, **changed: object) -> list[Row]:
    return [row for batch in table.read_rows(query(**changed)) for row in batch.to_pylist()]


def read_ids(table: Table, **changed: object) -> list[object]:
    return [row["id"] for row in read(table, **changed)]


def expected_rows(
    rows: Iterable[Row], labels: Iterable[Row], asked: RowQuery, halves: Iterable[Row] = ()
) -> list[Row]:
    """What a query must give, by the words of RowQuery and Table.read_rows."""
    seen: Counter[str] = Counter()
    found: list[Row] = []
    known = sorted(labels, key=lambda label: (label["labeled_at"], label["groundtruth"]))
    whole = [*rows, *_joined(list(halves), asked)]
    for row in sorted(map(_completed, whole), key=_ground_truth_last):
        if not _is_asked(row, asked):
            continue
        if row["id"] is None:
            digest = row_digest(*(row[name] for name in SIX[:5]))  # type: ignore[arg-type]
            row["id"] = f"{digest}-{seen[digest]}" if seen[digest] else digest
            seen[digest] += 1
        for label in known:
            in_time = asked.label_cutoff is None or label["labeled_at"] <= asked.label_cutoff  # type: ignore[operator]
            is_meant = (label["model"], label["model_version"]) in (
                (None, None),
                (row["model"], row["model_version"]),
            )
            if label["id"] == row["id"] and in_time and is_meant:
                row |= {"groundtruth": label["groundtruth"], "labeled_at": label["labeled_at"]}
        row["is_inside"] = _is_in(asked.windows, row)
        if row not in found:
            found.append(row)
    return sorted(_first_deliveries(found), key=lambda row: str(row["id"]).encode())


def _first_deliveries(rows: Iterable[Row]) -> Iterator[Row]:
    sampled: set[object] = set()
    for row in sorted(rows, key=lambda row: (row["sampled_at"] is None, row["sampled_at"])):
        if row["sampled_at"] is None or row["id"] not in sampled:
            yield row
        if row["sampled_at"] is not None:
            sampled.add(row["id"])


def _joined(halves: list[Row], asked: RowQuery) -> Iterator[Row]:
    near = [
        half
        for half in halves
        if asked.spans is None
        or any(
            _holds(Window(w.start - timedelta(days=1), w.end), half["sampled_at"])
            for w in asked.spans
        )
    ]
    for request, response in product(near, near):
        if request["raw_data"] is None or response["raw_prediction"] is None:
            continue
        if any(request[name] != response[name] for name in ("job_uid", "id", "item_count")):
            continue
        later = max(request, response, key=lambda half: half["sampled_at"])  # type: ignore[arg-type,return-value]
        row = request | {name: later[name] for name in ("sampled_at", "interval_start")}
        row["raw_prediction"] = response["raw_prediction"]
        for name in ("p", "example_count", "example_sample_percentage"):
            row[name] = min(request[name], response[name])  # type: ignore[call-overload]
        del row["item_count"]
        yield row


def _completed(row: Row) -> Row:
    return {name: row.get(name) for name in [*ROW_SCHEMA.names, "labeled_at"]}


def _ground_truth_last(row: Row) -> tuple[bool, bytes]:
    truth = row["groundtruth"]
    return truth is None, str(truth).encode()


def _is_asked(row: Row, asked: RowQuery) -> bool:
    if (row["model"], row["model_version"]) != (asked.model, asked.model_version):
        return False
    if not _is_in(asked.windows, row) and not _is_in(asked.context, row):
        return False
    is_foreign = row["sampled_at"] is None
    return not (is_foreign and any(_holds(span, row["time"]) for span in asked.paused_spans))


def _is_in(windows: tuple[Window, ...] | None, row: Row) -> bool:
    moment = row["sampled_at"] or row["time"]
    return windows is None or any(_holds(window, moment) for window in windows)


def _holds(span: Window, moment: object) -> bool:
    assert isinstance(moment, datetime)
    return span.start <= moment and (span.end is None or moment < span.end)
