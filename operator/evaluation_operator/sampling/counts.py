"""What a replica has seen and refused since it started, in memory that no sender can grow."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from evaluation_operator.api.sampling_report import (
    JobReport,
    ReasonReport,
    SamplingReport,
    UnmatchedReport,
)
from evaluation_operator.domain.readable import NEWEST
from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.sampling.ledger import (
    REMEMBERED,
    Entry,
    Fate,
    Ledger,
    has_items,
    refused_of,
)
from evaluation_operator.sampling.records import Reason

REPORT_BYTES: Final = 32 * 2**10
_PREFIX: Final = "evaluation_sampler"
_UNMATCHED_KEPT: Final = 200
_UNMATCHED_SHOWN: Final = 20
_NAME_CHARACTERS: Final = 100
_MESSAGE_CHARACTERS: Final = 200


@dataclass(slots=True)
class Refusals:
    """How often for one reason, and what was said the last time."""

    count: int = 0
    message: str = ""


@dataclass(slots=True)
class JobCounts:
    """`ledger`: what became of each prediction that was seen; `items` of those that neither wait
    nor were refused; `sampled`: rows written, which is at least the sample; `messages`: the last of
    each reason; `unreadable`: items that were drawn and that a run will not be able to read, by
    what is wrong with them."""

    ledger: Counter[Entry] = field(default_factory=Counter)
    items: int = 0
    sampled: int = 0
    messages: dict[Reason, str] = field(default_factory=dict)
    unreadable: dict[str, Refusals] = field(default_factory=dict)
    newest: deque[bool] = field(default_factory=lambda: deque(maxlen=NEWEST))
    """Whether each of the newest responses that were read holds an unreadable item."""

    @property
    def predictions(self) -> int:
        """Those that were seen."""
        return self.ledger.total()

    @property
    def settled(self) -> int:
        """Those that wait for nothing. It only rises: what waits may turn out to be another's."""
        return self.predictions - self.ledger[Fate.WAITING]

    @property
    def reasons(self) -> dict[Reason, Refusals]:
        """The predictions that gave no row, by what was wrong with them."""
        refused = refused_of(self.ledger)
        return {it: Refusals(count, self.messages.get(it, "")) for it, count in refused.items()}


class Counts:
    """Counters only rise. A job's are dropped with the job."""

    def __init__(self, since: datetime) -> None:
        self.since = since
        self.full = 0
        self.reasons: Counter[Reason] = Counter()
        self.jobs: dict[str, JobCounts] = {}
        self.of_no_job: dict[Reason, Refusals] = {}
        self._ledger = Ledger(REMEMBERED)
        self._unmatched: Counter[tuple[str, str, Reason]] = Counter()

    def keep_jobs(self, names: Iterable[str]) -> None:
        """Forget all others."""
        self.jobs = {name: self.of(name) for name in names}

    def of(self, job: str) -> JobCounts:
        """The counts of the job of that name, to be added to; of one that is gone, for nothing."""
        return self.jobs.get(job) or JobCounts()

    def enter(self, job: SampledJob, key: str, entry: Entry, items: int = 0) -> None:
        """What becomes of a prediction of the job; `items`: how many it has, where that is known.
        One that came before moves, and is not seen twice."""
        before, after = self._ledger.enter(job.uid, key, entry)
        if after is None:
            return
        counts = self.of(job.name)
        counts.ledger[after] += 1
        # A job that was gone meanwhile has begun to count anew.
        if before is not None and counts.ledger[before]:
            counts.ledger[before] -= 1
        if after is not Fate.WAITING and not has_items(before):
            counts.items += items

    def knows(self, job: SampledJob, key: str) -> bool:
        """Whether the prediction is among the newest that were seen."""
        return self._ledger.knows(job.uid, key)

    def forget(self, job: SampledJob, key: str) -> None:
        """What has waited for the job is none of its predictions."""
        before = self._ledger.forget(job.uid, key)
        counts = self.of(job.name)
        if before is not None and counts.ledger[before]:
            counts.ledger[before] -= 1

    def refuse(self, reason: Reason, message: str = "") -> None:
        """Something that was sent belongs to no job, and gives no row."""
        self.reasons[reason] += 1
        refusals = self.of_no_job.setdefault(reason, Refusals())
        refusals.count += 1
        refusals.message = message[:_MESSAGE_CHARACTERS]

    def refuse_for(
        self,
        jobs: Iterable[SampledJob],
        key: str,
        reason: Reason,
        message: str = "",
    ) -> None:
        """A prediction of these jobs gives no row for them."""
        self.reasons[reason] += 1
        for job in jobs:
            self.of(job.name).messages[reason] = message[:_MESSAGE_CHARACTERS]
            self.enter(job, key, reason)

    def judged(self, job: SampledJob, *, is_unreadable: bool) -> None:
        """A response of the job was read as a run will read it."""
        self.of(job.name).newest.append(is_unreadable)

    def unreadable(self, job: SampledJob, items: int, reason: str, message: str) -> None:
        """Items were drawn for the job that a run will not be able to read."""
        counts = self.of(job.name).unreadable.setdefault(reason, Refusals())
        counts.count += items
        counts.message = message[:_MESSAGE_CHARACTERS]

    def unmatched(self, reason: Reason, model: str | None, version: str | None) -> None:
        """An event belongs to no job. The names of many models displace the rarest ones."""
        self.refuse(reason, f"model {shown_name(model)}, version {shown_name(version)}")
        key = ((model or "")[:_NAME_CHARACTERS], (version or "")[:_NAME_CHARACTERS], reason)
        self._unmatched[key] += 1
        if len(self._unmatched) > 2 * _UNMATCHED_KEPT:
            self._unmatched = Counter(dict(self._unmatched.most_common(_UNMATCHED_KEPT)))

    def report(self, *, pending: int, unflushed_bytes: int, table_errors: Mapping[str, str]) -> str:
        """All of it as text of at most 32 KiB; `pending` halves wait for their partner. When it is
        too long, jobs are omitted: the ones with the fewest predictions, those with errors last."""
        errors = {name: text[:_MESSAGE_CHARACTERS] for name, text in table_errors.items()}
        names = sorted(self.jobs, key=lambda name: _importance(self.jobs[name], errors, name))
        while True:
            shown = set(names)
            text = SamplingReport(
                since=self.since.replace(microsecond=0),
                refused=self.full,
                pending=pending,
                unflushed_bytes=unflushed_bytes,
                reasons={reason.value: count for reason, count in self.reasons.items()},
                unmatched=self._unmatched_shown(),
                of_no_job=_told(self.of_no_job),
                jobs={n: _numbers(it) for n, it in self.jobs.items() if n in shown},
                job_reasons={
                    n: _told(it.reasons) for n, it in self.jobs.items() if n in shown and it.reasons
                },
                job_unreadable={
                    n: _told(it.unreadable)
                    for n, it in self.jobs.items()
                    if n in shown and it.unreadable
                },
                table_errors={n: error for n, error in errors.items() if n in shown},
                omitted=len(self.jobs) - len(names),
            ).to_text()
            if len(text.encode()) <= REPORT_BYTES or not names:
                return text
            # A tenth goes at a time: the rest tells more than none.
            names = names[max(len(names) // 10, 1) :]

    def metrics(self) -> Iterator[Metric]:
        """For Prometheus; labels are names of jobs that exist, and reasons."""
        for name, text in (
            ("predictions", "Predictions seen, but for those that wait for their other half."),
            ("items", "Items of them."),
            ("sampled", "Rows written as candidates of the sample."),
        ):
            family = CounterMetricFamily(f"{_PREFIX}_{name}", text, labels=["job"])
            for job, counts in self.jobs.items():
                value = counts.settled if name == "predictions" else getattr(counts, name)
                family.add_metric([job], value)
            yield family
        yield self._ledger_metric()
        family = CounterMetricFamily(
            f"{_PREFIX}_unreadable_items",
            "Items that were drawn and that a run will not be able to read.",
            labels=["job"],
        )
        for job, counts in self.jobs.items():
            family.add_metric([job], sum(it.count for it in counts.unreadable.values()))
        yield family
        family = CounterMetricFamily(
            f"{_PREFIX}_not_sampled", "What was sent and gave no row, by reason.", labels=["reason"]
        )
        for reason in Reason:
            family.add_metric([reason.value], self.reasons[reason])
        yield family
        yield CounterMetricFamily(
            f"{_PREFIX}_refused", "What was refused because there was no room.", value=self.full
        )

    def _ledger_metric(self) -> Metric:
        """A gauge: what waits becomes something else."""
        family = GaugeMetricFamily(
            f"{_PREFIX}_ledger",
            "What became of the predictions seen; a reason of evaluation_sampler_not_sampled, "
            "or Offered, NotSampled, Waiting, Spilled.",
            labels=["job", "fate"],
        )
        for job, counts in self.jobs.items():
            for entry in (*Fate, *refused_of(counts.ledger)):
                family.add_metric([job, entry.value], counts.ledger[entry])
        return family

    def _unmatched_shown(self) -> list[UnmatchedReport]:
        return [
            UnmatchedReport(model=model, version=version, reason=reason.value, count=count)
            for (model, version, reason), count in self._unmatched.most_common(_UNMATCHED_SHOWN)
        ]


def shown_name(name: str | None) -> str:
    return repr(name[:_NAME_CHARACTERS]) if name else "not told"


def _importance(counts: JobCounts, table_errors: Mapping[str, str], name: str) -> tuple[bool, int]:
    is_told = bool(counts.reasons or counts.unreadable) or name in table_errors
    return is_told, counts.predictions


def _numbers(counts: JobCounts) -> JobReport:
    return JobReport(
        predictions=counts.predictions,
        offered=counts.ledger[Fate.OFFERED],
        not_sampled=counts.ledger[Fate.NOT_SAMPLED],
        waiting=counts.ledger[Fate.WAITING],
        spilled=counts.ledger[Fate.SPILLED],
        items=counts.items,
        sampled=counts.sampled,
        judged=len(counts.newest),
        unreadable=sum(counts.newest),
    )


def _told(reasons: Mapping[Reason, Refusals] | Mapping[str, Refusals]) -> dict[str, ReasonReport]:
    return {
        str(reason): ReasonReport(count=refusals.count, message=refusals.message)
        for reason, refusals in reasons.items()
    }
