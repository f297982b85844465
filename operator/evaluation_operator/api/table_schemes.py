"""Kinds of tables by the scheme of their address, and what each can hold.

Every program asks here: what a job may name, what a run can open, where results and payloads go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class TableScheme:
    """`has_backend`: runs and samplers of this version can open such a table. `is_files`: it is
    made of files, so that results and payloads can lie there too. `is_table_source`: `tableSource`
    takes it; a source of Google's own has a field of its own. `is_database`: its address names a
    server, a database and a table of PostgreSQL's."""

    name: str
    has_backend: bool
    is_files: bool = False
    is_database: bool = False
    is_table_source: bool = True


TABLE_SCHEMES: Final = (
    TableScheme("file", has_backend=True, is_files=True),
    TableScheme("s3", has_backend=True, is_files=True),
    TableScheme("gs", has_backend=False, is_files=True),
    TableScheme("postgresql", has_backend=True, is_database=True),
    TableScheme("clickhouse", has_backend=False),
    TableScheme("bq", has_backend=False, is_table_source=False),
)

NAMED: Final = tuple(it.name for it in TABLE_SCHEMES if it.is_table_source)
"""What `tableSource.inputUri` may begin with."""
OPENED: Final = tuple(it.name for it in TABLE_SCHEMES if it.has_backend)
"""Tables that a run can read and a sampler can write."""
LATER: Final = tuple(it.name for it in TABLE_SCHEMES if not it.has_backend)
"""Tables that may be named, and that have no backend in this version."""
DATABASES: Final = tuple(it.name for it in TABLE_SCHEMES if it.is_database)
"""Tables of a database server that this version can open."""
RESULTS_NAMED: Final = tuple(it.name for it in TABLE_SCHEMES if it.is_files)
"""What `resultsUri` may begin with."""
RESULTS_OPENED: Final = tuple(it.name for it in TABLE_SCHEMES if it.is_files and it.has_backend)
"""Where results and payloads can be written."""
