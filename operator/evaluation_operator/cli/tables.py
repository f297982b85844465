"""Tables as people name them: by URI, or by the folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit


def as_uri(text: str) -> str:
    """The URI of a table or folder; a path without a scheme is one of this machine.

    Tables are reached through no link. One that somebody names here is their own choice, so it is
    told where it leads.
    """
    if "://" in text:
        return text
    return Path(text).expanduser().resolve().as_uri()


def local_path(uri: str) -> Path | None:
    """The folder behind a `file://` URI; None for any other."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
