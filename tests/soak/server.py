"""An API server in memory, behind the operator's own client: objects by path, faults on demand."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from kubernetes.aio import client as kubernetes_client

from evaluation_operator.kube import Kube, NotFound, Resource
from evaluation_operator.kube.errors import AlreadyExists, ApiError
from evaluation_operator.kube.port import Operations
from tests.builders import CREATE_TIME, Manifest, merged

Fault = Callable[[str, str], ApiError | None]
"""(method, path): what to answer instead; None leaves it alone."""


class MemoryServer(Kube):
    """Of the API only what the operator's turns need; what is listed comes in one page."""

    def __init__(self) -> None:
        super().__init__(kubernetes_client.Configuration())
        self.objects: dict[str, Manifest] = {}
        self.calls: list[tuple[str, str]] = []
        self.fault: Fault = lambda method, path: None
        self.hangs: Callable[[str, str], bool] = lambda method, path: False
        self._versions = itertools.count(1)

    def put(self, resource: Resource, body: Mapping[str, Any]) -> Manifest:
        """As somebody else would write it."""
        meta = body["metadata"]
        return self._store(resource.path(meta["namespace"], meta["name"]), body)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | Operations | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        most_bytes: int | None = None,
    ) -> bytes:
        self.calls.append((method, path))
        await asyncio.sleep(0)
        if self.hangs(method, path):
            await asyncio.Event().wait()
        if (error := self.fault(method, path)) is not None:
            raise error
        return json.dumps(self._answer(method, path, body)).encode()

    def _answer(self, method: str, path: str, body: Manifest | Operations | None) -> Manifest:
        match method:
            case "POST" if isinstance(body, dict):
                place = f"{path}/{body['metadata']['name']}"
                if place in self.objects:
                    raise AlreadyExists("taken", status=409, reason="AlreadyExists")
                return self._store(place, merged(body, {"metadata": self._namespace_of(path)}))
            case "PUT" | "PATCH":
                place = path.removesuffix("/status")
                if place not in self.objects:
                    raise NotFound(f"{place} not found", status=404)
                return self._store(place, _patched(self.objects[place], body or {}))
            case "DELETE":
                self.objects.pop(path, None)
                return {}
            case "GET" if path in self.objects:
                return merged(self.objects[path], {})
            case "GET" if path.rpartition("/")[2] in LISTED:
                return self._list(path)
        raise NotFound(f"{unquote(path)} not found", status=404)

    def _list(self, path: str) -> Manifest:
        root, _, plural = path.rpartition("/")
        found = [
            merged(body, {})
            for place, body in self.objects.items()
            if place.startswith(f"{root}/") and place.split("/")[-2] == plural
        ]
        return {"metadata": {"resourceVersion": str(next(self._versions))}, "items": found}

    def _store(self, place: str, body: Mapping[str, Any]) -> Manifest:
        given = {
            "uid": f"uid-of-{place.rpartition('/')[2]}",
            "creationTimestamp": CREATE_TIME,
        } | dict(body["metadata"])
        stored = merged(body, {"metadata": given | {"resourceVersion": str(next(self._versions))}})
        self.objects[place] = stored
        return merged(stored, {})

    def _namespace_of(self, path: str) -> dict[str, str]:
        parts = path.split("/")
        return {"namespace": parts[parts.index("namespaces") + 1]}


LISTED = {
    "evaluationjobs",
    "evaluationjobversions",
    "annotationspecsets",
    "instructions",
    "datasets",
    "jobs",
    "pods",
    "leases",
}


def _patched(there: Manifest, patch: Manifest | Operations) -> Manifest:
    """As a merge patch says; of a JSON patch, what is added at the end of a list or as a whole."""
    if isinstance(patch, dict):
        return merged(there, patch)
    changed = merged(there, {})
    for operation in patch:
        *parents, last = operation["path"].strip("/").split("/")
        place: Any = changed
        for parent in parents:
            place = place[parent]
        if last == "-":
            place.append(operation["value"])
        elif operation["op"] == "add":
            place[last] = operation["value"]
    return changed
