"""From EvaluationJobs to what the sampler samples for."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from evaluation_operator.domain.sampled_job import SampledJob, read_job
from evaluation_operator.kube import Gone, Seen, Synced
from evaluation_operator.sampling.intake.jobs import JobTable
from tests.builders import (
    ABSENT,
    MOUNT,
    Manifest,
    found_good,
    make_evaluation_job,
    make_spec_set,
    merged,
    stored,
)


def make_job(name: str = "ripeness", *, uid: str | None = None, **changes: Any) -> Manifest:
    """A job that the operator has accepted, and whose table it has found good."""
    accepted = {"status": {"state": "SCHEDULED", "intervalDays": 1}}
    job = stored(merged(make_evaluation_job(name), accepted), uid=uid or f"uid-{name}")
    with suppress(ValidationError):
        job = found_good(merged(job, {"spec": changes.get("spec", {})}))
    return merged(job, changes)


def in_database(results_uri: str, **input_config: Any) -> Manifest:
    """Changes to a spec: its table is a database."""
    source = {
        "inputUri": "postgresql://db:5432/models/public.rows",
        "persistentVolumeClaimName": ABSENT,
    }
    config = {"tableSource": source} | input_config
    return {"evaluationJobConfig": {"inputConfig": config}, "resultsUri": results_uri}


BIGQUERY = in_database(
    "s3://bucket/results", tableSource=ABSENT, bigquerySource={"inputUri": "bq://p/d/t"}
)


def sampled(**changes: Any) -> SampledJob:
    job = read_job(make_job(**changes)).job
    assert job is not None
    return job


def test_an_accepted_job_is_sampled() -> None:
    known = read_job(make_job())

    assert known.why_not == ""
    job = known.job
    assert job is not None
    assert job.is_sampling
    assert (job.model, job.version) == ("ripeness", "v1")
    assert (job.fraction, job.cap, job.interval_days) == (0.5, 1000, 1)
    assert job.created == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_large_payloads_go_beside_a_table_of_files() -> None:
    job = sampled()

    assert job.table_uri == f"file://{MOUNT}/predictions"
    assert job.payload_uri == f"file://{MOUNT}/predictions/_payloads"


def test_large_payloads_of_a_database_go_under_its_results() -> None:
    job = sampled(spec=in_database("s3://bucket/results/"))

    assert job.table_uri == "postgresql://db:5432/models/public.rows"
    assert job.payload_uri == "s3://bucket/results/_payloads"


@pytest.mark.parametrize("state", ["SCHEDULED", "RUNNING"])
def test_scheduled_and_running_jobs_are_sampled(state: str) -> None:
    assert sampled(status={"state": state}).is_sampling


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"spec": {"paused": True}}, "spec.paused: true"),
        ({"status": {"state": "PAUSED"}}, "status.state: PAUSED"),
        ({"status": {"state": "STOPPED"}}, "status.state: STOPPED"),
        ({"status": {"state": ABSENT}}, "status.state: not set"),
        ({"metadata": {"deletionTimestamp": "2026-03-03T00:00:00Z"}}, "being deleted"),
    ],
)
def test_other_jobs_are_known_and_not_sampled(changes: Manifest, why: str) -> None:
    known = read_job(make_job(**changes))

    assert known.job is not None
    assert not known.job.is_sampling
    assert why in known.why_not


NEVER_CHECKED = {"tableDigest": ABSENT, "sampledTableDigest": ABSENT}


def test_nothing_is_written_to_a_table_that_no_check_has_passed() -> None:
    """A job named any table, and the sampler opened it with the namespace's credentials."""
    said = {"type": "Ready", "status": "False", "reason": "TableInvalid", "message": "no Secret"}
    condition = said | {"lastTransitionTime": "2026-03-02T08:00:00Z", "observedGeneration": 1}
    known = read_job(make_job(status=NEVER_CHECKED | {"conditions": [condition]}))

    assert known.job is not None
    assert not known.job.is_sampling
    assert "no Secret" in known.why_not


def test_a_table_that_fails_later_is_still_sampled_into() -> None:
    assert sampled(status={"tableDigest": ABSENT}).is_sampling


def test_a_job_of_an_operator_that_tells_no_more_is_sampled() -> None:
    assert sampled(status={"sampledTableDigest": ABSENT}).is_sampling


def test_another_table_is_checked_before_anything_is_written_to_it() -> None:
    checked = make_job()["status"]
    moved = make_job(spec={"resultsUri": "s3://elsewhere/results"}, status=checked)
    assert "nothing is sampled before a check" in read_job(moved).why_not


def test_other_secrets_of_runs_change_nothing_for_a_sampler() -> None:
    checked = make_job()["status"]
    template = {"envFrom": [{"secretRef": {"name": "evaluation-other"}}]}
    assert read_job(make_job(spec={"runTemplate": template}, status=checked)).why_not == ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": {"intervalDays": ABSENT}}, "status.intervalDays"),
        ({"spec": {"modelVersion": "projects/other/models/m/versions/1"}}, "spec.modelVersion"),
        ({"spec": {"evaluationJobConfig": ABSENT}}, "evaluationJobConfig"),
        ({"spec": in_database("gs://bucket/x")}, "spec.resultsUri: gs://bucket/x:"),
        ({"spec": BIGQUERY}, "inputUri: bq://…:"),
    ],
)
def test_a_job_that_cannot_be_sampled_says_why(changes: Manifest, why: str) -> None:
    known = read_job(make_job(**changes))

    assert known.job is None
    assert why in known.why_not


class Told(list[tuple[SampledJob, ...]]):
    """What a table has told, in order."""

    @property
    def names(self) -> list[list[str]]:
        return [sorted(job.name for job in jobs) for jobs in self]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def table(told: Told) -> JobTable:
    return JobTable("fruit", told.append)


def test_nothing_is_told_before_the_list_is_complete(table: JobTable, told: Told) -> None:
    table.hear(Seen(make_job("a")))
    assert not table.is_synced
    table.hear(Seen(make_job("b")))
    table.hear(Synced())

    assert table.is_synced
    assert told.names == [["a", "b"]]


def test_a_namespace_without_jobs_is_told_too(table: JobTable, told: Told) -> None:
    table.hear(Synced())

    assert told == [()]


def test_what_does_not_concern_sampling_is_not_told(table: JobTable, told: Told) -> None:
    table.hear(Seen(make_job()))
    table.hear(Synced())
    table.hear(Seen(make_job(status={"state": "RUNNING", "totalAttempts": 3})))
    table.hear(Synced())

    assert len(told) == 1


def test_a_pause_is_told_at_once(table: JobTable, told: Told) -> None:
    table.hear(Seen(make_job()))
    table.hear(Synced())
    table.hear(Seen(make_job(spec={"paused": True})))

    assert [job.is_sampling for jobs in told for job in jobs] == [True, False]


def test_a_job_that_is_gone_is_forgotten(table: JobTable, told: Told) -> None:
    table.hear(Seen(make_job()))
    table.hear(Synced())
    table.hear(Gone("uid-ripeness"))
    table.hear(Gone("uid-ripeness"))

    assert told[-1] == ()
    assert table.find("ripeness") is None


def test_a_job_made_anew_survives_the_end_of_its_namesake(table: JobTable, told: Told) -> None:
    """A list after a gap shows the new one before it says that the old one has gone."""
    table.hear(Seen(make_job(uid="old")))
    table.hear(Synced())
    table.hear(Seen(make_job(uid="new")))
    table.hear(Gone("old"))

    assert [job.uid for job in told[-1]] == ["new"]
    known = table.find("ripeness")
    assert known is not None
    assert known.uid == "new"


def labels_told(told: Told) -> list[tuple[str, ...]]:
    """Of each time that something was told, the labels of its first job."""
    return [jobs[0].answers.labels if jobs[0].answers else () for jobs in told]


def test_a_job_has_the_labels_of_its_set_whichever_comes_first(table: JobTable, told: Told) -> None:
    table.hear_set(Seen(stored(make_spec_set("colours", labels=("red",)), uid="other")))
    table.hear(Seen(make_job()))
    table.hear(Synced())
    table.hear_set(Seen(stored(make_spec_set(), uid="set")))
    table.hear_set(Synced())
    table.hear_set(Seen(stored(make_spec_set(labels=("ripe", "green")), uid="set")))
    table.hear_set(Gone("set"))
    table.hear_set(Gone("set"))

    assert labels_told(told) == [(), ("ripe", "unripe"), ("ripe", "green"), ()]


def test_a_set_that_cannot_be_read_changes_nothing(table: JobTable, told: Told) -> None:
    table.hear(Seen(make_job()))
    table.hear(Synced())
    table.hear_set(Seen(stored({"metadata": {"name": "ripeness"}, "spec": 7}, uid="set")))

    assert labels_told(told) == [()]
