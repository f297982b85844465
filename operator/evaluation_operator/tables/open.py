"""From a URI to its table."""

from __future__ import annotations

from evaluation_operator.api.table_schemes import DATABASES, LATER, OPENED
from evaluation_operator.storage.errors import BackendUnavailable, TableInvalid
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tables.files.table import FileTable
from evaluation_operator.tables.postgres.table import PostgresTable
from evaluation_operator.tables.protocol import Table


def open_table(uri: str, *, options: TableOptions | None = None) -> Table:
    """The table behind the URI, which is not touched before its first call.

    Raises BackendUnavailable for a kind of table that this program cannot serve, TableInvalid
    for a URI that is not well formed, AccessRefused if no credentials are for its store. To be
    closed, as by `contextlib.closing`.
    """
    scheme, separator, _ = uri.partition("://")
    known = ", ".join(f"{name}://" for name in OPENED)
    if not separator or scheme not in OPENED + LATER:
        # Not shown where it is no scheme: a password that lost its place may stand there.
        shown = scheme if separator and scheme.isalnum() and len(scheme) <= 16 else ""
        raise TableInvalid(f'uri: scheme "{shown}" is unknown; give one of {known}')
    if scheme in LATER:
        raise BackendUnavailable(
            f"uri: no backend for {scheme}:// tables is here; use one of {known}"
        )
    if scheme in DATABASES:
        return PostgresTable(uri, options or TableOptions())
    return FileTable(uri, options or TableOptions())
