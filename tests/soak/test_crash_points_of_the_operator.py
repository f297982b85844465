"""The operator's own parts may end between any two writes; an operator that begins anew, and knows
nothing but what it lists, comes to the same end."""

from __future__ import annotations

import pytest

from tests.soak.real_turns import RealJobWorld, RealVersionWorld
from tests.unit.domain.stories import STORIES, Worlds, played, writes_of
from tests.unit.domain.world import JobWorld, VersionWorld

REAL = Worlds(RealJobWorld, RealVersionWorld)


@pytest.mark.parametrize("name", STORIES)
def test_wherever_the_operator_ends_the_end_is_the_same(name: str) -> None:
    story = STORIES[name]
    whole = played(story, REAL)
    for number in range(writes_of(story, REAL)):
        world = played(story, REAL, dies_at=number)
        assert world.final_state() == whole.final_state(), f"after {number} writes"
        assert sorted(set(world.created_jobs)) == sorted(world.created_jobs), "a Job made twice"


@pytest.mark.parametrize("name", STORIES)
def test_the_world_of_decisions_comes_to_the_same(name: str) -> None:
    """So what other tests find out about plans holds for what is made of them."""
    real, told = played(STORIES[name], REAL), played(STORIES[name], Worlds(JobWorld, VersionWorld))
    assert real.status.get("state") == told.status.get("state")
    assert sorted(real.datasets) == sorted(told.datasets)
    assert sorted(real.jobs) == sorted(told.jobs)
    assert real.status.get("cover") == told.status.get("cover")
