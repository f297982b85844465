"""How an item stands in a row."""

from __future__ import annotations

from evaluation_operator.sampling.records import ImportKeys, Json


def shape_prediction(prediction: Json, keys: ImportKeys) -> Json:
    raise NotImplementedError


def data_text(instance: Json) -> str:
    raise NotImplementedError


def prediction_text(prediction: Json) -> str:
    raise NotImplementedError


def row_texts(instance: Json, prediction: Json) -> tuple[str, str]:
    return data_text(instance), prediction_text(prediction)
