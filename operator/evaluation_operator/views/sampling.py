"""What the sampler's replicas tell of a job in their Leases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from evaluation_operator.api.base import format_time
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.sampling_report import (
    JobReport,
    ReasonReport,
    SamplingReport,
    UnmatchedReport,
    read_sampling_report,
)
from evaluation_operator.domain.conditions import is_true, message_of
from evaluation_operator.domain.facts.replica import Replica
from evaluation_operator.domain.flushing import judge_flushing
from evaluation_operator.domain.jobs.slots import due_slot
from evaluation_operator.domain.naming import ANNOTATION_SAMPLING
from evaluation_operator.domain.sampled_job import read_job
from evaluation_operator.views.job import Body

SILENT_AFTER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """`report` None: the Lease holds none that can be read."""

    replica: Replica
    report: SamplingReport | None

    def counts(self, job: str) -> JobReport | None:
        return self.report.jobs.get(job) if self.report is not None else None

    def to_dict(self, job: str) -> dict[str, object]:
        replica, report, counts = self.replica, self.report or SamplingReport(), self.counts(job)
        return {
            "name": replica.name,
            "lease": replica.lease,
            "flushedThrough": shown_second(replica.flushed_through),
            "renewTime": shown_second(replica.renew_time),
            "since": shown_second(report.since),
            "predictions": counts.predictions if counts else None,
            "offered": counts.offered if counts else None,
            "notSampled": counts.not_sampled if counts else None,
            "waiting": counts.waiting if counts else None,
            "spilled": counts.spilled if counts else None,
            "items": counts.items if counts else None,
            "candidates": counts.sampled if counts else None,
            "refused": report.refused,
            "pending": report.pending,
            "unflushedBytes": report.unflushed_bytes,
            "tableError": report.table_errors.get(job),
        }


@dataclass(frozen=True, slots=True)
class Ledger:
    """Predictions, each in one place: `seen` is the sum of the others."""

    seen: int
    offered: int
    not_sampled: int
    waiting: int
    spilled: int
    refused: Mapping[str, int]

    def to_dict(self) -> dict[str, object]:
        return {
            "seen": self.seen,
            "offered": self.offered,
            "notSampled": self.not_sampled,
            "waiting": self.waiting,
            "spilled": self.spilled,
            "refused": dict(self.refused),
        }


@dataclass(frozen=True, slots=True)
class SamplingView:
    """`why_not` is empty while the job is sampled. `due` is the time of a run that has not been
    started yet."""

    job: EvaluationJob
    why_not: str
    replicas: tuple[ReplicaView, ...]
    due: datetime | None
    now: datetime

    @property
    def waits_for(self) -> list[str]:
        """The replicas that a run waits for which is due."""
        if self.due is None:
            return []
        replicas = [view.replica for view in self.replicas]
        return [it.name for it in judge_flushing(replicas, self.due, self.now).waits_for]

    @property
    def reasons(self) -> dict[str, ReasonReport]:
        """Why what was sent for the job gave no row, all replicas together."""
        reports = (view.report for view in self.replicas if view.report is not None)
        return _together(it.job_reasons.get(self.job.name, {}) for it in reports)

    @property
    def of_no_job(self) -> dict[str, ReasonReport]:
        """Why what was sent belongs to no job of the namespace, all replicas together."""
        reports = (view.report for view in self.replicas if view.report is not None)
        return _together(it.of_no_job for it in reports)

    @property
    def ledger(self) -> Ledger | None:
        """What became of the job's predictions, all replicas together; None where nobody tells."""
        told = [it for view in self.replicas if (it := view.counts(self.job.name)) is not None]
        if not told:
            return None
        return Ledger(
            seen=sum(it.predictions for it in told),
            offered=sum(it.offered for it in told),
            not_sampled=sum(it.not_sampled for it in told),
            waiting=sum(it.waiting for it in told),
            spilled=sum(it.spilled for it in told),
            refused={reason: it.count for reason, it in self.reasons.items()},
        )

    @property
    def unreadable(self) -> dict[str, ReasonReport]:
        """Items that were drawn and that a run will not be able to read, by what is wrong."""
        reports = (view.report for view in self.replicas if view.report is not None)
        return _together(it.job_unreadable.get(self.job.name, {}) for it in reports)

    @property
    def unmatched(self) -> list[UnmatchedReport]:
        """Events that belong to no job of the namespace, the most frequent first."""
        total: Counter[tuple[str, str, str]] = Counter()
        for view in self.replicas:
            for it in view.report.unmatched if view.report else ():
                total[it.model, it.version, it.reason] += it.count
        return [
            UnmatchedReport(model=model, version=version, reason=reason, count=count)
            for (model, version, reason), count in total.most_common()
        ]

    def to_dict(self) -> dict[str, object]:
        return {
            "job": self.job.name,
            "sampling": not self.why_not,
            "whyNot": self.why_not or None,
            "dueRun": shown_second(self.due),
            "waitsFor": self.waits_for,
            "replicas": [view.to_dict(self.job.name) for view in self.replicas],
            "reasons": {
                reason: {"count": told.count, "message": told.message}
                for reason, told in self.reasons.items()
            },
            "ledger": self.ledger.to_dict() if self.ledger is not None else None,
            "noJob": {
                reason: {"count": told.count, "message": told.message}
                for reason, told in self.of_no_job.items()
            },
            "unreadable": {
                reason: {"count": told.count, "message": told.message}
                for reason, told in self.unreadable.items()
            },
            "unmatched": [
                {"model": it.model, "version": it.version, "reason": it.reason, "count": it.count}
                for it in self.unmatched
            ],
        }


def _together(parts: Iterable[Mapping[str, ReasonReport]]) -> dict[str, ReasonReport]:
    """Of all replicas, the most frequent first."""
    found: dict[str, ReasonReport] = {}
    for part in parts:
        for reason, told in part.items():
            before = found.get(reason, ReasonReport())
            found[reason] = ReasonReport(
                count=before.count + told.count, message=told.message or before.message
            )
    return dict(sorted(found.items(), key=lambda item: -item[1].count))


def view_sampling(body: Body, leases: Sequence[Body], now: datetime) -> SamplingView:
    """Of a job as the API server gives it, and the Leases of its namespace's replicas."""
    replicas = tuple(ReplicaView(Replica.from_lease(lease), _report(lease)) for lease in leases)
    job = EvaluationJob.from_dict(body)
    return SamplingView(job, _why_not(body, replicas, now), replicas, due_slot(job, now), now)


def _why_not(body: Body, replicas: Sequence[ReplicaView], now: datetime) -> str:
    """The sampler's own judgement, and what it stands on where that says more."""
    job = EvaluationJob.from_dict(body)
    conditions = job.status.conditions
    if job.metadata.deletion_timestamp is None and is_true(conditions, "Stalled"):
        return f"the job is Stalled: {message_of(conditions, 'Stalled')}"
    if why := read_job(body).why_not:
        return why
    if not replicas:
        return (
            f"no sampler is installed in namespace {job.namespace!r}: "
            f"kubectl apply -n {job.namespace} -k manifests/sampler"
        )
    seen = [it.replica.renew_time for it in replicas if it.replica.renew_time is not None]
    if not seen or (now - max(seen)).total_seconds() > SILENT_AFTER_SECONDS:
        return (
            "no replica of the sampler has renewed its Lease in the last minute: see "
            f"kubectl get pods -n {job.namespace} -l app.kubernetes.io/name=evaluation-sampler"
        )
    return ""


def _report(lease: Body) -> SamplingReport | None:
    text = (lease["metadata"].get("annotations") or {}).get(ANNOTATION_SAMPLING)
    return read_sampling_report(text) if text else None


def shown_second(time: datetime | None) -> str | None:
    return format_time(time.replace(microsecond=0)) if time is not None else None
