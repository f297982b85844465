"""Whether a labeler works in a namespace, read from its Lease when a job needs one."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from evaluation_operator.domain.facts.reading import parse_time
from evaluation_operator.domain.naming import LABELER_LEASE
from evaluation_operator.kube import LEASES, ApiServer, NotFound

BELIEVED_SECONDS = 5.0
SILENCE = timedelta(seconds=60)
"""After six renewals that have not come, nobody is there. A labeler that stops gives its Lease
back, and the next one, of a rollout say, has so long to take it: until then nothing is amiss."""


@dataclass(frozen=True, slots=True)
class _Looked:
    at: float
    works: bool


class Labelers:
    """Not watched, since it is renewed all day. The jobs of a namespace share one look.

    Renewals are told in the machine's time, whatever time a test cluster's operator believes in.
    """

    def __init__(self, kube: ApiServer) -> None:
        self._kube = kube
        self._looked: dict[str, _Looked] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def work_in(self, namespace: str) -> bool:
        """Somebody has held the Lease within a minute."""
        async with self._locks[namespace]:
            last = self._looked.get(namespace)
            if last is None or time.monotonic() - last.at > BELIEVED_SECONDS:
                last = _Looked(time.monotonic(), await self._read(namespace))
                self._looked[namespace] = last
            return last.works

    async def _read(self, namespace: str) -> bool:
        try:
            spec = (await self._kube.get(LEASES, namespace, LABELER_LEASE)).get("spec") or {}
        except NotFound:
            return False
        renewed = spec.get("renewTime")
        if not renewed:
            return False
        return abs(datetime.now(UTC) - parse_time(renewed)) < SILENCE
