"""What the sampler's replicas tell of a job in their Leases, read and shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from evaluation_operator.api.base import format_time
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.sampling_report import (
    JobReport,
    ReasonReport,
    SamplingReport,
    UnmatchedReport,
    read_sampling_report,
)
from evaluation_operator.cli.ages import age_of
from evaluation_operator.cli.output import plural, print_fields, print_table, print_title
from evaluation_operator.domain.conditions import is_true, message_of
from evaluation_operator.domain.facts.replica import Replica
from evaluation_operator.domain.flushing import LOST_AFTER, judge_flushing
from evaluation_operator.domain.jobs.slots import due_slot
from evaluation_operator.domain.naming import (
    ANNOTATION_SAMPLING,
    COMPONENT_SAMPLER,
    LABEL_COMPONENT,
)
from evaluation_operator.domain.sampled_job import read_job
from evaluation_operator.kube import EVALUATION_JOBS, LEASES, Kube

SELECTOR = f"{LABEL_COMPONENT}={COMPONENT_SAMPLER}"
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
            "flushedThrough": _time(replica.flushed_through),
            "renewTime": _time(replica.renew_time),
            "since": _time(report.since),
            "predictions": counts.predictions if counts else None,
            "items": counts.items if counts else None,
            "candidates": counts.sampled if counts else None,
            "refused": report.refused,
            "pending": report.pending,
            "unflushedBytes": report.unflushed_bytes,
            "tableError": report.table_errors.get(job),
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
        found: dict[str, ReasonReport] = {}
        for view in self.replicas:
            of_job = view.report.job_reasons.get(self.job.name) if view.report else None
            for reason, told in (of_job or {}).items():
                before = found.get(reason, ReasonReport())
                found[reason] = ReasonReport(
                    count=before.count + told.count, message=told.message or before.message
                )
        return dict(sorted(found.items(), key=lambda item: -item[1].count))

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
            "dueRun": _time(self.due),
            "waitsFor": self.waits_for,
            "replicas": [view.to_dict(self.job.name) for view in self.replicas],
            "reasons": {
                reason: {"count": told.count, "message": told.message}
                for reason, told in self.reasons.items()
            },
            "unmatched": [
                {"model": it.model, "version": it.version, "reason": it.reason, "count": it.count}
                for it in self.unmatched
            ],
        }


async def read_sampling(kube: Kube, namespace: str, name: str) -> SamplingView:
    """Raises NotFound when there is no such job."""
    body = await kube.get(EVALUATION_JOBS, namespace, name)
    leases = [lease async for lease in kube.list(LEASES, namespace, label_selector=SELECTOR)]
    leases.sort(key=lambda lease: str(lease["metadata"]["name"]))
    replicas = tuple(ReplicaView(Replica.from_lease(lease), _report(lease)) for lease in leases)
    job, now = EvaluationJob.from_dict(body), datetime.now(UTC)
    return SamplingView(job, _why_not(body, replicas), replicas, due_slot(job, now), now)


def print_sampling(view: SamplingView) -> None:
    job, config = view.job, view.job.spec.evaluation_job_config
    most = f"{config.example_sample_percentage:.4g} of the items, at most {config.example_count}"
    print_fields(
        [
            ("Name", job.name),
            ("Model version", job.spec.model_version),
            ("Sampled", f"no: {view.why_not}" if view.why_not else "yes"),
            ("Sample", f"{most} in {plural(job.status.interval_days or 1, 'day')}"),
            ("Due run", _due_run(view)),
        ]
    )
    if view.replicas:
        _print_replicas(view)
    if view.reasons:
        print_title("Sent for this job, and no row")
        reasons = [(why, str(told.count), told.message) for why, told in view.reasons.items()]
        print_table(("REASON", "#COUNT", "LAST MESSAGE"), reasons, indent=2)
    if view.unmatched:
        print_title("Sent for no job of the namespace")
        unmatched = [
            (it.model or "-", it.version or "-", it.reason, str(it.count)) for it in view.unmatched
        ]
        print_table(("MODEL", "VERSION", "REASON", "#COUNT"), unmatched, indent=2)
    _print_troubles(view)


def _due_run(view: SamplingView) -> str:
    if view.due is None or not view.waits_for:
        return ""
    names, latest = ", ".join(view.waits_for), _time(view.due + LOST_AFTER)
    return f"of {_time(view.due)}: until {names} has written its rows, at most until {latest}"


def _print_replicas(view: SamplingView) -> None:
    print_title("Replicas")
    rows = []
    for it in view.replicas:
        counts = it.counts(view.job.name)
        numbers = (counts.predictions, counts.items, counts.sampled) if counts else ("-",) * 3
        renewed = it.replica.renew_time
        rows.append(
            (
                it.replica.name,
                *(str(number) for number in numbers),
                _time(it.replica.flushed_through) or "-",
                age_of(renewed) if renewed is not None else "-",
                _time(it.report.since if it.report else None) or "-",
            )
        )
    columns = ("REPLICA", "#PREDICTIONS", "#ITEMS", "#CANDIDATES", "FLUSHED THROUGH", "#SEEN")
    print_table((*columns, "COUNTS SINCE"), rows, indent=2)


def _print_troubles(view: SamplingView) -> None:
    lines = []
    for it in view.replicas:
        if it.report is None:
            lines.append((it.replica.name, "its Lease holds no counts that can be read"))
            continue
        if (error := it.report.table_errors.get(view.job.name)) is not None:
            lines.append((it.replica.name, f"cannot write the table: {error}"))
        if it.report.refused:
            text = f"refused {it.report.refused} of all senders' requests for lack of room (503)"
            lines.append((it.replica.name, text))
    if lines:
        print_title("Troubles")
        print_table(("REPLICA", "WHAT"), lines, indent=2)


def _why_not(body: Mapping[str, Any], replicas: Sequence[ReplicaView]) -> str:
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
    now = datetime.now(UTC)
    seen = [it.replica.renew_time for it in replicas if it.replica.renew_time is not None]
    if not seen or (now - max(seen)).total_seconds() > SILENT_AFTER_SECONDS:
        return (
            "no replica of the sampler has renewed its Lease in the last minute: see "
            f"kubectl get pods -n {job.namespace} -l app.kubernetes.io/name=evaluation-sampler"
        )
    return ""


def _report(lease: Mapping[str, Any]) -> SamplingReport | None:
    text = (lease["metadata"].get("annotations") or {}).get(ANNOTATION_SAMPLING)
    return read_sampling_report(text) if text else None


def _time(time: datetime | None) -> str | None:
    return format_time(time.replace(microsecond=0)) if time is not None else None
