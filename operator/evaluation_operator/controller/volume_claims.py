"""Which volume claims jobs name, read seldom: they are not watched."""

from __future__ import annotations

import time
from dataclasses import dataclass

from evaluation_operator.domain.allowances import is_claim_for_tables
from evaluation_operator.kube import CLAIMS, Kube, NotFound

BELIEVED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class VolumeClaim:
    """`is_for_tables`: jobs may have it, as its name or a label says."""

    is_for_tables: bool


class VolumeClaims:
    """A claim that jobs may have is believed for a minute; every other is read again."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._good: dict[tuple[str, str], float] = {}

    async def get(self, namespace: str, name: str) -> VolumeClaim | None:
        """None when there is no such claim."""
        place, now = (namespace, name), time.monotonic()
        if now - self._good.get(place, -BELIEVED_SECONDS) < BELIEVED_SECONDS:
            return VolumeClaim(is_for_tables=True)
        self._good.pop(place, None)
        try:
            body = await self._kube.get(CLAIMS, namespace, name)
        except NotFound:
            return None
        claim = VolumeClaim(is_claim_for_tables(name, body["metadata"].get("labels") or {}))
        if claim.is_for_tables:
            self._good[place] = now
        return claim
