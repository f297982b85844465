"""Vertex AI's request_response_logging tables: one record a call, exported from BigQuery.

Format: https://cloud.google.com/vertex-ai/docs/predictions/online-prediction-logging
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from evaluation_operator.tables.import_files import Content, Fault, Line
from evaluation_operator.tables.sources.records import Record, document_of, text_of, written


class Vertex:
    """The payloads are lists of texts, one an instance or answer."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()

    def rows(self, lines: Iterator[Line]) -> Iterator[Line]:
        self.told.clear()
        for line in lines:
            try:
                record = line.values
                if not record.get("response_payload"):
                    self.told["has no response_payload"] += 1
                    continue
                yield Line(line.place, _row(record))
            except Fault as fault:
                yield Line(line.place, fault)


def _row(record: Record) -> Content:
    number = record.get("request_id")
    return {
        "id": str(number) if isinstance(number, int) else text_of(record, "request_id"),
        "time": record.get("logging_time"),
        "raw_data": written({"instances": _payload(record, "request_payload")}),
        "raw_prediction": written({"predictions": _payload(record, "response_payload")}),
    }


def _payload(record: Record, name: str) -> list[object]:
    given = record.get(name)
    if not isinstance(given, list) or not all(isinstance(it, str) for it in given):
        raise Fault(f'column "{name}": no list of texts; export the column as it is')
    return [document_of(it, name) for it in given]
