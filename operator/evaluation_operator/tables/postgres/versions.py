"""Which model versions a table of a database has rows of, without reading all rows.

Each is looked for behind the one before, so that where an index begins with both columns (as ours
do) it answers by a few steps, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from psycopg import sql

from evaluation_operator.storage.postgres_address import TableName
from evaluation_operator.tables.postgres.columns import Connection

_NEXT: Final = sql.SQL(
    "SELECT model, model_version FROM {} "
    "WHERE (model, model_version) > (%s::text, %s::text) "
    "AND model IS NOT NULL AND model_version IS NOT NULL "
    "ORDER BY model, model_version LIMIT 1"
)


def found_model_versions(
    connection: Connection, name: TableName, most: int
) -> Iterator[tuple[str, str]]:
    """Models and versions, each pair once, `most` at most."""
    statement = _NEXT.format(name.identifier)
    last: tuple[object, ...] = ("", "")
    for _ in range(most):
        found = connection.execute(statement, last).fetchone()
        if found is None:
            return
        model, version = last = found
        yield str(model), str(version)
