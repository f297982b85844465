"""One entry a key, never two workers on a key, and delays that survive any step of the clock."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from evaluation_operator.controller import workqueue
from evaluation_operator.controller.workqueue import WorkQueue

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLACES = 4


class FakeClock:
    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest_asyncio.fixture
async def queue(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkQueue[str]]:
    monkeypatch.setattr(workqueue, "LONGEST_NAP_SECONDS", 0.005)
    queue: WorkQueue[str] = WorkQueue(clock, places=PLACES, group_of=lambda key: key[0])
    task = asyncio.create_task(queue.release_due())
    yield queue
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def soon(queue: WorkQueue[str]) -> str:
    async with asyncio.timeout(5):
        return await queue.get()


async def is_empty(queue: WorkQueue[str]) -> bool:
    """After the releaser has looked at the clock a few times."""
    for _ in range(3):
        await asyncio.sleep(0.01)
    return len(queue) == 0


async def test_a_key_that_is_added_often_is_worked_on_once(queue: WorkQueue[str]) -> None:
    for _ in range(3):
        queue.add("a")

    assert await soon(queue) == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_news_during_work_queues_the_key_once_more(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await soon(queue)
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0, "never two workers on a key"

    queue.done("a")
    assert await soon(queue) == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_keys_come_in_the_order_in_which_they_were_added(queue: WorkQueue[str]) -> None:
    for key in "cab":
        queue.add(key)

    assert [await soon(queue) for _ in range(3)] == ["c", "a", "b"]


async def test_a_delayed_key_comes_when_its_time_has_come(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add_at("late", NOON + 2 * HOUR)
    queue.add_at("soon", NOON + HOUR)
    assert await is_empty(queue)

    clock.time += HOUR
    assert await soon(queue) == "soon"
    assert await is_empty(queue)
    clock.time += HOUR
    assert await soon(queue) == "late"


async def test_the_last_wish_for_a_key_counts(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_at("a", NOON + HOUR)
    queue.add_at("a", NOON + 2 * HOUR)
    queue.add_at("b", NOON + HOUR)
    queue.cancel("b")
    clock.time += HOUR
    assert await is_empty(queue)

    clock.time += HOUR
    assert await soon(queue) == "a"


async def test_wishes_that_were_replaced_take_no_memory(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    """Each turn of a job left its last wish behind until the job's next run, which may be a
    century away: who edited such a job again and again, or made and deleted many, filled the
    operator's memory."""
    tracemalloc.start()
    try:
        for turn in range(20_000):
            queue.add_at("a", NOON + timedelta(days=36_000, seconds=turn))
            queue.add_at(f"gone {turn}", NOON + timedelta(days=36_000))
            queue.cancel(f"gone {turn}")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 500_000

    queue.add_at("b", NOON + HOUR)
    clock.time = NOON + HOUR
    assert await soon(queue) == "b"
    clock.time = NOON + timedelta(days=36_001)
    assert await soon(queue) == "a"
    assert await is_empty(queue)


async def test_a_time_in_the_past_is_now(queue: WorkQueue[str]) -> None:
    queue.add_at("a", NOON - HOUR)

    assert await soon(queue) == "a"


async def test_a_clock_that_steps_forward_cannot_make_it_sleep_past_a_time(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add_at("a", NOON + 24 * HOUR)
    clock.time += 25 * HOUR

    assert await soon(queue) == "a"


async def test_a_clock_that_steps_back_does_not_put_off_a_retry(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    """A key to be tried again in a moment once waited for as long as the clock had stepped."""
    queue.retry("a", at_least_seconds=30)
    assert await is_empty(queue)
    clock.time -= 25 * HOUR

    assert await soon(queue) == "a"


async def test_back_off_grows_and_is_forgotten(queue: WorkQueue[str]) -> None:
    delays = [queue.retry("a") for _ in range(16)]

    assert 0.025 <= delays[0] <= 0.075
    assert 30 <= delays[-1] <= 90
    queue.forget("a")
    assert queue.retry("a") <= 0.075
    assert queue.retry("b", at_least_seconds=7) == 7, "Retry-After is obeyed"


async def test_idle_waits_for_work_under_way(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await soon(queue)
    idle = asyncio.create_task(queue.idle())
    await asyncio.sleep(0)
    assert not idle.done()
    assert queue.busy == 1

    queue.done("a")
    async with asyncio.timeout(5):
        await idle


async def test_keys_of_others_do_not_wait_for_one_that_is_slow(
    queue: WorkQueue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every worker was kept busy by one namespace's jobs, and nobody else's were worked on."""
    monkeypatch.setattr(workqueue, "SLOW_SECONDS", 0.02)
    hostile = ["a1", "b1", "c1", "d1"]
    for key in [*hostile, "honest"]:
        queue.add(key)
    assert [await soon(queue) for _ in hostile] == hostile

    assert await soon(queue) == "honest"
    assert queue.busy == 5
    assert queue.aside >= 1
    for key in [*hostile, "honest"]:
        queue.done(key)
    assert queue.busy == queue.aside == 0


async def test_what_has_gone_on_for_longest_is_given_up_when_all_are_slow(
    queue: WorkQueue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workqueue, "SLOW_SECONDS", 0.02)
    given_up: asyncio.Queue[str] = asyncio.Queue()
    queue.give_up = given_up.put_nowait
    slow = [f"{letter}1" for letter in "abcdefghijkl"]
    for key in slow:
        queue.add(key)
    assert [await soon(queue) for _ in slow] == slow

    queue.add("other")
    assert await soon(queue) == "other", "the places are free again, 12 keys notwithstanding"
    async with asyncio.timeout(5):
        assert await given_up.get() in slow[:PLACES]


async def test_a_slow_key_that_is_done_is_not_slow_the_next_time(
    queue: WorkQueue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workqueue, "SLOW_SECONDS", 0.02)
    queue.add("a")
    await soon(queue)
    queue.done("a")
    await asyncio.sleep(0.05)

    assert queue.aside == 0


async def test_it_is_known_since_when_a_key_waits(queue: WorkQueue[str]) -> None:
    assert queue.waiting_since is None
    queue.add("a")
    since = queue.waiting_since
    assert since is not None
    queue.add("b")
    assert await soon(queue) == "a"
    assert queue.waiting_since == since, "somebody has always waited since"

    await soon(queue)
    assert queue.waiting_since is None
