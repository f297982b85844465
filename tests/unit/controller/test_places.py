"""Who gets the places of a namespace: so many and no more, first due first, and nobody is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from evaluation_operator.controller.keys import Key, job_key, version_key
from evaluation_operator.controller.places import Places
from evaluation_operator.kube import Conflict

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ONE, TWO, THREE = (job_key("fruit", name) for name in ("one", "two", "three"))


class Hall:
    """Places, and who was called."""

    def __init__(self, limit: int = 2) -> None:
        self.called: list[Key] = []
        self.places = Places(limit, self.called.append)

    def create(self, key: Key, job: str) -> None:
        with self.places.taken(key, job):
            self.places.note(key.namespace, job, is_active=True)

    def end(self, job: str) -> list[Key]:
        """Who is called for it."""
        self.called.clear()
        self.places.note("fruit", job, is_active=False)
        return self.called

    def wait(self, key: Key, minutes: int = 0) -> None:
        with self.places.turn(key):
            self.places.ask(key, NOON + timedelta(minutes=minutes))


def full(limit: int = 2) -> Hall:
    hall = Hall(limit)
    for number in range(limit):
        hall.create(ONE, f"job-{number}")
    return hall


def test_no_more_jobs_than_places() -> None:
    hall = full()

    assert hall.places.free_for(TWO) == 0
    with pytest.raises(Conflict), hall.places.taken(TWO, "another"):
        raise AssertionError("not reached")
    assert hall.places.free_for(version_key("elsewhere", "v")) == 2, "each namespace has its own"


def test_two_that_create_at_once_do_not_take_the_same_place() -> None:
    """Each had seen that one is free, and 64 workers decide at once."""
    hall = full(3)
    hall.end("job-0")
    assert hall.places.free_for(ONE) == hall.places.free_for(TWO) == 1
    with hall.places.taken(ONE, "a"), pytest.raises(Conflict), hall.places.taken(TWO, "b"):
        raise AssertionError("not reached")


def test_a_job_that_is_there_needs_no_second_place() -> None:
    """Two jobs with one table create the same check, and a run its Job after its Dataset."""
    hall = full()
    hall.create(TWO, "job-1")
    hall.end("job-1")
    with hall.places.taken(TWO, "check"), hall.places.taken(THREE, "check"):
        hall.places.note("fruit", "check", is_active=True)
    assert hall.places.free_for(ONE) == 0


def test_what_could_not_be_created_gives_its_place_back_and_calls_the_next() -> None:
    hall = full()
    hall.end("job-0")
    with hall.places.taken(ONE, "a"):
        hall.wait(TWO)  # and "a" is refused, by a quota
        assert hall.called == []
    assert hall.called == [TWO]
    assert hall.places.free_for(TWO) == 1


def test_the_next_place_is_for_who_was_due_first_and_nobody_overtakes() -> None:
    hall = full()
    hall.wait(TWO, minutes=5)
    hall.wait(ONE, minutes=1)

    assert hall.end("job-0") == [ONE]
    assert hall.places.free_for(ONE) == 1
    assert hall.places.free_for(TWO) == 0, "though it waits, and a place is free"
    assert hall.places.free_for(THREE) == 0, "a newcomer comes last"
    with hall.places.turn(ONE):
        hall.create(ONE, "a")
    assert hall.end("job-1") == [TWO]


def test_who_waited_and_does_not_want_it_any_more_calls_the_next() -> None:
    hall = full()
    hall.wait(ONE)
    hall.wait(TWO, minutes=1)
    assert hall.end("job-0") == [ONE]
    hall.called.clear()
    with hall.places.turn(ONE):
        pass  # it was paused, or deleted
    assert hall.called == [TWO]
    assert hall.places.waiting == 1


def test_who_fails_in_its_turn_does_not_hold_the_others_up() -> None:
    hall = full()
    hall.wait(ONE)
    hall.wait(TWO, minutes=1)
    hall.end("job-0")
    with pytest.raises(RuntimeError), hall.places.turn(ONE):
        raise RuntimeError("the API server is away")
    assert hall.called == [ONE, TWO]


def test_a_place_that_frees_while_one_decides_to_wait_calls_it() -> None:
    hall = full()
    with hall.places.turn(ONE):
        assert hall.places.free_for(ONE) == 0
        hall.end("job-0")
        hall.places.ask(ONE, NOON)
    assert hall.called == [ONE]


def test_who_goes_on_waiting_is_not_called_for_that() -> None:
    hall = full()
    for _ in range(3):
        hall.wait(ONE)
    assert hall.called == []


def test_without_a_limit_places_are_not_counted() -> None:
    hall = full(100)
    free = Hall(limit=0)
    for number in range(100):
        free.create(ONE, f"job-{number}")
    assert free.places.free_for(ONE) is None
    assert hall.places.free_for(ONE) == 0
