"""What servers say in the bodies of requests and responses.

The content type is not asked: loggers send the request's with the response too. A body is read
by what is in it.

- V1: `{"instances": [...]}`, `{"predictions": [...]}`; an item is an entry.
- V2: `{"inputs": [tensor, ...]}`, `{"outputs": [tensor, ...]}`, as JSON or with the values as
  bytes behind the JSON; item i is an object with row i of every tensor, by its name.
- MLflow: `dataframe_records`, `dataframe_split` (or `columns` and `data` alone), `instances`, and
  `inputs` as rows or as columns by name; the answer `predictions` likewise.
- TensorFlow Serving: `inputs` and `outputs` as rows or columns, `examples` and `results`.
- Seldon: `{"data": {"ndarray": [...]}}` or `{"data": {"tensor": {"shape", "values"}}}`.
- An array is a list of instances, or of answers.
- Any other object is one item, as it is, unless it tells of a server's health or of a model.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Sequence
from typing import Final, TypeGuard

import orjson

from evaluation_operator.bodies.limits import ASIDE, MOST_UNPACKED_BYTES, Bounds, check_items
from evaluation_operator.bodies.tensors import (
    has_binary,
    has_values,
    is_empty,
    read_batch,
    unbatched,
)
from evaluation_operator.bodies.values import (
    Items,
    Json,
    NoPrediction,
    Payload,
    Records,
    TooMuch,
    Unreadable,
)

# orjson reads 1024 levels and writes 254; a row wraps an item into two more at most.
_SURELY_SHALLOW: Final = 250
_BINARY: Final = b"binary_data_size"
_BLANKS: Final = b" \t\r\n"
_NOTHING: Final = memoryview(b"")

_OF_SERVERS: Final = frozenset(
    (
        *("name", "version", "versions", "platform", "inputs", "outputs", "extensions"),
        *("ready", "live", "alive", "status", "state", "health", "healthy"),
        *(
            "models",
            "model_stats",
            "reason",
            "model_version_status",
            "model_name",
            "model_version",
            "model_spec",
            "metadata",
        ),
    )
)
"""Keys of what servers say of themselves and of their models."""
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_WRAPPERS: Final = ("predictions", "outputs", "results", "data")
_GZIP: Final = b"\x1f\x8b"
_OF_GZIP: Final = 31
"""Of zlib: the largest window, with gzip's header."""
_GREAT: Final = re.compile(rb"[0-9]{19,}")
_MOST_WHOLE: Final = 2**64 - 1
_LEAST_WHOLE: Final = -(2**63)

JsonObject = dict[str, Json]


def read_request(
    body: bytes, bounds: Bounds = ASIDE, *, is_one_item: bool = False, content_type: str = ""
) -> Payload:
    """The instances of a request; with `is_one_item` all of it is one. What is no JSON and says so
    by its content type is one item, too: a text, or the bytes as base64.

    Raises NoPrediction for what is sound but none, TooMuch beyond a bound, and Unreadable for
    anything that cannot be read. What is returned can be written as JSON again.
    """
    if (other := _other_data(body, content_type)) is not None:
        return Payload((other,), is_whole_body=True)
    document, binary = parse_body(body)
    return read_request_document(document, bounds, binary, is_one_item=is_one_item)


def read_response(body: bytes, bounds: Bounds = ASIDE, *, is_one_item: bool = False) -> Payload:
    """The predictions of a response; errors as of read_request."""
    document, binary = parse_body(body)
    return read_response_document(document, bounds, binary, is_one_item=is_one_item)


def read_request_document(
    document: Json,
    bounds: Bounds,
    binary: memoryview = _NOTHING,
    *,
    is_one_item: bool = False,
) -> Payload:
    """A request that was parsed already; `binary` is what followed the JSON."""
    if is_one_item:
        return _one_item(document, "inputs", (), binary, bounds)
    if isinstance(document, list):
        return Payload(_counted(_of_array(document), bounds))
    fields = _object(document)
    inputs = fields.get("inputs")
    items: list[Json] | Records
    if "instances" in fields:
        items = _entries(fields["instances"], "instances")
    elif _are_tensors(inputs):
        return _from_tensors(fields, inputs, binary, bounds)
    elif "dataframe_split" in fields:
        items = _from_split(fields["dataframe_split"])
    elif "dataframe_records" in fields:
        items = _entries(fields["dataframe_records"], "dataframe_records")
    elif inputs is not None:
        items = _rows(inputs)
    elif isinstance(fields.get("columns"), list) and isinstance(fields.get("data"), list):
        items = _from_split(fields)
    elif isinstance(fields.get("examples"), list):
        items = _entries(fields["examples"], "examples")
    elif (rows := _of_seldon(fields.get("data"))) is not None:
        items = rows
    else:
        return _alone(fields)
    return Payload(_counted(items, bounds))


def read_response_document(
    document: Json,
    bounds: Bounds,
    binary: memoryview = _NOTHING,
    *,
    is_one_item: bool = False,
) -> Payload:
    """A response that was parsed already."""
    if is_one_item:
        return _one_item(document, "outputs", _WRAPPERS, binary, bounds)
    if isinstance(document, list):
        return Payload(_counted(_of_array(document), bounds))
    fields = _object(document)
    outputs, data = fields.get("outputs"), fields.get("data")
    if "predictions" in fields:
        items = _rows(fields["predictions"])
    elif _are_tensors(outputs):
        if all(map(is_empty, outputs)):  # Nothing was found, in one item.
            outputs = [unbatched(it) for it in outputs]
        return _from_tensors(fields, outputs, binary, bounds)
    elif outputs is not None:
        items = _rows(outputs)
    elif isinstance(fields.get("results"), list):
        items = _entries(fields["results"], "results")
    elif (rows := _of_seldon(data)) is not None:
        items = rows
    elif isinstance(data, list):
        items = data
    else:
        return _alone(fields)
    return Payload(_counted(items, bounds))


def _one_item(
    document: Json, tensors_key: str, wrappers: Sequence[str], binary: memoryview, bounds: Bounds
) -> Payload:
    """All of a body as one item: of tensors the whole values by name, else the document itself, or
    what lies in it under one of `wrappers`."""
    if isinstance(document, list):
        if not document:
            raise NoPrediction("no items")
        return Payload((document,))
    fields = _object(document)
    if _are_tensors(tensors := fields.get(tensors_key)):
        whole: list[Json] = [unbatched(it) for it in tensors]
        return _from_tensors(fields, whole, binary, bounds)
    key = next((it for it in wrappers if fields.get(it) is not None), None)
    if key is None and fields.get(tensors_key) is None:
        return _alone(fields)
    return Payload((fields if key is None else fields[key],))


def _other_data(body: bytes, content_type: str) -> Json:
    """A request that is no JSON, and does not say that it is: an image, a table of CSV."""
    kind = content_type.partition(";")[0].strip().lower()
    if not kind or "json" in kind or body.lstrip()[:1] in (b"{", b"[") or is_packed(body):
        return None
    if kind.startswith("text/"):
        try:
            return body.decode() or None
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(body).decode()} if body else None


def _object(document: Json) -> JsonObject:
    if not isinstance(document, dict):
        raise Unreadable("body: no JSON object or array; send a request or answer as it is")
    return document


def _alone(fields: JsonObject) -> Payload:
    """A document that is one item, if it is no word of a server about itself."""
    if fields.keys() <= _OF_SERVERS:
        raise NoPrediction("a JSON object of a server's health or of a model")
    return Payload((fields,), is_whole_body=True)


def _of_array(document: list[Json]) -> list[Json]:
    """Entries of an array, if they are not what a server says of its models."""
    if document and all(isinstance(it, dict) and it.keys() <= _OF_SERVERS for it in document):
        raise NoPrediction("a JSON array of a server's models")
    return document


def _of_seldon(data: Json) -> list[Json] | Records | None:
    """Rows of Seldon's `data`; the names beside them are the columns', and not asked."""
    if not isinstance(data, dict):
        return None
    if isinstance(rows := data.get("ndarray"), list):
        return rows
    tensor = data.get("tensor")
    if not isinstance(tensor, dict) or not isinstance(tensor.get("values"), list):
        return None
    shape = tensor.get("shape")
    named: Json = {"name": "tensor", "shape": shape, "datatype": "FP64", "data": tensor["values"]}
    batch = read_batch([named], _NOTHING, ASIDE)
    return [row["tensor"] for row in batch if isinstance(row, dict)]


def parse_body(data: bytes) -> tuple[Json, memoryview]:
    """The JSON of a body, and the bytes behind it; errors as of read_request. A byte order mark is
    ignored. NaN and Infinity become null, and whole numbers beyond 64 bits texts."""
    binary = _NOTHING
    data = unpacked(data)
    if data[:3] == _BYTE_ORDER_MARK:
        data = data[3:]
    try:
        document: Json = orjson.loads(data)
        # Bytes of tensors may look like blanks behind the JSON.
        if data[-1] in _BLANKS and _BINARY in data:
            binary = memoryview(data)[_json_end(data) :]
        if _GREAT.search(data):
            document = _second_try(data[: _json_end(data)] if len(binary) else data, None)
    except orjson.JSONDecodeError as error:
        if not data.strip():
            raise NoPrediction("an empty body") from None
        if data.lstrip()[:5] == b"data:":
            raise Unreadable(
                "body: a stream of events, as of chat completion chunks, is not read; have a "
                "transformer answer with the label (attach.md)"
            ) from None
        end = _json_end(data) if _BINARY in data else len(data)
        binary = memoryview(data)[end:]
        document = _second_try(data[:end], error)
    if not isinstance(document, dict | list):
        raise Unreadable("body: no JSON object or array; send a request or answer as it is")
    check_depth(document, data)
    return document, binary


def unpacked(data: bytes) -> bytes:
    """A body without its compression: loggers pass on what was sent, and drop the header that
    tells. Raises Unreadable, and TooMuch beyond MOST_UNPACKED_BYTES."""
    if not is_packed(data):
        return data
    unpacking = zlib.decompressobj(_OF_GZIP)
    try:
        found = unpacking.decompress(data, MOST_UNPACKED_BYTES + 1)
    except zlib.error as error:
        raise Unreadable(f"body: gzip that cannot be undone ({error}); send it whole") from None
    if len(found) > MOST_UNPACKED_BYTES:
        raise TooMuch(
            f"body: more than {MOST_UNPACKED_BYTES} bytes once its gzip is undone; send smaller "
            "batches"
        )
    if not unpacking.eof:
        raise Unreadable("body: gzip that ends too early; send it whole")
    return found


def is_packed(data: bytes) -> bool:
    return data[:2] == _GZIP


def _second_try(text: bytes, error: orjson.JSONDecodeError | None) -> Json:
    """JSON that was followed by other bytes, or has what is no JSON but what Python writes: NaN and
    Infinity, which become null, so that they fail their own item only. Numbers that a row could not
    hold become texts."""
    try:
        if b"NaN" in text or b"Infinity" in text or _GREAT.search(text):
            found = json.loads(text.decode(), parse_int=_whole)
            text = orjson.dumps(found)
        document: Json = orjson.loads(text)
    except UnicodeDecodeError as wrong:
        raise Unreadable(f"body: no UTF-8 at byte {wrong.start}; send JSON in UTF-8") from None
    except (ValueError, TypeError, RecursionError) as wrong:
        why = _not_utf8(text) or f"unreadable JSON ({error or wrong}); send valid JSON"
        raise Unreadable(f"body: {why}") from None
    return document


def _whole(digits: str) -> int | str:
    """A number, or its digits where no row could hold it."""
    if len(digits) > len(str(_MOST_WHOLE)):
        return digits
    value = int(digits)
    return value if _LEAST_WHOLE <= value <= _MOST_WHOLE else digits


def _not_utf8(text: bytes) -> str | None:
    try:
        text.decode()
    except UnicodeDecodeError as wrong:
        return f"no UTF-8 at byte {wrong.start}; send JSON in UTF-8"
    return None


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
