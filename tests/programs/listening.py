"""The operator, a sampler and a labeler as processes that may open few files, and an API server
that knows next to nothing, so that they have somebody to call."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from tests.builders import Manifest
from tests.cluster.host import free_ports
from tests.cluster.settings import CHECKOUT
from tests.integration.eventually import eventually
from tests.unit.sampling.served import NAMESPACE, make_job

FILES = 256
WATCH_SECONDS = 0.6
MODULES = {"operator": "controller", "sampler": "sampling", "labeler": "labeling"}


@dataclass
class ApiServer:
    """Each request to it takes a connection of its own. `lists` are objects by plural."""

    lists: dict[str, list[Manifest]] = field(default_factory=dict)
    requests: int = 0
    port: int = 0

    def answer(self, method: str, url: str, body: Manifest) -> tuple[int, Manifest]:
        self.requests += 1
        path, _, query = url.partition("?")
        if "watch=" in query:
            time.sleep(WATCH_SECONDS)
            return 200, {}
        if method in ("POST", "PUT"):
            body.setdefault("metadata", {})["resourceVersion"] = "1"
            return 201, body
        parts = path.split("/")
        if parts[-2] in ("leases", "namespaces"):
            return 404, {"kind": "Status", "reason": "NotFound", "code": 404}
        return 200, {"metadata": {"resourceVersion": "1"}, "items": self.lists.get(parts[-1], [])}


@contextmanager
def api_server(**lists: list[Manifest]) -> Iterator[ApiServer]:
    api = ApiServer(lists)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            given = json.loads(self.rfile.read(length) or b"{}")
            status, body = api.answer(self.command, self.path, given)
            data = json.dumps(body).encode() if body else b""
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nobody reads it."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A program was ended in the middle of a request."""

    server = Quiet(("127.0.0.1", 0), Handler)
    api.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.socket.close()


@dataclass
class Program:
    """A process, and where it listens: `http` in the sampler alone."""

    name: str
    folder: Path
    api: ApiServer
    process: Process
    ports: dict[str, int]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    async def probe(self, path: str = "/healthz") -> int:
        """The status, as a probe of the kubelet gets it: by a connection of its own."""
        assert self.process.returncode is None, self.log
        async with httpx.AsyncClient() as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{self.ports['health']}{path}")
            except httpx.TransportError:
                return 0
        return answer.status_code

    async def metrics(self) -> str:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{self.ports['health']}/metrics")).text


@asynccontextmanager
async def running(name: str, folder: Path, **environment: str) -> AsyncIterator[Program]:
    """The program with at most `FILES` files, once its probe is answered."""
    with api_server(evaluationjobs=[make_job(folder / "table")]) as api:
        ports = dict(zip(("http", "health"), free_ports(2), strict=True))
        with (folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *("bash", "-c", f'ulimit -n {FILES}; exec "$0" -m "$1"', sys.executable),
                f"evaluation_operator.{MODULES[name]}.main",
                stderr=log,
                env=os.environ | _environment(folder, api, ports) | environment,
            )
        program = Program(name, folder, api, process, ports)
        try:
            await eventually(program.probe, lambda status: status == 200, seconds=60)
            yield program
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _environment(folder: Path, api: ApiServer, ports: dict[str, int]) -> dict[str, str]:
    backends = folder / "backends.json"
    manual = {"name": "manual", "type": "Manual", "url": f"file://{folder}/manual"}
    backends.write_text(json.dumps({"backends": [manual]}))
    return {
        "PYTHONPATH": str(CHECKOUT / "operator"),
        "KUBECONFIG": str(_kubeconfig(folder, api)),
        "POD_NAME": "evaluation-0",
        "EVALUATION_NAMESPACE": NAMESPACE,
        "EVALUATION_LEADER_ELECTION": "false",
        "EVALUATION_SWEEP_SECONDS": "0.5",
        "EVALUATION_HTTP_HOST": "127.0.0.1",
        "EVALUATION_HTTP_PORT": str(ports["http"]),
        "EVALUATION_HEALTH_PORT": str(ports["health"]),
        "EVALUATION_SAMPLER_DIRECTORY": str(folder / "accepted"),
        "EVALUATION_SAMPLER_FLUSH_SECONDS": "0.2",
        "EVALUATION_LABELER_BACKENDS_FILE": str(backends),
    }


def _kubeconfig(folder: Path, api: ApiServer) -> Path:
    path = folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{api.port}"}}],
        "users": [{"name": "it", "user": {"token": "any"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    path.write_text(json.dumps(content))
    return path
