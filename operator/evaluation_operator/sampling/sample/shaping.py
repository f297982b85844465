"""How one item of a prediction stands in a row."""

from __future__ import annotations

from typing import Final

import orjson

from evaluation_operator.domain.sampled_job import ImportKeys
from evaluation_operator.sampling.records import Json

_EXACT: Final = 2**53  # below it a float holds every whole number


def shape_prediction(prediction: Json, keys: ImportKeys) -> Json:
    """The prediction as evaluations read it: labels and scores in arrays under the job's keys.

    A bare label, or an object that holds nothing but one label, is that label with score 1. A
    single label or score becomes an array of one. Labels that are numbers become texts, as label
    sets have them (whole ones without a fraction: 3.0 is "3"). Anything else stays as it is: what
    is wrong with it is said when it is evaluated. The given prediction is never changed.
    """
    label, score = keys.label, keys.score
    if not isinstance(prediction, dict):
        if prediction is None or isinstance(prediction, list):
            return prediction
        return {label: [_label(prediction)], score: [1.0]}
    if label not in prediction and score not in prediction:
        return prediction
    shaped = dict(prediction)
    if label in shaped:
        shaped[label] = _labels(_array(shaped[label]))
        if len(shaped) == 1 and len(_array(prediction[label])) == 1:
            shaped[score] = [1.0]
    if score in shaped:
        shaped[score] = _array(shaped[score])
    return shaped


def _array(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _labels(values: list[Json]) -> list[Json]:
    if set(map(type, values)) == {str}:
        return values
    return [_label(value) for value in values]


def _label(value: Json) -> Json:
    if isinstance(value, float) and abs(value) < _EXACT and value.is_integer():
        value = int(value)
    if isinstance(value, int | float):
        return orjson.dumps(value).decode()
    return value


def data_bytes(instance: Json) -> bytes:
    """`raw_data` of a row with this one instance: compact JSON. No text of PostgreSQL may hold a
    NUL character; in JSON it is an escape."""
    return orjson.dumps({"instances": [instance]})


def prediction_bytes(prediction: Json) -> bytes:
    """`raw_prediction` of a row with this one prediction."""
    return orjson.dumps({"predictions": [prediction]})


def row_texts(instance: Json, prediction: Json) -> tuple[str, str]:
    """`raw_data` and `raw_prediction` of a row."""
    return data_bytes(instance).decode(), prediction_bytes(prediction).decode()
