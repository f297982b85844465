"""Why a job does not run, in the order in which people should mend it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from evaluation_operator.api.base import format_time
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain.facts.obstacle import Obstacle
from evaluation_operator.domain.plan import CreateTableCheck, DeleteJob
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.tables import is_found_good
from tests.builders import ABSENT, make_detection_job, merged
from tests.unit.domain.world import DAY, FIRST_RUN, JobWorld


@dataclass(frozen=True)
class Hindrance:
    change: Callable[[JobWorld], None]
    want_reason: Reason
    want_words: tuple[str, ...]
    want_stalled: bool = False


def bad_schedule(world: JobWorld) -> None:
    world.edit(schedule="every full moon")


def taken(world: JobWorld) -> None:
    assert world.lease is not None
    world.lease = merged(
        world.lease,
        {
            "metadata": {"ownerReferences": [{"uid": "uid-other", "name": "older-job"}]},
            "spec": {"holderIdentity": "uid-other"},
        },
    )


def obstructed(world: JobWorld) -> None:
    world.obstacle = Obstacle(Reason.NAME_CONFLICT, "Job 'x' exists: kubectl delete")


def bigquery(world: JobWorld) -> None:
    source = {"tableSource": ABSENT, "bigquerySource": {"inputUri": "bq://p/d/t"}}
    world.edit(evaluationJobConfig={"inputConfig": source}, resultsUri="s3://bucket/results")


def without_labels(world: JobWorld) -> None:
    world.labels = None


def bare_namespace(world: JobWorld) -> None:
    world.namespace_lacks = ("ServiceAccount 'evaluation-runner'", "PersistentVolumeClaim 'p'")


def another_table(world: JobWorld) -> None:
    """Only a job that is new, or whose Secrets changed, has a table that nobody has checked."""
    world.edit(runTemplate={"envFrom": [{"secretRef": {"name": "evaluation-db"}}]})
    world.jobs.clear()


HINDRANCES = {
    "a schedule that cannot be read": Hindrance(
        bad_schedule, Reason.INVALID_SPEC, ("spec.schedule",), want_stalled=True
    ),
    "a model version that another job holds": Hindrance(
        taken, Reason.MODEL_VERSION_TAKEN, ("older-job", "delete one"), want_stalled=True
    ),
    "something in the way": Hindrance(obstructed, Reason.NAME_CONFLICT, ("kubectl delete",)),
    "a table without a backend": Hindrance(
        bigquery, Reason.BACKEND_UNAVAILABLE, ("bq://", "tableSource")
    ),
    "no labels": Hindrance(without_labels, Reason.SPEC_SET_NOT_FOUND, ("'ripeness'", "apply it")),
    "a bare namespace": Hindrance(
        bare_namespace,
        Reason.NAMESPACE_NOT_READY,
        ("evaluation-runner", "PersistentVolumeClaim", "kubectl apply -n fruit -k"),
    ),
    "a table that is being checked": Hindrance(
        another_table, Reason.TABLE_CHECKING, ("predictions",)
    ),
}


@pytest.mark.parametrize("hindrance", HINDRANCES.values(), ids=HINDRANCES.keys())
def test_what_keeps_a_job_from_running_is_said(hindrance: Hindrance) -> None:
    world = JobWorld()
    hindrance.change(world)
    plan = world.turn()

    ready, stalled = world.condition("Ready"), world.condition("Stalled")
    assert ready["status"] == "False"
    assert ready["reason"] == hindrance.want_reason
    assert all(word in ready["message"] for word in hindrance.want_words), ready["message"]
    assert (stalled["status"] == "True") == hindrance.want_stalled
    assert world.condition("Reconciling")["status"] == str(not hindrance.want_stalled)
    assert ("state" in world.status) != hindrance.want_stalled
    assert world.status.get("stalled") == ("Stalled" if hindrance.want_stalled else None)
    told = [event.reason for event in plan.events]
    passing = hindrance.want_reason is Reason.TABLE_CHECKING
    assert told == ([] if passing else [hindrance.want_reason])


def test_hindrances_are_named_in_the_order_of_the_table() -> None:
    world = JobWorld()
    names = list(HINDRANCES)
    for name in reversed(names):
        HINDRANCES[name].change(world)
        world.turn()
        assert world.condition("Ready")["reason"] == HINDRANCES[name].want_reason


def test_a_job_for_people_waits_for_somebody_who_brings_them_its_tasks() -> None:
    world = JobWorld(people=True)
    assert world.condition("Ready")["status"] == "True"
    world.has_labeler = False
    plan = world.turn()

    assert world.condition("Ready")["reason"] == Reason.BACKEND_UNAVAILABLE
    assert "kubectl apply -n fruit -k manifests/labeler" in world.condition("Ready")["message"]
    assert plan.wake_at is not None
    world.has_labeler = True
    world.turn()
    assert world.condition("Ready")["status"] == "True"


def test_a_job_of_boxes_is_ready_like_any_other() -> None:
    boxes = JobWorld()
    boxes.own = merged(boxes.own, {"spec": {"evaluationJobConfig": ABSENT}})
    config = make_detection_job()["spec"]["evaluationJobConfig"]
    boxes.own["spec"]["evaluationJobConfig"] = config
    boxes.turn()
    assert boxes.condition("Ready")["status"] == "True"


def test_the_first_word_on_a_new_job_comes_when_it_has_its_model_version() -> None:
    world = JobWorld(checked=False)
    plan = world.turn()

    assert world.lease is not None
    assert "status" not in world.own
    assert plan.wake_at == world.now


def test_a_model_version_is_taken_over_when_its_holder_is_gone() -> None:
    world = JobWorld()
    taken(world)
    world.settle()
    assert world.condition("Stalled")["status"] == "True"

    world.holder_exists = False
    world.settle()
    assert world.lease is not None
    assert world.lease["spec"]["holderIdentity"] == world.own["metadata"]["uid"]
    assert world.status["state"] == "SCHEDULED"


def test_one_check_serves_until_the_table_is_defined_anew() -> None:
    world = JobWorld()
    world.jobs.clear()
    world.now = FIRST_RUN - DAY
    assert not any(isinstance(a, CreateTableCheck) for a in world.settle().actions)

    another_table(world)
    world.settle()
    world.complete_check()
    world.settle()
    assert world.condition("Ready")["status"] == "True"


@dataclass(frozen=True)
class FailedCheck:
    said: str
    reason: str
    want_reason: Reason


CHECKS = {
    "a wrong schema": FailedCheck("column `time` is text", "TableInvalid", Reason.TABLE_INVALID),
    "a server that is away": FailedCheck(
        "connection refused", "TableUnavailable", Reason.TABLE_UNAVAILABLE
    ),
    "a word that nobody knows": FailedCheck("hm", "Odd", Reason.TABLE_UNAVAILABLE),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
def test_a_failed_check_is_told_and_repeated_after_a_while(check: FailedCheck) -> None:
    world = JobWorld(checked=False)
    world.settle()
    world.fail(world.check_name, check.said, reason=check.reason)
    plan = world.settle()
    assert world.condition("Ready")["reason"] == check.want_reason
    assert world.condition("Ready")["message"] == check.said
    assert plan.wake_at == world.now + world.policy.table_check_retry

    world.now += world.policy.table_check_retry
    plan = world.turn()
    assert any(isinstance(action, DeleteJob) for action in plan.actions)
    world.settle()
    assert world.condition("Ready")["message"] == check.said, "until the next check has ended"
    world.fail(world.check_name, check.said, reason=check.reason)
    world.settle()
    told = [event.reason for event in world.events]
    assert told.count(check.want_reason) == 1, "not each time that it is found again"

    world.now += world.policy.table_check_retry
    world.settle()
    world.complete_check()
    world.settle()
    assert world.condition("Ready")["status"] == "True"


def fail_check(world: JobWorld) -> timedelta:
    """The check that goes on fails; how long after it the next one comes."""
    world.fail(world.check_name, "connection refused", reason="TableUnavailable")
    plan = world.settle()
    assert plan.wake_at is not None
    return plan.wake_at - world.now


def test_the_longer_a_table_is_wrong_the_rarer_it_is_checked() -> None:
    """A table that nobody mended made a pod a minute, for ever."""
    world = JobWorld(checked=False, paused=True)
    world.settle()
    pauses = []
    for _ in range(9):
        pauses.append(fail_check(world))
        world.now += pauses[-1]
        world.settle()
    minutes = [pause / timedelta(minutes=1) for pause in pauses]

    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert world.condition("Ready")["message"] == "connection refused", "while it is checked again"


@pytest.mark.parametrize("minutes", [-5, 5], ids=["behind", "ahead"])
def test_by_whatever_clock_a_check_has_failed_the_next_one_is_made_soon(minutes: int) -> None:
    world = JobWorld(checked=False, paused=True)
    world.settle()
    world.fail(world.check_name, "connection refused", reason="TableUnavailable")
    [pod] = world.pods[world.check_name]
    [container] = pod["status"]["containerStatuses"]
    finished = format_time(world.now + timedelta(minutes=minutes))
    container["state"]["terminated"]["finishedAt"] = finished
    world.now += world.policy.table_check_retry
    world.settle()

    assert not world.pods.get(world.check_name), "another check has begun"


def test_how_often_a_table_was_wrong_is_forgotten_when_it_is_right_or_another() -> None:
    world = JobWorld(checked=False)
    world.settle()
    for want in (1, 2):
        pause = fail_check(world)
        assert pause == want * world.policy.table_check_retry
        world.now += pause
        world.settle()
    another_table(world)
    world.settle()
    assert fail_check(world) == world.policy.table_check_retry, "another one"

    world.now += world.policy.table_check_retry
    world.settle()
    world.complete_check()
    world.settle()
    another_table(world)
    world.edit(runTemplate={"envFrom": [{"secretRef": {"name": "evaluation-other"}}]})
    world.settle()
    assert fail_check(world) == world.policy.table_check_retry, "after one that was right"


@pytest.mark.parametrize("text", ["-1", "many", "1e9", "9" * 400, "\u0663"])
def test_a_count_of_checks_that_somebody_else_wrote_does_no_harm(text: str) -> None:
    world = JobWorld(checked=False)
    world.settle()
    annotations = {"evaluations.dev/failed-checks": text}
    name = world.check_name
    world.jobs[name] = merged(world.jobs[name], {"metadata": {"annotations": annotations}})

    assert fail_check(world) == world.policy.table_check_retry


def test_samplers_begin_with_the_first_check_that_passes_and_go_on_in_outages() -> None:
    """A table was written to that no check had found good; one that is away stops no intake."""
    world = JobWorld(checked=False)
    world.settle()
    assert "sampledTableDigest" not in world.status
    world.complete_check()
    world.settle()
    sampled = world.status["sampledTableDigest"]

    world.at_slot(0)
    world.fail(world.active[0], "connection refused", reason="TableUnavailable")
    world.turn()
    assert "tableDigest" not in world.status, "runs wait for a check"
    assert world.status["sampledTableDigest"] == sampled, "samplers do not"


def test_another_table_is_not_sampled_into_before_its_check() -> None:
    world = JobWorld()
    world.edit(resultsUri="s3://elsewhere/results")
    world.jobs.clear()
    world.settle()
    assert world.condition("Ready")["reason"] == Reason.TABLE_CHECKING
    assert not is_found_good(EvaluationJob.from_dict(world.own))
    world.complete_check()
    world.settle()
    assert is_found_good(EvaluationJob.from_dict(world.own))


@pytest.mark.parametrize("has_failed", [False, True])
def test_a_job_of_an_earlier_version_is_sampled_without_a_gap(has_failed: bool) -> None:
    """It knew one digest alone, which an outage takes away until a check passes."""
    world = JobWorld()
    world.status["totalAttempts"] = 3
    del world.status["sampledTableDigest"]
    if has_failed:
        del world.status["tableDigest"]
        world.jobs.clear()
    world.turn()
    assert is_found_good(EvaluationJob.from_dict(world.own))


def test_a_check_that_left_no_word_is_told_by_its_job() -> None:
    world = JobWorld(checked=False)
    world.settle()
    world.fail_job(world.check_name, "DeadlineExceeded")
    world.settle()

    assert world.condition("Ready")["reason"] == Reason.TABLE_UNAVAILABLE
    assert "it failed" in world.condition("Ready")["message"]


def test_readiness_is_told_once_in_an_event() -> None:
    world = JobWorld()
    without_labels(world)
    for _ in range(3):
        world.settle()
    reasons = [event.reason for event in world.events]

    assert reasons.count(Reason.SPEC_SET_NOT_FOUND) == 1
    assert reasons.count(Reason.READY) == 1
