"""From a host's name to its addresses, none of which may be where clouds keep credentials."""

from __future__ import annotations

import socket

from evaluation_operator.api.table_address import is_forbidden_ip
from evaluation_operator.storage.errors import AccessRefused, TableUnavailable


def resolve(host: str, port: int | None) -> list[str]:
    """The addresses of a name or of an address itself, at least one. AccessRefused if it leads to
    where no table can lie, TableUnavailable if nobody knows it. Blocks."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except OSError:
        raise TableUnavailable(
            f'host "{host}" is not known to the name service; try again, or correct its name'
        ) from None
    addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
    if any(map(is_forbidden_ip, addresses)):
        raise AccessRefused(
            f'host "{host}" leads to a link-local or metadata address, where no table can lie; '
            "name the store's own host"
        )
    return addresses
