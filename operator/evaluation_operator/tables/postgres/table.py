"""Tables of a PostgreSQL database, filtered, joined and ordered by the database itself.

Labels lie beside the rows in `<table>_labels`, halves of rows in `<table>_halves`. Names go into
statements only after a strict pattern and quoted by the driver.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Final

import ibis
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg import errors as pg_errors
from psycopg import sql

from evaluation_operator.storage.errors import TableInvalid
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.storage.postgres_address import TableName, parse_postgres_uri
from evaluation_operator.tables.label_scope import with_versions
from evaluation_operator.tables.postgres.columns import (
    Connection,
    FoundColumns,
    add_columns,
    check_columns,
    create_halves,
    create_labels,
    create_rows,
    found_columns,
    upgrade_labels,
)
from evaluation_operator.tables.postgres.connection import connect
from evaluation_operator.tables.postgres.versions import found_model_versions
from evaluation_operator.tables.protocol import RowQuery, TableState, Window
from evaluation_operator.tables.query import (
    IBIS_TYPES,
    Dialect,
    Expression,
    count_late_rows,
    select_rows,
    select_shared_labels,
    select_truth,
)
from evaluation_operator.tables.repeats import without_repeats
from evaluation_operator.tables.schema import (
    HALF_COLUMNS,
    LABEL_COLUMNS,
    READ_SCHEMA,
    ROW_COLUMNS,
    TRUTH_SCHEMA,
    Column,
    conform,
)

_FIRST_ROWS: Final = 16
_BATCH_BYTES: Final = 8 * 2**20


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def convert_to(text: str, encoding: str) -> bytes:  # type: ignore[empty-body]
    """A function of the database: a text's bytes."""


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def sha256(data: bytes) -> bytes:  # type: ignore[empty-body]
    """A function of the database."""


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def encode(data: bytes, form: str) -> str:  # type: ignore[empty-body]
    """A function of the database: bytes as text."""


# Text orders by the database's locale, which differs from one to the next; bytes do not.
_DIALECT: Final = Dialect(
    sha256_hex=lambda text: encode(sha256(convert_to(text, "UTF8")), "hex"),
    byte_order=lambda text: convert_to(text, "UTF8"),
)


class PostgresTable:
    """A table behind a `postgresql://` URI. Every call has a connection of its own."""

    def __init__(self, uri: str, options: TableOptions) -> None:
        self._address = parse_postgres_uri(uri)
        self._login = options.credentials.for_database(self._address)
        self._options = options

    def ensure(self) -> TableState:
        rows = self._address.rows
        with self._connection() as connection, connection.transaction():
            # Two checks at once must not both make the table.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [str(rows)])
            found = found_columns(connection, rows)
            if found is None:
                create_rows(connection, rows)
            else:
                check_columns(rows, found, ROW_COLUMNS)
                add_columns(connection, rows, found)
            is_ours = found is None
            has_labels = _ensure_beside(
                connection, self._address.labels, LABEL_COLUMNS, create_labels, is_ours=is_ours
            )
            if has_labels:
                upgrade_labels(connection, self._address.labels)
            _ensure_beside(
                connection, self._address.halves, HALF_COLUMNS, create_halves, is_ours=is_ours
            )
            labels = found_columns(connection, self._address.labels) or {}
        return TableState(
            is_created=found is None,
            has_labels=has_labels,
            keeps_versions=_keeps_versions(labels),
        )

    def append_rows(self, batches: Iterable[pa.RecordBatch]) -> None:
        rows = self._address.rows
        with self._connection() as connection:
            found = self._existing(connection, rows)
            missing = [column.name for column in ROW_COLUMNS if column.name not in found]
            if missing:
                raise TableInvalid(
                    f'table "{rows}": no column "{missing[0]}", so others fill it; '
                    "append to a table that has all columns"
                )
            _insert(connection, rows, ROW_COLUMNS, batches, found)

    def append_halves(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._append_beside(self._address.halves, HALF_COLUMNS, batches)

    def append_labels(
        self, batches: Iterable[pa.RecordBatch], *, for_all_versions: bool = False
    ) -> None:
        name = self._address.labels
        with self._connection() as connection:
            # A table of others has no place for what it says of versions, and works as it did.
            keeps_versions = _keeps_versions(self._existing(connection, name))
        if keeps_versions and not for_all_versions:
            batches = with_versions(batches, self.model_versions)
        self._append_beside(name, LABEL_COLUMNS, batches)

    def read_rows(self, query: RowQuery) -> Iterator[pa.RecordBatch]:
        yield from without_repeats(self._read(select_rows, query, READ_SCHEMA))

    def read_truth(self, query: RowQuery) -> Iterator[pa.RecordBatch]:
        yield from self._read(select_truth, query, TRUTH_SCHEMA)

    def count_late(self, query: RowQuery, known_ids: Iterable[pa.RecordBatch]) -> int:
        with self._connection() as connection, connection.transaction():
            connection.execute("CREATE TEMP TABLE known_ids (id text) ON COMMIT DROP")
            _copy(connection, "known_ids", known_ids)
            rows, _ = self._rows(connection)
            known = ibis.table({"id": "string"}, name="known_ids")
            late = count_late_rows(rows, known, query, _DIALECT)
            ((count,),) = connection.execute(_compiled(late)).fetchall()
        return int(str(count))

    def model_versions(
        self, most: int, spans: tuple[Window, ...] | None = None
    ) -> list[tuple[str, str]]:
        address, found = self._address, set[tuple[str, str]]()
        with self._connection() as connection:
            for name in (address.rows, address.halves):
                if found_columns(connection, name) is not None:
                    found.update(found_model_versions(connection, name, most))
        return sorted(found)[:most]

    def shares_labels(self) -> bool:
        with self._connection() as connection:
            labels = _beside(connection, self._address.labels, LABEL_COLUMNS)
            if labels is None:
                return False
            shared = connection.execute(_compiled(select_shared_labels(labels)))
            return shared.fetchone() is not None

    def close(self) -> None:
        """Nothing outlives a call."""

    def _read(
        self, select: Callable[..., Expression], query: RowQuery, schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        """What `select_rows` or `select_truth` find, all as of one moment."""
        with self._connection() as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            with connection.transaction():
                rows, has_ids = self._rows(connection)
                halves = _beside(connection, self._address.halves, HALF_COLUMNS)
                labels = _beside(connection, self._address.labels, LABEL_COLUMNS)
                found = select(rows, halves, labels, query, _DIALECT, has_ids=has_ids)
                yield from self._batches(connection, found, schema)

    def _append_beside(
        self, name: TableName, columns: tuple[Column, ...], batches: Iterable[pa.RecordBatch]
    ) -> None:
        with self._connection() as connection:
            found = self._existing(connection, name)
            check_columns(name, found, columns)
            _insert(connection, name, columns, batches, found)

    def _existing(self, connection: Connection, name: TableName) -> FoundColumns:
        found = found_columns(connection, name)
        if found is None:
            raise TableInvalid(
                f'table "{name}" does not exist in database "{self._address.database}"; '
                "create it, or let a table check create it"
            )
        return found

    def _rows(self, connection: Connection) -> tuple[Expression, bool]:
        """All columns of rows, null where the table lacks one; and whether all have ids."""
        rows = self._address.rows
        found = self._existing(connection, rows)
        check_columns(rows, found, ROW_COLUMNS)
        return _relation(rows, ROW_COLUMNS, found), "id" in found and not found["id"].is_nullable

    def _batches(
        self, connection: Connection, found: Expression, schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        """The result a few rows at a time, from a cursor that the server holds.

        How many is known by the rows before, since only who has them knows how wide they are.
        """
        count = min(_FIRST_ROWS, self._options.batch_rows)
        with connection.cursor("rows", binary=True) as cursor:
            cursor.execute(_compiled(found))
            while rows := cursor.fetchmany(count):
                columns = zip(schema, zip(*rows, strict=True), strict=True)
                batch = pa.RecordBatch.from_arrays(
                    [pa.array(values, field.type) for field, values in columns],
                    schema=schema,
                )
                yield batch
                fitting = _BATCH_BYTES * len(rows) // max(batch.nbytes, 1)
                count = max(1, min(fitting, 2 * count, self._options.batch_rows))

    def _connection(self) -> AbstractContextManager[Connection]:
        return connect(self._address, self._login)


def _keeps_versions(labels: FoundColumns) -> bool:
    return {"model", "model_version"} <= labels.keys()


def _ensure_beside(
    connection: Connection,
    name: TableName,
    columns: tuple[Column, ...],
    create: Callable[[Connection, TableName], None],
    *,
    is_ours: bool,
) -> bool:
    """Whether the table beside the rows is there. A table of others that we may only read has no
    place for labels and halves, and works without."""
    found = found_columns(connection, name)
    if found is not None:
        check_columns(name, found, columns)
        return True
    try:
        with connection.transaction():
            create(connection, name)
    except pg_errors.InsufficientPrivilege:
        if is_ours:
            raise
        return False
    return True


def _beside(
    connection: Connection, name: TableName, columns: tuple[Column, ...]
) -> Expression | None:
    found = found_columns(connection, name)
    if found is None:
        return None
    check_columns(name, found, columns)
    return _relation(name, columns, found)


def _relation(name: TableName, columns: tuple[Column, ...], found: FoundColumns) -> Expression:
    """The table as one of exactly these columns."""
    present = [column for column in columns if column.name in found]
    relation = ibis.table(
        {column.name: IBIS_TYPES[column.kind] for column in present},
        name=name.table,
        database=name.schema,
    )
    return relation.select(
        **{
            column.name: relation[column.name]
            if column in present
            else ibis.null(IBIS_TYPES[column.kind])
            for column in columns
        }
    )


def _compiled(expression: Expression) -> bytes:
    return str(ibis.to_sql(expression, dialect="postgres")).encode()


def _insert(
    connection: Connection,
    name: TableName,
    columns: tuple[Column, ...],
    batches: Iterable[pa.RecordBatch],
    found: FoundColumns,
) -> None:
    """One transaction: COPY into a table of its own, then what is not there yet. A column that the
    table lacks, and need not have, is left out."""
    table = name.identifier
    present = [column.name for column in columns if column.name in found]
    names = sql.SQL(", ").join(map(sql.Identifier, present))
    with connection.transaction():
        connection.execute(
            sql.SQL(
                "CREATE TEMP TABLE incoming ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0"
            ).format(names, table)
        )
        whole = (conform(batch, columns).select(present) for batch in batches)
        _copy(connection, "incoming", whole)
        connection.execute(
            sql.SQL(
                "INSERT INTO {table} ({names}) SELECT {names} FROM incoming ON CONFLICT DO NOTHING"
            ).format(table=table, names=names)
        )


def _copy(connection: Connection, table: str, batches: Iterable[pa.RecordBatch]) -> None:
    """Arrow's CSV quotes every text and leaves null bare, just as COPY tells them apart."""
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(sql.Identifier(table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for batch in batches:
            text = io.BytesIO()
            pa_csv.write_csv(batch, text, pa_csv.WriteOptions(include_header=False))
            copy.write(text.getvalue())
