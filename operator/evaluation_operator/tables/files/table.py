"""Tables of Parquet files, in a folder or a bucket, queried by DuckDB.

Rows are every `*.parquet` below the root, labels lie in `_labels/`, halves of rows in `_halves/`.
Files of others and ours may lie side by side: each has its own columns, and what one lacks is null.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Final

import duckdb
import ibis
import pyarrow as pa

from evaluation_operator.storage.errors import TableInvalid, TableUnavailable
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.storage.storage import list_parquet, open_storage, storage_errors
from evaluation_operator.tables.files.days import is_wanted
from evaluation_operator.tables.files.engine_files import EngineFiles, engine_address
from evaluation_operator.tables.files.parquet import (
    Footer,
    check_footer,
    read_footers,
    read_slices,
    write_files,
)
from evaluation_operator.tables.files.wide import Part, check_widths, open_spool, sliced
from evaluation_operator.tables.label_scope import with_versions
from evaluation_operator.tables.protocol import RowQuery, TableState, Window
from evaluation_operator.tables.query import (
    IBIS_TYPES,
    Dialect,
    Expression,
    count_late_rows,
    half_spans,
    keyed_halves,
    keyed_rows,
    select_model_versions,
    select_rows,
    select_shared_labels,
    select_truth,
)
from evaluation_operator.tables.repeats import without_repeats
from evaluation_operator.tables.schema import (
    HALF_COLUMNS,
    ID_SCHEMA,
    LABEL_COLUMNS,
    READ_SCHEMA,
    ROW_COLUMNS,
    TRUTH_SCHEMA,
    Column,
)

_LABELS: Final = "_labels"
_HALVES: Final = "_halves"
# DuckDB hashes text to hex, and orders it by its bytes already.
_DIALECT: Final = Dialect(
    sha256_hex=lambda text: text.hexdigest("sha256"), byte_order=lambda text: text
)


class FileTable:
    """A table behind a `file://` or `s3://` URI."""

    def __init__(self, uri: str, options: TableOptions) -> None:
        self._uri = uri
        self._options = options
        self._storage = open_storage(uri, options)

    def ensure(self) -> TableState:
        with storage_errors(self._uri):
            is_created = self._storage.make()
        self._footers_of_others()
        self._label_footers()
        return TableState(is_created=is_created, has_labels=True)

    def append_rows(self, batches: Iterable[pa.RecordBatch]) -> None:
        with storage_errors(self._uri):
            write_files(self._storage, self._storage.root, ROW_COLUMNS, batches)

    def append_halves(self, batches: Iterable[pa.RecordBatch]) -> None:
        with storage_errors(self._uri):
            write_files(self._storage, self._half_folder, HALF_COLUMNS, batches)

    def append_labels(
        self, batches: Iterable[pa.RecordBatch], *, for_all_versions: bool = False
    ) -> None:
        if not for_all_versions:
            batches = with_versions(batches, self.model_versions)
        with storage_errors(self._uri):
            write_files(self._storage, self._label_folder, LABEL_COLUMNS, batches)

    def read_rows(self, query: RowQuery) -> Iterator[pa.RecordBatch]:
        footers = self._checked(self._storage.root, ROW_COLUMNS, query.spans)
        half_footers = self._checked(self._half_folder, HALF_COLUMNS, half_spans(query))
        if not footers and not half_footers:
            return
        label_footers = self._label_footers()
        with self.engine() as engine:
            labels = self._relation(engine, "labels", label_footers, LABEL_COLUMNS)
            if sum(footer.wide_bytes for footer in footers + half_footers) > self._part_bytes:
                batches = self._wide_batches(engine, footers, half_footers, labels, query)
            else:
                found = select_rows(
                    self._relation(engine, "rows", footers, ROW_COLUMNS),
                    self._relation(engine, "halves", half_footers, HALF_COLUMNS),
                    labels,
                    query,
                    _DIALECT,
                    has_ids=_have_ids(footers),
                )
                batches = self._batches(engine, _sql(found))
            yield from without_repeats(sliced(batches))

    def read_truth(self, query: RowQuery) -> Iterator[pa.RecordBatch]:
        footers = self._checked(self._storage.root, ROW_COLUMNS, query.windows)
        half_footers = self._checked(self._half_folder, HALF_COLUMNS, half_spans(query))
        if not footers and not half_footers:
            return
        with self.engine() as engine:
            found = select_truth(
                self._relation(engine, "rows", footers, ROW_COLUMNS),
                self._relation(engine, "halves", half_footers, HALF_COLUMNS),
                self._relation(engine, "labels", self._label_footers(), LABEL_COLUMNS),
                query,
                _DIALECT,
                has_ids=_have_ids(footers),
            )
            yield from self._batches(engine, _sql(found), TRUTH_SCHEMA)

    def count_late(self, query: RowQuery, known_ids: Iterable[pa.RecordBatch]) -> int:
        footers = self._footers_of_others()
        if not footers:
            return 0
        with self.engine() as engine:
            engine.con.register("known", pa.RecordBatchReader.from_batches(ID_SCHEMA, known_ids))
            engine.raw_sql("CREATE TEMP TABLE known_ids AS SELECT DISTINCT id FROM known")
            rows = self._relation(engine, "rows", footers, ROW_COLUMNS)
            late = count_late_rows(rows, engine.table("known_ids"), query, _DIALECT)
            return int(engine.raw_sql(_sql(late)).fetchall()[0][0])

    def model_versions(
        self, most: int, spans: tuple[Window, ...] | None = None
    ) -> list[tuple[str, str]]:
        footers = self._checked(self._storage.root, ROW_COLUMNS, spans)
        half_footers = self._checked(self._half_folder, HALF_COLUMNS, spans)
        if not footers and not half_footers:
            return []
        with self.engine() as engine:
            rows = self._relation(engine, "rows", footers, ROW_COLUMNS)
            halves = self._relation(engine, "halves", half_footers, HALF_COLUMNS)
            parts = [part for part in (rows, halves) if part is not None]
            sql = _sql(select_model_versions(parts, most))
            return sorted((model, version) for model, version in engine.raw_sql(sql).fetchall())

    def shares_labels(self) -> bool:
        footers = self._label_footers()
        if not footers:
            return False
        with self.engine() as engine:
            labels = self._relation(engine, "labels", footers, LABEL_COLUMNS)
            return bool(engine.raw_sql(_sql(select_shared_labels(labels))).fetchall())

    def close(self) -> None:
        """Nothing outlives a call."""

    @property
    def _label_folder(self) -> str:
        return f"{self._storage.root}/{_LABELS}"

    @property
    def _half_folder(self) -> str:
        return f"{self._storage.root}/{_HALVES}"

    def _footers_of_others(self) -> list[Footer]:
        """All but what lies in folders of a day: that is the sampler's, and there is much of it."""
        return self._checked(self._storage.root, ROW_COLUMNS, (), has_chunks=False)

    def _label_footers(self) -> list[Footer]:
        return self._checked(self._label_folder, LABEL_COLUMNS, None, has_chunks=False)

    def _checked(
        self,
        folder: str,
        columns: Sequence[Column],
        spans: Sequence[Window] | None,
        *,
        has_chunks: bool = True,
    ) -> list[Footer]:
        """The footers below a folder, but for those of days outside of all `spans`."""
        filesystem = self._storage.filesystem
        with storage_errors(self._uri):
            paths = list_parquet(
                filesystem, folder, lambda name: spans is None or is_wanted(name, spans)
            )
            footers = read_footers(filesystem, list(paths), has_chunks=has_chunks)
        for footer in footers:
            check_footer(footer, columns)
        return footers

    @contextmanager
    def engine(self) -> Iterator[Expression]:
        """A DuckDB that reads this table's files and nothing else, within its bounds."""
        with tempfile.TemporaryDirectory(
            prefix="table-", dir=self._options.temp_directory
        ) as spill:
            engine = ibis.duckdb.connect()
            try:
                engine.con.register_filesystem(EngineFiles(self._storage.filesystem))
                _harden(engine.con, engine_address(self._storage.root), spill, self._options)
                yield engine
            except duckdb.ConversionException as error:
                raise TableInvalid(f"{self._uri}: {error}") from error
            except duckdb.Error as error:
                raise self._unreadable(error) from error
            finally:
                engine.disconnect()

    def _relation(
        self, engine: Expression, name: str, footers: Sequence[Footer], columns: Sequence[Column]
    ) -> Expression | None:
        """All files as one relation of exactly these columns; None if there are none."""
        if not footers:
            return None
        layouts: dict[str, list[Footer]] = defaultdict(list)
        for footer in footers:
            layouts[footer.layout].append(footer)
        return reduce(
            lambda left, right: left.union(right),
            [
                _fitted(
                    engine.read_parquet(
                        [engine_address(footer.path) for footer in same],
                        table_name=f"{name}_{place}",
                        hive_partitioning=False,
                    ),
                    columns,
                )
                for place, same in enumerate(layouts.values())
            ],
        )

    @property
    def _part_bytes(self) -> int:
        """So much content at a time, of which a query makes a few copies."""
        return self._options.memory_limit_bytes // 16

    def _batches(
        self, engine: Expression, sql: str, schema: pa.Schema = READ_SCHEMA
    ) -> Iterator[pa.RecordBatch]:
        with (
            self._reading(),
            engine.con.execute(sql).to_arrow_reader(self._options.batch_rows) as reader,
        ):
            for batch in reader:
                yield batch.cast(schema)

    def _wide_batches(
        self,
        engine: Expression,
        footers: Sequence[Footer],
        half_footers: Sequence[Footer],
        labels: Expression | None,
        query: RowQuery,
    ) -> Iterator[pa.RecordBatch]:
        """The same as one query, but for rows that an engine cannot hold: part by part."""
        has_ids = _have_ids(footers)
        if labels is not None:
            labels = engine.create_table("all_labels", labels, temp=True)
        with self._reading(), open_spool(self._options.temp_directory) as spool:
            for footer in footers:
                slices = self._slices(
                    engine,
                    footer,
                    ROW_COLUMNS,
                    lambda rows: keyed_rows(rows, query, _DIALECT, has_ids=has_ids),
                )
                for found in slices:
                    spool.add(found, is_half=False)
            for footer in half_footers:
                for found in self._slices(
                    engine, footer, HALF_COLUMNS, lambda halves: keyed_halves(halves, query)
                ):
                    spool.add(found, is_half=True)
            rows, halves = (_registered(engine, name, table) for name, table in Part().tables())
            sql = _sql(select_rows(rows, halves, labels, query, _DIALECT, has_ids=has_ids))
            for part in spool.parts(self._part_bytes):
                for name, table in part.tables():
                    engine.con.register(name, table)
                yield from self._batches(engine, sql)

    def _slices(
        self,
        engine: Expression,
        footer: Footer,
        columns: Sequence[Column],
        keyed: Callable[[Expression], Expression],
    ) -> Iterator[pa.Table]:
        """What `keyed` leaves of a file's rows, some at a time."""
        empty = _registered(engine, "slice", footer.schema.empty_table())
        sql = _sql(keyed(_fitted(empty, columns)))
        with self._reading(footer.path):
            for rows in read_slices(self._storage.filesystem, footer.path):
                rows.validate(full=True)  # texts, too, are what the file says they are
                engine.con.register("slice", rows)
                found = engine.con.execute(sql).to_arrow_table()
                check_widths(found, self._options.memory_limit_bytes // 8, footer.path)
                yield found

    @contextmanager
    def _reading(self, path: str | None = None) -> Iterator[None]:
        """`path`: the file that is read, where it is known."""
        try:
            yield
        except (pa.ArrowException, OSError, sqlite3.Error, duckdb.Error) as error:
            raise self._unreadable(error, path) from error

    def _unreadable(self, error: Exception, path: str | None = None) -> TableUnavailable:
        where = self._uri if path is None else f'file "{path}"'
        return TableUnavailable(
            f"{where}: reading failed ({error}); finish or remove a file that is half written, "
            "or give the engine more memory if it says so"
        )


def _sql(expression: Expression) -> str:
    return str(ibis.to_sql(expression, dialect="duckdb"))


def _have_ids(footers: Iterable[Footer]) -> bool:
    return all(footer.has_ids for footer in footers)


def _registered(engine: Expression, name: str, table: pa.Table) -> Expression:
    engine.con.register(name, table)
    return engine.table(name)


def _fitted(relation: Expression, columns: Sequence[Column]) -> Expression:
    return relation.select(
        **{
            column.name: relation[column.name].cast(IBIS_TYPES[column.kind])
            if column.name in relation.columns
            else ibis.null(IBIS_TYPES[column.kind])
            for column in columns
        }
    )


def _harden(
    connection: duckdb.DuckDBPyConnection, root: str, spill: str, options: TableOptions
) -> None:
    """Whatever a query says: no file outside the table, no extension, no more than its share."""
    for setting, value in (
        ("temp_directory", _quoted(spill)),
        ("memory_limit", _quoted(f"{options.memory_limit_bytes // 2**20}MiB")),
        ("threads", str(options.threads)),
        ("TimeZone", "'UTC'"),
        # What is found waits here to be fetched; texts count as the pointers to them alone.
        ("streaming_buffer_size", "'64KiB'"),
        ("preserve_insertion_order", "false"),
        ("autoinstall_known_extensions", "false"),
        ("autoload_known_extensions", "false"),
        ("python_enable_replacements", "false"),
        ("allowed_directories", f"[{_quoted(root.rstrip('/') + '/')}]"),
        ("enable_external_access", "false"),
        ("lock_configuration", "true"),
    ):
        connection.execute(f"SET {setting} = {value}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
