"""What a `postgresql://` URI of a table says, checked before anything is asked of a server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from psycopg import sql

from evaluation_operator.tables.errors import TableInvalid

_FORM: Final = "postgresql://[user@]host[:port]/database/[schema.]table"
# The database cuts names to 63 bytes; `<table>_labels` and `<table>_halves` must fit.
_TABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,55}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_DATABASE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,62}")


@dataclass(frozen=True, slots=True)
class TableName:
    """A table; without a schema the first of the user's search path that has it."""

    schema: str | None
    table: str

    def __str__(self) -> str:
        return self.table if self.schema is None else f"{self.schema}.{self.table}"

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(*((self.schema,) if self.schema else ()), self.table)


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """Without host, port or user: what libpq's environment (PGHOST, PGUSER, …) says."""

    host: str | None
    port: int | None
    user: str | None
    database: str
    rows: TableName

    @property
    def labels(self) -> TableName:
        return TableName(self.rows.schema, f"{self.rows.table}_labels")

    @property
    def halves(self) -> TableName:
        return TableName(self.rows.schema, f"{self.rows.table}_halves")

    def __str__(self) -> str:
        """For messages: no user, and there is no password to show."""
        port = "" if self.port is None else f":{self.port}"
        return f'database "{self.database}" on {self.host or "the default host"}{port}'


def parse_postgres_uri(uri: str) -> PostgresAddress:
    """The address; TableInvalid names the part of the URI that is wrong, never a password."""
    try:
        parts = urlsplit(uri)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise TableInvalid(f"uri: {error}; write {_FORM}") from None
    if parts.password is not None:
        raise TableInvalid(
            "uri: it holds a password, which would be seen by all who can read the job; "
            "remove it and give PGPASSWORD in a Secret"
        )
    if parts.query or parts.fragment:
        raise TableInvalid(
            f"uri: it holds a query or fragment; write {_FORM}, "
            "and give options as PGSSLMODE and the like in a Secret"
        )
    path = unquote(parts.path).removeprefix("/").split("/")
    if len(path) != 2:
        raise TableInvalid(f'uri: path "{parts.path}" must name database and table: {_FORM}')
    schema, dot, table = path[1].rpartition(".")
    user = None if parts.username is None else unquote(parts.username)
    _check("database", path[0], _DATABASE)
    if dot:
        _check("schema", schema, _NAME)
    _check("table", table, _TABLE)
    if user is not None:
        _check("user", user, _USER)
    return PostgresAddress(host, port, user, path[0], TableName(schema or None, table))


def _check(part: str, name: str, pattern: re.Pattern[str]) -> None:
    if not pattern.fullmatch(name):
        raise TableInvalid(f'uri: {part} "{name}" must match {pattern.pattern}; write {_FORM}')
