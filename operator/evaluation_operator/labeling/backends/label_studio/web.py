"""Addresses that the browser of whoever labels is given."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from evaluation_operator.visible import is_visible

Origin = tuple[str, str, int]
"""Scheme, host and port: what a browser holds to be one site."""

_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[\w.:-]+")


def is_web_address(text: str) -> bool:
    """Whether a browser would open it at the host that people read in it, and as nobody."""
    return origin_of(text) is not None and "@" not in urlsplit(text).netloc


def origin_of(address: str) -> Origin | None:
    """Scheme, host and port of an http(s) address; None of anything else. A backslash is a slash
    to browsers and none to Python, so an address with one has no host that both agree on."""
    if not is_visible(address) or "\\" in address or address != address.strip():
        return None
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not _HOST.fullmatch(parts.hostname or ""):
        return None
    assert parts.hostname is not None
    return parts.scheme, parts.hostname.rstrip("."), port or _PORTS[parts.scheme]
