"""The sampler's replicas of a namespace, read from their Leases when runs are due."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from evaluation_operator.domain.facts.replica import Replica
from evaluation_operator.domain.naming import SAMPLER_LEASES
from evaluation_operator.kube import LEASES, ApiServer

BELIEVED_FOR = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class _Listed:
    at: datetime
    replicas: tuple[Replica, ...]


class Replicas:
    """Not watched, since marks move all day and count once. All jobs of a namespace are due at
    the same time and share one list."""

    def __init__(self, kube: ApiServer) -> None:
        self._kube = kube
        self._listed: dict[str, _Listed] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, namespace: str, slot: datetime, now: datetime) -> tuple[Replica, ...]:
        """What a list shows that is at most two seconds old, and never one from before the slot:
        a replica that came after it may have stamped rows for the slot's runs."""
        async with self._locks[namespace]:
            last = self._listed.get(namespace)
            if last is None or not max(slot, now - BELIEVED_FOR) <= last.at <= now:
                leases = self._kube.list(LEASES, namespace, label_selector=SAMPLER_LEASES)
                last = _Listed(now, tuple([Replica.from_lease(body) async for body in leases]))
                self._listed[namespace] = last
            return last.replicas
