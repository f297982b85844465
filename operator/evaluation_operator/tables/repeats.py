"""The same row delivered twice is one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from evaluation_operator.tables.schema import to_microseconds

_Row: TypeAlias = dict[str, object]
_EARLIEST: Final = to_microseconds(datetime(1, 1, 2, tzinfo=UTC))
_LATEST: Final = to_microseconds(datetime(9999, 12, 30, tzinfo=UTC))


def without_repeats(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows by rising id, without those that repeat another.

    Of rows with `sampled_at` that share an id one is left: the one sampled first, since it is one
    event that was delivered again. Of others those that are equal in all columns are one, and
    those that differ all stay. Only rows of one id are held at a time.
    """
    held: list[_Row] = []  # what is left of the rows of the last id so far
    schema = None
    for batch in batches:
        if not batch.num_rows:
            continue
        batch = _with_possible_times(batch)
        schema = batch.schema
        ids = batch.column("id")
        if _has_equal_neighbours(ids) or (held and held[0]["id"] == ids[0].as_py()):
            finished: list[_Row] = []
            for row in batch.to_pylist():
                if held and held[0]["id"] != row["id"]:
                    finished += held
                    held = []
                _add(held, row)
            done = pa.RecordBatch.from_pylist(finished, schema=schema)
        else:
            before = pa.RecordBatch.from_pylist(held, schema=schema)
            done = pa.concat_batches([before, batch.slice(0, batch.num_rows - 1)])
            held = batch.slice(batch.num_rows - 1).to_pylist()
        if done.num_rows:
            yield done
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=schema)


def _with_possible_times(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Times that no datetime can hold are none: one such row would end the run."""
    for place, field in enumerate(batch.schema):
        if not pa.types.is_timestamp(field.type):
            continue
        column = batch.column(place)
        number = pc.cast(column, pa.int64())
        is_possible = pc.and_(pc.greater_equal(number, _EARLIEST), pc.less_equal(number, _LATEST))
        if not pc.all(is_possible, min_count=0).as_py():
            times = pc.if_else(is_possible, column, pa.scalar(None, field.type))
            batch = batch.set_column(place, field, times)
    return batch


def _add(held: list[_Row], row: _Row) -> None:
    if row["sampled_at"] is None:
        if row not in held:
            held.append(row)
        return
    for place, other in enumerate(held):
        if other["sampled_at"] is not None:
            held[place] = min(other, row, key=_standing)
            return
    held.append(row)


def _standing(row: _Row) -> tuple[object, ...]:
    """Earlier is less; of one instant the content decides, so that every engine agrees."""
    return row["sampled_at"], [(value is not None, str(value)) for value in row.values()]


def _has_equal_neighbours(ids: pa.Array) -> bool:
    return bool(pc.any(pc.equal(ids[1:], ids[:-1]), min_count=0).as_py())
