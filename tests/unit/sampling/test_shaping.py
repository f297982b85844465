"""Predictions of all shapes stand in rows as evaluations read them."""

from __future__ import annotations

import copy
import json
from typing import Final

import pytest

from evaluation_operator.domain.sampled_job import ImportKeys
from evaluation_operator.sampling.records import Json
from evaluation_operator.sampling.sample.shaping import (
    data_bytes,
    prediction_bytes,
    row_texts,
    shape_prediction,
)
from evaluation_operator.tasks.classification.reader import LabelReader
from evaluation_operator.tasks.items import Item, Row

KEYS: Final = ImportKeys(data="image", reference=None, label="label", score="score")


@pytest.mark.parametrize(
    ("prediction", "shaped"),
    [
        ("cat", {"label": ["cat"], "score": [1.0]}),
        (7, {"label": ["7"], "score": [1.0]}),
        (7.0, {"label": ["7"], "score": [1.0]}),
        (0.5, {"label": ["0.5"], "score": [1.0]}),
        (1e300, {"label": ["1e+300"], "score": [1.0]}),
        (True, {"label": ["true"], "score": [1.0]}),
        ({"label": "cat"}, {"label": ["cat"], "score": [1.0]}),
        ({"label": [3]}, {"label": ["3"], "score": [1.0]}),
        ({"label": "cat", "score": 0.5}, {"label": ["cat"], "score": [0.5]}),
        ({"label": ["cat"], "score": 0.5}, {"label": ["cat"], "score": [0.5]}),
        ({"label": [4, 9], "score": [0.5, 0.1]}, {"label": ["4", "9"], "score": [0.5, 0.1]}),
        (
            {"label": "cat", "score": 0.5, "other": [1]},
            {"label": ["cat"], "score": [0.5], "other": [1]},
        ),
    ],
)
def test_single_labels_and_scores_become_arrays(prediction: Json, shaped: Json) -> None:
    given = copy.deepcopy(prediction)
    assert shape_prediction(given, KEYS) == shaped
    assert given == prediction


@pytest.mark.parametrize(
    "prediction",
    [
        None,
        [0.1, 0.9],
        {"probabilities": [0.1, 0.9]},
        {"label": ["cat", "dog"]},  # no score can be made up for two
        {"label": ["cat"], "confidence": [0.5]},  # the score's key may be misspelt
        {"label": [{"b64": "/wA="}], "score": [0.5]},
    ],
)
def test_what_cannot_be_told_stays_as_it_is(prediction: Json) -> None:
    assert shape_prediction(prediction, KEYS) == prediction


@pytest.mark.parametrize("prediction", ["cat", 3, {"label": "cat"}, {"label": 3, "score": 1}])
def test_an_evaluation_reads_what_was_shaped(prediction: Json) -> None:
    raw_data, raw_prediction = row_texts({"image": 1}, shape_prediction(prediction, KEYS))
    truth = json.dumps({"predictions": [{"label": ["cat"]}]})
    reader = LabelReader(["cat", "3"], "label", "score", is_multi_label=False)
    [outcome] = reader.read(Row("row", raw_data, raw_prediction, truth))
    assert isinstance(outcome, Item)
    assert outcome.scores == (1.0,)


def test_texts_are_compact_and_keep_their_characters() -> None:
    assert data_bytes({"text": "Ü – 驚き"}).decode() == '{"instances":[{"text":"Ü – 驚き"}]}'
    assert prediction_bytes("a\0b") == b'{"predictions":["a\\u0000b"]}'
    assert row_texts(1, 2) == (data_bytes(1).decode(), prediction_bytes(2).decode())
