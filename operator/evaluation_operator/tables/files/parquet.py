"""Parquet files of a table: what their footers say, and how new ones are written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from evaluation_operator.storage.errors import SchemaDifference, TableInvalid, TableUnavailable
from evaluation_operator.storage.plain_files import NotPlainError
from evaluation_operator.storage.storage import Draft, Storage
from evaluation_operator.tables.files.days import by_day
from evaluation_operator.tables.schema import Column, ColumnKind, conform, find_differences

_GROUP_ROWS: Final = 65_536
_GROUP_BYTES: Final = 16 * 2**20
# From so much a row on, an engine that sorts them holds most of them in memory at once.
_WIDE_ROW_BYTES: Final = 1024
# A dictionary of more is given up by those who write files, and values stand for themselves.
_DICTIONARY_BYTES: Final = 2 * 2**20
_SLICE_ROWS: Final = 16
_VECTOR_ROWS: Final = 2048
_BUFFER_BYTES: Final = 4 * 2**20
_FILE_BYTES: Final = 256 * 2**20
_FOOTER_READERS: Final = 8
# Some thousand row groups of a few columns; in memory it is six times as large.
_FOOTER_BYTES: Final = 16 * 2**20
_FOOTER_END: Final = 8
_OPEN_FILES: Final = 64

_EXPECTED: Final = {
    ColumnKind.TEXT: "string",
    ColumnKind.NUMBER: "double",
    ColumnKind.TIME: "timestamp[us, tz=UTC]",
}


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file says of itself. `has_ids`: it has the column, and it is known to be full.

    `wide_bytes`: how much it holds at most, uncompressed, in row groups of wide rows. Both are only
    known of files whose column chunks were looked at.
    """

    path: str
    schema: pa.Schema
    has_ids: bool
    wide_bytes: int

    @property
    def layout(self) -> str:
        """Files of the same layout can be read as one."""
        return "\n".join(f"{field.name} {field.type}" for field in self.schema)


def read_footers(
    filesystem: pafs.FileSystem, paths: Iterable[str], *, has_chunks: bool = True
) -> list[Footer]:
    """The footers in order; TableUnavailable names the first file that cannot be read.

    `has_chunks`: look at the column chunks too. pyarrow ends the whole process where one
    contradicts the file's schema (its RowGroupMetaData.column lets no C++ error through), so who
    serves others, as the sampler does, reads schemas alone.
    """
    with ThreadPoolExecutor(_FOOTER_READERS) as pool:
        return list(pool.map(lambda path: _read_footer(filesystem, path, has_chunks), paths))


def _read_footer(filesystem: pafs.FileSystem, path: str, has_chunks: bool) -> Footer:
    try:
        with filesystem.open_input_file(path) as source:
            _check_footer_size(source, path)
            with pq.ParquetFile(source) as file:
                metadata, schema = file.metadata, file.schema_arrow
                if not has_chunks:
                    return Footer(path, schema, has_ids=False, wide_bytes=0)
                return Footer(path, schema, _is_full(metadata, "id"), _wide_bytes(metadata))
    except FileNotFoundError as error:
        raise TableUnavailable(
            f'file "{path}" was there and is gone; leave files in place while they are read'
        ) from error
    except NotPlainError as error:
        raise TableInvalid(f"{error}; put the file itself there") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise TableUnavailable(
            f'file "{path}" is unreadable or half written ({_first_line(error)}); '
            "finish or remove it: its rows are not skipped silently"
        ) from error


def _check_footer_size(source: pa.NativeFile, path: str) -> None:
    """Before it is read, all of it: four bytes at the end of a file say how large it is."""
    size = source.size()
    if size < _FOOTER_END:
        return
    footer = int.from_bytes(source.read_at(_FOOTER_END, size - _FOOTER_END)[:4], "little")
    if _FOOTER_BYTES < footer <= size:
        raise TableInvalid(
            f'file "{path}" has a footer of {footer} bytes, and {_FOOTER_BYTES} are read at most; '
            "write it with fewer columns, or with larger row groups"
        )


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _is_full(metadata: pq.FileMetaData, column: str) -> bool:
    """Whether the statistics of every row group say that the column holds no null."""
    names = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    if column not in names:
        return False
    place = names.index(column)
    chunks = (metadata.row_group(i).column(place) for i in range(metadata.num_row_groups))
    return all(
        chunk.is_stats_set and chunk.statistics.has_null_count and not chunk.statistics.null_count
        for chunk in chunks
    )


def _wide_bytes(metadata: pq.FileMetaData) -> int:
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    sizes = [sum(map(_most_bytes, _columns(group))) for group in groups]
    return sum(
        size
        for size, group in zip(sizes, groups, strict=True)
        if size > _WIDE_ROW_BYTES * group.num_rows
    )


def _columns(group: pq.RowGroupMetaData) -> Iterator[pq.ColumnChunkMetaData]:
    return (group.column(place) for place in range(group.num_columns))


def _most_bytes(chunk: pq.ColumnChunkMetaData) -> int:
    """What the values take when they are read, at most.

    The file may hold a text once that many rows have. A short one would be in the statistics.
    """
    size = int(chunk.total_uncompressed_size)
    is_repeated = (
        chunk.has_dictionary_page
        and chunk.is_stats_set
        and chunk.statistics.num_values > 0
        and not chunk.statistics.has_min_max
        and size <= _DICTIONARY_BYTES + 4 * chunk.num_values
    )
    return size * int(chunk.statistics.num_values) if is_repeated else size


def read_slices(filesystem: pafs.FileSystem, path: str) -> Iterator[pa.Table]:
    """The file's rows in tables of bounded size, as its schema has them, from their pages: row
    groups may be larger than memory."""
    with (
        filesystem.open_input_file(path) as source,
        pq.ParquetFile(source, buffer_size=_BUFFER_BYTES) as file,
    ):
        yield from _gathered(file.iter_batches(_SLICE_ROWS), _VECTOR_ROWS, _GROUP_BYTES)


def check_footer(footer: Footer, columns: Sequence[Column]) -> None:
    """TableInvalid, with every difference, if the file's columns cannot serve."""
    found = {field.name: field.type for field in footer.schema}
    differences = find_differences(
        columns,
        {name: str(type_) for name, type_ in found.items()},
        lambda kind, name: _is_fit(kind, next(t for t in found.values() if str(t) == name)),
        _EXPECTED,
    )
    ours = {column.name for column in columns}
    differences += tuple(
        SchemaDifference(
            name, f'like "{name.lower()}" but for case', f'"{name.lower()}" alone', "rename it"
        )
        for name in found
        if name not in ours and name.lower() in ours and name.lower() in found
    )
    if differences:
        raise TableInvalid(f'file "{footer.path}" is no part of a table', differences)


def _is_fit(kind: ColumnKind, type_: pa.DataType) -> bool:
    """A time without zone is UTC. A column of nothing but null may have Arrow's null type."""
    if isinstance(type_, pa.BaseExtensionType):  # JSON, as DuckDB and Arrow write it.
        type_ = type_.storage_type
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if pa.types.is_null(type_):
        return True
    if kind is ColumnKind.TIME:
        return bool(pa.types.is_timestamp(type_))
    if kind is ColumnKind.NUMBER:
        return bool(pa.types.is_float64(type_))
    return bool(
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_string_view(type_)
    )


def write_files(
    storage: Storage, folder: str, columns: tuple[Column, ...], batches: Iterable[pa.RecordBatch]
) -> None:
    """Add the rows as files, visible only once all are written; each named by its content, so
    that the same rows added again in the same way are the same file."""
    drafts = _Drafts(storage, folder)
    try:
        whole = (conform(batch, columns) for batch in batches)
        for group in _gathered(whole, _GROUP_ROWS, _GROUP_BYTES):
            for day, rows in by_day(group):
                drafts.add(day, rows)
        drafts.publish()
    finally:
        drafts.close()


class _Drafts:
    """Files that nobody sees yet: those of a day, and those of rows that are of none."""

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage = storage
        self._folder = folder
        self._open: dict[str | None, _Open] = {}
        self._written: list[tuple[str | None, Draft]] = []

    def add(self, day: str | None, rows: pa.Table) -> None:
        """Into the day's file; it ends when it is large, or too many others are open."""
        draft = self._open.pop(day, None)
        if draft is None:
            if len(self._open) >= _OPEN_FILES:
                self._open.pop(next(iter(self._open))).writer.close()
            file = self._storage.draft()
            self._written.append((day, file))
            draft = _Open(
                pq.ParquetWriter(
                    file.path, rows.schema, filesystem=file.filesystem, compression="zstd"
                )
            )
        draft.writer.write_table(rows)
        draft.size += rows.nbytes
        if draft.size >= _FILE_BYTES:
            draft.writer.close()
        else:
            self._open[day] = draft

    def publish(self) -> None:
        self._end()
        for day, file in self._written:
            folder = self._folder if day is None else f"{self._folder}/{day}"
            self._storage.publish(file, f"{folder}/{_digest(file)}.parquet")

    def close(self) -> None:
        """Leave nothing of what was not published."""
        self._end()
        for _, file in self._written:
            file.discard()

    def _end(self) -> None:
        while self._open:
            self._open.popitem()[1].writer.close()


@dataclass(slots=True)
class _Open:
    writer: pq.ParquetWriter
    size: int = 0


def _gathered(
    batches: Iterable[pa.RecordBatch], most_rows: int, most_bytes: int
) -> Iterator[pa.Table]:
    """The same rows in tables of bounded size, neither tiny nor huge."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= most_rows or size >= most_bytes:
            yield pa.Table.from_batches(held)
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held)


def _digest(draft: Draft) -> str:
    with draft.filesystem.open_input_stream(draft.path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
