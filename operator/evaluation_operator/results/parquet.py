"""Parquet files of a run: their columns with what each means, written by lines and read by batches.

What a column means is in the file itself, as metadata of the column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

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


def _table_of(lines: Sequence[Sequence[object]], schema: pa.Schema) -> pa.Table:
    columns = zip(*lines, strict=True) if lines else ([] for _ in schema)
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
