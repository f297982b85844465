"""What can be wrong with a table, by what the caller does next.

    TableError
    ├── TableInvalid         the URI, schema or content is wrong: not again until it is changed
    ├── AccessRefused        nobody here may enter it: not before a Secret or its server is changed
    ├── TableUnavailable     unreachable, or half written: again later
    ├── BackendUnavailable   no backend here for such a table
    └── ImportInvalid        a file to import has bad lines, and nothing of it was imported

A message names the field, its value and the cure. None ever holds a password: see `redact`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation_operator.redaction import redact


class TableError(Exception):
    """Base of all errors of tables; `str(error)` is for people."""

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """One column that is not as it must be."""

    column: str
    found: str
    expected: str
    cure: str

    def __str__(self) -> str:
        return f'column "{self.column}": {self.found}, expected {self.expected}; {self.cure}'


class TableInvalid(TableError):
    """The table is not what it must be; `differences` lists columns, where it is about them."""

    def __init__(self, message: str, differences: Sequence[SchemaDifference] = ()) -> None:
        self.differences = tuple(differences)
        super().__init__(": ".join((message, "; ".join(map(str, differences)))).removesuffix(": "))


class AccessRefused(TableError):
    """No credentials are for this store, or its server is not as they demand; no password or key
    was sent. The table itself may be as good as ever, so what is to be written can wait."""


class TableUnavailable(TableError):
    """The table cannot be reached or read now; the same call may succeed later."""


class BackendUnavailable(TableError):
    """No backend of this program reads or writes tables of this kind."""


class ImportInvalid(TableError):
    """A file to import is wrong; `faults` has a line for each of the first of them."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))
