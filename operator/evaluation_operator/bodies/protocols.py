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

from collections.abc import Sequence
from typing import Final, TypeGuard

from evaluation_operator.bodies.limits import ASIDE, Bounds, check_items
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
    Unreadable,
)

NOTHING: Final = memoryview(b"")

_OF_SERVERS: Final = frozenset(
    (
        *("name", "version", "versions", "platform", "inputs", "outputs", "extensions"),
        *("ready", "live", "alive", "status", "state", "reason", "health", "healthy"),
        *("models", "model_name", "model_version", "model_version_status"),
        *("model_spec", "model_stats", "metadata"),
    )
)
"""Keys of what servers say of themselves and of their models."""
_WRAPPERS: Final = ("predictions", "outputs", "results", "data")

JsonObject = dict[str, Json]


def read_request_document(
    document: Json,
    bounds: Bounds,
    binary: memoryview = NOTHING,
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
    binary: memoryview = NOTHING,
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
    batch = read_batch([named], NOTHING, ASIDE)
    return [row["tensor"] for row in batch if isinstance(row, dict)]


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
        binary = NOTHING
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
