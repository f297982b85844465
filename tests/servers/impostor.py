"""Servers of an attacker's, on loopback: they ask for secrets and repeat whatever they are sent."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

_ENCRYPTION_REQUESTS = tuple(struct.pack("!i", code) for code in (80877103, 80877104))


@dataclass
class Impostor:
    """`heard`: all messages that it was sent."""

    port: int
    heard: list[bytes] = field(default_factory=list)


@contextmanager
def postgres_impostor() -> Iterator[Impostor]:
    """It speaks no TLS, asks for the password in clear, and repeats it in its error."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Impostor(listener.getsockname()[1])
        threading.Thread(target=_impersonate, args=(listener, found.heard), daemon=True).start()
        yield found


def _impersonate(listener: socket.socket, heard: list[bytes]) -> None:
    with suppress(OSError):  # it is closed when the test ends
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError, struct.error):  # the client goes away
                _ask_for_password(connection, heard)


def _ask_for_password(connection: socket.socket, heard: list[bytes]) -> None:
    while True:
        (length,) = struct.unpack("!i", connection.recv(4))
        heard.append(connection.recv(length - 4))
        if not heard[-1].startswith(_ENCRYPTION_REQUESTS):
            break
        connection.sendall(b"N")
    connection.sendall(b"R" + struct.pack("!ii", 8, 3))
    heard.append(connection.recv(1000))
    said = b"SFATAL\0C28P01\0Mno " + heard[-1][5:-1] + b"\0\0"
    connection.sendall(b"E" + struct.pack("!i", 4 + len(said)) + said)


@contextmanager
def bucket_impostor() -> Iterator[Impostor]:
    """It answers every request of S3 with an error that repeats the request's headers."""
    heard: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            told = str(self.headers)
            heard.append(told.encode())
            message = escape(f"no {self.path} {told}")
            body = f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>".encode()
            self.send_response(403)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: what it heard is kept."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Impostor(server.server_address[1], heard)
    finally:
        server.shutdown()
        server.server_close()
