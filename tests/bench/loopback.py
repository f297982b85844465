"""Sockets on loopback without pacing.

Where BBR is the system's congestion control, it paces every answer by a timer even on loopback. On
a virtual machine a timer costs the server more than the event itself, and the more the slower the
server answers; what is measured then is the timers.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Final

HOST: Final = "127.0.0.1"


def listen(port: int) -> socket.socket:
    listening = _unpaced()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((HOST, port))
    listening.listen(1024)
    return listening


def connect(port: int) -> socket.socket:
    connected = _unpaced()
    connected.connect((HOST, port))
    connected.setblocking(False)
    return connected


def _unpaced() -> socket.socket:
    made = socket.socket()
    with contextlib.suppress(OSError):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
    return made
