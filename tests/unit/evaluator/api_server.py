"""As much of an API server as a run needs of it, for tests that start hundreds of runs: objects by
their path, a status that is written apart, and names that are taken once. Whether the real one is
like it, tests/integration/test_stopped_runs.py shows."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


class ApiServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, Body] = {}
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, path: str, body: Body) -> Body:
        """As somebody else writes it."""
        metadata = body["metadata"]
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata["resourceVersion"] = str(int(metadata.get("resourceVersion") or 0) + 1)
        self.objects[path] = body
        return body


@contextmanager
def api_server() -> Iterator[ApiServer]:
    with ApiServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: ApiServer

    def do_GET(self) -> None:
        found = self.server.objects.get(self.path)
        self._answer(*((200, found) if found is not None else (404, None)))

    def do_POST(self) -> None:
        body = self._body()
        path = f"{self.path.partition('?')[0]}/{body['metadata']['name']}"
        with self.server.lock:
            if path in self.server.objects:
                self._answer(409, {"reason": "AlreadyExists", "message": "it is there"})
                return
            self._answer(201, self.server.put(path, body))

    def do_PUT(self) -> None:
        body, path = self._body(), self.path.removesuffix("/status")
        with self.server.lock:
            found = self.server.objects.get(path)
            if found is None:
                self._answer(404, None)
            elif found["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
                self._answer(409, {"reason": "Conflict", "message": "somebody wrote first"})
            else:
                status = {"status": body["status"]}
                self._answer(200, self.server.put(path, found | status))

    def _body(self) -> Body:
        read: Body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return read

    def _answer(self, status: int, body: Body | None) -> None:
        data = json.dumps(body if body is not None else {"message": "not found"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing: what matters is asserted."""
