"""KServe's logger with a blob store as its sink: a record a half, in CSV, Parquet or JSON.

Format: `pkg/logger` of KServe. Its records have no time: the import gives one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from evaluation_operator.tables.import_files import Fault, Line
from evaluation_operator.tables.sources.pairs import Half, pairs
from evaluation_operator.tables.sources.records import Record, bytes_of, text_of

_REQUEST, _RESPONSE = ".request", ".response"


class KServeBlob:
    """The id is that of the event."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()

    def rows(self, lines: Iterator[Line]) -> Iterator[Line]:
        self.told.clear()
        for found in pairs(lines, _half):
            if isinstance(found, Line):
                yield found
            elif found.response is None:
                self.told["is of a request without a response, a failed prediction"] += 1
            elif found.request is None:
                self.told["is of a response without its request"] += 1
            else:
                content = {
                    "id": found.response.id,
                    "raw_data": found.request.text,
                    "raw_prediction": found.response.text,
                }
                yield Line(found.place, content)


def _half(record: Record) -> Half:
    kind = text_of(record, "reqType")
    if not kind.endswith((_REQUEST, _RESPONSE)):
        raise Fault(f'column "reqType": "{kind}" is neither a request nor a response')
    try:
        text = bytes_of(text_of(record, "bytes"), "bytes").decode()
    except UnicodeDecodeError as error:
        raise Fault(f'column "bytes": no UTF-8 ({error}); only JSON is read') from None
    return Half(text_of(record, "id"), kind.endswith(_REQUEST), text)
