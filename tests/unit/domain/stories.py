"""Lives of jobs and versions in which the operator may end, and how they are played."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from evaluation_operator.domain.manifests.lease import lease_for_model_version
from evaluation_operator.domain.naming import run_name
from tests.unit.domain.world import DAY, FIRST_RUN, JobWorld, VersionWorld, World


@dataclass(frozen=True)
class Worlds:
    """What a story plays in."""

    of_job: Callable[..., JobWorld]
    of_version: Callable[..., VersionWorld]


Played = tuple[World, list[Callable[[], None]]]
Story = Callable[[Worlds], Played]


def name_at(day: int, minute: int = 0) -> str:
    return run_name("ripeness", FIRST_RUN + day * DAY + timedelta(minutes=minute))


def a_run_that_succeeds(worlds: Worlds) -> Played:
    world = worlds.of_job(checked=False)

    def due() -> None:
        world.now = FIRST_RUN

    return world, [world.complete_check, due, lambda: world.succeed(name_at(0))]


def a_run_that_fails_and_its_rows(worlds: Worlds) -> Played:
    world = worlds.of_job(evaluationsHistoryLimit=1)

    def due(day: int) -> None:
        world.now = FIRST_RUN + day * DAY

    return world, [
        lambda: due(0),
        lambda: world.fail(name_at(0), "column is missing", reason="TableInvalid"),
        world.complete_check,
        lambda: due(1),
        lambda: world.succeed(name_at(1)),
    ]


def a_run_that_people_label(worlds: Worlds) -> Played:
    world = worlds.of_job(people=True)

    def due() -> None:
        world.now = FIRST_RUN

    return world, [
        due,
        lambda: world.cut(name_at(0)),
        lambda: world.say_labeled(name_at(0), "False", "BackendUnavailable", "no answer"),
        lambda: world.say_labeled(name_at(0), "True", "AllLabeled"),
        lambda: world.succeed(name_at(0)),
    ]


def a_run_that_labels_come_late_for(worlds: Worlds) -> Played:
    world = worlds.of_job(labeling={"minimumNewLabels": 5}, evaluationsHistoryLimit=1)
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


def a_piece_that_runs_alone(worlds: Worlds) -> Played:
    world = worlds.of_job()
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


def a_deletion_with_an_active_run(worlds: Worlds) -> Played:
    world = worlds.of_job()
    world.at_slot(0, seconds=0)
    return world, [world.delete]


def a_dataset_that_is_deleted_and_held(worlds: Worlds) -> Played:
    world = worlds.of_job()
    world.at_slot(0, seconds=0)

    def delete() -> None:
        held = {"deletionTimestamp": "2026-03-02T10:05:00Z", "finalizers": ["example.com/backup"]}
        world.datasets[name_at(0)]["metadata"] |= held

    def due() -> None:
        world.now = FIRST_RUN + DAY

    return world, [delete, due, lambda: world.succeed(name_at(1))]


def a_takeover(worlds: Worlds) -> Played:
    world = worlds.of_job(checked=False)
    world.lease = {
        "metadata": {
            "name": lease_for_model_version(world.job)["metadata"]["name"],
            "resourceVersion": "7",
            "ownerReferences": [{"uid": "uid-other", "name": "other"}],
        },
        "spec": {"holderIdentity": "uid-other"},
    }

    def free() -> None:
        world.holder_exists = False

    return world, [free, world.complete_check]


def a_version(worlds: Worlds) -> Played:
    world = worlds.of_version()
    return world, [lambda: world.start_pod(world.run_name), lambda: world.succeed(world.run_name)]


def a_version_that_is_terminated(worlds: Worlds) -> Played:
    world = worlds.of_version(runTemplate={"queueName": "night"})
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


def played(
    story: Story, worlds: Worlds, *, crowded: bool = False, dies_at: int | None = None
) -> World:
    """The world at the story's end; the operator ends once, before its write `dies_at`."""
    world, steps = story(worlds)
    world.crowded = crowded
    world.settle()
    if dies_at is not None:
        world.dies_at = world.writes + dies_at
    for step in steps:
        step()
        world.settle()
    assert world.dies_at is None, "it has died"
    return world


def writes_of(story: Story, worlds: Worlds) -> int:
    """How many writes the operator makes, from the first step on."""
    begun, _ = story(worlds)
    begun.settle()
    return played(story, worlds).writes - begun.writes
