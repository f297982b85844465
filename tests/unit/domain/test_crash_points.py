"""The operator may end between any two writes; starting over leads to the same end."""

from __future__ import annotations

import pytest

from tests.builders import Manifest
from tests.unit.domain.stories import (
    STORIES,
    Worlds,
    a_deletion_with_an_active_run,
    a_run_that_labels_come_late_for,
    a_run_that_succeeds,
    a_version,
    a_version_that_is_terminated,
    name_at,
    played,
    writes_of,
)
from tests.unit.domain.world import CREATED, FIRST_RUN, JobWorld, VersionWorld, World

WORLDS = Worlds(JobWorld, VersionWorld)


def end_of(world: World) -> Manifest:
    """Uids and numbers of versions differ between plays; all else may not."""
    return world.final_state()


@pytest.mark.parametrize("name", STORIES)
def test_wherever_the_operator_ends_the_end_is_the_same(name: str) -> None:
    story = STORIES[name]
    whole = played(story, WORLDS)
    for number in range(writes_of(story, WORLDS)):
        world = played(story, WORLDS, dies_at=number)
        assert end_of(world) == end_of(whole), f"after {number} writes"
        assert sorted(set(world.created_jobs)) == sorted(world.created_jobs), "a Job made twice"


@pytest.mark.parametrize("name", STORIES)
def test_putting_off_the_status_when_many_are_due_leads_to_the_same_end(name: str) -> None:
    assert end_of(played(STORIES[name], WORLDS, crowded=True)) == end_of(
        played(STORIES[name], WORLDS)
    )


def test_the_stories_do_end() -> None:
    """A check of the check: the end states are not empty."""
    assert played(a_run_that_succeeds, WORLDS).status["latestEvaluation"]["name"] == name_at(0)
    late = played(a_run_that_labels_come_late_for, WORLDS)
    assert list(late.datasets) == [name_at(1)], "a run and its revisions go together"
    assert f"{name_at(0)}-r3" in late.created_jobs
    assert played(a_version, WORLDS).status["state"] == "Completed"
    assert played(a_version_that_is_terminated, WORLDS).status["state"] == "Terminated"
    assert played(a_deletion_with_an_active_run, WORLDS).status["state"] == "STOPPED"
    assert CREATED < FIRST_RUN
