"""Which EvaluationJob holds which model version: the Leases, read once and then remembered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation_operator.controller.keys import Key, job_key
from evaluation_operator.controller.store import Store
from evaluation_operator.domain.facts.claim import Claim
from evaluation_operator.domain.naming import COMPONENT_MODEL_VERSION, LABEL_COMPONENT
from evaluation_operator.kube import EVALUATION_JOBS, LEASES, ApiServer, NotFound


class Claims:
    """Not watched: a claim changes only by the operator's own hand or when its job goes."""

    def __init__(self, kube: ApiServer, store: Store) -> None:
        self._kube = kube
        self._store = store
        self._leases: dict[tuple[str, str], Mapping[str, Any]] = {}

    async def get(self, namespace: str, name: str) -> Claim | None:
        """Who holds that Lease; None when nobody has claimed it."""
        lease = self._leases.get((namespace, name))
        if lease is not None and self._store.jobs.has_uid(_holder(lease)):
            return _claim(lease, True, self._held_by(lease))
        lease = await self._read(namespace, name)
        if lease is None:
            return None
        return _claim(lease, await self._holder_exists(lease), self._held_by(lease))

    def remember(self, lease: Mapping[str, Any]) -> None:
        meta = lease["metadata"]
        self._leases[(meta["namespace"], meta["name"])] = _trimmed(lease)

    def forget(self, namespace: str, name: str) -> None:
        self._leases.pop((namespace, name), None)

    async def refresh(self, namespace: str | None) -> set[Key]:
        """Read all of them anew, in case somebody deleted or edited one by hand; gives the jobs
        that have lost theirs by that."""
        selector = f"{LABEL_COMPONENT}={COMPONENT_MODEL_VERSION}"
        leases = self._kube.list(LEASES, namespace, label_selector=selector)
        found = [_trimmed(lease) async for lease in leases]
        places = [p for p in self._leases if namespace is None or p[0] == namespace]
        before = {place: self._leases.pop(place) for place in places}
        for lease in found:
            self.remember(lease)
        return {
            job_key(place[0], _holder_name(lease))
            for place, lease in before.items()
            if _holder_name(lease) and _holder(self._leases.get(place, {})) != _holder(lease)
        }

    async def _read(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        try:
            lease = await self._kube.get(LEASES, namespace, name)
        except NotFound:
            self.forget(namespace, name)
            return None
        self.remember(lease)
        return lease

    def _held_by(self, lease: Mapping[str, Any]) -> tuple[str, ...] | None:
        """See StoredObject: of the holder."""
        stored = self._store.jobs.get((lease["metadata"]["namespace"], _holder_name(lease)))
        return stored.held_by if stored is not None and stored.uid == _holder(lease) else None

    async def _holder_exists(self, lease: Mapping[str, Any]) -> bool:
        """Before a claim is taken from somebody, the API server itself is asked."""
        holder, namespace = _holder(lease), lease["metadata"]["namespace"]
        if self._store.jobs.has_uid(holder):
            return True
        name = _holder_name(lease)
        if not name:
            return False
        try:
            job = await self._kube.get(EVALUATION_JOBS, namespace, name)
        except NotFound:
            return False
        return str(job["metadata"]["uid"]) == holder


def _trimmed(lease: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is asked of a Lease, and of its metadata, which nothing bounds, no more than that."""
    meta, holder = lease["metadata"], _holder(lease)
    owners = [item for item in meta.get("ownerReferences") or () if item.get("uid") == holder]
    kept = {key: meta[key] for key in ("name", "namespace", "resourceVersion")}
    return {
        "metadata": kept | {"ownerReferences": owners[:1]},
        "spec": {"holderIdentity": holder},
    }


def _holder(lease: Mapping[str, Any]) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity", ""))


def _holder_name(lease: Mapping[str, Any]) -> str:
    owners = lease["metadata"].get("ownerReferences") or []
    return next((str(item["name"]) for item in owners if item.get("uid") == _holder(lease)), "")


def _claim(lease: Mapping[str, Any], holder_exists: bool, held_by: tuple[str, ...] | None) -> Claim:
    meta = lease["metadata"]
    return Claim(
        name=meta["name"],
        holder_uid=_holder(lease),
        holder_name=_holder_name(lease) or _holder(lease),
        holder_exists=holder_exists,
        resource_version=meta["resourceVersion"],
        holder_goes=held_by is not None,
        holder_finalizers=held_by or (),
    )
