"""Bodies of V1, V2 and MLflow become items; anything else is said to be none, or unreadable."""

from __future__ import annotations

import base64
import gzip
import json
import math
import struct
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.bodies import wire
from evaluation_operator.bodies.limits import MOST_ITEMS
from evaluation_operator.bodies.values import Json, NoPrediction, Payload, TooMuch, Unreadable
from evaluation_operator.bodies.wire import read_request, read_response
from evaluation_operator.sampling.sample.shaping import row_texts

READERS: Final = (read_request, read_response)


def text_of(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()


def request_items(body: object) -> list[Json]:
    return list(read_request(text_of(body)).items)


def response_items(body: object) -> list[Json]:
    return list(read_response(text_of(body)).items)


def tensor(
    name: str, shape: Sequence[int], datatype: str, data: object = None
) -> dict[str, object]:
    values = {} if data is None else {"data": data}
    return {"name": name, "shape": list(shape), "datatype": datatype, **values}


def binary_tensor(
    name: str, shape: Sequence[int], datatype: str, size: object, **parameters: object
) -> dict[str, object]:
    return tensor(name, shape, datatype) | {"parameters": {"binary_data_size": size, **parameters}}


def v2(*tensors: object, behind: bytes = b"", **fields: object) -> bytes:
    return json.dumps({"outputs": tensors, **fields}).encode() + behind


def test_v1_gives_its_instances_and_predictions() -> None:
    assert request_items({"instances": [{"x": 1}, [2], "ä", None]}) == [{"x": 1}, [2], "ä", None]
    payload = read_response(text_of({"predictions": [0, {"label": "a"}]}))
    assert payload == Payload((0, {"label": "a"}))


def test_v2_gives_row_i_of_every_tensor_by_name() -> None:
    body = v2(
        tensor("label", [2], "BYTES", ["4", "9"]),
        tensor("score", [2, 3], "FP64", [1, 2, 3, 4, 5, 6]),
        model_name="digits",
        model_version="3",
    )
    payload = read_response(text_of(body))
    assert list(payload.items) == [
        {"label": "4", "score": [1, 2, 3]},
        {"label": "9", "score": [4, 5, 6]},
    ]
    assert payload[1:4] == ("digits", "3", True)


@pytest.mark.parametrize(
    ("shape", "data", "rows"),
    [
        ([2], [1, 2], [1, 2]),
        ([2, 1], [1, 2], [[1], [2]]),
        ([2, 1], [[1], [2]], [[1], [2]]),
        ([1, 2, 2], [1, 2, 3, 4], [[[1, 2], [3, 4]]]),
        ([1, 2, 2], [[[1, 2], [3, 4]]], [[[1, 2], [3, 4]]]),
        ([1], "alone", ["alone"]),
        ([1, 1], 5, [[5]]),
    ],
)
def test_data_in_json_may_be_nested_or_flat(
    shape: list[int], data: object, rows: list[object]
) -> None:
    items = response_items(v2(tensor("x", shape, "INT64", data)))
    assert items == [{"x": row} for row in rows]


@pytest.mark.parametrize(
    ("named", "told"), [("3", "3"), (3, "3"), (None, None), ("", None), (True, None), ([3], None)]
)
def test_the_version_of_v2_may_be_a_text_or_a_number(named: object, told: str | None) -> None:
    body = v2(tensor("x", [1], "INT64", [1]), model_name="m", model_version=named)
    assert read_response(text_of(body)).model_version == told


# Datatype, format of struct, values.
BINARY: Final = [
    ("BOOL", "?", [True, False]),
    ("UINT8", "B", [0, 255]),
    ("UINT16", "H", [0, 2**16 - 1]),
    ("UINT32", "I", [0, 2**32 - 1]),
    ("UINT64", "Q", [0, 2**64 - 1]),
    ("INT8", "b", [-128, 127]),
    ("INT16", "h", [-(2**15), 2**15 - 1]),
    ("INT32", "i", [-(2**31), 2**31 - 1]),
    ("INT64", "q", [-(2**63), 2**63 - 1]),
    ("FP16", "e", [-0.5, 65504.0]),
    ("FP32", "f", [0.25, -3.0]),
    ("FP64", "d", [0.1, 1e300]),
]


@pytest.mark.parametrize(("datatype", "code", "values"), BINARY)
def test_binary_values_of_every_datatype(datatype: str, code: str, values: list[Json]) -> None:
    raw = struct.pack(f"<2{code}", *values)
    body = v2(binary_tensor("x", [2], datatype, len(raw)), behind=raw)
    assert response_items(body) == [{"x": value} for value in values]


def test_binary_values_of_bf16() -> None:
    raw = b"".join(struct.pack("<f", value)[2:] for value in (1.5, -2.0, math.inf))
    body = v2(binary_tensor("x", [3], "BF16", 6), behind=raw)
    assert response_items(body) == [{"x": 1.5}, {"x": -2.0}, {"x": None}]


def lengthy(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def test_binary_texts_and_what_is_no_text() -> None:
    raw = lengthy("Ü".encode(), b"", b"\xff\x00")
    body = v2(binary_tensor("x", [3], "BYTES", len(raw)), behind=raw)
    assert response_items(body) == [{"x": "Ü"}, {"x": ""}, {"x": {"b64": "/wA="}}]


def test_texts_that_are_said_to_be_base64_are_marked_so() -> None:
    raw = lengthy(b"aGk=")
    binary = v2(binary_tensor("x", [1], "BYTES", len(raw), content_type="base64"), behind=raw)
    parameters = {"parameters": {"content_type": "base64"}}
    flat = v2(tensor("x", [1], "BYTES", ["aGk="]) | parameters)
    nested = v2(tensor("x", [1, 1], "BYTES", [["aGk="]]) | parameters)
    assert response_items(binary) == response_items(flat) == [{"x": {"b64": "aGk="}}]
    assert response_items(nested) == [{"x": [{"b64": "aGk="}]}]


def test_binary_and_json_tensors_mix_in_their_order() -> None:
    body = v2(
        binary_tensor("a", [2], "UINT8", 2),
        tensor("b", [2], "INT64", [7, 8]),
        binary_tensor("c", [2], "INT16", 4),
        behind=b"\x01\x02" + struct.pack("<2h", 3, 4),
    )
    assert response_items(body) == [{"a": 1, "b": 7, "c": 3}, {"a": 2, "b": 8, "c": 4}]


@pytest.mark.parametrize("raw", [b" ", b"\n", b"\t", b"{", b"}", b"\x00"])
def test_a_byte_behind_the_json_that_looks_like_json_is_a_value(raw: bytes) -> None:
    body = v2(binary_tensor("x", [1], "UINT8", 1), behind=raw)
    assert response_items(body) == [{"x": raw[0]}]


def test_blanks_around_json_are_no_values() -> None:
    body = v2(tensor("x", [1], "INT64", [1]), note="binary_data_size")
    assert response_items(b" \n" + body + b"\n") == [{"x": 1}]


def test_not_a_number_fails_its_own_item_only() -> None:
    raw = struct.pack("<4d", 0.5, math.nan, math.inf, 1e308)
    binary = v2(binary_tensor("x", [4], "FP64", len(raw)), behind=raw)
    assert response_items(binary) == [{"x": 0.5}, {"x": None}, {"x": None}, {"x": 1e308}]
    assert response_items(b'{"predictions":[NaN,-Infinity,1.5]}') == [None, None, 1.5]
    assert response_items(v2(tensor("x", [1], "FP32", [math.nan]))) == [{"x": None}]


def test_great_values_whose_sum_is_infinite_stay() -> None:
    raw = struct.pack("<2d", 1.7e308, 1.7e308)
    body = v2(binary_tensor("x", [2], "FP64", len(raw)), behind=raw)
    assert response_items(body) == [{"x": 1.7e308}, {"x": 1.7e308}]


@pytest.mark.parametrize(
    ("body", "items"),
    [
        ({"inputs": [[1, 2], [3, 4]]}, [[1, 2], [3, 4]]),
        ({"inputs": [{"name": "Ann"}]}, [{"name": "Ann"}]),
        ({"inputs": {"a": [1, 2], "b": ["x", "y"]}}, [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        ({"inputs": {"question": "why?"}}, [{"question": "why?"}]),
        ({"inputs": {"a": [1, 2], "b": [1]}}, [{"a": [1, 2], "b": [1]}]),
        ({"inputs": "why?"}, ["why?"]),
        (
            {"dataframe_split": {"index": [0, 1], "columns": ["a", 2], "data": [[1, 2], [3, 4]]}},
            [{"a": 1, "2": 2}, {"a": 3, "2": 4}],
        ),
        ({"dataframe_split": {"data": [[1, 2]]}}, [[1, 2]]),
        ({"dataframe_records": [{"a": 1}, {"a": 2}]}, [{"a": 1}, {"a": 2}]),
    ],
)
def test_requests_of_mlflow(body: dict[str, object], items: list[Json]) -> None:
    assert request_items(body) == items


@pytest.mark.parametrize(
    ("body", "items"),
    [
        ({"predictions": [0, 1]}, [0, 1]),
        ({"predictions": {"a": [1, 2]}}, [{"a": 1}, {"a": 2}]),
        ({"predictions": "because"}, ["because"]),
        ({"outputs": [[0.1], [0.9]]}, [[0.1], [0.9]]),
        ({"outputs": {"a": [1, 2]}}, [{"a": 1}, {"a": 2}]),
    ],
)
def test_responses_of_mlflow_and_of_tensorflow(body: dict[str, object], items: list[Json]) -> None:
    assert response_items(body) == items


@pytest.mark.parametrize(
    ("body", "items"),
    [
        ([{"x": 1}, [2]], [{"x": 1}, [2]]),
        ({"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}, [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
        ({"signature_name": "classify", "examples": [{"x": 1.0}]}, [{"x": 1.0}]),
        ({"data": {"names": ["a"], "ndarray": [[1.0], [2.0]]}}, [[1.0], [2.0]]),
        ({"data": {"tensor": {"shape": [2, 1], "values": [1.0, 2.0]}}}, [[1.0], [2.0]]),
        ({"text": "Ray"}, [{"text": "Ray"}]),
        ({"model": "m", "messages": []}, [{"model": "m", "messages": []}]),
        (
            {"inputs": [tensor("x", [2], "INT64", [1, 2]), tensor("t", [1], "FP32", [0.5])]},
            [{"x": 1, "t": 0.5}, {"x": 2, "t": 0.5}],
        ),
    ],
)
def test_other_requests(body: object, items: list[Json]) -> None:
    """A request that no form fits is one item, and a tensor of one row belongs to all items."""
    assert request_items(body) == items


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (["cat", "dog"], ["cat", "dog"]),
        ({"results": [[["cat", 0.9]], [["dog", 0.8]]]}, [[["cat", 0.9]], [["dog", 0.8]]]),
        ({"data": {"names": ["t:0"], "ndarray": [[0.9, 0.1]]}}, [[0.9, 0.1]]),
        ({"object": "list", "data": [{"label": "cat"}]}, [{"label": "cat"}]),
        ({"label": "cat", "score": 0.99}, [{"label": "cat", "score": 0.99}]),
        ({"error": "CUDA out of memory"}, [{"error": "CUDA out of memory"}]),
        ({"outputs": [tensor("labels", [], "BYTES", ["cat"])]}, [{"labels": "cat"}]),
        (
            {"outputs": [tensor("b", [1, 0, 4], "FP32", []), tensor("l", [1, 0], "INT64", [])]},
            [{"b": [], "l": []}],
        ),
        ({"outputs": [tensor("b", [1, 2, 0], "FP32", [])]}, [{"b": [[], []]}]),
        ({"outputs": [tensor("b", [0, 6], "FP32", [])]}, [{"b": []}]),
    ],
)
def test_other_answers(body: object, items: list[Json]) -> None:
    """An answer that no form fits is that of one item, as it is; nothing found is found as such."""
    assert response_items(body) == items


METADATA: Final = {
    "name": "digits",
    "versions": ["3"],
    "platform": "",
    "inputs": [tensor("x", [-1, 4], "FP32")],
    "outputs": [tensor("y", [-1, 3], "FP64")],
}


def test_a_request_of_no_items_is_no_prediction() -> None:
    with pytest.raises(NoPrediction):
        request_items({"inputs": [tensor("x", [0, 4], "FP32", [])]})


@pytest.mark.parametrize(
    ("body", "item"),
    [
        ({"inputs": [tensor("x", [3, 2], "INT8", [1, 2, 3, 4, 5, 6])]}, None),
        ({"inputs": [tensor("x", [2, 2], "INT8", [[1, 2], [3, 4]])]}, {"x": [[1, 2], [3, 4]]}),
        ({"inputs": [tensor("x", [2], "INT8", [1, 2]), tensor("t", [1], "INT8", [5])]}, None),
        ({"inputs": "a text"}, {"inputs": "a text"}),
        ({"instances": [1, 2]}, {"instances": [1, 2]}),
        ([1, 2], [1, 2]),
        ({"text": "Ray"}, {"text": "Ray"}),
    ],
)
def test_a_whole_request_may_be_one_item(body: object, item: Json) -> None:
    [found] = read_request(text_of(body), is_one_item=True).items
    assert isinstance(found, dict | list)
    if item is not None:
        assert found == item


@pytest.mark.parametrize(
    ("body", "item"),
    [
        ({"predictions": [0.9, 0.1]}, [0.9, 0.1]),
        ({"outputs": [tensor("y", [2], "FP32", [0.9, 0.1])]}, {"y": [0.9, 0.1]}),
        ({"outputs": {"a": [1, 2]}}, {"a": [1, 2]}),
        ([{"label": "cat"}, {"label": "dog"}], [{"label": "cat"}, {"label": "dog"}]),
        ({"label": "cat"}, {"label": "cat"}),
    ],
)
def test_a_whole_answer_may_be_one_item(body: object, item: Json) -> None:
    assert list(read_response(text_of(body), is_one_item=True).items) == [item]


@pytest.mark.parametrize("body", [{}, [], {"ready": True}, METADATA, b""])
def test_health_and_metadata_are_no_items_all_the_same(body: object) -> None:
    for read in READERS:
        with pytest.raises(NoPrediction):
            read(text_of(body), is_one_item=True)


@pytest.mark.parametrize(
    ("body", "content_type", "item"),
    [
        (b"a,b\n1,2\n", "text/csv; charset=utf-8", "a,b\n1,2\n"),
        (b"\xff\xd8\xff\xe0", "image/jpeg", {"b64": "/9j/4A=="}),
        (b"\xff", "text/plain", {"b64": "/w=="}),
    ],
)
def test_a_request_that_is_no_json_and_says_so_is_one_item(
    body: bytes, content_type: str, item: Json
) -> None:
    assert list(read_request(body, content_type=content_type).items) == [item]
    for other in ("", "application/json"):
        with pytest.raises(Unreadable):
            read_request(body, content_type=other)


def packed(body: object) -> bytes:
    return gzip.compress(text_of(body))


@pytest.mark.parametrize("read", READERS)
def test_gzip_is_undone_within_bounds(
    read: Callable[..., Payload], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = packed({"instances": [1], "predictions": [1]})
    assert list(read(whole).items) == [1]
    for end in range(2, len(whole)):
        with pytest.raises(Unreadable, match=r"gzip that (ends too early|cannot be undone)"):
            read(whole[:end])
    monkeypatch.setattr(wire, "MOST_UNPACKED_BYTES", 1000)
    with pytest.raises(TooMuch, match="more than 1000 bytes once its gzip is undone"):
        read(packed({"instances": [0] * 1000}))


@pytest.mark.parametrize("read", READERS)
def test_a_byte_order_mark_is_ignored(read: Callable[..., Payload]) -> None:
    body = b'\xef\xbb\xbf{"instances": [1], "predictions": [1]}'
    assert list(read(body).items) == [1]


def test_whole_numbers_that_no_row_can_hold_stay_as_texts() -> None:
    great = "123456789012345678901234567890"
    body = f'{{"instances": [{great}, -{great}, 18446744073709551615, "{great}", NaN]}}'.encode()
    assert request_items(body) == [great, f"-{great}", 2**64 - 1, great, None]
    long = b'{"instances":[' + b"9" * 9999 + b"]}"
    assert request_items(long) == ["9" * 9999]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n",
        {},
        {"name": "digits", "ready": True},
        {"status": "alive"},
        {"models": ["digits"]},
        [{"name": "digits", "state": "READY", "reason": ""}],
        METADATA,
        {"instances": [], "predictions": []},
        {"inputs": [], "outputs": []},
        {"inputs": None, "outputs": None},
    ],
)
@pytest.mark.parametrize("read", READERS)
def test_health_metadata_and_empty_bodies_are_no_prediction(
    read: Callable[..., Payload], body: object
) -> None:
    with pytest.raises(NoPrediction):
        read(text_of(body))


def of_tensor(*tensors: object, behind: bytes = b"") -> bytes:
    """The same as a request and as a response."""
    return json.dumps({"inputs": tensors, "outputs": tensors}).encode() + behind


UNREADABLE: Final = {
    "garbage": (b"\x00\x01garbage", "unreadable JSON"),
    "half a document": (b'{"instances":[1', "unreadable JSON"),
    "no UTF-8": (b'{"instances":["\xff"],"predictions":["\xff"]}', "no UTF-8 at byte 15"),
    "half a surrogate pair": (b'{"instances":["\\ud800"]}', "unreadable JSON"),
    "half a surrogate pair beside NaN": (b'{"instances":["\\ud800",NaN]}', "unreadable JSON"),
    "a number too great": (b'{"instances":[1e999]}', "unreadable JSON"),
    "deep": (b'{"instances":' + b"[" * 100_000, "unreadable JSON"),
    "deep with NaN": (
        b'{"instances":' + b"[" * 2000 + b"NaN" + b"]" * 2000 + b"}",
        "unreadable JSON",
    ),
    "deep objects": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "unreadable JSON"),
    "deeper than rows": (
        b'{"instances":' + b"[" * 254 + b"]" * 254 + b"}",
        "nested more than 250 deep",
    ),
    "a number": (b"7", "no JSON object"),
    "a text": (b'"ok"', "no JSON object"),
    "a tensor that is none": (
        of_tensor(tensor("x", [1], "INT64", [1]), 7),
        "give an object",
    ),
    "a tensor without name": (of_tensor(tensor("x", [1], "INT64", [1]) | {"name": 7}), "name"),
    "one name twice": (of_tensor(*[tensor("x", [1], "INT64", [1])] * 2), "name of its own"),
    "no values in one": (
        of_tensor(tensor("x", [1], "INT64", [1]), tensor("y", [1], "INT64")),
        "no data",
    ),
    "too few values": (of_tensor(tensor("x", [2, 2], "INT64", [1, 2, 3])), "3 values, but 4"),
    "too many values": (of_tensor(tensor("x", [1], "INT64", [1, 2, 3])), "3 values, but 1"),
    "nested otherwise": (of_tensor(tensor("x", [2, 2], "INT64", [[1, 2], [3]])), "not nested"),
    "nested too deep": (of_tensor(tensor("x", [1, 1], "INT64", [[[1]]])), "not nested"),
    "nested in part": (of_tensor(tensor("x", [2, 1], "INT64", [[1], 2])), "not nested"),
    "an endless shape": (of_tensor(tensor("x", [2**62, 2**62], "INT64", [1])), "batch"),
    "an endless row": (of_tensor(tensor("x", [1, 2**62], "INT64", [1])), "1 values, but"),
    "an empty row": (of_tensor(tensor("x", [2**40, 0], "INT64", [])), "a batch of"),
    "a negative shape": (of_tensor(tensor("x", [-1], "INT64", [1])), "no whole number"),
    "a shape of texts": (
        of_tensor(tensor("x", [1], "INT64", [1]) | {"shape": ["1"]}),
        "no whole number",
    ),
    "a shape of truth": (of_tensor(tensor("x", [True], "INT64", [1])), "no whole number"),
    "no shape": (of_tensor(tensor("x", [], "INT64", [1]) | {"shape": None}), "shape"),
    "a scalar of two values": (of_tensor(tensor("x", [], "INT64", [1, 2])), "2 values, but 1"),
    "too many dimensions": (of_tensor(tensor("x", [1] * 9999, "INT64", [1])), "shape"),
    "different batches": (
        of_tensor(tensor("x", [2], "INT64", [1, 2]), tensor("y", [3], "INT64", [1, 2, 3])),
        "first dimensions differ",
    ),
    "fewer bytes than said": (
        of_tensor(binary_tensor("x", [2], "INT64", 16), behind=b"\x01" * 15),
        "15 bytes are left",
    ),
    "more bytes than said": (
        of_tensor(binary_tensor("x", [2], "INT64", 16), behind=b"\x01" * 17),
        "17 follow the JSON",
    ),
    "a false size": (
        of_tensor(binary_tensor("x", [2], "INT64", 8), behind=b"\x01" * 8),
        "8 bytes, but 2 values",
    ),
    "a negative size": (of_tensor(binary_tensor("x", [1], "INT8", -1)), "binary_data_size"),
    "a size of 2^70": (of_tensor(binary_tensor("x", [1], "INT8", 2**70)), "binary_data_size"),
    "an endless binary shape": (
        of_tensor(binary_tensor("x", [1, 2**62], "INT8", 1), behind=b"\x01"),
        "binary values",
    ),
    "too many binary values": (
        of_tensor(
            binary_tensor("x", [1, 3_000_000], "BOOL", 3_000_000),
            binary_tensor("y", [1, 3_000_000], "BOOL", 3_000_000),
            behind=bytes(6_000_000),
        ),
        "more than 4000000 binary values",
    ),
    "endless texts": (
        of_tensor(binary_tensor("x", [1, 2**20], "BYTES", 4), behind=b"\0" * 4),
        "cannot hold",
    ),
    "a text longer than the rest": (
        of_tensor(binary_tensor("x", [1], "BYTES", 8), behind=b"\xff\xff\xff\xffabcd"),
        "do not add up",
    ),
    "texts that end early": (
        of_tensor(binary_tensor("x", [2], "BYTES", 9), behind=lengthy(b"abcde")),
        "do not add up",
    ),
    "an unknown datatype": (
        of_tensor(binary_tensor("x", [1], "COMPLEX64", 8), behind=b"\0" * 8),
        "datatype 'COMPLEX64'",
    ),
}


@pytest.mark.parametrize(("body", "words"), UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("read", READERS)
def test_bad_bodies_are_unreadable_and_said_why(
    read: Callable[..., Payload], body: bytes, words: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        read(text_of(body))
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"instances": {"a": [1]}}, "instances: no array"),
        ({"instances": None}, "instances: no array"),
        ({"dataframe_records": 7}, "dataframe_records: no array"),
        ({"dataframe_split": 7}, "dataframe_split: no object"),
        ({"dataframe_split": {"columns": ["a"]}}, "dataframe_split.data: no array"),
        ({"dataframe_split": {"columns": "a", "data": []}}, "dataframe_split.columns: no array"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "not as long as columns"),
        ({"dataframe_split": {"columns": ["a"], "data": [1]}}, "not as long as columns"),
    ],
)
def test_bad_requests_of_v1_and_mlflow_are_unreadable(body: object, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        read_request(text_of(body))


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [0] * (MOST_ITEMS + 1)},
        {"inputs": {"a": [0] * (MOST_ITEMS + 1)}},
        {"inputs": [tensor("a", [MOST_ITEMS + 1], "INT8", [0] * (MOST_ITEMS + 1))]},
    ],
)
def test_more_items_than_an_event_may_have_are_refused(body: object) -> None:
    with pytest.raises(Unreadable, match=str(MOST_ITEMS)):
        read_request(text_of(body))


def test_false_claims_cost_no_memory() -> None:
    tracemalloc.start()
    try:
        for body, _ in UNREADABLE.values():
            if len(body) < 1000:
                for read in READERS:
                    with pytest.raises(Unreadable):
                        read(text_of(body))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "body",
    [
        of_tensor(tensor("x", [50_000, 8, *[1] * 14], "INT8", [0] * 400_000)),
        of_tensor(tensor("x", [1, 160_000, *[1] * 14], "INT8", [0] * 160_000)),
        of_tensor(binary_tensor("x", [1, 600_000], "BYTES", 2_400_000), behind=bytes(2_400_000)),
    ],
    ids=["many rows", "one row", "texts"],
)
def test_a_shape_that_ends_in_ones_costs_no_lists(body: bytes) -> None:
    """An event of 781 KiB said that its 400,000 zeros had the shape [100000, 4, 1, 1, …]: each
    was put into fourteen lists of its own, which took 736 MiB and held up everybody for 11 s."""
    tracemalloc.start()
    try:
        with pytest.raises(TooMuch, match="at most"):
            read_request(text_of(body))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(body)


def test_only_rows_that_are_asked_for_are_folded() -> None:
    shape = [1000, 10, *[1] * 14]
    tracemalloc.start()
    try:
        payload = read_request(text_of(of_tensor(tensor("x", shape, "INT8", [0] * 10_000))))
        assert len(payload.items) == 1000
        assert orjson.dumps(payload.items[999]).count(b"[") == 1 + 10 * 14
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_the_deepest_items_that_are_taken_can_be_written() -> None:
    deep: Json = "x"
    for _ in range(250):
        deep = [deep]
    [item] = request_items({"instances": [deep]})
    [shallow] = request_items({"instances": ["[" * 500]})
    assert orjson.loads(row_texts(item, item)[0]) == {"instances": [deep]}
    assert shallow == "[" * 500


def check(read: Callable[..., Payload], data: bytes) -> None:
    try:
        payload = read(text_of(data))
    except (NoPrediction, Unreadable):
        return
    assert payload.items
    for item in payload.items:
        data_text, prediction_text = row_texts(item, item)
        assert "\0" not in data_text + prediction_text
        assert orjson.loads(data_text) == {"instances": [item]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
TENSORS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b"]) | JSON,
        "shape": st.lists(st.integers(-1, 4), max_size=3) | JSON,
        "datatype": st.sampled_from([name for name, _, _ in BINARY] + ["BYTES", "BF16"]) | JSON,
    },
    optional={
        "data": st.lists(JSON, max_size=4) | JSON,
        "parameters": st.fixed_dictionaries(
            {}, optional={"binary_data_size": st.integers(-1, 16) | JSON, "content_type": JSON}
        ),
    },
)
KEYS = ("instances", "predictions", "inputs", "outputs", "dataframe_split", "dataframe_records")


@pytest.mark.parametrize("read", READERS)
@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_items_or_said_to_be_none(read: Callable[..., Payload], data: bytes) -> None:
    check(read, data)
    check(read, b'{"instances":[' + data)
    check(read, v2(binary_tensor("x", [1], "BYTES", len(data)), behind=data))


@pytest.mark.parametrize("read", READERS)
@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), st.lists(TENSORS, max_size=2) | JSON), st.binary())
def test_any_json_with_any_bytes_is_items_or_said_to_be_none(
    read: Callable[..., Payload], body: dict[str, object], behind: bytes
) -> None:
    check(read, json.dumps(body).encode() + behind)


def test_base64_of_a_picture_stays_as_it_is() -> None:
    picture = base64.b64encode(b"\x89PNG" * 1000).decode()
    assert request_items({"instances": [{"image": {"b64": picture}}]}) == [
        {"image": {"b64": picture}}
    ]
