"""What a replica of the sampler tells through its Lease."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from evaluation_operator.api.kubernetes import Body, StoredLease
from evaluation_operator.domain.naming import ANNOTATION_FLUSHED_THROUGH


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica of the sampler as its Lease shows it; None where that says nothing usable."""

    name: str
    lease: str
    flushed_through: datetime | None
    renew_time: datetime | None

    @classmethod
    def from_lease(cls, body: Body) -> Replica:
        stored = cast(StoredLease, body)
        meta, spec = stored["metadata"], stored.get("spec") or {}
        lease = str(meta["name"])
        return cls(
            name=str(spec.get("holderIdentity") or lease),
            lease=lease,
            flushed_through=_time((meta.get("annotations") or {}).get(ANNOTATION_FLUSHED_THROUGH)),
            renew_time=_time(spec.get("renewTime")),
        )

    def has_flushed(self, until: datetime) -> bool:
        return self.flushed_through is not None and self.flushed_through >= until


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC) if text else None
    except ValueError:
        return None
