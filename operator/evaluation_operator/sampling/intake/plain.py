"""The body of `POST /v1/jobs/{job}/predictions`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import orjson

from evaluation_operator.bodies.limits import ASIDE, Bounds, check_items
from evaluation_operator.bodies.protocols import read_request_document, read_response_document
from evaluation_operator.bodies.values import (
    Items,
    Json,
    NoPrediction,
    Payload,
    TooMuch,
    Unreadable,
)
from evaluation_operator.bodies.wire import parse_body
from evaluation_operator.sampling.intake.cloudevents import MAXIMUM_ID, is_event_id, parse_time
from evaluation_operator.sampling.limits import MOST_EVENTS
from evaluation_operator.tasks.forms import known_as

_KEYS: Final = ("id", "time", "instances", "predictions", "request", "response")
_MAXIMUM_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class PlainPrediction:
    """A whole prediction. `id` None: the sender gave none."""

    id: str | None
    time: datetime | None
    instances: Items
    predictions: Items


class BadPrediction(ValueError):
    """A body that cannot be taken; the message names field, value and cure."""

    def __init__(self, field: str, value: str, cure: str) -> None:
        super().__init__(field, value, cure)
        self.field = field
        self.value = value
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.field}: {self.value}: {self.cure}"


def parse_plain(
    body: bytes, bounds: Bounds = ASIDE, *, is_one_item: bool = False
) -> list[PlainPrediction]:
    """The predictions of a body: one object, or an array of them.

    Each has `instances` and `predictions`, or `request` and `response` as the model server took
    and gave them (V1, V2 in JSON, MLflow); `id` and `time` may be left out. BadPrediction at the
    first thing that is wrong, TooMuch beyond a bound: then none of the body is taken.
    `is_one_item`: a request and its response are one item each, whatever their form.
    """
    try:
        document, _ = parse_body(body)
    except (NoPrediction, Unreadable) as error:
        what, _, cure = str(error).removeprefix("body: ").partition("; ")
        raise BadPrediction("body", what, cure or "send a prediction") from None
    if not isinstance(document, list):
        return [_prediction(document, "", bounds, is_one_item)]
    if len(document) > min(MOST_EVENTS, bounds.items):
        raise TooMuch(f"body: {len(document)} predictions; send at most {MOST_EVENTS} a call")
    predictions: list[PlainPrediction] = []
    count = 0
    for index, entry in enumerate(document):
        predictions.append(_prediction(entry, f"[{index}].", bounds, is_one_item))
        count += len(predictions[-1].instances)
        check_items(count, bounds)
    return predictions


def _prediction(entry: Json, place: str, bounds: Bounds, is_one_item: bool) -> PlainPrediction:
    if not isinstance(entry, dict):
        raise BadPrediction(
            place.rstrip(".") or "body",
            _shown(entry),
            "give an object with instances and predictions, or with request and response",
        )
    _check_keys(entry, place)
    if "request" in entry or "response" in entry:
        read_request = partial(read_request_document, is_one_item=is_one_item)
        read_response = partial(read_response_document, is_one_item=is_one_item)
        instances = _read(entry.get("request"), f"{place}request", read_request, bounds)
        predictions = _read(entry.get("response"), f"{place}response", read_response, bounds)
    else:
        instances = _array(entry.get("instances"), f"{place}instances", bounds)
        predictions = _array(entry.get("predictions"), f"{place}predictions", bounds)
    if len(instances) != len(predictions):
        raise BadPrediction(
            f"{place}predictions",
            f"{len(predictions)} for {len(instances)} instances",
            "give one for each instance, in their order",
        )
    return PlainPrediction(
        _id(entry.get("id"), f"{place}id") or _id_inside(entry),
        _time(entry.get("time"), f"{place}time"),
        instances,
        predictions,
    )


def _check_keys(entry: dict[str, Json], place: str) -> None:
    for key in entry:
        if key not in _KEYS:
            raise BadPrediction(
                f"{place}{_clipped(key)}", "unknown", f"remove it; known are {', '.join(_KEYS)}"
            )
    if not entry.keys().isdisjoint(_KEYS[2:4]) and not entry.keys().isdisjoint(_KEYS[4:]):
        raise BadPrediction(
            place.rstrip(".") or "body",
            "instances or predictions beside request or response",
            "give the one pair or the other",
        )


def _array(value: Json, field: str, bounds: Bounds) -> Items:
    if not isinstance(value, list) or not value:
        raise BadPrediction(field, _shown(value), "give an array with one entry for each instance")
    check_items(len(value), bounds)
    return tuple(value)


def _read(
    value: Json,
    field: str,
    read: Callable[[Json, Bounds], Payload],
    bounds: Bounds,
) -> Items:
    cure = "give the body as the server has it (V1, V2 in JSON, or MLflow)"
    if not isinstance(value, dict | list):
        raise BadPrediction(field, _shown(value), cure)
    try:
        payload = read(value, bounds)
        if payload.is_whole_body and isinstance(value, dict) and (what := known_as({**value})):
            raise Unreadable(what)
        return payload.items
    except TooMuch:
        raise
    except (Unreadable, NoPrediction) as error:
        raise BadPrediction(field, str(error), cure) from None


def _id(value: Json, field: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not is_event_id(value):
        raise BadPrediction(
            field, _shown(value), f"give a text of 1 to {MAXIMUM_ID} characters, none of control"
        )
    return value


def _id_inside(entry: dict[str, Json]) -> str | None:
    """The id that V2's request or response has, where the prediction itself has none."""
    for side in ("request", "response"):
        body = entry.get(side)
        found = body.get("id") if isinstance(body, dict) else None
        if isinstance(found, str) and is_event_id(found):
            return found
    return None


def _time(value: Json, field: str) -> datetime | None:
    if value is None:
        return None
    time = parse_time(value) if isinstance(value, str) else None
    if time is None:
        raise BadPrediction(
            field, _shown(value), "give a time with its zone, such as 2026-03-01T10:00:00Z"
        )
    return time


def _shown(value: Json) -> str:
    """A value as JSON, short. Arrays and objects, which may be huge, only by kind."""
    match value:
        case list():
            return "an array" if value else "an empty array"
        case dict():
            return "an object"
        case _:
            return _clipped(orjson.dumps(value).decode())


def _clipped(text: str) -> str:
    return text if len(text) <= _MAXIMUM_SHOWN else text[: _MAXIMUM_SHOWN - 1] + "…"
