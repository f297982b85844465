"""Parquet files of a run: their columns with what each means, written by lines and read by batches.
A file is read only as it would have been written, or in types that hold the same values: others may
have written it, and what is wrong with it is told before it is believed.

What a column means is in the file itself, as metadata of the column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.results.errors import InvalidRun
from evaluation_operator.results.folder import Folder

ABOUT: Final = b"about"
"""The key of a column's metadata under which its meaning stands."""
LINES_A_GROUP: Final = 65_536


def column(name: str, kind: pa.DataType, about: str, *, is_nullable: bool = True) -> pa.Field:
    """A column whose meaning is `about`."""
    return pa.field(name, kind, nullable=is_nullable, metadata={ABOUT: about})


def about(field: pa.Field) -> str:
    """What the column means; empty where nobody has said."""
    return bytes((field.metadata or {}).get(ABOUT, b"")).decode()


class LineWriter:
    """A file written line by line, overwriting it; a line is a tuple in the order of the columns.
    An error within leaves a file that nobody can read.

    A group has LINES_A_GROUP lines, or fewer that come to `group_bytes`: as much is in memory.
    """

    def __init__(self, path: Path, schema: pa.Schema, *, group_bytes: int = 2**31) -> None:
        self._schema = schema
        self._group_bytes = group_bytes
        self._size = 0
        self._file = pq.ParquetWriter(path, schema, compression="zstd")
        self._lines: list[Sequence[object]] = []

    def __enter__(self) -> LineWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._file.close()

    def write(self, line: Sequence[object], size: int = 0) -> None:
        """`size`: its bytes, where lines may be large."""
        self._lines.append(line)
        self._size += size
        if len(self._lines) >= LINES_A_GROUP or self._size >= self._group_bytes:
            self._flush()

    def _flush(self) -> None:
        self._file.write_table(_table_of(self._lines, self._schema))
        self._lines.clear()
        self._size = 0


def write_lines(path: Path, schema: pa.Schema, lines: Iterable[Sequence[object]]) -> None:
    """The whole file, overwriting it."""
    with LineWriter(path, schema) as file:
        for line in lines:
            file.write(line)


def store_lines(
    folder: Folder, name: str, schema: pa.Schema, lines: Iterable[Sequence[object]]
) -> None:
    """The whole file, in a run's folder. Raises Unavailable."""
    with TemporaryDirectory(prefix="lines-") as scratch:
        local = Path(scratch) / name
        write_lines(local, schema, lines)
        folder.store(local, name)


def read_batches(
    folder: Folder,
    name: str,
    schema: pa.Schema,
    *,
    may_lack: Set[str] = frozenset(),
    from_line: int = 0,
) -> Iterator[pa.RecordBatch]:
    """The columns of `schema`, in its order and types, without those that the file may lack and
    does. Groups of lines that lie before `from_line` are not read.

    Raises Unavailable, and InvalidRun for a file that is not as `schema` says.
    """
    with folder.parquet(name) as file:
        wanted = pa.schema(list(_wanted(folder, name, file.schema_arrow, schema, may_lack)))
        groups, skipped = _groups_from(file.metadata, from_line)
        for batch in file.iter_batches(row_groups=groups, columns=wanted.names):
            if skipped:
                cut = min(skipped, batch.num_rows)
                batch, skipped = batch.slice(cut), skipped - cut
            if batch.num_rows:
                yield _in_types(folder, name, batch, wanted)


def read_lines(folder: Folder, name: str, schema: pa.Schema) -> Iterator[dict[str, Any]]:
    """All lines; raises as read_batches does."""
    for batch in read_batches(folder, name, schema):
        yield from lines_of(folder, name, batch)


def lines_of(folder: Folder, name: str, batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Of a batch of this file, which was read by read_batches. InvalidRun for a time that a
    datetime cannot hold."""
    try:
        return batch.to_pylist()  # type: ignore[no-any-return]
    except (OverflowError, ValueError) as error:
        raise not_as_written(folder, name, str(error)) from error


def not_as_written(folder: Folder, name: str, why: str) -> InvalidRun:
    """Of a file that no run writes so."""
    return InvalidRun(
        f"{folder.uri}/{name}: {why}; not as written: restore the file, or remove the run's folder "
        "if its results are lost"
    )


def _wanted(
    folder: Folder, name: str, found: pa.Schema, schema: pa.Schema, may_lack: Set[str]
) -> Iterator[pa.Field]:
    for field in schema:
        places = found.get_all_field_indices(field.name)
        if not places and field.name in may_lack:
            continue
        if len(places) != 1:
            many = "more than one" if places else "no"
            raise not_as_written(folder, name, f"{many} column {field.name}")
        kind = found.field(places[0]).type
        if not _holds_the_same(kind, field.type):
            raise not_as_written(folder, name, f"column {field.name}: {kind}, not {field.type}")
        yield field


def _holds_the_same(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether the values may be those of the wanted type: other programs choose other sizes."""
    if pa.types.is_dictionary(found):
        return _holds_the_same(found.value_type, wanted)
    if pa.types.is_list(wanted):
        is_list = pa.types.is_list(found) or pa.types.is_large_list(found)
        return is_list and _holds_the_same(found.value_type, wanted.value_type)
    if pa.types.is_timestamp(wanted):
        return pa.types.is_timestamp(found) and found.tz is not None
    kinds = (_is_text, pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    return any(is_kind(found) and is_kind(wanted) for is_kind in kinds)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)  # type: ignore[no-any-return]


def _in_types(
    folder: Folder, name: str, batch: pa.RecordBatch, wanted: pa.Schema
) -> pa.RecordBatch:
    columns = []
    for field in wanted:
        column = batch.column(batch.schema.get_field_index(field.name))
        if not field.nullable and column.null_count:
            raise not_as_written(folder, name, f"column {field.name} has lines without a value")
        try:
            column.validate(full=True)
            columns.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowException as error:
            raise not_as_written(folder, name, f"column {field.name}: {error}") from error
    return pa.RecordBatch.from_arrays(columns, schema=wanted)


def _groups_from(metadata: pq.FileMetaData, line: int) -> tuple[list[int], int]:
    """The groups of lines to be read, and how many lines of the first lie before `line`."""
    for group in range(metadata.num_row_groups):
        count = metadata.row_group(group).num_rows
        if line < count:
            return list(range(group, metadata.num_row_groups)), line
        line -= count
    return [], 0


def _table_of(lines: Sequence[Sequence[object]], schema: pa.Schema) -> pa.Table:
    columns = zip(*lines, strict=True) if lines else ([] for _ in schema)
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
