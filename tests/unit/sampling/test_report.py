"""What a replica tells in its Lease is what the command line reads there."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from evaluation_operator.api.sampling_report import (
    JobReport,
    ReasonReport,
    UnmatchedReport,
    read_sampling_report,
)
from evaluation_operator.sampling.counts import REPORT_BYTES, Counts, JobCounts, Refusals
from evaluation_operator.sampling.ledger import Entry, Fate
from evaluation_operator.sampling.records import Reason

SINCE = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)
ERROR = "s3://fruit: no answer"


def counted() -> Counts:
    counts = Counts(SINCE)
    counts.full = 3
    ledger = Counter[Entry]({Fate.OFFERED: 4, Fate.NOT_SAMPLED: 3, Fate.WAITING: 1})
    ledger[Reason.UNREADABLE] = 2
    counts.jobs["ripeness"] = JobCounts(ledger, 12, 5, {Reason.UNREADABLE: "no JSON"})
    counts.refuse(Reason.UNREADABLE)
    counts.unmatched(Reason.UNKNOWN_MODEL, "fruit", None)
    counts.jobs["ripeness"].unreadable["UnknownForm"] = Refusals(4, "classNames")
    return counts


def test_everything_comes_back_as_it_was_counted() -> None:
    text = counted().report(pending=1, unflushed_bytes=99, table_errors={"ripeness": ERROR})
    told = read_sampling_report(text)
    assert told is not None
    assert told.since == SINCE.replace(microsecond=0)
    assert (told.refused, told.pending, told.unflushed_bytes, told.omitted) == (3, 1, 99, 0)
    report = JobReport(
        predictions=10, offered=4, not_sampled=3, waiting=1, spilled=0, items=12, sampled=5
    )
    assert told.jobs == {"ripeness": report}
    unreadable, unknown = Reason.UNREADABLE.value, Reason.UNKNOWN_MODEL.value
    assert told.reasons == {unreadable: 1, unknown: 1}
    assert told.job_reasons == {"ripeness": {unreadable: ReasonReport(count=2, message="no JSON")}}
    unknown_form = ReasonReport(count=4, message="classNames")
    assert told.job_unreadable == {"ripeness": {"UnknownForm": unknown_form}}
    assert told.unmatched == [UnmatchedReport(model="fruit", reason=unknown, count=1)]
    assert told.of_no_job[unknown].message == "model 'fruit', version not told"
    assert told.table_errors == {"ripeness": ERROR}


def test_too_many_jobs_are_omitted_and_those_in_trouble_are_told() -> None:
    counts = counted()
    for number in range(5_000):
        counts.jobs[f"job-{number}"] = JobCounts(Counter({Fate.OFFERED: 100 + number}))
    text = counts.report(pending=0, unflushed_bytes=0, table_errors={"job-0": ERROR})
    told = read_sampling_report(text)
    assert len(text.encode()) <= REPORT_BYTES
    assert told is not None
    assert len(told.jobs) + told.omitted == 5_001
    assert {"ripeness", "job-0", "job-4999"} <= set(told.jobs)


def test_what_no_sampler_has_written_is_no_report() -> None:
    for text in ("", "{", '{"refused": "many"}', "[" * 5_000):
        assert read_sampling_report(text) is None
