"""CloudEvents 1.0 (and 0.3) over HTTP: one in headers, one in JSON, or a batch in JSON.

Headers are taken as they really come. The binding percent-encodes their values; KServe's agent,
built on the Go SDK, writes them as they are (JSON in `ce-metadata` and `ce-annotations`). An
encoder leaves neither blank nor quote nor anything beyond ASCII, so a value with one of these is
taken literally, and any other is decoded.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

import orjson

from evaluation_operator.bodies.values import Json
from evaluation_operator.sampling.limits import ATTRIBUTE_BYTES, MOST_ATTRIBUTES, MOST_EVENTS
from evaluation_operator.sampling.records import Event, Reason, Refused, Side

MAXIMUM_ID: Final = 256
_SIDES: Final = {
    f"{family}.serving.inference.{side.value}": side
    for family in ("org.kubeflow", "io.seldon")
    for side in Side
}
_SELDON: Final = "io.seldon."
_AZURE: Final = "azureml."
_AZURE_CURE: Final = (
    "the data collector's files are read by `kubectl evaluations rows import --from azure-ml`"
)
_MODELMESH: Final = (b'"modelid"', b'"kind"', b'"data"')
_FIRST_BYTES: Final = 2_000
_VERSIONS: Final = ("1.0", "0.3")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LITERAL: Final = re.compile(r"[^!#-~]")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_STRUCTURED: Final = "application/cloudevents"
_BATCHED: Final = "application/cloudevents-batch"
_MAXIMUM_SHOWN: Final = 60


class NotAnEvent(Exception):
    """A request that is no CloudEvent at all. `status`: 400, or 415 for an unknown format."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return self.message


def is_document(headers: Mapping[str, str]) -> bool:
    """Whether the body is parsed to tell the events, whatever attributes stand in headers."""
    return headers.get("content-type", "")[:23].lower() == _STRUCTURED


def parse_events(headers: Mapping[str, str], body: bytes) -> list[Event | Refused]:
    """The events of a request, in order; a `Refused` in the place of one that cannot be taken.

    `headers`: names in lower case, values as Latin-1 (or already right). Raises NotAnEvent if
    the request as a whole is none, and nothing else, whatever the bytes.
    """
    content_type = headers.get("content-type", "")
    if not is_document(headers):
        return [_from_headers(headers, content_type, body)]
    match content_type.partition(";")[0].strip().lower():
        case "application/cloudevents+json":
            return [_from_document(_json(body))]
        case "application/cloudevents-batch+json":
            batch = _json(body)
            if not isinstance(batch, list):
                raise NotAnEvent(400, f"body: {_shown(batch)}; give an array of events")
            if len(batch) > MOST_EVENTS:
                raise NotAnEvent(
                    413, f"body: {len(batch)} events; send at most {MOST_EVENTS} in a batch"
                )
            return [_from_document(document) for document in batch]
        case other:
            raise NotAnEvent(
                415,
                f"content-type: {_shown(other)} is not read here; send {_STRUCTURED}+json, "
                f"{_BATCHED}+json, or the attributes as ce- headers",
            )


def _from_headers(headers: Mapping[str, str], content_type: str, body: bytes) -> Event | Refused:
    if "ce-specversion" not in headers:
        if all(word in body[:_FIRST_BYTES] for word in _MODELMESH):
            raise NotAnEvent(
                400,
                "a payload of ModelMesh, whose gRPC messages are not read here; send predictions "
                "as plain JSON to /v1/jobs/JOB/predictions",
            )
        raise NotAnEvent(
            400,
            "no CloudEvent: there is no header ce-specversion and the content-type is not "
            f"{_STRUCTURED}+json; send one, or plain JSON to /v1/jobs/JOB/predictions",
        )
    attributes = {name[3:]: value for name, value in headers.items() if name[:3] == "ce-"}
    if len(attributes) > MOST_ATTRIBUTES:
        return _too_many(len(attributes))
    together = "\n".join(("", *attributes.values()))
    if "%" in together or '\n"' in together or not together.isascii():
        attributes = {name: _decoded(value) for name, value in attributes.items()}
    return _event(attributes, content_type, body)


def _decoded(value: str) -> str:
    if not value.isascii():
        try:
            return value.encode("latin-1").decode()
        except UnicodeError:
            return value
    if value[:1] == '"' and (quoted := _QUOTED.fullmatch(value)):
        value = re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL)
    if "%" in value and not _LITERAL.search(value):
        try:
            return unquote(value, errors="strict")
        except UnicodeDecodeError:
            return value
    return value


def _too_many(count: int) -> Refused:
    return Refused(
        Reason.NOT_AN_EVENT, f"event: {count} attributes; give at most {MOST_ATTRIBUTES}"
    )


def _json(body: bytes) -> Json:
    try:
        document: Json = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotAnEvent(400, f"body: unreadable JSON ({error}); send valid JSON") from None
    return document


def _from_document(document: Json) -> Event | Refused:
    """An event of the JSON format. Attributes that are null are not given."""
    if not isinstance(document, dict):
        return Refused(Reason.NOT_AN_EVENT, f"event: {_shown(document)}; give an object")
    if len(document) > MOST_ATTRIBUTES + 2:
        return _too_many(len(document))
    attributes: dict[str, str] = {}
    size = 0
    try:
        for name, value in document.items():
            if value is not None and name not in ("data", "data_base64"):
                text = value if isinstance(value, str) else orjson.dumps(value).decode()
                size += len(name) + len(text)
                if size > ATTRIBUTE_BYTES:
                    raise ValueError(
                        f"event: its attributes have more than {ATTRIBUTE_BYTES} characters; "
                        "put what it carries into data"
                    )
                attributes[name.lower()] = text
        content_type = attributes.get("datacontenttype", "application/json")
        data = _data(document, content_type)
    except ValueError as error:
        return Refused(Reason.NOT_AN_EVENT, str(error))
    except TypeError:  # how orjson says that an object is too deep to write
        return Refused(Reason.NOT_AN_EVENT, "event: nested too deeply; write it flatter")
    return _event(attributes, content_type, data)


def _data(document: dict[str, Json], content_type: str) -> bytes:
    """The body inside an event of the JSON format, as bytes."""
    data, encoded = document.get("data"), document.get("data_base64")
    if document.get("datacontentencoding") == "base64":  # as 0.3 says it
        data, encoded = None, data
    if encoded is not None:
        if not isinstance(encoded, str):
            raise ValueError(f"data_base64: {_shown(encoded)}; give a base64 text")
        try:
            return binascii.a2b_base64(encoded.encode(), strict_mode=True)
        except binascii.Error as error:
            raise ValueError(f"data_base64: no base64 ({error}); correct it") from None
    if data is None:
        return b""
    media_type = content_type.partition(";")[0].strip().lower()
    if isinstance(data, str) and not media_type.endswith(("/json", "+json")):
        return data.encode()
    return orjson.dumps(data)


def _event(attributes: dict[str, str], content_type: str, data: bytes) -> Event | Refused:
    """`attributes`: all of them; those with a field of their own are taken out."""
    take = attributes.pop
    version = take("specversion", "")
    if version not in _VERSIONS:
        return Refused(
            Reason.NOT_AN_EVENT, f"specversion: {_shown(version)} is not known here; send 1.0"
        )
    event_id = take("id", "")
    if not is_event_id(event_id):
        return Refused(
            Reason.ID_INVALID,
            f"id: {_shown(event_id)}; give 1 to {MAXIMUM_ID} characters without control characters",
        )
    type_ = take("type", "")
    side = _SIDES.get(type_)
    if side is None:
        return Refused(
            Reason.UNKNOWN_TYPE,
            f"type: {_shown(type_)} is no prediction; "
            + (_AZURE_CURE if type_.startswith(_AZURE) else f"send {', '.join(_SIDES)}"),
        )
    if type_.startswith(_SELDON) and is_event_id(requested := attributes.get("requestid", "")):
        event_id = requested  # Its logger gives each half an id of its own, and both this one.
    fraction = _fraction(take("samplefraction", ""))
    if fraction is None:
        return Refused(
            Reason.FRACTION_INVALID,
            "samplefraction: no number above 0 and at most 1; give the fraction of predictions "
            "that are sent, or leave it out",
        )
    time = parse_time(take("time", ""))
    take("datacontenttype", None)
    return Event(event_id, side, content_type, data, attributes, time, fraction)


def is_event_id(text: str) -> bool:
    """Whether ids of items may be made from it; they stand in tables, files and messages."""
    return 0 < len(text) <= MAXIMUM_ID and not _CONTROL.search(text)


def _fraction(text: str) -> float | None:
    """1 if it is not given. None if it is wrong: such an event is refused, since with any
    fraction that is made up for it the sample would be biased, and nobody would see it."""
    if not text:
        return 1.0
    try:
        fraction = float(text)
    except ValueError:
        return None
    return fraction if 0 < fraction <= 1 else None


def parse_time(text: str) -> datetime | None:
    """A time of RFC 3339 in UTC, cut to µs; None if it is none, or has no zone."""
    try:
        time = datetime.fromisoformat(text)
        return None if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _shown(value: Json) -> str:
    """A value, short. Arrays and objects, which may be huge, only by kind."""
    if isinstance(value, list):
        return "an array"
    if isinstance(value, dict):
        return "an object"
    text = repr(value[: _MAXIMUM_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= _MAXIMUM_SHOWN else text[: _MAXIMUM_SHOWN - 1] + "…"
