"""The operator may end between any two writes; starting over leads to the same end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from evaluation_operator.domain.naming import run_name
from tests.builders import Manifest
from tests.unit.domain.world import CREATED, DAY, FIRST_RUN, JobWorld, VersionWorld, World

Story = Callable[[], tuple[World, list[Callable[[], None]]]]


def name_at(day: int, minute: int = 0) -> str:
    return run_name("ripeness", FIRST_RUN + day * DAY + timedelta(minutes=minute))


def a_run_that_succeeds() -> tuple[World, list[Callable[[], None]]]:
    world = JobWorld(checked=False)

    def due() -> None:
        world.now = FIRST_RUN

    return world, [world.complete_check, due, lambda: world.succeed(name_at(0))]


def a_run_that_fails_and_its_rows() -> tuple[World, list[Callable[[], None]]]:
    world = JobWorld(evaluationsHistoryLimit=1)

    def due(day: int) -> None:
        world.now = FIRST_RUN + day * DAY

    return world, [
        lambda: due(0),
        lambda: world.fail(name_at(0), "column is missing", reason="TableInvalid"),
        world.complete_check,
        lambda: due(1),
        lambda: world.succeed(name_at(1)),
    ]


def a_run_that_people_label() -> tuple[World, list[Callable[[], None]]]:
    world = JobWorld(people=True)

    def due() -> None:
        world.now = FIRST_RUN

    return world, [
        due,
        lambda: world.cut(name_at(0)),
        lambda: world.say_labeled(name_at(0), "False", "BackendUnavailable", "no answer"),
        lambda: world.say_labeled(name_at(0), "True", "AllLabeled"),
        lambda: world.succeed(name_at(0)),
    ]


def a_run_that_labels_come_late_for() -> tuple[World, list[Callable[[], None]]]:
    world = JobWorld(labeling={"minimumNewLabels": 5}, evaluationsHistoryLimit=1)
    first, second = (f"{name_at(0)}-r{number}" for number in (1, 2))

    def due(day: int) -> None:
        world.now = FIRST_RUN + day * DAY

    return world, [
        lambda: due(0),
        lambda: world.succeed(name_at(0), 0.9),
        lambda: world.count_new_labels(name_at(0), 5),
        lambda: world.succeed(first, 0.8),
        lambda: world.request(f"{name_at(0)} again"),
        lambda: world.fail(second),
        lambda: world.count_new_labels(name_at(0), 10),
        lambda: due(1),
        lambda: world.succeed(name_at(1)),
        lambda: world.succeed(f"{name_at(0)}-r3", 0.7),
    ]


def a_piece_that_runs_alone() -> tuple[World, list[Callable[[], None]]]:
    world = JobWorld()
    for day in range(3):
        world.at_slot(day, seconds=0)
        world.fail(name_at(day))
        world.settle()

    def due() -> None:
        world.now = FIRST_RUN + 3 * DAY

    return world, [
        due,
        lambda: world.succeed(name_at(3)),
        lambda: world.fail(name_at(3, 1)),
    ]


def a_deletion_with_an_active_run() -> tuple[World, list[Callable[[], None]]]:
    world = JobWorld()
    world.at_slot(0, seconds=0)
    return world, [world.delete]


def a_dataset_that_is_deleted_and_held() -> tuple[World, list[Callable[[], None]]]:
    world = JobWorld()
    world.at_slot(0, seconds=0)

    def delete() -> None:
        world.datasets[name_at(0)]["metadata"]["deletionTimestamp"] = "2026-03-02T10:05:00Z"

    def due() -> None:
        world.now = FIRST_RUN + DAY

    return world, [delete, due, lambda: world.succeed(name_at(1))]


def a_takeover() -> tuple[World, list[Callable[[], None]]]:
    world = JobWorld(checked=False)
    world.lease = {
        "metadata": {
            "name": "evaluation-model-0",
            "resourceVersion": "7",
            "ownerReferences": [{"uid": "uid-other", "name": "other"}],
        },
        "spec": {"holderIdentity": "uid-other"},
    }

    def free() -> None:
        world.holder_exists = False

    return world, [free, world.complete_check]


def a_version() -> tuple[World, list[Callable[[], None]]]:
    world = VersionWorld()
    return world, [lambda: world.start_pod(world.run_name), lambda: world.succeed(world.run_name)]


def a_version_that_is_terminated() -> tuple[World, list[Callable[[], None]]]:
    world = VersionWorld(runTemplate={"queueName": "night"})
    return world, [lambda: world.edit(terminate=True)]


STORIES: dict[str, Story] = {
    "a run that succeeds": a_run_that_succeeds,
    "a run that fails, its rows, a new table check, pruning": a_run_that_fails_and_its_rows,
    "a run that people label": a_run_that_people_label,
    "labels that come late": a_run_that_labels_come_late_for,
    "a piece that runs alone": a_piece_that_runs_alone,
    "a deletion with an active run": a_deletion_with_an_active_run,
    "a Dataset that is deleted and held": a_dataset_that_is_deleted_and_held,
    "a takeover of a model version": a_takeover,
    "a version": a_version,
    "a version that is terminated in a queue": a_version_that_is_terminated,
}


def played(story: Story, *, crowded: bool = False, dies_at: int | None = None) -> World:
    """The world at the story's end; the operator ends once, before its write `dies_at`."""
    world, steps = story()
    world.crowded = crowded
    world.settle()
    if dies_at is not None:
        world.dies_at = world.writes + dies_at
    for step in steps:
        step()
        world.settle()
    assert world.dies_at is None, "it has died"
    return world


def end_of(world: World) -> Manifest:
    """Uids and numbers of versions differ between plays; all else may not."""
    return world.final_state()


@pytest.mark.parametrize("name", STORIES)
def test_wherever_the_operator_ends_the_end_is_the_same(name: str) -> None:
    story = STORIES[name]
    begun, _ = story()
    begun.settle()
    whole = played(story)
    for number in range(whole.writes - begun.writes):
        world = played(story, dies_at=number)
        assert end_of(world) == end_of(whole), f"after {number} writes"
        assert sorted(set(world.created_jobs)) == sorted(world.created_jobs), "a Job made twice"


@pytest.mark.parametrize("name", STORIES)
def test_putting_off_the_status_when_many_are_due_leads_to_the_same_end(name: str) -> None:
    assert end_of(played(STORIES[name], crowded=True)) == end_of(played(STORIES[name]))


def test_the_stories_do_end() -> None:
    """A check of the check: the end states are not empty."""
    assert played(a_run_that_succeeds).status["latestEvaluation"]["name"] == name_at(0)
    late = played(a_run_that_labels_come_late_for)
    assert list(late.datasets) == [name_at(1)], "a run and its revisions go together"
    assert f"{name_at(0)}-r3" in late.created_jobs
    assert played(a_version).status["state"] == "Completed"
    assert played(a_version_that_is_terminated).status["state"] == "Terminated"
    assert played(a_deletion_with_an_active_run).status["state"] == "STOPPED"
    assert CREATED < FIRST_RUN
