"""An API server in memory that holds any number of EvaluationJobs, all alike but for their names.

It has what an operator asks for when it starts beside jobs that need nothing: discovery, lists in
pages, watches that tell nothing, and single objects. Jobs are made when they are asked for, so that
the server takes no memory for them. Whatever is written is answered and forgotten.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from evaluation_operator.controller.watching import WATCHED
from evaluation_operator.domain.naming import model_version_lease_name
from tests.bench.largest import largest_job
from tests.builders import NAMESPACE, Manifest, make_spec_set, merged, stored
from tests.unit.domain.world import JobWorld

NUMBER = "00000"
LEASE = "name-of-the-lease"
LIST_VERSION = "1000000"
BOOKMARK_SECONDS = 10


class ManyObjects:
    """`writes` counts what was written to it, Events apart."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.writes = 0
        self._template = _encode(settled_job())
        self.job_bytes = len(self._template)

    def job(self, number: int) -> bytes:
        body = self._template.replace(NUMBER.encode(), f"{number:05}".encode())
        return body.replace(LEASE.encode(), _lease_name(number).encode())

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Gives the server's address."""
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/{path:.*}", self._read)
        app.router.add_route("*", "/{path:.*}", self._write)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        try:
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()

    async def _read(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        root = parts[:2] if parts[0] == "api" else parts[:3]
        rest = parts[len(root) :]
        if not rest:
            return _json(_discovery("/".join(root)))
        if request.query.get("watch"):
            return await _watch(request)
        if rest[0] == "namespaces" and len(rest) == 4:
            return self._one(rest[2], rest[3])
        return self._list(rest[-1], request)

    def _one(self, plural: str, name: str) -> web.Response:
        match plural:
            case "evaluationjobs":
                return _bytes(self.job(int(name.rpartition("-")[2])))
            case "serviceaccounts" | "persistentvolumeclaims":
                labels = {"evaluations.dev/table": "true"}
                metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
                return _json({"metadata": metadata})
            case _:
                return _json({"reason": "NotFound", "code": 404}, status=404)

    def _list(self, plural: str, request: web.Request) -> web.Response:
        match plural:
            case "evaluationjobs":
                return self._page(request, self.job)
            case "leases" if "model-version" in request.query.get("labelSelector", ""):
                return self._page(request, _lease)
            case "annotationspecsets":
                items = [stored(make_spec_set())]
            case _:
                items = []
        return _json({"metadata": {"resourceVersion": LIST_VERSION}, "items": items})

    def _page(self, request: web.Request, make: Callable[[int], bytes]) -> web.Response:
        start = int(request.query.get("continue", 0))
        end = min(start + int(request.query["limit"]), self.count)
        metadata = {"resourceVersion": LIST_VERSION}
        if end < self.count:
            metadata["continue"] = str(end)
        items = b",".join(make(number) for number in range(start, end))
        return _bytes(b'{"metadata":%b,"items":[%b]}' % (_encode(metadata), items))

    async def _write(self, request: web.Request) -> web.Response:
        self.writes += not request.path.endswith("/events")
        return web.Response(body=await request.read(), content_type="application/json")


def settled_job() -> Manifest:
    """The largest job, as an operator leaves it: it is paused, so that nothing is ever due."""
    name = f"job-{NUMBER}"
    spec = largest_job(name)["spec"]
    world = JobWorld(
        paused=True,
        modelVersion=f"models/{name}/versions/v1",
        description=spec["description"],
        runTemplate=spec["runTemplate"],
    )
    names = {"name": name, "uid": f"uid-of-{name}"}
    return merged(world.own, {"metadata": names, "status": {"modelVersionLease": LEASE}})


def _lease_name(number: int) -> str:
    return model_version_lease_name(f"job-{number:05}", "v1")


def _lease(number: int) -> bytes:
    name = f"job-{number:05}"
    owner = {"kind": "EvaluationJob", "name": name, "uid": f"uid-of-{name}", "controller": True}
    metadata = {
        "name": _lease_name(number),
        "namespace": NAMESPACE,
        "resourceVersion": "1",
        "ownerReferences": [owner],
    }
    return _encode({"metadata": metadata, "spec": {"holderIdentity": owner["uid"]}})


def _discovery(root: str) -> Manifest:
    """What Kopf and the operator ask for: which groups there are, and which kinds of a group."""
    groups = sorted({(kind.group, kind.version) for kind in WATCHED if kind.group})
    if root == "api":
        return {"versions": ["v1"]}
    if root == "apis":
        versions = [
            (group, {"groupVersion": f"{group}/{version}", "version": version})
            for group, version in groups
        ]
        return {
            "groups": [
                {"name": group, "versions": [version], "preferredVersion": version}
                for group, version in versions
            ]
        }
    kinds = [kind for kind in WATCHED if kind.path(None).strip("/").startswith(f"{root}/")]
    return {
        "resources": [
            {
                "name": kind.plural,
                "singularName": kind.kind.lower(),
                "kind": kind.kind,
                "namespaced": True,
                "verbs": ["get", "list", "watch", "patch"],
            }
            for kind in kinds
        ]
    }


async def _watch(request: web.Request) -> web.StreamResponse:
    """A stream that tells nothing but how far it is."""
    response = web.StreamResponse()
    await response.prepare(request)
    metadata = {"resourceVersion": LIST_VERSION}
    line = _encode({"type": "BOOKMARK", "object": {"metadata": metadata}}) + b"\n"
    while True:
        await response.write(line)
        await asyncio.sleep(BOOKMARK_SECONDS)


def _encode(body: Manifest) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _json(body: Manifest, status: int = 200) -> web.Response:
    return _bytes(_encode(body), status)


def _bytes(data: bytes, status: int = 200) -> web.Response:
    return web.Response(body=data, status=status, content_type="application/json")
