"""From the items that may be in a sample to the record that is kept of them."""

from __future__ import annotations

from datetime import datetime

from evaluation_operator.sampling.intervals import JobState
from evaluation_operator.sampling.kept import Content, Item, Kept, encode
from evaluation_operator.sampling.options import SamplerOptions
from evaluation_operator.sampling.payloads import (
    Bounds,
    PayloadFile,
    PayloadTooLarge,
    take_payloads,
)
from evaluation_operator.sampling.records import Half, Json, Reason
from evaluation_operator.sampling.shaping import data_text, prediction_text, shape_prediction


class Unfit(Exception):
    """These items can be in no row; the message is for their sender."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def make_kept(
    half: Half,
    count: int,
    state: JobState,
    items: list[Item],
    stamp: datetime,
    options: SamplerOptions,
) -> Kept:
    """The half as it is kept for one job, with the settings in force. Raises Unfit."""
    if "\x00" in half.event_id:
        raise Unfit(Reason.ID_INVALID, "id: it holds a NUL character, which no database takes")
    threshold = state.threshold
    kept = Kept(
        job=state.job,
        key=half.key,
        event_id=half.event_id,
        stamp=stamp,
        has_request=half.instances is not None,
        has_response=half.predictions is not None,
        item_count=count,
        items=tuple(items),
        p=min(half.source_fraction, threshold.fraction),
        fraction=threshold.fraction,
        cap=threshold.cap,
        threshold=threshold,
    )
    try:
        kept.body = encode(kept, state.encoded, _content(half, state, items, stamp, options))
    except (PayloadTooLarge, ValueError, TypeError) as error:
        raise Unfit(Reason.UNREADABLE, str(error)) from None
    return kept


def _content(
    half: Half, state: JobState, items: list[Item], stamp: datetime, options: SamplerOptions
) -> Content:
    data: list[str] | None = None
    predictions: list[str] | None = None
    payloads: list[PayloadFile] = []
    if half.instances is not None:
        data = []
        for index, _ in items:
            text, files = _data(half.instances[index], state.job.payload_uri, options)
            data.append(text)
            payloads += files
    if half.predictions is not None:
        keys = state.job.keys
        predictions = [
            prediction_text(shape_prediction(half.predictions[index], keys)) for index, _ in items
        ]
    return Content(half.time or stamp, data, predictions, payloads)


def _data(
    instance: Json, payload_uri: str, options: SamplerOptions
) -> tuple[str, list[PayloadFile]]:
    text = data_text(instance)
    if len(text) < options.payload_bytes:
        return text, []
    bounds = Bounds(options.payload_bytes, options.max_payload_bytes)
    smaller, files = take_payloads(instance, payload_uri, bounds)
    return (data_text(smaller) if files else text), files
