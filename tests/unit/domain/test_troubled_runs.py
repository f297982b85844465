"""Runs and checks whose pods stand still: what the status says meanwhile, and what is left of it in
the attempt once the pods are gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from evaluation_operator.api.base import format_time
from evaluation_operator.domain.reasons import Reason
from tests.unit.domain.world import JobWorld, VersionWorld, World

NO_HOST = 'failed to pull "registry.example/x:1": lookup registry.example: no such host'
UNSCHEDULABLE = {
    "conditions": [
        {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    ]
}


def cannot_pull(world: World, run: str, reason: str = "ImagePullBackOff") -> None:
    state = {"waiting": {"reason": reason, "message": NO_HOST}}
    world.pods[run] = []
    world.start_pod(run, "Pending", containerStatuses=[{"name": "run", "state": state}])


def deadline(world: World, run: str) -> None:
    """The Job controller deletes the pods when it gives up a Job for its deadline."""
    world.pods[run] = []
    world.fail_job(run, "DeadlineExceeded")


def at_slot() -> tuple[JobWorld, str]:
    world = JobWorld()
    world.at_slot(0)
    [run] = world.active
    return world, run


def active(world: World) -> Any:
    [run] = world.status["active"]
    return run


def test_the_last_trouble_is_kept_at_the_deadline() -> None:
    """`ImagePullBackOff … no such host` became "exceeded activeDeadlineSeconds", since the pods
    that had said it were deleted with the deadline."""
    world, run = at_slot()
    cannot_pull(world, run)
    world.settle()
    assert active(world)["phase"] == "Queuing"
    assert "no such host" in active(world)["message"]
    deadline(world, run)
    world.settle()

    [attempt] = world.status["attempts"]
    first, second = attempt["partialFailures"]
    assert first["code"] == 4
    assert first["message"] == (
        "DeadlineExceeded: the run exceeded runTemplate.activeDeadlineSeconds (21600 s)"
    )
    assert second["message"].startswith("ImagePullBackOff: ")
    assert "no such host" in second["message"]
    [told] = [event for event in world.events if event.reason is Reason.RUN_FAILED]
    assert "no such host" in told.message


def test_the_last_trouble_is_kept_while_the_job_is_given_up() -> None:
    """It is given up some moments before it has failed, and its pod may be gone before either is
    seen: what was told was taken back then, and so forgotten at the deadline. It is no news."""
    world, run = at_slot()
    cannot_pull(world, run)
    world.settle()
    told, writes = active(world), world.writes
    world.pods[run] = []
    world.settle()
    since = {"lastTransitionTime": format_time(world.now), "reason": "DeadlineExceeded"}
    given_up = {"type": "FailureTarget", "status": "True"} | since
    world.jobs[run]["status"]["conditions"] = [given_up]
    world.settle()
    assert (active(world), world.writes) == (told, writes)
    deadline(world, run)
    world.settle()

    [attempt] = world.status["attempts"]
    assert "no such host" in attempt["partialFailures"][1]["message"]


def test_of_a_version_it_is_kept_too() -> None:
    world = VersionWorld()
    world.settle()
    cannot_pull(world, world.run_name)
    world.settle()
    assert world.status["state"] == "Queuing"
    deadline(world, world.run_name)
    world.settle()

    assert world.status["state"] == "Failed"
    assert "no such host" in world.status["message"]
    assert [item["code"] for item in world.status["partialFailures"]] == [4, 9]


def test_a_trouble_is_told_once_and_costs_one_write() -> None:
    """The kubelet says ErrImagePull and ImagePullBackOff by turns for as long as it lasts."""
    world, run = at_slot()
    writes = world.writes
    for reason in ("ErrImagePull", "ImagePullBackOff", "ErrImagePull"):
        cannot_pull(world, run, reason)
        world.settle()

    assert world.writes - writes == 1
    told = [event for event in world.events if event.reason is Reason.IMAGE_PULL_BACK_OFF]
    assert [event.warning for event in told] == [True]
    assert run in told[0].message


def test_a_trouble_that_is_over_is_taken_back() -> None:
    world, run = at_slot()
    cannot_pull(world, run)
    world.settle()
    world.pods[run] = []
    world.start_pod(run)
    world.settle()

    assert set(active(world)) == {"name", "scheduledTime"}


def test_a_run_that_is_tried_again_says_why_until_it_ends() -> None:
    world, run = at_slot()
    state = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    world.start_pod(run, "Failed", containerStatuses=[{"name": "run", "state": state}])
    world.start_pod(run, "Pending", **UNSCHEDULABLE)
    world.settle()
    assert active(world)["message"].startswith("Unschedulable: 0/3 nodes are available")

    world.pods[run].pop()
    world.start_pod(run)
    world.settle()
    assert active(world)["phase"] == "Running"
    assert active(world)["message"].startswith("OOMKilled: ")


def test_too_little_memory_is_named_with_its_cure() -> None:
    """It was "pod x ended with exit code 137"."""
    world, run = at_slot()
    state = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    world.start_pod(run, "Failed", containerStatuses=[{"name": "run", "state": state}])
    world.fail_job(run)
    world.settle()

    [attempt] = world.status["attempts"]
    [failure] = attempt["partialFailures"]
    assert failure["code"] == 8
    assert failure["message"] == (
        "OOMKilled: the run needs more memory than its limit; "
        "raise spec.runTemplate.resources.limits.memory"
    )


def test_a_check_that_cannot_start_does_not_blame_the_table() -> None:
    """After ten minutes it said that the table could not be checked, and not that no node had had
    room for a look at it."""
    world = JobWorld(checked=False)
    world.settle()
    world.start_pod(world.check_name, "Pending", **UNSCHEDULABLE)
    world.settle()
    ready = world.condition("Ready")
    assert ready["reason"] == Reason.TABLE_NOT_CHECKED
    assert "has not been looked at" in ready["message"]
    assert "0/3 nodes are available" in ready["message"]

    deadline(world, world.check_name)
    world.settle()
    assert world.condition("Ready") == ready

    world.start_pod(world.check_name)
    world.now += timedelta(hours=1)
    world.settle()
    assert world.condition("Ready") == ready, "until the next one has begun"


def test_a_check_that_ran_into_its_deadline_still_blames_the_table() -> None:
    world = JobWorld(checked=False)
    world.settle()
    world.start_pod(world.check_name)
    world.settle()
    deadline(world, world.check_name)
    world.settle()

    assert world.condition("Ready")["reason"] == Reason.TABLE_UNAVAILABLE


def test_a_check_beside_which_a_proxy_goes_on_has_passed() -> None:
    world = JobWorld(checked=False)
    world.settle()
    world.start_pod(
        world.check_name,
        "Running",
        containerStatuses=[
            {"name": "istio-proxy", "state": {"running": {}}},
            {"name": "run", "state": {"terminated": {"exitCode": 0}}},
        ],
    )
    world.settle()

    assert world.condition("Ready")["status"] == "True"


def test_the_own_words_of_a_run_have_their_reason_in_front() -> None:
    """An attempt said `none of 40 rows has a label`, of which no list of reasons knew a cure."""
    world, run = at_slot()
    world.fail(run, "none of 40 rows has a label", code=9, reason="NothingUsable")
    world.settle()

    [attempt] = world.status["attempts"]
    [failure] = attempt["partialFailures"]
    assert failure == {"code": 9, "message": "NothingUsable: none of 40 rows has a label"}


def test_words_of_a_foreign_image_are_told_as_they_are() -> None:
    world, run = at_slot()
    world.fail(run, "out of luck", code=9, reason="Unlucky")
    world.settle()

    assert world.status["attempts"][0]["partialFailures"][0]["message"] == "out of luck"
