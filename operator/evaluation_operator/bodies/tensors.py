"""Tensors of the Open Inference protocol (V2), as JSON and as raw bytes behind the JSON.

What a tensor claims (shape, size) is compared with what is there before anything is made of it.
"""

from __future__ import annotations

import base64
import math
import operator
import struct
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

from evaluation_operator.bodies.limits import (
    MOST_BINARY_TEXTS,
    MOST_RANK,
    MOST_ROW_LISTS,
    MOST_VALUES,
    Bounds,
)
from evaluation_operator.bodies.values import Json, Records, TooMuch, Unreadable

_MAXIMUM_SHOWN: Final = 60
# Datatype → struct code and bytes of an element, little-endian.
_FORMATS: Final = {
    "BOOL": ("?", 1),
    "UINT8": ("B", 1),
    "UINT16": ("H", 2),
    "UINT32": ("I", 4),
    "UINT64": ("Q", 8),
    "INT8": ("b", 1),
    "INT16": ("h", 2),
    "INT32": ("i", 4),
    "INT64": ("q", 8),
    "FP16": ("e", 2),
    "FP32": ("f", 4),
    "FP64": ("d", 8),
}
_LENGTH: Final = struct.Struct("<I")

JsonObject = dict[str, Json]


def has_values(tensors: Sequence[Json]) -> bool:
    """Whether any tensor has values at all: a model's metadata lists tensors without."""
    return any(
        isinstance(tensor, dict) and ("data" in tensor or binary_size(tensor) is not None)
        for tensor in tensors
    )


def has_binary(tensors: Sequence[Json]) -> bool:
    return any(isinstance(tensor, dict) and binary_size(tensor) is not None for tensor in tensors)


def binary_size(tensor: JsonObject) -> int | None:
    """How many bytes behind the JSON the tensor says it has; None if its values are in JSON."""
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Unreadable(f"binary_data_size: {_shown(size)}; give a number of bytes")
    return size


Row = Callable[[int], Json]
"""Gives the i-th row of a tensor."""


def read_batch(tensors: Sequence[Json], binary: memoryview, bounds: Bounds) -> Records:
    """Item i is an object with row i of every tensor, by the tensor's name.

    `binary`: what follows the JSON. Raises Unreadable if a tensor is not what it claims to be, or
    if tensors differ in their first dimension (the batch), and TooMuch beyond a bound. Nothing
    is folded or unpacked before a row is asked for.
    """
    columns: dict[str, Row] = {}
    counts: dict[str, int] = {}
    start = values = 0
    for tensor in tensors:
        if not isinstance(tensor, dict):
            raise Unreadable(f"tensor: {_shown(tensor)}; give an object")
        name = tensor.get("name")
        if not isinstance(name, str) or name in columns:
            raise Unreadable(f"tensor: name {_shown(name)}; give every tensor a name of its own")
        size = binary_size(tensor)
        end = start + (size or 0)
        shape = _shape(tensor.get("shape"), name, bounds)
        if size is None:
            row = _json_rows(tensor, shape, name, bounds)
        else:
            values += math.prod(shape)
            if values > MOST_VALUES:
                raise TooMuch(
                    f"tensor {_shown(name)}: more than {MOST_VALUES} binary values; send fewer "
                    "at once"
                )
            row = _binary_rows(tensor, binary[start:end], size, shape, name, bounds)
        columns[name] = _marking(row) if _is_base64(tensor) else row
        if shape:
            counts[name] = shape[0]
        start = end
    if start != len(binary):
        raise Unreadable(
            f"binary_data_size: {start} bytes in all, but {len(binary)} follow the JSON; "
            "give each tensor's true size"
        )
    count = _batch(counts)
    # A tensor of one row beside others of many belongs to each: a threshold, say.
    rows = tuple(
        row if counts.get(name, 1) == count else _of_first(row) for name, row in columns.items()
    )
    return Records(list(columns), count, lambda i: [row(i) for row in rows])


def is_empty(tensor: Json) -> bool:
    """Whether its first dimension is 0."""
    shape = tensor.get("shape") if isinstance(tensor, dict) else None
    return isinstance(shape, list) and bool(shape) and shape[0] == 0 and shape[0] is not False


def unbatched(tensor: Json) -> Json:
    """The tensor as that of a batch of one: its first dimension is one of the item's."""
    if not isinstance(tensor, dict) or not isinstance(shape := tensor.get("shape"), list):
        return tensor
    given: JsonObject = tensor | {"shape": [1, *shape]}
    data = tensor.get("data")
    if isinstance(data, list) and data and isinstance(data[0], list):
        given["data"] = [data]
    return given


def _of_first(row: Row) -> Row:
    return lambda _: row(0)


def _batch(counts: dict[str, int]) -> int:
    """The first dimension that all tensors have but those of one row, or of none."""
    of_many = {name: count for name, count in counts.items() if count != 1}
    if len(set(of_many.values())) > 1:
        listed = ", ".join(f"{_shown(name)} {count}" for name, count in counts.items())
        raise Unreadable(f"shape: first dimensions differ ({listed[:200]}); batch all tensors")
    return next(iter(of_many.values()), 1)


def _shape(given: Json, name: str, bounds: Bounds) -> list[int]:
    """A shape that can be trusted; that of a scalar is empty."""
    if not isinstance(given, list) or len(given) > MOST_RANK:
        raise _wrong(name, f"shape {_shown(given)}; give at most {MOST_RANK} whole numbers")
    shape = [size for size in given if type(size) is int and size >= 0]
    if len(shape) < len(given):
        raise _wrong(name, "shape: a dimension is no whole number; correct it")
    if shape and shape[0] > bounds.items:
        raise TooMuch(
            f"tensor {_shown(name)}: shape: a batch of {shape[0]}; send at most {bounds.items} "
            "at once"
        )
    return shape


def _json_rows(tensor: JsonObject, shape: list[int], name: str, bounds: Bounds) -> Row:
    """Rows of values that are nested as the shape is, or all flat in row-major order."""
    if "data" not in tensor:
        raise _wrong(name, "no data; send it in the body")
    data = tensor["data"]
    values: list[Json] = data if isinstance(data, list) else [data]
    if shape and values and isinstance(values[0], list):
        if not _is_nested(values, shape):
            raise _wrong(name, f"data is not nested as its shape {_shown(shape)}; correct one")
        return values.__getitem__
    if len(values) != math.prod(shape):
        raise _wrong(name, f"{len(values)} values, but {math.prod(shape)} by its shape")
    width = math.prod(shape[1:])
    fold = _folding(shape, name, bounds)
    return lambda index: fold(values[index * width : (index + 1) * width])


def _binary_rows(
    tensor: JsonObject,
    raw: memoryview,
    size: int,
    shape: list[int],
    name: str,
    bounds: Bounds,
) -> Row:
    if len(raw) != size:
        raise _wrong(name, f"binary_data_size {size}, but {len(raw)} bytes are left")
    width = math.prod(shape[1:])
    unpack = _unpacking(raw, tensor.get("datatype"), math.prod(shape), name)
    fold = _folding(shape, name, bounds)
    return lambda index: fold(unpack(index * width, width))


def _is_nested(values: list[Json], shape: list[int]) -> bool:
    if len(values) != shape[0]:
        return False
    if len(shape) == 1:
        return not any(isinstance(value, list) for value in values)
    return all(isinstance(value, list) and _is_nested(value, shape[1:]) for value in values)


def _folding(shape: list[int], name: str, bounds: Bounds) -> Callable[[list[Json]], Json]:
    """How the flat values of a row become lists; of a shape without more than the batch: its one
    value."""
    count, *row = shape or [1]
    lists = sum(accumulate(row[:-1], operator.mul, initial=1)) if row else 0
    if lists > MOST_ROW_LISTS or count * lists > bounds.lists:
        most = min(MOST_ROW_LISTS, bounds.lists // max(count, 1))
        raise TooMuch(
            f"tensor {_shown(name)}: shape: {lists} lists in each of {count} rows, and at most "
            f"{most} are made; leave out dimensions of 1, or send fewer rows at once"
        )

    def fold(values: list[Json]) -> Json:
        if 0 in row:
            return _empty(row)
        for size in reversed(row):
            values = [values[start : start + size] for start in range(0, len(values), size)]
        return values[0]

    return fold


def _empty(row: list[int]) -> Json:
    """Of a row that has no values, as many empty lists as its shape says."""
    size, *inner = row
    return [_empty(inner) for _ in range(size)] if inner else []


def _unpacking(
    raw: memoryview, datatype: Json, count: int, name: str
) -> Callable[[int, int], list[Json]]:
    """Gives so many little-endian values from a place on. What JSON cannot hold (NaN, infinity)
    becomes null, so that it fails its own item and not the others of the batch."""
    if datatype == "BYTES":
        return _texts(raw, count, name)
    code, width = _FORMATS.get(str(datatype), ("", 2 if datatype == "BF16" else 0))
    if not width:
        raise _wrong(name, f"datatype {_shown(datatype)} is not known; use one of V2's")
    if len(raw) != count * width:
        raise _wrong(name, f"{len(raw)} bytes, but {count} values of {datatype} by its shape")

    def unpack(first: int, many: int) -> list[Json]:
        part, letter = raw[first * width : (first + many) * width], code
        if datatype == "BF16":  # the upper half of an FP32
            widened = bytearray(4 * many)
            widened[2::4], widened[3::4] = part[0::2], part[1::2]
            part, letter = memoryview(widened), "f"
        values = struct.unpack(f"<{many}{letter}", part)
        # A sum is finite only if every value is.
        if letter not in "efd" or math.isfinite(sum(values)):
            return list(values)
        return [value if math.isfinite(value) else None for value in values]

    return unpack


def _texts(raw: memoryview, count: int, name: str) -> Callable[[int, int], list[Json]]:
    """Values with their length before each. One that is no UTF-8 is given as base64."""
    if len(raw) < count * _LENGTH.size:
        raise _wrong(name, f"{len(raw)} bytes cannot hold {count} values of BYTES; correct one")
    if count > MOST_BINARY_TEXTS:
        raise TooMuch(
            f"tensor {_shown(name)}: {count} values of BYTES; send at most {MOST_BINARY_TEXTS}"
        )
    starts = array("Q")
    start = 0
    for _ in range(count):
        if start + _LENGTH.size > len(raw):
            break
        (size,) = _LENGTH.unpack_from(raw, start)
        starts.append(start)
        start += _LENGTH.size + size
    starts.append(start)
    if start != len(raw) or len(starts) != count + 1:
        raise _wrong(name, "the lengths of its BYTES do not add up to binary_data_size")

    def unpack(first: int, many: int) -> list[Json]:
        return [
            _text(bytes(raw[starts[i] + _LENGTH.size : starts[i + 1]]))
            for i in range(first, first + many)
        ]

    return unpack


def _text(value: bytes) -> Json:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _is_base64(tensor: JsonObject) -> bool:
    parameters = tensor.get("parameters")
    is_said = isinstance(parameters, dict) and parameters.get("content_type") == "base64"
    return is_said and tensor.get("datatype") == "BYTES"


def _marking(row: Row) -> Row:
    return lambda index: _marked(row(index))


def _marked(value: Json) -> Json:
    """Texts of a tensor that says they are base64."""
    if isinstance(value, str):
        return {"b64": value}
    return [_marked(entry) for entry in value] if isinstance(value, list) else value


def _wrong(name: str, problem: str) -> Unreadable:
    return Unreadable(f"tensor {_shown(name)}: {problem}")


def _shown(value: object) -> str:
    text = repr(value[: _MAXIMUM_SHOWN + 1] if isinstance(value, str | list) else value)
    return text if len(text) <= _MAXIMUM_SHOWN else text[: _MAXIMUM_SHOWN - 1] + "…"
