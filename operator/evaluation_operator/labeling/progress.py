"""What a Dataset's status says of its labelling: written when it has changed, and only then."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from evaluation_operator.api.base import ConditionStatus, RpcStatus, format_time, parse_duration
from evaluation_operator.api.dataset import Dataset, DatasetLabeling
from evaluation_operator.domain.conditions import MESSAGE_LIMIT, clip
from evaluation_operator.kube import DATASETS, Conflict, Kube, NotFound

logger = logging.getLogger(__name__)

CONDITION = "Labeled"
FAILURES_KEPT = 10
_ATTEMPTS = 5
_INVALID_ARGUMENT = 3


class Reason(StrEnum):
    """Of the condition Labeled. It is True with the first three, and then the run goes on; the
    run itself says that there is nothing to label."""

    NOTHING_TO_LABEL = "NothingToLabel"
    ALL_LABELED = "AllLabeled"
    DEADLINE_REACHED = "DeadlineReached"
    LABELING = "Labeling"
    BACKEND_UNAVAILABLE = "BackendUnavailable"
    BACKEND_REFUSED = "BackendRefused"
    BACKEND_NOT_FOUND = "BackendNotFound"
    RESULTS_UNAVAILABLE = "ResultsUnavailable"
    LABELER_FAILED = "LabelerFailed"


ENDS = frozenset({Reason.NOTHING_TO_LABEL, Reason.ALL_LABELED, Reason.DEADLINE_REACHED})


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
    """What there is to say. `counts` and `failures` None: they stay as they are."""

    reason: Reason
    message: str
    counts: Counts | None = None
    failures: tuple[str, ...] | None = None

    @property
    def is_end(self) -> bool:
        return self.reason in ENDS


def status_with(
    status: Mapping[str, Any], told: Told, generation: int, now: datetime
) -> dict[str, Any]:
    """The Dataset's status as it is to be; equal to `status` when that says it all already."""
    changed = dict(status)
    if told.counts is not None:
        changed["completedCount"] = told.counts.completed
        changed["totalCount"] = told.counts.total
        changed["progressPercent"] = told.counts.percent
    if told.failures is not None:
        changed.pop("partialFailures", None)
        if told.failures:
            changed["partialFailures"] = [
                RpcStatus(code=_INVALID_ARGUMENT, message=clip(it, 400)).to_dict()
                for it in told.failures[:FAILURES_KEPT]
            ]
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
    """Whether a Dataset is one that people are to label now."""
    status = body.get("status") or {}
    return (
        bool((body.get("spec") or {}).get("labeling"))
        and bool(status.get("cut"))
        and not status.get("outcome")
        and "deletionTimestamp" not in body["metadata"]
        and not any(
            it["type"] == CONDITION and it["status"] == "True"
            for it in status.get("conditions") or []
        )
    )


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
