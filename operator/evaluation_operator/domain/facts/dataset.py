"""The few fields of watched objects that decisions need, read from their API form.

Kept small on purpose: the operator holds one of these for every Dataset, Job and run pod.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Required, TypedDict, cast

from evaluation_operator.api.base import ConditionStatus, RpcStatus
from evaluation_operator.api.dataset import Outcome as DatasetOutcome
from evaluation_operator.api.dataset import RunResult, Writer
from evaluation_operator.api.kubernetes import Body, StatusCondition, StoredJob, StoredMeta
from evaluation_operator.domain.conditions import clip
from evaluation_operator.domain.cover import Window
from evaluation_operator.domain.labeled import labeled_of
from evaluation_operator.domain.naming import (
    ANNOTATION_FAILED_CHECKS,
    LABEL_JOB,
    LABEL_QUEUE,
    LABEL_TABLE,
    LABEL_VERSION,
)

_MESSAGE_LENGTH = 1024
_MESSAGE_BYTES = 2048
"""Of an outcome: how many characters the CRD takes."""
_OWN_LABELS = (LABEL_JOB, LABEL_TABLE, LABEL_VERSION)
"""Whom news of a Job concerns."""


class _StoredWindow(TypedDict, total=False):
    startTime: Required[str]
    endTime: Required[str]
    failures: int


class _StoredAsker(TypedDict, total=False):
    uid: str


class _StoredRevision(TypedDict, total=False):
    run: Required[str]
    number: Required[int]
    supersedes: Required[str]
    newLabelCount: int
    request: str


class _StoredSpec(TypedDict, total=False):
    evaluationJob: _StoredAsker
    evaluationJobVersion: _StoredAsker
    labeling: Body
    revision: _StoredRevision
    scheduledTime: Required[str]
    windows: list[_StoredWindow]


class _StoredStatus(TypedDict, total=False):
    dataItemCount: int
    newLabelCount: int
    outcome: Body


class StoredDataset(TypedDict, total=False):
    """What is read of a Dataset, in which all else may be as it likes: a run that could not be
    read would not be known of."""

    metadata: Required[StoredMeta]
    spec: Required[_StoredSpec]
    status: _StoredStatus | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A google.rpc.Status: canonical gRPC code and a message for people."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """`Dataset.status.outcome`: the one write that commits a run."""

    result: RunResult
    time: datetime
    evaluation: str | None = None
    mean_average_precision: float | None = None
    evaluated_item_count: int | None = None
    message: str = ""
    partial_failures: tuple[Failure, ...] = ()
    late_rows: int = 0

    def as_operator(self) -> DatasetOutcome:
        """As the operator writes it."""
        failures = [
            RpcStatus(code=it.code, message=clip(it.message, _MESSAGE_BYTES))
            for it in self.partial_failures
        ]
        return DatasetOutcome(
            result=self.result,
            time=self.time,
            message=clip(self.message, _MESSAGE_BYTES),
            partial_failures=failures[:10],
            written_by=Writer.OPERATOR,
        )


@dataclass(frozen=True, slots=True)
class LabelingFacts:
    """How far a run with people is. `reason`, `message` and `since` are those of the condition
    Labeled, empty and None before anybody has set it."""

    is_cut: bool
    is_labeled: bool
    reason: str = ""
    message: str = ""
    since: datetime | None = None

    @classmethod
    def from_status(cls, status: Body) -> LabelingFacts:
        found = labeled_of(status)
        is_cut = bool(status.get("cut"))
        if found is None:
            return cls(is_cut=is_cut, is_labeled=False)
        return cls(
            is_cut=is_cut,
            is_labeled=found.status is ConditionStatus.TRUE,
            reason=found.reason,
            message=found.message,
            since=found.last_transition_time,
        )


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """A run that is evaluated again: see api/dataset.py, Revision. `request` is None where the
    number of new labels asked for it."""

    run: str
    number: int
    supersedes: str
    new_label_count: int
    request: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """`labeling` is None where people are not asked, `revision` for all runs but revisions."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    owner_uid: str
    job_uid: str
    scheduled_time: datetime
    windows: tuple[Window, ...]
    outcome: Outcome | None
    deleting: bool
    create_time: datetime
    item_count: int | None
    labeling: LabelingFacts | None = None
    revision: RevisionFacts | None = None
    new_label_count: int = 0

    @classmethod
    def from_body(cls, body: Body) -> DatasetFacts:
        stored = cast(StoredDataset, body)
        meta, spec = stored["metadata"], stored["spec"]
        status: _StoredStatus = stored.get("status") or {}
        outcome, items = status.get("outcome"), status.get("dataItemCount")
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            owner_uid=controller_uid(meta) or _asked_by(spec),
            job_uid=str((spec.get("evaluationJob") or {}).get("uid", "")),
            scheduled_time=parse_time(spec["scheduledTime"]),
            windows=tuple(_window(item) for item in spec.get("windows") or ()),
            outcome=_outcome(outcome) if outcome else None,
            deleting="deletionTimestamp" in meta,
            create_time=parse_time(meta["creationTimestamp"]),
            item_count=int(items) if items is not None else None,
            labeling=LabelingFacts.from_status(status) if spec.get("labeling") else None,
            revision=_revision(spec.get("revision")),
            new_label_count=int(status.get("newLabelCount") or 0),
        )


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
            deletion_time=_time_of(meta.get("deletionTimestamp")),
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


def controller_uid(meta: StoredMeta) -> str:
    """The uid of the owner that controls an object; empty when nobody does."""
    for reference in meta.get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference["uid"])
    return ""


def _asked_by(spec: _StoredSpec) -> str:
    """Of a Dataset that has lost its owner reference: its spec, which is immutable, has the uid."""
    asker = spec.get("evaluationJobVersion") or spec.get("evaluationJob") or {}
    return str(asker.get("uid", ""))


def parse_time(text: str) -> datetime:
    """RFC 3339 as the API server writes it, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _window(item: _StoredWindow) -> Window:
    return Window(
        parse_time(item["startTime"]), parse_time(item["endTime"]), int(item.get("failures") or 0)
    )


def _revision(item: _StoredRevision | None) -> RevisionFacts | None:
    if not item:
        return None
    return RevisionFacts(
        run=str(item["run"]),
        number=int(item["number"]),
        supersedes=str(item["supersedes"]),
        new_label_count=int(item.get("newLabelCount") or 0),
        request=item.get("request"),
    )


def _outcome(item: Body) -> Outcome:
    stored = DatasetOutcome.from_dict(item)
    return Outcome(
        result=stored.result,
        time=stored.time,
        evaluation=stored.evaluation,
        mean_average_precision=stored.mean_average_precision,
        evaluated_item_count=stored.evaluated_item_count,
        message=stored.message or "",
        partial_failures=tuple(Failure(it.code, it.message) for it in stored.partial_failures),
        late_rows=stored.late_rows or 0,
    )


def _true(conditions: list[StatusCondition], kind: str) -> StatusCondition:
    """The condition where it holds, else an empty one."""
    found = (it for it in conditions if it.get("type") == kind and it.get("status") == "True")
    nothing: StatusCondition = {}
    return next(found, nothing)


def _transition(condition: StatusCondition) -> datetime | None:
    return _time_of(condition.get("lastTransitionTime"))


def _time_of(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def _finalizers_of_others(meta: StoredMeta) -> tuple[str, ...]:
    """Without Kubernetes' own, which go by themselves; long lists are cut."""
    found = [str(item)[:256] for item in meta.get("finalizers") or () if "/" in str(item)]
    return tuple(found[:3])
