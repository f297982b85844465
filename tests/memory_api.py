"""An API server in memory that keeps the promises of `kube.port.ApiServer`, and no other.

`tests/unit/kube/contract.py` says which; the real server passes the same suite. It judges nothing:
schemas, rules and permissions are the real one's business.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from evaluation_operator.api.base import format_time
from evaluation_operator.kube import (
    CLAIMS,
    EVENTS,
    LEASES,
    PODS,
    SERVICE_ACCOUNTS,
    AlreadyExists,
    Conflict,
    NotFound,
    Rejected,
    Resource,
)
from evaluation_operator.kube.port import Body, Operations

Place = tuple[str, str, str]
"""(plural, namespace, name)"""
Change = Callable[[Body], Body]

WITHOUT_STATUS = frozenset({it.plural for it in (CLAIMS, EVENTS, LEASES, PODS, SERVICE_ACCOUNTS)})
"""Kinds whose status, if they have one, is written along with the rest."""


class MemoryApi:
    """`before_write` is called before each write is carried out: what it raises, the caller gets,
    and nothing is written. `objects` may be read and filled by a test; `put` stores as somebody
    else would."""

    def __init__(
        self,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        before_write: Callable[[str, Resource, str], None] = lambda verb, resource, name: None,
    ) -> None:
        self.objects: dict[Place, Body] = {}
        self._now = now
        self._before_write = before_write
        self._numbers = itertools.count(1)

    def put(self, resource: Resource, body: Mapping[str, Any]) -> None:
        """As it is, with what the server would add."""
        stored = self._new(resource, body["metadata"]["namespace"], dict(body))
        stored["metadata"] |= body["metadata"]
        self.objects[_place(resource, stored)] = stored

    async def get(self, resource: Resource, namespace: str, name: str) -> Body:
        return copy.deepcopy(self._found(resource, namespace, name))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Body]:
        for body in self._listed(resource, namespace, label_selector, field_selector):
            yield copy.deepcopy(body)

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Body]:
        found = self._listed(resource, namespace, label_selector, field_selector)
        version = {"resourceVersion": self._number()}
        yield {"items": [copy.deepcopy(body) for body in found], "metadata": version}

    async def create(self, resource: Resource, namespace: str, body: Body) -> Body:
        name = body["metadata"]["name"]
        self._before_write("create", resource, name)
        if (resource.plural, namespace, name) in self.objects:
            raise AlreadyExists(
                f'{resource.plural} "{name}" already exists', status=409, reason="AlreadyExists"
            )
        stored = self._new(resource, namespace, body)
        if resource.plural not in WITHOUT_STATUS:
            stored.pop("status", None)
        self.objects[_place(resource, stored)] = stored
        return copy.deepcopy(stored)

    async def replace(
        self, resource: Resource, namespace: str, body: Body, *, subresource: str = ""
    ) -> Body:
        given = copy.deepcopy(body)
        meta = given["metadata"]

        def changed(there: Body) -> Body:
            _require(there, meta.get("resourceVersion"), meta.get("uid"))
            if subresource:
                return there | {"status": given.get("status") or {}}
            kept = {} if resource.plural in WITHOUT_STATUS else {"status": there.get("status")}
            return given | {key: value for key, value in kept.items() if value is not None}

        return self._write("update", resource, namespace, meta["name"], changed)

    async def replace_status(self, resource: Resource, namespace: str, body: Body) -> Body:
        return await self.replace(resource, namespace, body, subresource="status")

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Mapping[str, Any],
        *,
        field_manager: str = "evaluation-operator",
    ) -> Body:
        def changed(there: Body) -> Body:
            _require(there, (patch.get("metadata") or {}).get("resourceVersion"))
            return _without_status(resource, _merge(there, patch), there)

        return self._write("patch", resource, namespace, name, changed)

    async def edit(
        self, resource: Resource, namespace: str, name: str, operations: Operations
    ) -> Body:
        def changed(there: Body) -> Body:
            for operation in operations:
                if operation["path"] == "/metadata/resourceVersion":
                    _require(there, operation["value"])
            return _without_status(resource, _edited(there, operations), there)

        return self._write("patch", resource, namespace, name, changed)

    async def apply(
        self,
        resource: Resource,
        namespace: str,
        body: Body,
        *,
        field_manager: str = "evaluation-operator",
    ) -> Body:
        raise NotImplementedError("field managers are the real server's")

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str | None = None
    ) -> None:
        self._before_write("delete", resource, name)
        there = self._found(resource, namespace, name)
        _require(there, None, uid)
        if there["metadata"].get("finalizers"):
            deleted = {"deletionTimestamp": format_time(self._now().replace(microsecond=0))}
            there["metadata"] = deleted | there["metadata"] | {"resourceVersion": self._number()}
        else:
            self._remove(_place(resource, there))

    def _write(
        self, verb: str, resource: Resource, namespace: str, name: str, change: Change
    ) -> Body:
        self._before_write(verb, resource, name)
        there = self._found(resource, namespace, name)
        changed = change(copy.deepcopy(there))
        fixed = {key: there["metadata"][key] for key in _FIXED if key in there["metadata"]}
        changed["metadata"] = changed["metadata"] | fixed | {"resourceVersion": self._number()}
        if changed.get("spec") != there.get("spec"):
            changed["metadata"]["generation"] = there["metadata"].get("generation", 0) + 1
        self.objects[_place(resource, changed)] = changed
        meta = changed["metadata"]
        if "deletionTimestamp" in meta and not meta.get("finalizers"):
            self._remove(_place(resource, changed))
        return copy.deepcopy(changed)

    def _remove(self, place: Place) -> None:
        """Its children go as the garbage collector would have it, at once."""
        gone = self.objects.pop(place)["metadata"]["uid"]
        for other, body in list(self.objects.items()):
            owners = body["metadata"].get("ownerReferences") or ()
            if owners and all(it.get("uid") == gone for it in owners) and other in self.objects:
                self._remove(other)

    def _found(self, resource: Resource, namespace: str, name: str) -> Body:
        try:
            return self.objects[resource.plural, namespace, name]
        except KeyError:
            raise NotFound(f'{resource.plural} "{name}" not found', status=404) from None

    def _listed(
        self, resource: Resource, namespace: str | None, labels: str, fields: str
    ) -> Iterable[Body]:
        for (plural, place, _), body in sorted(self.objects.items()):
            if plural == resource.plural and namespace in (None, place):
                meta = body["metadata"]
                if _selects(labels, meta.get("labels") or {}) and _selects(
                    fields.replace("metadata.", ""), meta
                ):
                    yield body | {"apiVersion": resource.api_version, "kind": resource.kind}

    def _new(self, resource: Resource, namespace: str, body: Body) -> Body:
        stored = copy.deepcopy(body)
        number = self._number()
        stored |= {"apiVersion": resource.api_version, "kind": resource.kind}
        stored["metadata"] |= {
            "namespace": namespace,
            "uid": f"uid-{number}-of-{body['metadata']['name']}",
            "resourceVersion": number,
            "generation": 1,
            "creationTimestamp": format_time(self._now().replace(microsecond=0)),
        }
        return stored

    def _number(self) -> str:
        return str(next(self._numbers))


_FIXED = ("name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp")


def _place(resource: Resource, body: Body) -> Place:
    return resource.plural, body["metadata"]["namespace"], body["metadata"]["name"]


def _require(there: Body, version: str | None, uid: str | None = None) -> None:
    meta = there["metadata"]
    if uid is not None and uid != meta["uid"]:
        raise Conflict(f"the UID in the precondition ({uid}) is not {meta['uid']}", status=409)
    if version is not None and version != meta["resourceVersion"]:
        raise Conflict("the object has been modified", status=409)


def _without_status(resource: Resource, changed: Body, there: Body) -> Body:
    if resource.plural in WITHOUT_STATUS:
        return changed
    changed.pop("status", None)
    return changed | {"status": there["status"]} if "status" in there else changed


def _merge(there: object, patch: object) -> Any:
    """RFC 7386."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(there) if isinstance(there, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _edited(there: Body, operations: Operations) -> Body:
    """RFC 6902, of it `add`, `remove` and `replace`."""
    changed = copy.deepcopy(there)
    for operation in operations:
        *parents, last = operation["path"].strip("/").split("/")
        place: Any = changed
        for parent in parents:
            if parent not in place:
                raise Rejected(f"{operation['path']}: no such path", status=422)
            place = place[parent]
        match operation["op"], place:
            case "add", list():
                place.insert(len(place) if last == "-" else int(last), operation["value"])
            case "remove", list():
                del place[int(last)]
            case "remove", _:
                del place[last]
            case _:
                place[last] = operation["value"]
    return changed


def _selects(selector: str, values: Mapping[str, str]) -> bool:
    pairs = [part.split("=", 1) for part in selector.split(",") if part]
    return all(values.get(key) == value for key, value in pairs)
