"""Tensors of the Open Inference protocol (V2), as JSON and as raw bytes behind the JSON.

What a tensor claims (shape, size) is compared with what is there before anything is made of it.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from typing import Final

from evaluation_operator.sampling.records import Json, Unreadable

MAXIMUM_RANK: Final = 16
MAXIMUM_VALUES: Final = 4_000_000
"""Of all binary tensors of a body: as objects they take many times the memory of their bytes."""
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


def read_batch(tensors: Sequence[Json], binary: memoryview, most: int) -> tuple[Json, ...]:
    """Item i is an object with row i of every tensor, by the tensor's name.

    `binary`: what follows the JSON. Raises Unreadable if a tensor is not what it claims to be, if
    tensors differ in their first dimension (the batch), if that is more than `most`, or if there
    are more than MAXIMUM_VALUES binary values.
    """
    columns: dict[str, list[Json]] = {}
    start = count = 0
    for tensor in tensors:
        if not isinstance(tensor, dict):
            raise Unreadable(f"tensor: {_shown(tensor)}; give an object")
        name = tensor.get("name")
        if not isinstance(name, str) or name in columns:
            raise Unreadable(f"tensor: name {_shown(name)}; give every tensor a name of its own")
        size = binary_size(tensor)
        end = start + (size or 0)
        shape = _shape(tensor.get("shape"), name, most)
        if size is None:
            columns[name] = _json_rows(tensor, shape, name)
        else:
            count += math.prod(shape)
            if count > MAXIMUM_VALUES:
                raise _wrong(name, f"more than {MAXIMUM_VALUES} binary values; send fewer at once")
            columns[name] = _binary_rows(tensor, binary[start:end], size, shape, name)
        if _is_base64(tensor):
            columns[name] = [_marked(row) for row in columns[name]]
        start = end
    if start != len(binary):
        raise Unreadable(
            f"binary_data_size: {start} bytes in all, but {len(binary)} follow the JSON; "
            "give each tensor's true size"
        )
    counts = {len(rows) for rows in columns.values()}
    if len(counts) > 1:
        listed = ", ".join(f"{_shown(name)} {len(rows)}" for name, rows in columns.items())
        raise Unreadable(f"shape: first dimensions differ ({listed[:200]}); batch all tensors")
    return tuple(
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    )


def _shape(given: Json, name: str, most: int) -> list[int]:
    """A shape that can be trusted: at least the batch's dimension, and no other that is empty."""
    if not isinstance(given, list) or not 0 < len(given) <= MAXIMUM_RANK:
        raise _wrong(name, f"shape {_shown(given)}; give 1 to {MAXIMUM_RANK} whole numbers")
    shape = [size for size in given if type(size) is int and size >= 0]
    if len(shape) < len(given) or 0 in shape[1:]:
        raise _wrong(name, "shape: a dimension is no whole number above 0; correct it")
    if shape[0] > most:
        raise _wrong(name, f"shape: a batch of {shape[0]}; send at most {most} at once")
    return shape


def _json_rows(tensor: JsonObject, shape: list[int], name: str) -> list[Json]:
    """Rows of values that are nested as the shape is, or all flat in row-major order."""
    if "data" not in tensor:
        raise _wrong(name, "no data; send it in the body")
    data = tensor["data"]
    values: list[Json] = data if isinstance(data, list) else [data]
    if values and isinstance(values[0], list):
        if not _is_nested(values, shape):
            raise _wrong(name, f"data is not nested as its shape {_shown(shape)}; correct one")
        return values
    if len(values) != math.prod(shape):
        raise _wrong(name, f"{len(values)} values, but {math.prod(shape)} by its shape")
    return _folded(values, shape)


def _binary_rows(
    tensor: JsonObject, raw: memoryview, size: int, shape: list[int], name: str
) -> list[Json]:
    if len(raw) != size:
        raise _wrong(name, f"binary_data_size {size}, but {len(raw)} bytes are left")
    values = _binary_values(raw, str(tensor.get("datatype")), math.prod(shape), name)
    return _folded(values, shape)


def _is_nested(values: list[Json], shape: list[int]) -> bool:
    if len(values) != shape[0]:
        return False
    if len(shape) == 1:
        return not any(isinstance(value, list) for value in values)
    return all(isinstance(value, list) and _is_nested(value, shape[1:]) for value in values)


def _folded(values: list[Json], shape: list[int]) -> list[Json]:
    if not values:
        return values
    for size in reversed(shape[1:]):
        values = [values[start : start + size] for start in range(0, len(values), size)]
    return values


def _binary_values(raw: memoryview, datatype: str, count: int, name: str) -> list[Json]:
    """Little-endian values. What JSON cannot hold (NaN, infinity) becomes null, so that it fails
    its own item and not the others of the batch."""
    if datatype == "BYTES":
        return _texts(raw, count, name)
    code, width = _FORMATS.get(datatype, ("", 2 if datatype == "BF16" else 0))
    if not width:
        raise _wrong(name, f"datatype {_shown(datatype)} is not known; use one of V2's")
    if len(raw) != count * width:
        raise _wrong(name, f"{len(raw)} bytes, but {count} values of {datatype} by its shape")
    if datatype == "BF16":  # the upper half of an FP32
        widened = bytearray(2 * len(raw))
        widened[2::4], widened[3::4] = raw[0::2], raw[1::2]
        raw, code = memoryview(widened), "f"
    values = struct.unpack(f"<{count}{code}", raw)
    # A sum is finite only if every value is.
    if code not in "efd" or math.isfinite(sum(values)):
        return list(values)
    return [value if math.isfinite(value) else None for value in values]


def _texts(raw: memoryview, count: int, name: str) -> list[Json]:
    """Values with their length before each. One that is no UTF-8 is given as base64."""
    if len(raw) < count * _LENGTH.size:
        raise _wrong(name, f"{len(raw)} bytes cannot hold {count} values of BYTES; correct one")
    values: list[Json] = []
    start = 0
    for _ in range(count):
        data = start + _LENGTH.size
        if data > len(raw):
            break
        (size,) = _LENGTH.unpack_from(raw, start)
        start = data + size
        if start > len(raw):
            break
        value = bytes(raw[data:start])
        try:
            values.append(value.decode())
        except UnicodeDecodeError:
            values.append({"b64": base64.b64encode(value).decode()})
    if start != len(raw) or len(values) != count:
        raise _wrong(name, "the lengths of its BYTES do not add up to binary_data_size")
    return values


def _is_base64(tensor: JsonObject) -> bool:
    parameters = tensor.get("parameters")
    is_said = isinstance(parameters, dict) and parameters.get("content_type") == "base64"
    return is_said and tensor.get("datatype") == "BYTES"


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
