"""A Lease of leadership: what it says to whom looks at it, and what is written into it.

Pure, and by the rule of Go's client, which leads the parts of Kubernetes itself: what counts is for
how long whoever looks has seen no change, by their own clock. The times that stand in a Lease are
for people, so clocks that differ, or step, change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from evaluation_operator.kube.resources import LEASES

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sight:
    """What stands in a Lease, and since when (monotonic seconds) a replica has seen just that."""

    spec: Body
    since: float

    @property
    def holder(self) -> str:
        return str(self.spec.get("holderIdentity") or "")


def look(lease: Body, before: Sight | None, now: float) -> Sight:
    """What is seen now. What somebody writes into its metadata renews no Lease."""
    spec = lease.get("spec") or {}
    if before is not None and before.spec == spec:
        return before
    return Sight(spec, now)


def may_take(sight: Sight, identity: str, now: float, lease_seconds: float) -> bool:
    """Whether nobody has it, this replica has it, or its holder has been silent for so long.

    `lease_seconds` are the looking replica's own: a Lease that somebody has written for a year
    holds nobody up.
    """
    return sight.holder in ("", identity) or now - sight.since >= lease_seconds


def taken(lease: Body, identity: str, at: datetime, lease_seconds: int) -> Body:
    """The Lease in this replica's hand, which may have had it before."""
    spec = lease.get("spec") or {}
    fresh = {
        "holderIdentity": identity,
        "leaseDurationSeconds": lease_seconds,
        "renewTime": _text(at),
    }
    if spec.get("holderIdentity") != identity:
        transitions = spec.get("leaseTransitions", -1) + 1
        fresh |= {"acquireTime": _text(at), "leaseTransitions": transitions}
    return _whole(lease, spec | fresh)


def given_back(lease: Body, at: datetime) -> Body:
    """Nobody's. The time tells until when somebody had it."""
    spec = lease.get("spec") or {}
    return _whole(
        lease, spec | {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _text(at)}
    )


def _whole(lease: Body, spec: Body) -> Body:
    kind = {"apiVersion": LEASES.api_version, "kind": LEASES.kind}
    return {**kind, "metadata": lease["metadata"], "spec": spec}


def _text(at: datetime) -> str:
    """The API server wants a fraction of six digits, and a zone."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
