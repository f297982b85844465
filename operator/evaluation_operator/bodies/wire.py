"""Bodies as they come over the wire: bytes to a document, and then to its items.

The compression that loggers keep is undone, and what Python writes and JSON does not know is read.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Final

import orjson

from evaluation_operator.bodies.limits import ASIDE, MOST_UNPACKED_BYTES, Bounds
from evaluation_operator.bodies.protocols import (
    NOTHING,
    read_request_document,
    read_response_document,
)
from evaluation_operator.bodies.values import Json, NoPrediction, Payload, TooMuch, Unreadable

# orjson reads 1024 levels and writes 254; a row wraps an item into two more at most.
_SURELY_SHALLOW: Final = 250
_BINARY: Final = b"binary_data_size"
_BLANKS: Final = b" \t\r\n"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_OF_GZIP: Final = 31
"""Of zlib: the largest window, with gzip's header."""
_GREAT: Final = re.compile(rb"[0-9]{19,}")
_MOST_WHOLE: Final = 2**64 - 1
_LEAST_WHOLE: Final = -(2**63)


def read_request(
    body: bytes, bounds: Bounds = ASIDE, *, is_one_item: bool = False, content_type: str = ""
) -> Payload:
    """The instances of a request; with `is_one_item` all of it is one. What is no JSON and says so
    by its content type is one item, too: a text, or the bytes as base64.

    Raises NoPrediction for what is sound but none, TooMuch beyond a bound, and Unreadable for
    anything that cannot be read. What is returned can be written as JSON again.
    """
    if (other := _other_data(body, content_type)) is not None:
        return Payload((other,), is_whole_body=True)
    document, binary = parse_body(body)
    return read_request_document(document, bounds, binary, is_one_item=is_one_item)


def read_response(body: bytes, bounds: Bounds = ASIDE, *, is_one_item: bool = False) -> Payload:
    """The predictions of a response; errors as of read_request."""
    document, binary = parse_body(body)
    return read_response_document(document, bounds, binary, is_one_item=is_one_item)


def _other_data(body: bytes, content_type: str) -> Json:
    """A request that is no JSON, and does not say that it is: an image, a table of CSV."""
    kind = content_type.partition(";")[0].strip().lower()
    if not kind or "json" in kind or body.lstrip()[:1] in (b"{", b"[") or is_packed(body):
        return None
    if kind.startswith("text/"):
        try:
            return body.decode() or None
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(body).decode()} if body else None


def parse_body(data: bytes) -> tuple[Json, memoryview]:
    """The JSON of a body, and the bytes behind it; errors as of read_request. A byte order mark is
    ignored. NaN and Infinity become null, and whole numbers beyond 64 bits texts."""
    binary = NOTHING
    data = unpacked(data)
    if data[:3] == _BYTE_ORDER_MARK:
        data = data[3:]
    try:
        document: Json = orjson.loads(data)
        # Bytes of tensors may look like blanks behind the JSON.
        if data[-1] in _BLANKS and _BINARY in data:
            binary = memoryview(data)[_json_end(data) :]
        if _GREAT.search(data):
            document = _second_try(data[: _json_end(data)] if len(binary) else data, None)
    except orjson.JSONDecodeError as error:
        if not data.strip():
            raise NoPrediction("an empty body") from None
        if data.lstrip()[:5] == b"data:":
            raise Unreadable(
                "body: a stream of events, as of chat completion chunks, is not read; have a "
                "transformer answer with the label (attach.md)"
            ) from None
        end = _json_end(data) if _BINARY in data else len(data)
        binary = memoryview(data)[end:]
        document = _second_try(data[:end], error)
    if not isinstance(document, dict | list):
        raise Unreadable("body: no JSON object or array; send a request or answer as it is")
    check_depth(document, data)
    return document, binary


def unpacked(data: bytes) -> bytes:
    """A body without its compression: loggers pass on what was sent, and drop the header that
    tells. Raises Unreadable, and TooMuch beyond MOST_UNPACKED_BYTES."""
    if not is_packed(data):
        return data
    unpacking = zlib.decompressobj(_OF_GZIP)
    try:
        found = unpacking.decompress(data, MOST_UNPACKED_BYTES + 1)
    except zlib.error as error:
        raise Unreadable(f"body: gzip that cannot be undone ({error}); send it whole") from None
    if len(found) > MOST_UNPACKED_BYTES:
        raise TooMuch(
            f"body: more than {MOST_UNPACKED_BYTES} bytes once its gzip is undone; send smaller "
            "batches"
        )
    if not unpacking.eof:
        raise Unreadable("body: gzip that ends too early; send it whole")
    return found


def is_packed(data: bytes) -> bool:
    return data[:2] == _GZIP


def _second_try(text: bytes, error: orjson.JSONDecodeError | None) -> Json:
    """JSON that was followed by other bytes, or has what is no JSON but what Python writes: NaN and
    Infinity, which become null, so that they fail their own item only. Numbers that a row could not
    hold become texts."""
    try:
        if b"NaN" in text or b"Infinity" in text or _GREAT.search(text):
            found = json.loads(text.decode(), parse_int=_whole)
            text = orjson.dumps(found)
        document: Json = orjson.loads(text)
    except UnicodeDecodeError as wrong:
        raise Unreadable(f"body: no UTF-8 at byte {wrong.start}; send JSON in UTF-8") from None
    except (ValueError, TypeError, RecursionError) as wrong:
        why = _not_utf8(text) or f"unreadable JSON ({error or wrong}); send valid JSON"
        raise Unreadable(f"body: {why}") from None
    return document


def _whole(digits: str) -> int | str:
    """A number, or its digits where no row could hold it."""
    if len(digits) > len(str(_MOST_WHOLE)):
        return digits
    value = int(digits)
    return value if _LEAST_WHOLE <= value <= _MOST_WHOLE else digits


def _not_utf8(text: bytes) -> str | None:
    try:
        text.decode()
    except UnicodeDecodeError as wrong:
        return f"no UTF-8 at byte {wrong.start}; send JSON in UTF-8"
    return None


def _json_end(data: bytes) -> int:
    """Where the JSON ends that bytes of tensors follow. Its header that would tell is dropped by
    loggers. Latin-1 keeps places: one character a byte."""
    text = data.decode("latin-1")
    try:
        return json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip(" \t\r\n")))[1]
    except (ValueError, RecursionError):
        return len(data)


def check_depth(document: Json, text: bytes) -> None:
    """Unreadable if a row of what `text` says could not be written."""
    if text.count(b"[") + text.count(b"{") <= _SURELY_SHALLOW:
        return
    try:
        orjson.dumps([document])
    except TypeError:
        raise Unreadable("body: nested more than 250 deep; send it flatter") from None
