"""How addresses of tables and results are written, and how they are shown.

The patterns are plain enough for RE2, so that the rules of a CRD and the programs that open tables
can judge by the same text. What does not match is never shown: it may hold a password, wherever
that stands.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_BYTE: Final = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The last label begins with a letter: 2852039166 and 0x7f.1 are addresses to a resolver.
DNS_NAME: Final = rf"({_LABEL}[.])*[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?"
IPV4: Final = rf"{_BYTE}([.]{_BYTE}){{3}}"
HOST: Final = rf"({DNS_NAME}|{IPV4}|\[[0-9A-Fa-f:.]{{2,45}}\])"
PORT: Final = r"[1-9][0-9]{0,4}"

USER: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}"
DATABASE: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}"
SCHEMA: Final = r"[A-Za-z_][A-Za-z0-9_]{0,62}"
TABLE: Final = r"[A-Za-z_][A-Za-z0-9_]{0,55}"
"""The database cuts names to 63 bytes; `<table>_labels` and `<table>_halves` must fit."""

BUCKET: Final = r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?"

POSTGRESQL_URI: Final = (
    rf"^postgresql://({USER}@)?({HOST}(:{PORT})?)?/{DATABASE}/({SCHEMA}[.])?{TABLE}$"
)
BUCKET_URI: Final = rf"^(s3|gs)://{BUCKET}(/[^?#@\x00-\x1f\x7f]*)?$"
FILE_URI: Final = r"^file://(localhost)?/[^?#@\x00-\x1f\x7f]*$"

SYSTEM_NAME: Final = r"^(pg_.*|information_schema)$"
"""Schemas and tables that are the database's own."""

IP_LIKE_BUCKET: Final = rf"^{IPV4}$"

_STRICT: Final = {
    "postgresql": re.compile(POSTGRESQL_URI),
    "s3": re.compile(BUCKET_URI),
    "gs": re.compile(BUCKET_URI),
    "file": re.compile(FILE_URI),
}
_SCHEME: Final = re.compile(r"[a-z][a-z0-9]{0,15}")

# Where clouds give a machine its credentials, and what means no single machine.
_FORBIDDEN: Final = tuple(
    IPv4Network(network)
    for network in ("0.0.0.0/8", "169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32")
) + tuple(IPv6Network(network) for network in ("::/128", "fe80::/10", "fd00:ec2::/32"))
_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_forbidden_ip(text: str) -> bool:
    """Whether no table can lie at this address: link-local, a cloud's metadata, unspecified or
    multicast, also in an IPv6 form of an IPv4 address. ValueError if it is no address."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        address = _embedded(address) or address
    return address.is_multicast or any(
        address in network for network in _FORBIDDEN if network.version == address.version
    )


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    is_carried = address in _NAT64 or 1 < int(address) < 2**32
    return IPv4Address(int(address) % 2**32) if is_carried else None


def shown_address(uri: str) -> str:
    """An address for messages: without user, and nothing but the scheme of one that is not
    strictly well formed, where any part may be a password."""
    scheme = uri.partition("://")[0]
    pattern = _STRICT.get(scheme)
    if pattern is not None and pattern.fullmatch(uri):
        rest = uri.partition("://")[2]
        return f"{scheme}://{rest.rpartition('@')[2]}"
    return f"{scheme}://…" if _SCHEME.fullmatch(scheme) else "…"
