"""What servers say in the bodies of requests and responses: V1, V2 (Open Inference), MLflow.

The content type is not asked: loggers send the request's with the response too. A body is read
by what is in it.

- V1: `{"instances": [...]}`, `{"predictions": [...]}`; an item is an entry.
- V2: `{"inputs": [tensor, ...]}`, `{"outputs": [tensor, ...]}`, as JSON or with the values as
  bytes behind the JSON; item i is an object with row i of every tensor, by its name.
- MLflow: `dataframe_records`, `dataframe_split`, `instances`, and `inputs` as rows or as columns
  by name; the answer `predictions` likewise. (TensorFlow's columns, `outputs`, are read so too.)
"""

from __future__ import annotations

import json
from typing import Final, TypeGuard

import orjson

from evaluation_operator.sampling.intake.tensors import has_binary, has_values, read_batch
from evaluation_operator.sampling.limits import ASIDE, Bounds, check_items
from evaluation_operator.sampling.records import (
    Event,
    Items,
    Json,
    NoPrediction,
    Payload,
    Records,
    Side,
    Unreadable,
)

__all__ = [
    "NoPrediction",
    "Payload",
    "Unreadable",
    "check_depth",
    "parse_body",
    "read_request",
    "read_request_document",
    "read_response",
    "read_response_document",
]

# orjson reads 1024 levels and writes 254; a row wraps an item into two more at most.
_SURELY_SHALLOW: Final = 250
_BINARY: Final = b"binary_data_size"
_BLANKS: Final = b" \t\r\n"
_NOTHING: Final = memoryview(b"")

JsonObject = dict[str, Json]


def read_event(event: Event, bounds: Bounds = ASIDE) -> Payload:
    """What one half of a prediction says."""
    return (read_request if event.side is Side.REQUEST else read_response)(event, bounds)


def read_request(event: Event, bounds: Bounds = ASIDE) -> Payload:
    """The instances of a request.

    Raises NoPrediction for what is sound but none, TooMuch beyond a bound, and Unreadable for
    anything that cannot be read. What is returned can be written as JSON again. Whole numbers
    beyond 64 bits become floats.
    """
    document, binary = parse_body(event.data)
    return read_request_document(document, bounds, binary)


def read_response(event: Event, bounds: Bounds = ASIDE) -> Payload:
    """The predictions of a response; errors as of read_request."""
    document, binary = parse_body(event.data)
    return read_response_document(document, bounds, binary)


def read_request_document(
    document: JsonObject, bounds: Bounds, binary: memoryview = _NOTHING
) -> Payload:
    """A request that was parsed already; `binary` is what followed the JSON."""
    inputs = document.get("inputs")
    items: list[Json] | Records
    if "instances" in document:
        items = _entries(document["instances"], "instances")
    elif _are_tensors(inputs):
        return _from_tensors(document, inputs, binary, bounds)
    elif "dataframe_split" in document:
        items = _from_split(document["dataframe_split"])
    elif "dataframe_records" in document:
        items = _entries(document["dataframe_records"], "dataframe_records")
    elif inputs is not None:
        items = _rows(inputs)
    else:
        raise NoPrediction("a JSON object without instances or inputs")
    return Payload(_counted(items, bounds))


def read_response_document(
    document: JsonObject, bounds: Bounds, binary: memoryview = _NOTHING
) -> Payload:
    """A response that was parsed already."""
    outputs = document.get("outputs")
    if "predictions" in document:
        items = _rows(document["predictions"])
    elif _are_tensors(outputs):
        return _from_tensors(document, outputs, binary, bounds)
    elif outputs is not None:
        items = _rows(outputs)
    else:
        raise NoPrediction("a JSON object without predictions or outputs")
    return Payload(_counted(items, bounds))


def parse_body(data: bytes) -> tuple[JsonObject, memoryview]:
    """The JSON object of a body, and the bytes behind it; errors as of read_request."""
    binary = _NOTHING
    try:
        document: Json = orjson.loads(data)
        # Bytes of tensors may look like blanks behind the JSON.
        if data[-1] in _BLANKS and _BINARY in data:
            binary = memoryview(data)[_json_end(data) :]
    except orjson.JSONDecodeError as error:
        if not data.strip():
            raise NoPrediction("an empty body") from None
        end = _json_end(data) if _BINARY in data else len(data)
        binary = memoryview(data)[end:]
        document = _second_try(data[:end], error)
    if not isinstance(document, dict):
        raise Unreadable("body: no JSON object; send V1, V2 or MLflow's form")
    check_depth(document, data)
    return document, binary


def _second_try(text: bytes, error: orjson.JSONDecodeError) -> Json:
    """JSON that was followed by other bytes, or has NaN or Infinity. These are no JSON, but Python
    writes them; they become null, so that they fail their own item only."""
    try:
        if b"NaN" in text or b"Infinity" in text:
            text = orjson.dumps(json.loads(text.decode()))
        document: Json = orjson.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise Unreadable(f"body: unreadable JSON ({error}); send valid JSON") from None
    return document


def _json_end(data: bytes) -> int:
    """Where the JSON ends that bytes of tensors follow. Its header that would tell is dropped by
    loggers. Latin-1 keeps places: one character a byte."""
    text = data.decode("latin-1")
    try:
        return json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip(" \t\r\n")))[1]
    except (ValueError, RecursionError):
        return len(data)


def check_depth(document: Json, text: bytes) -> None:
    """Unreadable if a row of what `text` says could not be written."""
    if text.count(b"[") + text.count(b"{") <= _SURELY_SHALLOW:
        return
    try:
        orjson.dumps([document])
    except TypeError:
        raise Unreadable("body: nested more than 250 deep; send it flatter") from None


def _are_tensors(value: Json) -> TypeGuard[list[Json]]:
    if not isinstance(value, list) or not value:
        return False
    first = value[0]
    return isinstance(first, dict) and "name" in first and "datatype" in first


def _from_tensors(
    document: JsonObject, tensors: list[Json], binary: memoryview, bounds: Bounds
) -> Payload:
    if not has_values(tensors):
        raise NoPrediction("tensors without values: a model's metadata")
    if not has_binary(tensors) and binary.tobytes().isspace():
        binary = _NOTHING
    return Payload(
        _counted(read_batch(tensors, binary, bounds), bounds),
        _name(document.get("model_name")),
        _name(document.get("model_version")),
        is_v2=True,
    )


def _name(value: Json) -> str | None:
    """A name or version, which some servers give as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def _entries(value: Json, key: str) -> list[Json]:
    if not isinstance(value, list):
        raise Unreadable(f"{key}: no array; give one with an entry for each item")
    return value


def _rows(value: Json) -> list[Json] | Records:
    """Entries, columns by name (all of one length), or one item as it is."""
    if value is None:
        raise NoPrediction("null")
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or not value:
        return [value]
    columns = [column for column in value.values() if isinstance(column, list)]
    if len(columns) < len(value) or len({len(column) for column in columns}) > 1:
        return [value]
    return Records(
        list(value), len(columns[0]), lambda index: [column[index] for column in columns]
    )


def _from_split(split: Json) -> list[Json] | Records:
    """Rows of pandas' `split` form, as objects where the columns have names."""
    if not isinstance(split, dict):
        raise Unreadable("dataframe_split: no object; give columns and data")
    rows = _entries(split.get("data"), "dataframe_split.data")
    if split.get("columns") is None:
        return rows
    names = [_column(name) for name in _entries(split["columns"], "dataframe_split.columns")]
    sound: list[list[Json]] = []
    for row in rows:
        if not isinstance(row, list) or len(row) != len(names):
            raise Unreadable("dataframe_split.data: a row is not as long as columns; correct it")
        sound.append(row)
    return Records(names, len(sound), sound.__getitem__)


def _column(name: Json) -> str:
    if isinstance(name, list | dict):
        raise Unreadable("dataframe_split.columns: a name is an array or object; give a text")
    return str(name)


def _counted(items: list[Json] | Records, bounds: Bounds) -> Items:
    if not len(items):
        raise NoPrediction("no items")
    check_items(len(items), bounds)
    return tuple(items) if isinstance(items, list) else items
