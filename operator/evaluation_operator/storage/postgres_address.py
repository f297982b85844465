"""What a `postgresql://` URI of a table says, checked before anything is asked of a server.

Messages name the part that is wrong and never show it: what is misplaced may be a password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from evaluation_operator.api import table_address as parts
from evaluation_operator.storage.errors import TableInvalid

DEFAULT_PORT: Final = 5432
_SCHEME: Final = "postgresql://"
_FORM: Final = "postgresql://[user@][host[:port]]/database/[schema.]table"


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
    """Without host, port or user: what the credentials for it say."""

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


def parse_postgres_uri(uri: str) -> PostgresAddress:
    """The address; TableInvalid names the part of the URI that is wrong, never its value."""
    authority, _, path = uri.removeprefix(_SCHEME).partition("/")
    _refuse_passwords(uri.removeprefix(_SCHEME))
    user, _, place = authority.rpartition("@")
    if user:
        _check("user", user, parts.USER, "give it as PGUSER in the Secret where it has others")
    host, port = _place(place)
    names = path.split("/")
    if len(names) != 2:
        raise TableInvalid(f"uri: the path must name database and table: {_FORM}")
    schema, dot, table = names[1].rpartition(".")
    _check("database", names[0], parts.DATABASE)
    if dot:
        _check_name("schema", schema, parts.SCHEMA)
    _check_name("table", table, parts.TABLE)
    return PostgresAddress(host, port, user or None, names[0], TableName(schema or None, table))


def parse_host(text: str, field: str) -> str:
    """One DNS name in small letters, or one IP address without brackets, that a table can be at.

    TableInvalid for all else: sockets, lists, numbers that resolvers take for addresses, and
    where clouds keep the credentials of their machines.
    """
    host = text.lower()
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if len(bare) <= 253 and re.fullmatch(parts.DNS_NAME, bare):
        return bare
    try:
        is_forbidden = parts.is_forbidden_ip(bare)
    except ValueError:
        is_forbidden = None
    if is_forbidden is None or "%" in bare:
        raise TableInvalid(
            f"{field}: the host must be one DNS name or IP address (an IPv6 one in brackets)"
        )
    if is_forbidden:
        raise TableInvalid(f"{field}: no table can lie at a link-local or metadata address")
    return bare


def _place(place: str) -> tuple[str | None, int | None]:
    """Host and port; neither where nothing is written."""
    if not place:
        return None, None
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(:(.*))?", place)
    if found is None:
        raise TableInvalid(f"uri: the host must be one DNS name or IP address; write {_FORM}")
    host, port = found[1], found[3]
    if port is not None:
        _check("port", port, parts.PORT)
        if int(port) > 65535:
            raise TableInvalid(f"uri: the port must be at most 65535; write {_FORM}")
    return parse_host(host, "uri"), int(port) if port else None


def _refuse_passwords(rest: str) -> None:
    """Before anything is split: a password may hold the very characters to split at."""
    before, at, _ = rest.rpartition("@")
    if at and (":" in before or "%3a" in before.lower()):
        raise TableInvalid(
            "uri: it holds a password, which would be seen by all who can read the job; "
            "remove it and give PGPASSWORD in a Secret"
        )
    if at and set(before) & set("/@"):
        raise TableInvalid(
            f"uri: it has an @ where none can be; write {_FORM}, and a password as PGPASSWORD "
            "in a Secret"
        )
    if set(rest) & set("?#"):
        raise TableInvalid(
            f"uri: it holds a query or fragment; write {_FORM}, "
            "and give PGSSLMODE and the like in a Secret"
        )


def _check(part: str, value: str, pattern: str, cure: str = f"write {_FORM}") -> None:
    if not re.fullmatch(pattern, value):
        raise TableInvalid(f"uri: the {part} must match {pattern}; {cure}")


def _check_name(part: str, value: str, pattern: str) -> None:
    _check(part, value, pattern)
    if re.fullmatch(parts.SYSTEM_NAME, value.lower()):
        raise TableInvalid(
            f"uri: the {part} is one of the database's own; name one that holds predictions"
        )
