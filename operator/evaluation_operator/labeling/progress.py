"""What a Dataset's status says of its labelling: written when it has changed, and only then."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from evaluation_operator.api.base import ConditionStatus, RpcStatus, format_time, parse_duration
from evaluation_operator.api.codes import Code
from evaluation_operator.api.dataset import Dataset, DatasetLabeling
from evaluation_operator.domain.conditions import MESSAGE_LIMIT, clip
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.kube import DATASETS, Conflict, Kube, NotFound
from evaluation_operator.redaction import redact
from evaluation_operator.visible import visible

logger = logging.getLogger(__name__)

CONDITION = "Labeled"
FAILURES_KEPT = 10
_ATTEMPTS = 5

ENDS = frozenset({Reason.NOTHING_TO_LABEL, Reason.ALL_LABELED, Reason.DEADLINE_REACHED})
"""With these the condition is True and the run goes on; the run itself says the first."""


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
class Told:
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


def shown_to_all(told: Told) -> Told:
    """As everybody may read it who may read the Dataset, whatever others put into its words."""
    failures = None if told.failures is None else tuple(map(_shown, told.failures))
    return replace(told, message=_shown(told.message), failures=failures)


def _shown(text: str) -> str:
    return visible(redact(text[: 2 * MESSAGE_LIMIT]))


def status_with(
    status: Mapping[str, Any], told: Told, generation: int, now: datetime
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
    value = str(ConditionStatus.TRUE if told.is_end else ConditionStatus.FALSE)
    conditions = list(status.get("conditions") or [])
    before = next((it for it in conditions if it["type"] == CONDITION), None)
    entry = {
        "type": CONDITION,
        "status": value,
        "reason": str(told.reason),
        "message": clip(told.message, MESSAGE_LIMIT),
        "lastTransitionTime": before["lastTransitionTime"]
        if before is not None and before["status"] == value
        else format_time(now.replace(microsecond=0)),
        "observedGeneration": generation,
    }
    if before is None:
        conditions.append(entry)
    else:
        conditions[conditions.index(before)] = entry
    return changed | {"conditions": conditions}


def is_open(body: Mapping[str, Any]) -> bool:
    """Whether a Dataset is one that people are to label now, or still may."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    if not spec.get("labeling") or not status.get("cut") or "deletionTimestamp" in body["metadata"]:
        return False
    if is_labeled(status):
        return _takes_late_labels(spec, status)
    return not status.get("outcome")


def is_labeled(status: Mapping[str, Any]) -> bool:
    """Whether the run goes on without further labels."""
    condition = _condition(status)
    return condition is not None and condition["status"] == "True"


def _takes_late_labels(spec: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """After a deadline, where enough labels make a new Evaluation: until all items are done. The
    rows of a run that failed are another run's by then."""
    condition, outcome = _condition(status), status.get("outcome") or {}
    return (
        condition is not None
        and condition["reason"] == Reason.DEADLINE_REACHED
        and bool(spec.get("minimumNewLabels"))
        and outcome.get("result") != "Failed"
        and (status.get("completedCount") or 0) < (status.get("totalCount") or 0)
    )


def _condition(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    conditions = status.get("conditions") or []
    return next((it for it in conditions if it["type"] == CONDITION), None)


def deadline_of(dataset: Dataset) -> datetime | None:
    """None: people have all the time that they need."""
    text, cut = labeling_of(dataset).deadline, dataset.status.cut
    if text is None or cut is None or cut.time is None:
        return None
    return cut.time + timedelta(seconds=parse_duration(text))


def labeling_of(dataset: Dataset) -> DatasetLabeling:
    assert dataset.spec.labeling is not None, "only such Datasets are worked on"
    return dataset.spec.labeling


async def report(
    kube: Kube, namespace: str, name: str, uid: str, told: Told, now: datetime
) -> bool:
    """Whether the Dataset is still there and open. Raises ApiError."""
    for _ in range(_ATTEMPTS):
        try:
            body = await kube.get(DATASETS, namespace, name)
            if body["metadata"]["uid"] != uid or not is_open(body):
                return False
            before = body["status"]
            body["status"] = status_with(before, told, body["metadata"]["generation"], now)
            if body["status"] != before:
                await kube.replace_status(DATASETS, namespace, body)
        except NotFound:
            return False
        except Conflict:
            continue
        return True
    logger.warning("Dataset %s: somebody else keeps writing its status", name)
    return True
