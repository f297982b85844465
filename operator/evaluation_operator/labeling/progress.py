"""What a Dataset's status says of its labelling: written when it has changed, and only then."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from evaluation_operator.api.base import RpcStatus
from evaluation_operator.api.codes import Code
from evaluation_operator.api.dataset import RunResult
from evaluation_operator.domain.conditions import MESSAGE_LIMIT, clip
from evaluation_operator.domain.labeled import ENDS, is_labeled, labeled_of, with_labeled
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.kube import DATASETS, Kube, NoPeace, change_status
from evaluation_operator.redaction import redact
from evaluation_operator.visible import visible

Body: TypeAlias = dict[str, Any]

logger = logging.getLogger(__name__)

FAILURES_KEPT = 10


@dataclass(frozen=True, slots=True)
class Counts:
    """Items: decided, or given up after the last opinion; and all that people are asked."""

    completed: int
    total: int

    @property
    def percent(self) -> int:
        """100 only when nothing is left."""
        return 100 * self.completed // self.total if self.total else 100


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What there is to say. `counts`, `failures` and `new_labels` None: they stay as they are.

    `stays_open`: people may go on, although the run does so without them.
    """

    reason: Reason
    message: str
    counts: Counts | None = None
    failures: tuple[str, ...] | None = None
    new_labels: int | None = None
    stays_open: bool = False

    @property
    def is_end(self) -> bool:
        """For the run, which goes on with the labels that are there."""
        return self.reason in ENDS

    @property
    def is_over(self) -> bool:
        """For the people as well."""
        return self.is_end and not self.stays_open


def shown_to_all(told: TurnResult) -> TurnResult:
    """As everybody may read it who may read the Dataset, whatever others put into its words."""
    failures = None if told.failures is None else tuple(map(_shown, told.failures))
    return replace(told, message=_shown(told.message), failures=failures)


def _shown(text: str) -> str:
    return visible(redact(text[: 2 * MESSAGE_LIMIT]))


def status_with(
    status: Mapping[str, Any], told: TurnResult, generation: int, now: datetime
) -> dict[str, Any]:
    """The Dataset's status as it is to be; equal to `status` when that says it all already.

    Once the run goes on, the condition stays what it was: nothing is in its way any more.
    """
    changed = dict(status)
    if told.counts is not None:
        changed["completedCount"] = told.counts.completed
        changed["totalCount"] = told.counts.total
        changed["progressPercent"] = told.counts.percent
    if told.failures is not None:
        changed.pop("partialFailures", None)
        if told.failures:
            changed["partialFailures"] = [
                RpcStatus(code=Code.INVALID_ARGUMENT, message=clip(it, 400)).to_dict()
                for it in told.failures[:FAILURES_KEPT]
            ]
    if told.new_labels:
        changed["newLabelCount"] = max(told.new_labels, status.get("newLabelCount") or 0)
    if is_labeled(status):
        return changed
    return with_labeled(changed, told.reason, told.message, generation=generation, now=now)


def is_open(body: Mapping[str, Any]) -> bool:
    """Whether a Dataset is one that people are to label now, or still may."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    if not spec.get("labeling") or not status.get("cut") or "deletionTimestamp" in body["metadata"]:
        return False
    if is_labeled(status):
        return _takes_late_labels(spec, status)
    return not status.get("outcome")


def _takes_late_labels(spec: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """After a deadline, where enough labels make a new Evaluation: until all items are done. The
    rows of a run that failed are another run's by then."""
    condition, outcome = labeled_of(status), status.get("outcome") or {}
    return (
        condition is not None
        and condition.reason == Reason.DEADLINE_REACHED
        and bool(spec.get("minimumNewLabels"))
        and outcome.get("result") != RunResult.FAILED
        and (status.get("completedCount") or 0) < (status.get("totalCount") or 0)
    )


async def report(
    kube: Kube, namespace: str, name: str, uid: str, told: TurnResult, now: datetime
) -> bool:
    """Whether the Dataset is still there and open. Raises ApiError."""
    is_there_and_open = False

    def changed(body: Body) -> Body | None:
        nonlocal is_there_and_open
        is_there_and_open = is_open(body)
        if not is_there_and_open:
            return None
        before = body["status"]
        after = status_with(before, told, body["metadata"]["generation"], now)
        return after if after != before else None

    try:
        after = await change_status(kube, DATASETS, namespace, name, changed, uid=uid)
    except NoPeace as error:
        logger.warning("%s", error)
        return True
    return after is not None and is_there_and_open
