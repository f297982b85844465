"""SageMaker's data capture: one record a call, with what went in and what came out.

Format: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from evaluation_operator.tables.import_files import Content, Fault, Line
from evaluation_operator.tables.sources.records import (
    Record,
    bytes_of,
    document_of,
    inside,
    text_of,
    written,
)

_INPUT = ("captureData", "endpointInput")
_OUTPUT = ("captureData", "endpointOutput")


class SageMaker:
    """The id is the caller's `inferenceId`, else the record's `eventId`. Bodies of CSV have an
    instance, or an answer, a line."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()

    def rows(self, lines: Iterator[Line]) -> Iterator[Line]:
        self.told.clear()
        for line in lines:
            try:
                record = line.values
                if inside(record, *_INPUT) is None or inside(record, *_OUTPUT) is None:
                    self.told["has not both endpointInput and endpointOutput"] += 1
                    continue
                yield Line(line.place, _row(record))
            except Fault as fault:
                yield Line(line.place, fault)


def _row(record: Record) -> Content:
    told = inside(record, "eventMetadata", "inferenceId")
    asked = _body(record, _INPUT)
    said = _body(record, _OUTPUT)
    if isinstance(asked, bytes):
        data = written({"b64": text_of(record, *_INPUT, "data")})
        count = 1
    else:
        data = written({"instances": asked} if isinstance(asked, list) else asked)
        count = len(asked) if isinstance(asked, list) else 1
    if isinstance(said, bytes):
        raise Fault('column "captureData.endpointOutput.data": no JSON and no CSV; none reads it')
    if isinstance(said, list):
        # Some containers answer a request of n lines by n fields of one line.
        if len(said) == 1 and isinstance(said[0], list) and len(said[0]) == count > 1:
            said = said[0]
        said = {"predictions": said}
    event_id = text_of(record, "eventMetadata", "eventId")
    return {
        "id": told if isinstance(told, str) and told else event_id,
        "time": text_of(record, "eventMetadata", "inferenceTime"),
        "raw_data": data,
        "raw_prediction": written(said),
    }


def _body(record: Record, side: tuple[str, str]) -> object:
    """A document; of CSV its lines; bytes that are neither."""
    data, encoding = text_of(record, *side, "data"), text_of(record, *side, "encoding").upper()
    name = ".".join((*side, "data"))
    if encoding == "BASE64":
        body = bytes_of(data, name)
        with suppress(ValueError):
            return _document(body)
        return body
    if encoding == "CSV":
        return [_alone([_value(field) for field in line]) for line in csv.reader(io.StringIO(data))]
    if encoding == "JSON":
        return document_of(data, name)
    name = ".".join((*side, "encoding"))
    raise Fault(f'column "{name}": {encoding!r} is unknown; give JSON, CSV or BASE64')


def _document(body: bytes) -> object:
    """ValueError for what is no JSON."""
    document: object = json.loads(body)
    return document


def _alone(fields: list[object]) -> object:
    return fields[0] if len(fields) == 1 else fields


def _value(field: str) -> object:
    with suppress(ValueError):
        return float(field) if not field.strip().lstrip("+-").isdecimal() else int(field)
    return field.strip()
