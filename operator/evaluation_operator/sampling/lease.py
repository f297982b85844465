"""The replica's Lease: up to when everything is in the table, and what has been counted.

Runs wait for its mark, so the mark is a promise: nothing that is stamped before it will appear
any more. It never goes back, not even when the replica starts anew.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from evaluation_operator.domain.flushing import RENEW_EVERY
from evaluation_operator.domain.naming import (
    ANNOTATION_FLUSHED_THROUGH,
    ANNOTATION_SAMPLING,
    COMPONENT_SAMPLER,
    LABEL_COMPONENT,
    SAMPLER_LEASES,
    sampler_lease_name,
)
from evaluation_operator.domain.schedule import first_run_time
from evaluation_operator.kube import LEASES, ApiError, Conflict, Kube, NotFound

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30
ATTEMPTS = 4
RETRY_SECONDS = 1.0
LOOK_SECONDS = 0.5
APP_LABELS = {LABEL_COMPONENT: COMPONENT_SAMPLER, "app.kubernetes.io/name": "evaluation-sampler"}


@dataclass(frozen=True, slots=True)
class Earlier:
    """`floor`: the latest mark of all replicas; runs may have read up to there, so no stamp may
    lie before it. `renewed`: when this replica's own Lease was renewed last."""

    floor: datetime | None = None
    renewed: datetime | None = None


@dataclass
class LeaseKeeper:
    """`mark` and `report` give what to tell; `on_renewed` hears when what was told became known.

    One task at a time may call it. Its methods raise ApiError, but for `keep`.
    """

    kube: Kube
    namespace: str
    replica: str
    mark: Callable[[], datetime]
    report: Callable[[], str]
    on_renewed: Callable[[datetime], None] = lambda at: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _body: dict[str, Any] | None = None
    _told: datetime | None = None

    @property
    def name(self) -> str:
        return sampler_lease_name(self.replica)

    async def earlier(self) -> Earlier:
        """What all replicas have told until now."""
        floor, renewed = None, None
        leases = self.kube.list(LEASES, self.namespace, label_selector=SAMPLER_LEASES)
        async for lease in leases:
            mark = _mark_of(lease)
            if mark is not None and (floor is None or mark > floor):
                floor = mark
            if lease["metadata"]["name"] == self.name:
                renewed = _time(lease, (lease.get("spec") or {}).get("renewTime"))
        return Earlier(floor, renewed)

    async def keep(self) -> None:
        """Runs for ever. What fails is tried again soon."""
        while True:
            pause = RENEW_EVERY.total_seconds()
            try:
                await self.renew()
            except ApiError as error:
                logger.warning("the Lease %s cannot be renewed: %s", self.name, error.message)
                pause = RETRY_SECONDS * random.uniform(0.5, 2)  # noqa: S311
            end = time.monotonic() + pause
            while time.monotonic() < end:
                await asyncio.sleep(min(LOOK_SECONDS, pause))
                if self._may_start_runs():
                    break

    async def renew(self) -> None:
        """Write the mark; makes the Lease if there is none, or no more."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._write()
                return
            except NotFound as error:
                self._body = None
                if error.reason == "NamespaceTerminating" or attempt == ATTEMPTS:
                    raise
            except Conflict:
                if attempt == ATTEMPTS:
                    raise
                self._body = await self._read()

    async def delete(self) -> None:
        """Nobody has to wait for this replica any more. A Lease that is gone already is fine."""
        with suppress(NotFound):
            await self.kube.delete(LEASES, self.namespace, self.name)
        self._body = None

    def _may_start_runs(self) -> bool:
        """Whether the mark has passed a run time since it was last told: runs wait for that."""
        return self._told is not None and first_run_time(self._told) <= self.mark()

    async def _write(self) -> None:
        at = self.now()
        if self._body is None:
            # What an earlier process of this pod has told is known, and must not be taken back.
            self._body = await self._read()
        if self._body is None:
            fresh = self._filled({"metadata": {"name": self.name}, "spec": {}}, at)
            self._body = await self.kube.create(LEASES, self.namespace, fresh)
        else:
            fresh = self._filled(self._body, at)
            self._body = await self.kube.replace(LEASES, self.namespace, fresh)
        self._told = _mark_of(self._body)
        self.on_renewed(at)

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self.kube.get(LEASES, self.namespace, self.name)
        except NotFound:
            return None

    def _filled(self, body: dict[str, Any], at: datetime) -> dict[str, Any]:
        meta, spec = body["metadata"], body.get("spec") or {}
        told = _mark_of(body)
        mark = self.mark() if told is None else max(told, self.mark())
        annotations = {
            ANNOTATION_FLUSHED_THROUGH: format_mark(mark),
            ANNOTATION_SAMPLING: self.report(),
        }
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": meta
            | {
                "labels": (meta.get("labels") or {}) | APP_LABELS,
                "annotations": (meta.get("annotations") or {}) | annotations,
            },
            "spec": spec
            | {
                "holderIdentity": self.replica,
                "leaseDurationSeconds": LEASE_SECONDS,
                "renewTime": format_mark(at),
            },
        }


def format_mark(at: datetime) -> str:
    """RFC 3339 in UTC with all six digits of a second, as a Lease's own times are written."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _mark_of(lease: dict[str, Any]) -> datetime | None:
    return _time(
        lease, (lease["metadata"].get("annotations") or {}).get(ANNOTATION_FLUSHED_THROUGH)
    )


def _time(lease: dict[str, Any], text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except ValueError:
        logger.warning("%s: %r is no time", lease["metadata"].get("name"), text)
        return None
