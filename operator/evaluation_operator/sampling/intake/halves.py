"""From bodies to halves that are sifted: what one process, or another, does with what was sent.

The functions that take a body and no bounds are for the processes of `aside`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from evaluation_operator.bodies.limits import ASIDE, Bounds
from evaluation_operator.bodies.values import Payload, TooMuch, Unreadable
from evaluation_operator.bodies.wire import read_request, read_response, unpacked
from evaluation_operator.sampling.intake.cloudevents import NotAnEvent, parse_events
from evaluation_operator.sampling.intake.plain import BadPrediction, parse_plain
from evaluation_operator.sampling.limits import check_cost
from evaluation_operator.sampling.records import Event, Half, Refused, Side
from evaluation_operator.sampling.sample.sifting import Draw, Sifted, sift

_PLAIN_KEY: Final = "plain"


def read_event(event: Event, bounds: Bounds = ASIDE, *, is_one_item: bool = False) -> Payload:
    """What one half of a prediction says. Raises NoPrediction, TooMuch and Unreadable."""
    if event.side is Side.RESPONSE:
        return read_response(event.data, bounds, is_one_item=is_one_item)
    return read_request(
        event.data, bounds, is_one_item=is_one_item, content_type=event.content_type
    )


def half_of(event: Event, payload: Payload) -> Half:
    is_request = event.side is Side.REQUEST
    return Half(
        key=key_of(event),
        event_id=event.id,
        instances=payload.items if is_request else None,
        predictions=None if is_request else payload.items,
        time=event.time,
        source_fraction=event.source_fraction,
    )


def plain_halves(body: bytes, bounds: Bounds, *, is_one_item: bool = False) -> list[Half]:
    """Whole predictions; those without an id get one. Raises BadPrediction and TooMuch."""
    halves = []
    for prediction in parse_plain(body, bounds, is_one_item=is_one_item):
        event_id = prediction.id or uuid.uuid4().hex
        halves.append(
            Half(
                key=f"{_PLAIN_KEY}\n{event_id}",
                event_id=event_id,
                instances=prediction.instances,
                predictions=prediction.predictions,
                time=prediction.time,
            )
        )
    return halves


def sift_all(halves: Iterable[Half], draws: Sequence[Draw], bounds: Bounds) -> Iterator[Sifted]:
    """Halves of one body, which share the bound on their texts."""
    left = bounds.text_bytes
    for half in halves:
        sifted = sift(half, draws, replace(bounds, text_bytes=left))
        left -= sum(len(drawn.texts.body) for drawn in sifted.drawn.values())
        yield sifted


def events_of(body: bytes, headers: Mapping[str, str]) -> list[Event | Refused]:
    """See parse_events."""
    try:
        body = unpacked(body)
        check_cost(body)
    except TooMuch as error:
        raise NotAnEvent(413, str(error)) from None
    except Unreadable as error:
        raise NotAnEvent(400, str(error)) from None
    return parse_events(headers, body)


def sifted_event(
    body: bytes, event: Event, draws: Sequence[Draw], is_one_item: bool = False
) -> tuple[Payload, Sifted]:
    """`event`: without its data, which is the body. The payload that is returned has no items."""
    body = unpacked(body)
    check_cost(body)
    payload = read_event(event._replace(data=body), is_one_item=is_one_item)
    return payload._replace(items=()), sift(half_of(event, payload), draws, ASIDE)


def sifted_plain(body: bytes, draws: Sequence[Draw], is_one_item: bool = False) -> list[Sifted]:
    try:
        body = unpacked(body)
    except TooMuch:
        raise
    except Unreadable as error:
        raise BadPrediction("body", str(error).removeprefix("body: "), "send it again") from None
    check_cost(body)
    return list(sift_all(plain_halves(body, ASIDE, is_one_item=is_one_item), draws, ASIDE))


def key_of(event: Event) -> str:
    """The same for both halves of one prediction, and another for the same id of another server:
    every agent of KServe calls itself localhost."""
    told = event.attributes.get
    return "\n".join(
        (told("source", ""), told("inferenceservicename", ""), told("endpoint", ""), event.id)
    )
