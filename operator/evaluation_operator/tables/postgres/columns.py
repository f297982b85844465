"""The tables of a database: which columns are there, and how missing tables are made."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

import psycopg
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, WrongObjectType

from evaluation_operator.storage.errors import TableInvalid
from evaluation_operator.storage.postgres_address import TableName
from evaluation_operator.tables.schema import (
    HALF_COLUMNS,
    LABEL_COLUMNS,
    ROW_COLUMNS,
    Column,
    ColumnKind,
    find_differences,
)

Connection: TypeAlias = psycopg.Connection[tuple[object, ...]]

_TYPES: Final = {
    ColumnKind.TEXT: "text",
    ColumnKind.NUMBER: "double precision",
    ColumnKind.TIME: "timestamp with time zone",
}
_ADDED_LATER: Final = frozenset({"example_count", "example_sample_percentage"})
# The key of labels before they said whose rows they are of, as the server spells it.
_KEY_OF_BEFORE: Final = (
    "(id, labeled_at, COALESCE(labeler, ''::text), hashtextextended(groundtruth, (0)::bigint))"
)
# A time without zone is UTC, as it is in files: every session's zone is UTC.
_FIT: Final = {
    ColumnKind.TEXT: ("text", "character varying"),
    ColumnKind.NUMBER: ("double precision",),
    ColumnKind.TIME: ("timestamp with time zone", "timestamp without time zone"),
}


@dataclass(frozen=True, slots=True)
class FoundColumn:
    type: str
    is_nullable: bool


FoundColumns: TypeAlias = Mapping[str, FoundColumn]


def found_columns(connection: Connection, name: TableName) -> FoundColumns | None:
    """The columns of a table or view; None if there is none of this name."""
    quoted = name.identifier.as_string(connection)
    (oid,) = connection.execute("SELECT to_regclass(%s)::oid", [quoted]).fetchone() or (None,)
    if oid is None:
        return None
    rows = connection.execute(
        "SELECT attname, format_type(atttypid, NULL), NOT attnotnull FROM pg_attribute "
        "WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped",
        [oid],
    )
    return {str(column): FoundColumn(str(type_), bool(null)) for column, type_, null in rows}


def check_columns(name: TableName, found: FoundColumns, columns: tuple[Column, ...]) -> None:
    """TableInvalid, with every difference, if these columns cannot serve."""
    differences = find_differences(
        columns,
        {column: has.type for column, has in found.items()},
        lambda kind, type_: type_ in _FIT[kind],
        _TYPES,
    )
    if differences:
        raise TableInvalid(f'table "{name}" has other columns', differences)


def create_rows(connection: Connection, name: TableName) -> None:
    """The table, unique by id, and an index along which a run's windows are read."""
    table = name.identifier
    connection.execute(_create(table, ROW_COLUMNS))
    connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (id)").format(table))
    connection.execute(
        sql.SQL('CREATE INDEX ON {} (model, model_version, (coalesce(sampled_at, "time")))').format(
            table
        )
    )


def create_halves(connection: Connection, name: TableName) -> None:
    """The table beside it: each half once, found by what joins it to its other, and by time."""
    table = name.identifier
    connection.execute(_create(table, HALF_COLUMNS))
    connection.execute(
        sql.SQL("CREATE UNIQUE INDEX ON {} (job_uid, id, item_count, (raw_data IS NULL))").format(
            table
        )
    )
    connection.execute(
        sql.SQL("CREATE INDEX ON {} (model, model_version, sampled_at)").format(table)
    )


def add_columns(connection: Connection, name: TableName, found: FoundColumns) -> None:
    """What a table that an earlier version of this system made lacks, if we may."""
    missing = [column for column in ROW_COLUMNS if column.name not in found]
    if not {column.name for column in missing} <= _ADDED_LATER:
        return
    with suppress(InsufficientPrivilege, WrongObjectType), connection.transaction():
        for column in missing:
            statement = sql.SQL("ALTER TABLE {} ADD COLUMN {}")
            connection.execute(statement.format(name.identifier, _definition(column)))


def create_labels(connection: Connection, name: TableName) -> None:
    """The table beside it: any number of labels an id, but the very same one only once."""
    connection.execute(_create(name.identifier, LABEL_COLUMNS))
    _create_label_key(connection, name)


def upgrade_labels(connection: Connection, name: TableName) -> None:
    """The columns and the key of today for a table that an earlier version of this system made,
    if we may. That key tells whose it is: a table that others made stays as they made it."""
    quoted = name.identifier.as_string(connection)
    found = connection.execute(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = to_regclass(%s) "
        "AND indisunique AND pg_get_indexdef(indexrelid) LIKE %s",
        [quoted, f"%{_KEY_OF_BEFORE}"],
    ).fetchone()
    if found is None:
        return
    with suppress(InsufficientPrivilege), connection.transaction():
        for column in LABEL_COLUMNS:
            statement = sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {}")
            connection.execute(statement.format(name.identifier, _definition(column)))
        _create_label_key(connection, name)
        # As the server quotes it.
        connection.execute(b"DROP INDEX " + str(found[0]).encode())


def _create_label_key(connection: Connection, name: TableName) -> None:
    connection.execute(
        sql.SQL(
            "CREATE UNIQUE INDEX ON {} (id, labeled_at, coalesce(labeler, ''), "
            "hashtextextended(groundtruth, 0), coalesce(model, ''), coalesce(model_version, ''))"
        ).format(name.identifier)
    )


def _create(table: sql.Identifier, columns: tuple[Column, ...]) -> sql.Composed:
    lines = map(_definition, columns)
    return sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(lines))


def _definition(column: Column) -> sql.Composed:
    return sql.SQL("{} {}{}").format(
        sql.Identifier(column.name),
        sql.SQL(_TYPES[column.kind]),
        sql.SQL("" if column.is_nullable else " NOT NULL"),
    )
