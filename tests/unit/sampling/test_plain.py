"""Predictions as plain JSON, and what is said of those that cannot be taken."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.bodies.limits import MOST_ITEMS
from evaluation_operator.bodies.values import TooMuch
from evaluation_operator.sampling.intake.plain import BadPrediction, PlainPrediction, parse_plain


def parsed(document: object) -> list[PlainPrediction]:
    return [
        replace(one, instances=tuple(one.instances), predictions=tuple(one.predictions))
        for one in parse_plain(json.dumps(document, ensure_ascii=False).encode())
    ]


def test_one_prediction_with_all_it_may_say() -> None:
    assert parsed(
        {
            "id": "Ä/1",
            "time": "2026-03-01T10:00:00.5+01:00",
            "instances": [{"x": 1}],
            "predictions": ["a"],
        }
    ) == [
        PlainPrediction(
            "Ä/1", datetime(2026, 3, 1, 9, 0, 0, 500_000, tzinfo=UTC), ({"x": 1},), ("a",)
        )
    ]


def test_id_and_time_may_be_left_out_or_null() -> None:
    one = {"instances": [1, 2], "predictions": [3, None]}
    expected = PlainPrediction(None, None, (1, 2), (3, None))
    assert parsed([one, one | {"id": None, "time": None}]) == [expected, expected]
    assert parsed([]) == []


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (
            {"inputs": [{"name": "x", "shape": [2], "datatype": "INT64", "data": [1, 2]}]},
            {
                "model_name": "m",
                "outputs": [
                    {"name": "y", "shape": [2, 1], "datatype": "BYTES", "data": ["a", "b"]}
                ],
            },
        ),
        (
            {"instances": [{"x": 1}, {"x": 2}]},
            {"predictions": [{"y": ["a"]}, {"y": ["b"]}]},
        ),
        (
            {"dataframe_split": {"columns": ["x"], "data": [[1], [2]]}},
            {"predictions": [{"y": ["a"]}, {"y": ["b"]}]},
        ),
    ],
)
def test_both_bodies_as_the_server_had_them(request_: object, response: object) -> None:
    assert parsed({"id": "a", "request": request_, "response": response}) == [
        PlainPrediction("a", None, ({"x": 1}, {"x": 2}), ({"y": ["a"]}, {"y": ["b"]}))
    ]


GOOD = {"instances": [1], "predictions": [2]}
TENSOR = {"name": "x", "shape": [2], "datatype": "INT64", "data": [1]}


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        (7, "body", "no JSON object or array"),
        ("text", "body", "no JSON object or array"),
        ([[]], "[0]", "give an object"),
        ({}, "instances", "give an array"),
        ({"instances": [1]}, "predictions", "null: give an array"),
        ({"instances": [], "predictions": []}, "instances", "an empty array"),
        ({"instances": {"x": 1}, "predictions": [1]}, "instances", "an object"),
        ({"instances": [1], "predictions": "a" * 999}, "predictions", "aaa…"),
        ({"instances": [1, 2], "predictions": [1]}, "predictions", "1 for 2 instances"),
        (GOOD | {"ID": "a"}, "ID", "remove it; known are id, time, instances"),
        (GOOD | {"x" * 999: 1}, "x" * 59 + "…", "remove it"),
        (GOOD | {"id": 7}, "id", "7: give a text of 1 to 256 characters"),
        (GOOD | {"id": ""}, "id", "characters"),
        (GOOD | {"id": "a" * 257}, "id", "characters"),
        (GOOD | {"id": "a\nb"}, "id", "none of control"),
        (GOOD | {"time": 1_700_000_000}, "time", "2026-03-01T10:00:00Z"),
        (GOOD | {"time": "2026-03-01T10:00:00"}, "time", "with its zone"),
        (GOOD | {"time": ""}, "time", "with its zone"),
        (GOOD | {"request": {}}, "body", "the one pair or the other"),
        ([GOOD, GOOD | {"response": {}}], "[1]", "the one pair or the other"),
        ({"request": {"instances": [1]}}, "response", "give the body as the server has it"),
        ({"request": 1, "response": {}}, "request", "1: give the body"),
        ({"request": {"a": 1}, "response": {}}, "response", "of a server's health"),
        ({"request": {"inputs": [TENSOR]}, "response": {}}, "request", "1 values, but 2"),
        ([GOOD, {"instances": [1], "predictions": []}], "[1].predictions", "empty array"),
    ],
)
def test_what_is_wrong_is_said_with_field_value_and_cure(
    document: object, field: str, words: str
) -> None:
    with pytest.raises(BadPrediction) as caught:
        parsed(document)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"instances":["\\ud800"],"predictions":[1]}',
        b"[" * 100_000,
        b'{"instances":' + b"[" * 254 + b"]" * 254 + b',"predictions":[1]}',
    ],
)
def test_bodies_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(BadPrediction) as caught:
        parse_plain(body)
    assert caught.value.field == "body"


def test_more_than_the_most_instances_are_refused_however_they_are_split() -> None:
    half = MOST_ITEMS // 2 + 1
    for document in (
        {"instances": [0] * 2 * half, "predictions": [0] * 2 * half},
        [{"instances": [0] * half, "predictions": [0] * half}] * 2,
    ):
        with pytest.raises(TooMuch, match=str(MOST_ITEMS)):
            parsed(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(["id", "time", "instances", "predictions", "request", "response"])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(KEYS, JSON) | JSON, st.binary(max_size=4))
def test_anything_is_predictions_or_a_clear_error(document: object, behind: bytes) -> None:
    for body in (json.dumps(document).encode(), json.dumps([document]).encode(), behind):
        try:
            predictions = parse_plain(body)
        except BadPrediction:
            continue
        assert all(len(one.instances) == len(one.predictions) > 0 for one in predictions)


def test_what_python_and_windows_write_is_read_as_in_events() -> None:
    """NaN, a byte order mark, and answers that are a list."""
    [one] = parse_plain(b'\xef\xbb\xbf{"instances": [{"x": NaN}], "predictions": ["cat"]}')
    assert (one.instances, one.predictions) == (({"x": None},), ("cat",))
    [two] = parse_plain(b'{"request": {"inputs": ["a"]}, "response": [[{"label": "cat"}]]}')
    assert (two.instances, two.predictions) == (("a",), ([{"label": "cat"}],))


def test_binary_values_that_are_missing_are_told() -> None:
    tensor = (
        '{"name": "x", "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": 4}}'
    )
    with pytest.raises(BadPrediction, match="binary_data_size 4, but 0 bytes are left"):
        parse_plain(f'{{"request": {{"inputs": [{tensor}]}}, "response": ["cat"]}}'.encode())
