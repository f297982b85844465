"""How one item of a prediction stands in a row: as the model said it. What form that has is read
when it is evaluated."""

from __future__ import annotations

import orjson

from evaluation_operator.bodies.values import Json


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
