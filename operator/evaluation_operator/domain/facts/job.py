"""What is the case with a Kubernetes Job: of a run's step, or a table's check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from evaluation_operator.api.kubernetes import Body, StatusCondition, StoredJob, StoredMeta
from evaluation_operator.domain.facts.reading import controller_uid, parse_time, time_of
from evaluation_operator.domain.naming import (
    ANNOTATION_FAILED_CHECKS,
    LABEL_JOB,
    LABEL_QUEUE,
    LABEL_TABLE,
    LABEL_VERSION,
)

_MESSAGE_LENGTH = 1024
_OWN_LABELS = (LABEL_JOB, LABEL_TABLE, LABEL_VERSION)
"""Whom news of a Job concerns."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """`failed_checks`: of a table check, how many failed before it in a row; else 0.

    `failing_since`: it has been given up since then, and waits for its pods to end. `active_pods`:
    how many the Job controller says there are, whether or not they have been seen. `finalizers`
    are those of others, which hold it when it is deleted.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    owner_uid: str
    labels: tuple[tuple[str, str], ...]
    has_queue: bool
    suspended: bool
    parallelism: int
    complete: bool
    failed: bool
    reason: str
    message: str
    finish_time: datetime | None
    failing_since: datetime | None
    active_pods: int
    deadline_seconds: int | None
    create_time: datetime
    deletion_time: datetime | None
    finalizers: tuple[str, ...]
    failed_checks: int = 0

    @property
    def finished(self) -> bool:
        return self.complete or self.failed

    @property
    def deleting(self) -> bool:
        return self.deletion_time is not None

    @classmethod
    def from_body(cls, body: Body) -> JobFacts:
        stored = cast(StoredJob, body)
        meta, spec = stored["metadata"], stored.get("spec") or {}
        status = stored.get("status") or {}
        conditions = status.get("conditions") or []
        complete, failed = _true(conditions, "Complete"), _true(conditions, "Failed")
        given_up = _true(conditions, "FailureTarget")
        ended = complete or failed or given_up
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            owner_uid=controller_uid(meta),
            labels=_own_labels(meta),
            has_queue=LABEL_QUEUE in (meta.get("labels") or {}),
            suspended=bool(spec.get("suspend")),
            parallelism=int(spec.get("parallelism", 1)),
            complete=bool(complete),
            failed=bool(failed),
            reason=str(ended.get("reason", ""))[:128],
            message=str(ended.get("message", ""))[:_MESSAGE_LENGTH],
            finish_time=_transition(complete or failed),
            failing_since=_transition(given_up),
            active_pods=int(status.get("active") or 0),
            deadline_seconds=spec.get("activeDeadlineSeconds"),
            create_time=parse_time(meta["creationTimestamp"]),
            deletion_time=time_of(meta.get("deletionTimestamp")),
            finalizers=_finalizers_of_others(meta),
            failed_checks=_failed_checks(meta),
        )


def _own_labels(meta: StoredMeta) -> tuple[tuple[str, str], ...]:
    labels = meta.get("labels") or {}
    return tuple((key, labels[key]) for key in _OWN_LABELS if key in labels)


def _failed_checks(meta: StoredMeta) -> int:
    """0 also where somebody has written there what is no such number."""
    text = (meta.get("annotations") or {}).get(ANNOTATION_FAILED_CHECKS, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _true(conditions: list[StatusCondition], kind: str) -> StatusCondition:
    """The condition where it holds, else an empty one."""
    found = (it for it in conditions if it.get("type") == kind and it.get("status") == "True")
    nothing: StatusCondition = {}
    return next(found, nothing)


def _transition(condition: StatusCondition) -> datetime | None:
    return time_of(condition.get("lastTransitionTime"))


def _finalizers_of_others(meta: StoredMeta) -> tuple[str, ...]:
    """Without Kubernetes' own, which go by themselves; long lists are cut."""
    found = [str(item)[:256] for item in meta.get("finalizers") or () if "/" in str(item)]
    return tuple(found[:3])
