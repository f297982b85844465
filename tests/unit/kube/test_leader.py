"""Who leads, and how soon another one does when the leader stops, dies or loses the API server.

A replica that was told to stop kept its Lease: it renewed it for five seconds more, and the other
one waited until it had run out, for 22 seconds in all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from evaluation_operator.kube import LEASES, Conflict
from evaluation_operator.kube.leader import BRISK, CALM, Pace
from tests.unit.kube.leases import NAME, Body, LeaseServer, Replica, play

Scene = Callable[..., Coroutine[Any, Any, None]]
LOOK = BRISK.look + 0.1
"""The longest until a replica that stands by has looked again."""


def virtual(scene: Scene) -> Callable[..., None]:
    @wraps(scene)
    def test(*args: Any, **more: Any) -> None:
        play(scene(*args, **more))

    return test


@virtual
async def test_a_stopped_leader_gives_its_lease_back_and_the_other_takes_it_at_once() -> None:
    server = LeaseServer()
    async with Replica(server, "one").standing() as one, Replica(server, "two").standing() as two:
        await one.until()
        await asyncio.sleep(7)
        assert not two.leads
        assert await one.ended() < 0.1
        assert not one.leads
        assert server.spec["holderIdentity"] == ""
        assert await two.until() < LOOK
        assert server.spec["holderIdentity"] == "two"
        assert server.spec["leaseTransitions"] == 1


@virtual
async def test_who_stands_by_gives_back_nothing_of_the_leaders() -> None:
    server = LeaseServer()
    async with Replica(server, "one").standing() as one, Replica(server, "two").standing() as two:
        await one.until()
        await two.ended()
        assert server.spec["holderIdentity"] == "one"
        await asyncio.sleep(60)
        assert one.changes == [(one.changes[0][0], True)]


@virtual
async def test_a_lease_that_another_takes_meanwhile_is_not_given_back() -> None:
    """Between the last look and the write: only the write's condition can tell."""

    class Race(LeaseServer):
        async def replace(self, *args: Any, **more: Any) -> Body:
            if args[2]["spec"]["holderIdentity"] == "":
                self.give_to("two")
            return await super().replace(*args, **more)

    server = Race()
    async with Replica(server, "one").standing() as one:
        await one.until()
        await one.ended()
        assert server.spec["holderIdentity"] == "two"


@pytest.mark.parametrize("fault", ["is_away", "hangs"])
@virtual
async def test_an_api_server_that_does_not_answer_holds_no_stop_up(
    fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = LeaseServer()
    async with Replica(server, "one").standing() as one:
        await one.until()
        await asyncio.sleep(1)
        setattr(server, fault, True)
        assert await one.ended() <= BRISK.give_back + 0.1
    assert "evaluation-operator cannot be given back, and runs out" in caplog.text


@virtual
async def test_what_was_taken_unknowingly_is_given_back_all_the_same() -> None:
    """The answer to its taking was lost, and it was told to stop before it could look again."""
    server = LeaseServer()
    server.loses_answers = True
    async with Replica(server, "one").standing() as one:
        await asyncio.sleep(0.5)
        assert server.spec["holderIdentity"] == "one"
        assert not one.leads
        await one.ended()
        assert server.spec["holderIdentity"] == ""


@virtual
async def test_the_lease_of_a_leader_that_died_is_taken_when_it_has_run_out() -> None:
    server = LeaseServer()
    async with Replica(server, "one").standing() as one, Replica(server, "two").standing() as two:
        await one.until()
        await asyncio.sleep(5)
        one.kill()
        taken = await two.until()
        assert BRISK.lease - BRISK.renew - 0.1 <= taken <= BRISK.lease + LOOK


@virtual
async def test_a_leader_that_comes_back_under_its_name_leads_at_once() -> None:
    server = LeaseServer()
    async with Replica(server, "one").standing() as one:
        await one.until()
        one.kill()
        async with Replica(server, "one").standing() as again:
            assert await again.until() < 0.1


@pytest.mark.parametrize("pace", [BRISK, CALM])
@virtual
async def test_a_leader_writes_no_more_often_than_its_pace_and_who_waits_nothing(
    pace: Pace,
) -> None:
    server = LeaseServer()
    async with (
        Replica(server, "one", pace).standing() as one,
        Replica(server, "two", pace).standing(),
    ):
        await one.until()
        begun = asyncio.get_running_loop().time()
        await asyncio.sleep(600)
        writes = server.writes(begun)
        assert 0.9 * 600 / pace.renew <= len(writes) <= 600 / pace.renew
        assert one.leads
        assert len(server.calls) - len(writes) <= 600 / pace.look + 2, "the leader reads nothing"


@virtual
async def test_an_outage_that_a_leader_outlives_changes_nothing() -> None:
    server = LeaseServer()
    async with Replica(server, "one").standing() as one, Replica(server, "two").standing() as two:
        await one.until()
        for fault in ("is_away", "hangs", "loses_answers"):
            setattr(server, fault, True)
            await asyncio.sleep(BRISK.give_up - BRISK.renew - 0.5)
            setattr(server, fault, False)
            await asyncio.sleep(30)
        assert [leads for _, leads in one.changes] == [True]
        assert two.changes == []


@virtual
async def test_a_call_that_is_never_answered_costs_a_leader_nothing() -> None:
    """Its connection is dead, and nobody has told it."""
    server = LeaseServer()
    async with Replica(server, "one").standing() as one, Replica(server, "two").standing() as two:
        await one.until()
        server.hangs_once = "update"
        await asyncio.sleep(60)
        assert len(one.changes) == 1
        assert two.changes == []


@virtual
async def test_who_cannot_renew_for_long_leads_no_more_before_another_may() -> None:
    server = LeaseServer()
    async with Replica(server, "one").standing() as one:
        await one.until()
        server.is_away = True
        assert BRISK.give_up <= await one.until(leads=False) < BRISK.lease
        server.is_away = False
        await one.until()


@virtual
async def test_a_leader_from_whom_it_was_taken_stops_at_its_next_renewal() -> None:
    """It slept, say with its machine, for longer than the Lease."""
    server = LeaseServer()
    async with Replica(server, "one").standing() as one:
        await one.until()
        server.label()
        await asyncio.sleep(10)
        assert len(one.changes) == 1, "an edit of its metadata takes nothing from it"

        server.give_to("two")
        assert await one.until(leads=False) <= BRISK.renew + 0.1
        assert server.spec["holderIdentity"] == "two"


@virtual
async def test_a_lease_that_somebody_deletes_is_made_again() -> None:
    server = LeaseServer()
    async with Replica(server, "one").standing() as one:
        await one.until()
        server.leases.clear()
        await asyncio.sleep(BRISK.renew + 0.1)
        assert server.spec["holderIdentity"] == "one"
        assert len(one.changes) == 1


@virtual
async def test_one_of_two_that_come_at_once_leads() -> None:
    server = LeaseServer()
    async with Replica(server, "one").standing() as one, Replica(server, "two").standing() as two:
        await asyncio.sleep(5)
        assert one.leads is not two.leads


@virtual
async def test_an_election_outlives_what_nobody_has_thought_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A proxy answered with a page, which was no JSON."""

    class Odd(LeaseServer):
        odd = True

        async def get(self, *args: Any) -> Body:
            if self.odd:
                raise ValueError("no JSON")
            return await super().get(*args)

    server = Odd()
    async with Replica(server, "one").standing() as one:
        await asyncio.sleep(10)
        server.odd = False
        await one.until()
        server.odd = True
        await one.ended()
    with caplog.at_level(logging.ERROR):
        assert "the election was interrupted" in caplog.text
        assert "cannot be given back, and runs out: no JSON" in caplog.text


@virtual
async def test_the_server_of_these_tests_refuses_what_is_stale() -> None:
    server = LeaseServer()
    body = await server.create(LEASES, "home", {"metadata": {"name": NAME}, "spec": {}})
    await server.replace(LEASES, "home", body)
    with pytest.raises(Conflict):
        await server.replace(LEASES, "home", body)
