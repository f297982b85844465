"""The few fields of watched objects that decisions need, read from their API form.

Kept small on purpose: the operator holds one of these for every Dataset, Job and run pod.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Required, TypedDict, cast

from evaluation_operator.api.base import ConditionStatus, RpcStatus
from evaluation_operator.api.dataset import Outcome as DatasetOutcome
from evaluation_operator.api.dataset import RunResult, Writer
from evaluation_operator.api.kubernetes import Body, StoredMeta
from evaluation_operator.domain.conditions import clip
from evaluation_operator.domain.cover import Window
from evaluation_operator.domain.facts.reading import controller_uid, parse_time
from evaluation_operator.domain.labeled import labeled_of

_MESSAGE_BYTES = 2048
"""Of an outcome: how many characters the CRD takes."""


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
    unscored_item_count: int | None = None
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


def _asked_by(spec: _StoredSpec) -> str:
    """Of a Dataset that has lost its owner reference: its spec, which is immutable, has the uid."""
    asker = spec.get("evaluationJobVersion") or spec.get("evaluationJob") or {}
    return str(asker.get("uid", ""))


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
        unscored_item_count=stored.unscored_item_count,
        message=stored.message or "",
        partial_failures=tuple(Failure(it.code, it.message) for it in stored.partial_failures),
        late_rows=stored.late_rows or 0,
    )
