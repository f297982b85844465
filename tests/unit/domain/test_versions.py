"""The states of an EvaluationJobVersion, and what may end it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from evaluation_operator.api.base import format_time
from evaluation_operator.domain.facts.obstacle import Obstacle
from evaluation_operator.domain.naming import LABEL_QUEUE
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.snapshot import Sibling
from evaluation_operator.domain.stalled import Limits
from tests.builders import Manifest, merged
from tests.unit.domain.world import CREATED, VersionWorld, is_quiet

QUEUE = {"queueName": "night"}
UNSCHEDULABLE = {
    "conditions": [
        {"type": "PodScheduled", "status": "False", "message": "0/3 nodes have enough memory"}
    ]
}


def in_state(state: str) -> VersionWorld:
    """A version that has come to this state."""
    world = VersionWorld(runTemplate=QUEUE if state == "Queuing" else {"backoffLimit": 2})
    if state == "Creating":
        world.job = None
    world.settle()
    if state in ("Running", "Completed", "Failed"):
        world.start_pod(world.run_name)
        world.settle()
    if state == "Completed":
        world.succeed(world.run_name)
    if state == "Failed":
        world.fail(world.run_name)
    if state == "Terminated":
        world.edit(terminate=True)
    world.settle()
    assert world.status["state"] == state
    return world


@dataclass(frozen=True)
class Termination:
    want_state: str
    want_refused: bool = False
    allowed: bool = False


TERMINATIONS = {
    "Creating": Termination("Terminated"),
    "Queuing": Termination("Terminated"),
    "Running": Termination("Running", want_refused=True),
    "Running, where the operator allows it": Termination("Terminated", allowed=True),
    "Completed": Termination("Completed", want_refused=True),
    "Failed": Termination("Failed", want_refused=True),
}


@pytest.mark.parametrize("name", TERMINATIONS)
def test_terminate_is_honoured_before_it_runs(name: str) -> None:
    case = TERMINATIONS[name]
    world = in_state(name.partition(",")[0])
    before = dict(world.status)
    world.policy = Policy(allow_terminate_running=case.allowed)
    world.edit(terminate=True)
    world.settle()

    assert world.status["state"] == case.want_state
    refused = world.condition("TerminateRefused")
    assert bool(refused) == case.want_refused
    if case.want_refused:
        assert "FAILED_PRECONDITION" in refused["message"]
        assert world.condition("Ready")["reason"] == before["conditions"][0]["reason"]
        assert world.condition("Stalled")["reason"] == before["conditions"][2]["reason"]
    else:
        assert not world.jobs


def test_terminate_while_running_is_still_answered_after_it_has_completed() -> None:
    world = in_state("Running")
    world.edit(terminate=True)
    world.settle()
    world.succeed(world.run_name)
    world.settle()

    assert world.status["state"] == "Completed"
    assert world.condition("TerminateRefused")["status"] == "True"


def test_a_version_runs_at_once_over_all_rows() -> None:
    world = VersionWorld()
    world.settle()

    dataset = world.datasets[world.run_name]
    assert dataset["spec"]["allRows"] is True
    assert "windows" not in dataset["spec"]
    assert dataset["metadata"]["ownerReferences"][0]["kind"] == "EvaluationJobVersion"
    assert world.status["number"] == 1
    assert world.own["metadata"]["ownerReferences"][0]["kind"] == "EvaluationJob"


def test_a_version_sets_its_own_parameters() -> None:
    window = {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-02-01T00:00:00Z"}
    world = VersionWorld(
        window=window,
        labels=["ripe"],
        scoreThresholds=[0.5],
        runTemplate={"nodeSelector": {"kubernetes.io/arch": "arm64"}, "activeDeadlineSeconds": 60},
    )
    world.settle()

    spec = world.datasets[world.run_name]["spec"]
    assert spec["windows"] == [window]
    assert "allRows" not in spec
    assert spec["sliceLabels"] == ["ripe"]
    assert spec["scoreThresholds"] == [0.5]
    job = world.jobs[world.run_name]["spec"]
    assert job["activeDeadlineSeconds"] == 60
    assert job["template"]["spec"]["nodeSelector"] == {"kubernetes.io/arch": "arm64"}


def test_a_version_over_a_dataset_waits_for_it() -> None:
    world = VersionWorld(dataset="evj-ripeness-29541240")
    world.settle()
    assert world.condition("Ready")["reason"] == Reason.DATASET_NOT_FOUND

    world.source_dataset_found = True
    world.settle()
    assert world.datasets[world.run_name]["spec"]["sourceDataset"] == "evj-ripeness-29541240"


def test_the_figures_of_a_completed_version() -> None:
    world = in_state("Completed")

    assert world.status["evaluation"] == world.run_name
    assert world.status["meanAveragePrecision"] == 0.9
    assert world.status["evaluatedItemCount"] == 10
    assert world.condition("Ready")["status"] == "True"
    assert {"startTime", "completionTime", "createTime"} <= set(world.status)


def test_a_version_without_rows_is_completed_without_an_evaluation() -> None:
    world = in_state("Running")
    world.commit(world.run_name, "NoData")
    world.settle()

    assert world.status["state"] == "Completed"
    assert "evaluation" not in world.status
    assert world.condition("Ready")["reason"] == Reason.NO_DATA


def test_a_failed_version_says_what_its_pod_said() -> None:
    world = in_state("Failed")

    assert world.status["partialFailures"][0] == {"code": 14, "message": "the table is gone"}
    assert world.status["message"] == "the table is gone"
    assert world.condition("Stalled")["status"] == "True"


def test_a_version_whose_pod_is_gone_queues_and_can_be_terminated() -> None:
    """It stayed Running for ever when its pod was evicted and no node had room for the next one:
    Running cannot be terminated, so nobody could end it."""
    world = in_state("Running")
    world.pods.clear()
    world.start_pod(world.run_name, "Pending", **UNSCHEDULABLE)
    world.settle()
    assert world.status["state"] == "Queuing"
    assert world.condition("Ready")["reason"] == Reason.UNSCHEDULABLE

    world.edit(terminate=True)
    world.settle()
    assert world.status["state"] == "Terminated"
    assert world.deleted_jobs == [world.run_name]


def test_a_pod_that_has_done_its_work_leaves_the_version_running() -> None:
    """Between its end and that of its Job no pod is live, and nothing waits for one either."""
    world = in_state("Running")
    world.pods.clear()
    ended = {"terminated": {"exitCode": 0}}
    world.start_pod(
        world.run_name, "Succeeded", containerStatuses=[{"name": "run", "state": ended}]
    )
    world.settle()

    assert world.status["state"] == "Running"


@dataclass(frozen=True)
class Wait:
    change: Callable[[VersionWorld], None]
    want_state: str
    want_reason: Reason
    want_words: str


def suspended(world: VersionWorld) -> None:
    job = world.jobs[world.run_name]
    job["spec"]["suspend"] = True
    job["metadata"]["labels"][LABEL_QUEUE] = "team-a"


def suspended_by_hand(world: VersionWorld) -> None:
    world.jobs[world.run_name]["spec"]["suspend"] = True


def unschedulable(world: VersionWorld) -> None:
    world.start_pod(world.run_name, "Pending", **UNSCHEDULABLE)


def unpullable(world: VersionWorld) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    world.start_pod(
        world.run_name, "Pending", containerStatuses=[{"name": "run", "state": waiting}]
    )


WAITS = {
    "a queue holds it": Wait(suspended, "Queuing", Reason.QUEUED, "queue"),
    "no node has room": Wait(unschedulable, "Queuing", Reason.UNSCHEDULABLE, "0/3 nodes"),
    "its image cannot be pulled": Wait(
        unpullable, "Queuing", Reason.IMAGE_PULL_BACK_OFF, "ImagePullBackOff: not found"
    ),
    "somebody has suspended its Job": Wait(
        suspended_by_hand, "Queuing", Reason.SUSPENDED, "kubectl patch job evjv-ripeness"
    ),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS.keys())
def test_what_a_version_waits_for(wait: Wait) -> None:
    world = VersionWorld()
    world.settle()
    wait.change(world)
    world.settle()

    assert world.status["state"] == wait.want_state
    assert world.condition("Ready")["reason"] == wait.want_reason
    assert wait.want_words in world.status["message"]


def without_job(world: VersionWorld) -> None:
    world.job = None


def job_condition(kind: str, status: str) -> Callable[[VersionWorld], None]:
    def change(world: VersionWorld) -> None:
        assert world.job is not None
        told = {"type": kind, "status": status, "reason": "Why", "message": "words of the job"}
        told["lastTransitionTime"] = "2026-03-02T08:00:00Z"
        world.job = merged(world.job, {"status": {"conditions": [told]}})

    return change


def older_unnumbered(world: VersionWorld) -> None:
    world.siblings = (Sibling("older", CREATED - timedelta(seconds=1), None),)


def job_that_goes(world: VersionWorld) -> None:
    assert world.job is not None
    world.job = merged(world.job, {"metadata": {"deletionTimestamp": "2026-03-02T08:00:00Z"}})


OBSTACLES = {
    "there is no such job": Wait(without_job, "Creating", Reason.JOB_NOT_FOUND, "apply it"),
    "its job is Stalled": Wait(
        job_condition("Stalled", "True"), "Creating", Reason.JOB_STALLED, "words of the job"
    ),
    "its job is not ready": Wait(
        job_condition("Ready", "False"), "Creating", Reason.JOB_NOT_READY, "words of the job"
    ),
    "an older version has no number": Wait(
        older_unnumbered, "Creating", Reason.PROGRESSING, "older version"
    ),
    "its job is being deleted": Wait(job_that_goes, "Creating", Reason.JOB_NOT_FOUND, "apply it"),
}


@pytest.mark.parametrize("wait", OBSTACLES.values(), ids=OBSTACLES.keys())
def test_what_keeps_a_version_from_being_created(wait: Wait) -> None:
    world = VersionWorld()
    wait.change(world)
    world.settle()

    assert world.status["state"] == wait.want_state
    assert world.condition("Ready")["reason"] == wait.want_reason
    assert wait.want_words in world.condition("Ready")["message"]
    assert not world.datasets


def test_a_label_that_does_not_exist_fails_the_version() -> None:
    world = VersionWorld(labels=["rotten"])
    world.settle()

    assert world.status["state"] == "Failed"
    assert "'rotten'" in world.status["message"]
    assert world.status["partialFailures"][0]["code"] == 3
    assert not world.datasets


REFUSED: dict[str, tuple[Manifest, Reason, str]] = {
    "its image": (
        {"image": "registry.example/miner:1"},
        Reason.INVALID_SPEC,
        "spec.runTemplate.image: ",
    ),
    "its service account": (
        {"serviceAccountName": "default"},
        Reason.INVALID_SPEC,
        "spec.runTemplate.serviceAccountName: ",
    ),
    "what its pod asks for": (
        {"tolerations": [{"operator": "Exists"}]},
        Reason.NOT_ALLOWED,
        "spec.runTemplate.tolerations",
    ),
    "so much that no message holds it": (
        {"image": "registry.example/miner:1", "tolerations": [{"operator": "Exists"}] * 16},
        Reason.INVALID_SPEC,
        "spec.runTemplate.image: ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("has_job", [True, False])
def test_a_version_that_can_never_start_has_failed(name: str, has_job: bool) -> None:
    """Nobody can edit its spec, and yet it was Creating for ever, and held `kubectl wait` up."""
    template, reason, field = REFUSED[name]
    world = VersionWorld(runTemplate=template)
    world.job = world.job if has_job else None
    world.settle()

    assert world.status["state"] == "Failed"
    assert world.condition("Stalled")["status"] == "True"
    assert world.condition("Ready")["reason"] == reason
    message = world.status["message"]
    assert message.startswith(field)
    assert message.endswith(": make a version with a runTemplate that is allowed")
    assert world.status["partialFailures"] == [{"code": 3, "message": message}]
    assert world.status["number"] == 1, "or those that are younger would wait for it for ever"
    assert not world.datasets


def test_a_run_whose_version_is_not_allowed_any_more_has_failed() -> None:
    """Its Job is gone, and the operator's settings changed before it was made anew."""
    world = VersionWorld(runTemplate={"image": "registry.example/ours:1"})
    world.policy = Policy(limits=Limits(allowed_images=("registry.example/ours:*",)))
    world.settle()
    world.remove_job(world.run_name)
    world.policy = Policy()
    world.settle()

    assert world.status["state"] == "Failed"
    assert "spec.runTemplate.image" in world.status["message"]
    outcome = world.datasets[world.run_name]["status"]["outcome"]
    assert outcome["result"] == "Failed", "no pod of it commits it any more"
    assert not world.jobs


def test_a_run_of_a_job_that_was_replaced_has_failed() -> None:
    """`kubectl replace --force` of the job, before the run of its version had a Job."""
    world = VersionWorld()
    world.settle()
    world.remove_job(world.run_name)
    world.now += timedelta(minutes=1)
    job = world.job
    assert job is not None
    world.job = None
    world.settle()
    assert world.status["state"] == "Creating"
    assert world.status["message"] == "EvaluationJob 'ripeness' is gone: delete the version"

    metadata = {"uid": "uid-of-another", "creationTimestamp": format_time(world.now)}
    world.job = merged(job, {"metadata": metadata})
    world.settle()
    assert world.status["state"] == "Failed"
    assert world.status["message"] == (
        "the EvaluationJob 'ripeness' of this run is gone, and the one that has its name now is "
        "another: delete the version, and make one of that job"
    )


def test_a_version_is_not_given_to_a_job_that_is_being_deleted() -> None:
    """After `kubectl delete evj --cascade=orphan` the version was given back to the job that went,
    and the garbage collector deleted it in the midst of its run."""
    world = in_state("Running")
    assert world.own["metadata"].pop("ownerReferences"), "the garbage collector takes it off"
    job = world.job
    job_that_goes(world)
    world.settle()
    assert "ownerReferences" not in world.own["metadata"]

    world.job = job
    world.settle()
    assert [it["uid"] for it in world.own["metadata"]["ownerReferences"]] == ["uid-of-ripeness"]


def test_a_version_that_ended_while_the_operator_was_away() -> None:
    """Its completionTime was when the operator came back, hours later."""
    world = in_state("Running")
    world.now += timedelta(minutes=5)
    ended = format_time(world.now)
    world.succeed(world.run_name)
    world.now += timedelta(hours=3)
    world.settle()

    assert world.status["completionTime"] == ended


@pytest.mark.parametrize("minutes", [5, -5])
def test_a_version_whose_pods_clock_differs_ends_after_it_began(minutes: int) -> None:
    """Its clock says when it ended, ours when it was seen to start."""
    world = in_state("Running")
    world.now += timedelta(minutes=1)
    seen = world.now
    world.now += timedelta(minutes=minutes)
    world.succeed(world.run_name)
    world.now = seen
    world.settle()

    status = world.status
    assert status["createTime"] <= status["startTime"] <= status["completionTime"]
    assert status["completionTime"] <= format_time(seen)


def test_numbers_follow_the_order_of_creation() -> None:
    world = VersionWorld()
    world.siblings = (
        Sibling("first", CREATED - timedelta(hours=2), 1),
        Sibling("second", CREATED - timedelta(hours=1), 4),
        Sibling("younger", CREATED + timedelta(hours=1), None),
    )
    world.settle()

    assert world.status["number"] == 5


def test_a_refused_job_is_told_in_the_versions_status_and_fails_it_in_the_end() -> None:
    """It once said for ever that the Job was being created."""
    world = VersionWorld()
    world.settle()
    world.remove_job(world.run_name)
    world.obstacle = Obstacle(Reason.CREATE_REFUSED, "exceeded quota: none")
    plan = world.turn()
    assert world.status["message"] == "exceeded quota: none"
    assert plan.wake_at is not None

    world.now += world.policy.create_deadline
    world.turn()
    assert world.status["state"] == "Failed"
    assert world.status["message"] == "exceeded quota: none"


@pytest.mark.parametrize("state", ["Completed", "Failed", "Terminated"])
def test_an_ended_version_stays_as_it_is(state: str) -> None:
    world = in_state(state)
    world.job = None
    world.datasets.clear()
    world.jobs.clear()

    assert is_quiet(world.decide())


def test_a_version_that_is_being_deleted_is_left_to_the_garbage_collector() -> None:
    world = in_state("Running")
    world.delete()

    assert is_quiet(world.decide())
