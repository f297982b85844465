"""What the records of other systems have in common: their lines become lines of ours.

No record names a model version: the names of those systems are others than ours, so the import says
whose rows they are.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

from evaluation_operator.tables.import_files import Fault, Line

Record = Mapping[str, object]


class Source(Protocol):
    """A system's records as rows. `told` is what is left out or missing, of the last reading: why,
    and how often."""

    told: Counter[str]

    def rows(self, lines: Iterator[Line]) -> Iterator[Line]:
        """Rows in the columns of ours; a record that is none has a Fault in its place."""


def inside(record: Record, *names: str) -> object:
    """What stands under these names, one in the other; None where one of them is missing."""
    found: object = record
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def text_of(record: Record, *names: str) -> str:
    """Fault where there is none."""
    found = inside(record, *names)
    if isinstance(found, str) and found:
        return found
    raise Fault(f'column "{".".join(names)}": no text; give the records as they were written')


def document_of(text: str, name: str) -> object:
    """Fault for what is no JSON."""
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Fault(f'column "{name}": no JSON ({error}); give the body as it was logged') from None
    return document


def bytes_of(text: str, name: str) -> bytes:
    """Fault for what is no base64."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Fault(f'column "{name}": no base64 ({error}); give it as it was logged') from None


def written(document: object) -> str:
    """Keys as they came: the same record is the same text."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
