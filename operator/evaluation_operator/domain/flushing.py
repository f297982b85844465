"""How long a run waits for the sampler, and what a replica must do so that nothing is lost.

A run reads rows by `sampled_at`, so it may read a stretch of time only when no more rows of it
can appear. Each replica tells through its Lease up to when it has flushed. The two bounds below
belong together: a run that has waited `LOST_AFTER` goes on, and a row that is older than
`RESTAMP_AFTER` when it is flushed at last gets a new time, so that a later run covers it. Their
difference is room for a slow write and for clocks that disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from evaluation_operator.domain.conditions import Judgement
from evaluation_operator.domain.facts.replica import Replica
from evaluation_operator.domain.reasons import Reason

LOST_AFTER = timedelta(hours=1)
"""A replica that has not flushed past the end of a window for so long holds its run no more, and
neither does one whose Lease was not renewed for so long."""
RESTAMP_AFTER = timedelta(minutes=45)
"""A replica gives rows that have waited for so long a new `sampled_at`, and writes none at all
while its own Lease was not renewed for so long. Nor does it believe, when it renews it again
after so long, any time that it stamped before."""
CLOCKS_APART = LOST_AFTER - RESTAMP_AFTER
"""So long even a replica that seems dead holds a run: it may come back with a clock that is slow,
and would stamp what it holds inside of what the run reads."""
RENEW_EVERY = timedelta(seconds=10)
"""How often a replica renews its Lease and tells its mark."""


SAMPLER_BEHIND = "SamplerBehind"
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Flushing:
    """Whom the runs of a slot wait for; when for nobody, whose rows they go on without."""

    waits_for: tuple[Replica, ...] = ()
    goes_without: tuple[Replica, ...] = ()


def judge_flushing(replicas: Iterable[Replica], slot: datetime, now: datetime) -> Flushing:
    """May the rows up to `slot` be read? At the latest an hour after it, a quarter where all that
    are late seem dead; without a sampler, at once."""
    late = tuple(replica for replica in replicas if not replica.has_flushed(slot))
    if now >= slot + LOST_AFTER:
        return Flushing(goes_without=late)
    may_come_back = now < slot + CLOCKS_APART
    if waits_for := tuple(it for it in late if may_come_back or not _is_lost(it, now)):
        return Flushing(waits_for=waits_for)
    return Flushing(goes_without=late)


def _is_lost(replica: Replica, now: datetime) -> bool:
    return replica.renew_time is not None and replica.renew_time + LOST_AFTER <= now


def sampler_behind(replicas: Sequence[Replica]) -> Judgement:
    """Told with the runs that it speaks of, and so never worth a write of its own."""
    if not replicas:
        return Judgement(
            False, Reason.ALL_FLUSHED, "every replica of the sampler had written its rows"
        )
    names = ", ".join(replica.name for replica in replicas[:MOST_NAMED])
    more = f" and {len(replicas) - MOST_NAMED} more" if len(replicas) > MOST_NAMED else ""
    leases = " ".join(replica.lease for replica in replicas[:MOST_NAMED])
    message = (
        f"the last run went on without rows that {names}{more} may still hold; a later run takes "
        "them. See why it does not write its table; if it is gone for good: "
        f"kubectl delete lease {leases}"
    )
    return Judgement(True, Reason.REPLICAS_BEHIND, message)


def is_ahead(time: datetime, now: datetime) -> bool:
    """By more than clocks may differ."""
    return time > now + CLOCKS_APART
