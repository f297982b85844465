"""Large binary values of an instance, kept as files that people can look at later.

A row is for text: an image in it would make every query carry it. So a value `{"b64": "..."}`
above a size is written as a file beside the table, and the row has
`{"uri", "mimeType", "sizeBytes"}` in its place. Files are named by their content, so writing one
twice does nothing. What a file is, is read from its first bytes and from nothing the sender says;
what could be executed where it is shown (SVG, HTML) is never named as such.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from evaluation_operator.bodies.values import Json

_MARK = "b64"
_DEEPEST = 64
_OTHER = ("application/octet-stream", "bin")


@dataclass(frozen=True, slots=True)
class PayloadFile:
    """`name` is the SHA-256 of `data` in hex, with the suffix of its type."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a decoded value: from `least` on it is a file, above `most` the item is refused."""

    least: int
    most: int


class PayloadTooLarge(Exception):
    """The message says how large it is, and what is allowed."""


def take_payloads(instance: Json, folder_uri: str, sizes: Sizes) -> tuple[Json, list[PayloadFile]]:
    """The instance with large values replaced, and their files. What is not valid base64, or
    lies deeper than 64 levels, stays as it is. Raises PayloadTooLarge."""
    files: list[PayloadFile] = []

    def replaced(value: Json, depth: int) -> Json:
        if depth > _DEEPEST:
            return value
        if isinstance(value, list):
            return [replaced(element, depth + 1) for element in value]
        if not isinstance(value, dict):
            return value
        text = value.get(_MARK)
        if len(value) != 1 or not isinstance(text, str):
            return {key: replaced(element, depth + 1) for key, element in value.items()}
        data = _decoded(text, sizes)
        if data is None:
            return value
        mime_type, suffix = sniff(data)
        name = f"{hashlib.sha256(data).hexdigest()}.{suffix}"
        files.append(PayloadFile(name, data))
        return {
            "uri": f"{folder_uri.rstrip('/')}/{name}",
            "mimeType": mime_type,
            "sizeBytes": len(data),
        }

    return replaced(instance, 0), files


def sniff(data: bytes) -> tuple[str, str]:
    """Media type and file suffix by the first bytes."""
    for start, kind in (
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\xff\xd8\xff", "jpeg"),
        (b"GIF87a", "gif"),
        (b"GIF89a", "gif"),
        (b"BM", "bmp"),
        (b"II*\x00", "tiff"),
        (b"MM\x00*", "tiff"),
    ):
        if data.startswith(start):
            return f"image/{kind}", kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp", "webp"
    return _OTHER


def _decoded(text: str, sizes: Sizes) -> bytes | None:
    """The bytes of a value that must become a file; None for one that stays in its row."""
    size = len(text) // 4 * 3
    if size < sizes.least:
        return None
    if size > sizes.most + 2:
        raise PayloadTooLarge(
            f"a value of {size} bytes in base64 is too large; send at most {sizes.most} bytes"
        )
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
