"""Conditions with the meanings of kstatus: `Stalled` alone means failed, `Ready` means done."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from evaluation_operator.api.base import Condition, ConditionStatus
from evaluation_operator.domain.reasons import Reason

MESSAGE_LIMIT = 1024
STATUS_OF: Final = {
    True: ConditionStatus.TRUE,
    False: ConditionStatus.FALSE,
    None: ConditionStatus.UNKNOWN,
}


class Judgement(NamedTuple):
    """What a condition says; a status of None is Unknown."""

    status: bool | None
    reason: Reason
    message: str


def clip(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8: the cluster store counts bytes, not characters. Halves of
    pairs, which are none, become `?`: the last words of a pod may hold some."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    return data[: limit - 3].decode("utf-8", "ignore") + "…"


def condition(
    kind: str,
    status: bool | None,
    reason: Reason,
    message: str,
    *,
    generation: int,
    now: datetime,
    before: Iterable[Condition],
) -> Condition:
    """A condition whose transition time moves only when its status changes; None is Unknown."""
    value = STATUS_OF[status]
    previous = next((item for item in before if item.type == kind), None)
    unchanged = previous is not None and previous.status == value
    since = previous.last_transition_time if previous is not None and unchanged else now
    return Condition(
        type=kind,
        status=value,
        reason=reason,
        message=clip(message, MESSAGE_LIMIT),
        last_transition_time=since,
        observed_generation=generation,
    )


def is_true(conditions: Iterable[Condition], kind: str) -> bool:
    return any(item.type == kind and item.status is ConditionStatus.TRUE for item in conditions)


def message_of(conditions: Iterable[Condition], kind: str) -> str:
    return next((item.message for item in conditions if item.type == kind), "")
