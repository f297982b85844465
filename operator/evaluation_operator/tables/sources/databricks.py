"""Databricks' inference tables: one record a call, exported as lines or Parquet.

Format: https://docs.databricks.com/aws/en/machine-learning/model-serving/inference-tables
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from evaluation_operator.tables.import_files import Content, Fault, Line
from evaluation_operator.tables.sources.records import Record, text_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OK = 200


class Databricks:
    """The id is the caller's `client_request_id`, else `databricks_request_id`."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()

    def rows(self, lines: Iterator[Line]) -> Iterator[Line]:
        self.told.clear()
        for line in lines:
            try:
                record = line.values
                if (status := record.get("status_code")) not in (_OK, str(_OK)):
                    self.told[f"has status_code {status}, not {_OK}"] += 1
                    continue
                yield Line(line.place, _row(record))
            except Fault as fault:
                yield Line(line.place, fault)


def _row(record: Record) -> Content:
    own = record.get("client_request_id")
    return {
        "id": own if isinstance(own, str) and own else text_of(record, "databricks_request_id"),
        "time": _time(record),
        "raw_data": text_of(record, "request"),
        "raw_prediction": text_of(record, "response"),
    }


def _time(record: Record) -> object:
    """`request_time` where the table has it, else `timestamp_ms`."""
    if (told := record.get("request_time")) is not None:
        return told
    number = record.get("timestamp_ms")
    try:
        return _EPOCH + timedelta(milliseconds=int(str(number)))
    except (ValueError, OverflowError):
        raise Fault(
            f'column "timestamp_ms": {number!r} is no number of milliseconds; give the records as '
            "they were written"
        ) from None
