"""Tables as people name them: by URI, or by the folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit


def as_uri(text: str) -> str:
    """The URI of a table or folder; a path without a scheme is one of this machine."""
    if "://" in text:
        return text
    return Path(text).expanduser().absolute().as_uri()


def local_path(uri: str) -> Path | None:
    """The folder behind a `file://` URI; None for any other."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
