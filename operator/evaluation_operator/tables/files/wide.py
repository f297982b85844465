"""Rows too wide to be sorted in memory, set down on disk and taken up again by rising id.

An engine sorts many small rows within its bounds, but not large ones: DuckDB holds the texts of
all of them. So wide rows go to disk one by one as they are read, and come back in parts that an
engine can hold, each of all rows and halves whose ids lie between those of its neighbours.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa

from evaluation_operator.storage.errors import TableInvalid
from evaluation_operator.tables.schema import HALF_SCHEMA, ID_DIGITS, ROW_SCHEMA

_KEY: Final = "key"
# Rows and halves. Those of others may lack even what they must have.
_ROWS, _HALVES = (
    pa.schema([each.with_nullable(True) for each in schema]) for schema in (ROW_SCHEMA, HALF_SCHEMA)
)
_CODEC: Final = "lz4"
_BATCH_BYTES: Final = 8 * 2**20
# Nothing here outlives the call, so nothing has to survive a crash.
_SETUP: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA page_size = 16384;
    PRAGMA cache_size = -16384;
    CREATE TABLE spool (key BLOB, is_half INTEGER, size INTEGER, row BLOB);
    CREATE INDEX by_key ON spool (key);
"""


@dataclass(slots=True)
class Part:
    """All rows and halves of some ids. `size`: the bytes that they take."""

    rows: list[pa.RecordBatch] = field(default_factory=list)
    halves: list[pa.RecordBatch] = field(default_factory=list)
    size: int = 0

    def add(self, row: pa.RecordBatch, size: int, *, is_half: bool) -> None:
        (self.halves if is_half else self.rows).append(row)
        self.size += size

    def tables(self) -> Iterator[tuple[str, pa.Table]]:
        """Each with a name."""
        yield "part_rows", pa.Table.from_batches(self.rows, _ROWS)
        yield "part_halves", pa.Table.from_batches(self.halves, _HALVES)


class Spool:
    """Rows and halves on disk, by their keys; to be had from `open_spool`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def add(self, found: pa.Table, *, is_half: bool) -> None:
        """Set down ROW_SCHEMA or HALF_SCHEMA with a column `key`, the id before any number."""
        keys = found.column(_KEY).to_pylist()
        rows = found.drop_columns(_KEY).cast(_HALVES if is_half else _ROWS)
        self._database.executemany(
            "INSERT INTO spool VALUES (?, ?, ?, ?)",
            (
                (key.encode(), is_half, *_packed(row))
                for key, row in zip(keys, _one_by_one(rows), strict=True)
            ),
        )

    def parts(self, most_bytes: int) -> Iterator[Part]:
        """By rising key, each of at most so many bytes, or of ids that no part may divide.

        A row without id is numbered among those of its digest: what begins with a digest may be
        such a number, or lie between two, and stays with it.
        """
        part, last, digest = Part(), None, None
        for key, is_half, size, packed in self._database.execute(
            "SELECT key, is_half, size, row FROM spool ORDER BY key"
        ):
            is_bound = key == last or (digest is not None and key.startswith(digest))
            if part.size and part.size + size > most_bytes and not is_bound:
                yield part
                part = Part()
            last = key
            digest = key if len(key) == ID_DIGITS else digest
            schema = _HALVES if is_half else _ROWS
            part.add(_unpacked(packed, size, schema), size, is_half=bool(is_half))
        if part.size:
            yield part


@contextmanager
def open_spool(directory: Path | None) -> Iterator[Spool]:
    """An empty one below `directory`, by default the system's for what is temporary."""
    with (
        tempfile.TemporaryDirectory(prefix="table-", dir=directory) as folder,
        closing(sqlite3.connect(Path(folder, "spool"), isolation_level=None)) as database,
    ):
        database.executescript(_SETUP)
        yield Spool(database)


def _one_by_one(rows: pa.Table) -> Iterator[pa.RecordBatch]:
    for batch in rows.to_batches():
        for place in range(batch.num_rows):
            yield batch.slice(place, 1)


def _packed(row: pa.RecordBatch) -> tuple[int, bytes]:
    content = row.serialize()
    return content.size, pa.compress(content, codec=_CODEC, asbytes=True)


def _unpacked(packed: bytes, size: int, schema: pa.Schema) -> pa.RecordBatch:
    return pa.ipc.read_record_batch(pa.decompress(packed, size, codec=_CODEC), schema)


def check_widths(rows: pa.Table, most_bytes: int, path: str) -> None:
    """TableInvalid if a row alone has more: an engine that joins rows holds a few copies of it."""
    if rows.nbytes <= most_bytes:
        return
    widest = max(row.nbytes for row in _one_by_one(rows))
    if widest > most_bytes:
        raise TableInvalid(
            f'file "{path}" has a row of {widest} bytes, and {most_bytes} fit in memory; keep '
            "large values as files beside the table"
        )


def sliced(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of a few MiB, unless a row alone has more."""
    for batch in batches:
        if batch.num_rows > 1 and batch.nbytes > _BATCH_BYTES:
            half = batch.num_rows // 2
            yield from sliced((batch.slice(0, half), batch.slice(half)))
        else:
            yield batch
