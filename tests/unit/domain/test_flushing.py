"""How the runs of a slot wait for the sampler, and go on without a replica that is lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from evaluation_operator.domain.facts.replica import Replica
from evaluation_operator.domain.flushing import (
    CLOCKS_APART,
    LOST_AFTER,
    RESTAMP_AFTER,
    judge_flushing,
)
from evaluation_operator.domain.jobs.slots import due_slot
from evaluation_operator.domain.naming import ANNOTATION_FLUSHED_THROUGH, run_name
from tests.unit.domain.world import DAY, FIRST_RUN, JobWorld

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
BEFORE = FIRST_RUN - 20 * SECOND


def replica(
    name: str = "sampler-0", flushed: datetime | None = BEFORE, renewed: datetime | None = FIRST_RUN
) -> Replica:
    return Replica(name, f"evaluation-sampler-{name}", flushed, renewed)


@dataclass(frozen=True)
class Case:
    what: str
    replicas: tuple[Replica, ...]
    at: timedelta
    waits: int = 0
    without: int = 0


LOST = replica("lost", renewed=FIRST_RUN - LOST_AFTER)
CASES = [
    Case("no sampler holds nobody up", (), SECOND),
    Case("a mark at the slot is enough", (replica(flushed=FIRST_RUN),), SECOND),
    Case("one just before it is not", (replica(flushed=FIRST_RUN - MICROSECOND),), SECOND, waits=1),
    Case("all must have passed it", (replica(flushed=FIRST_RUN), replica("b")), SECOND, waits=1),
    Case("no mark holds up", (replica(flushed=None),), 59 * MINUTE, waits=1),
    Case("no renewal is no loss yet", (replica(renewed=None),), 59 * MINUTE, waits=1),
    Case("a Lease of an hour ago is passed over", (LOST,), CLOCKS_APART, without=1),
    Case("though not at once: its clock may be slow", (LOST,), CLOCKS_APART - MICROSECOND, waits=1),
    Case("but named only when nobody else is awaited", (LOST, replica()), CLOCKS_APART, waits=1),
    Case("an old Lease that had flushed is no loss", (replace(LOST, flushed_through=FIRST_RUN),),
         SECOND),
    Case("after an hour it goes on", (replica(), replica("b")), LOST_AFTER, without=2),
    Case("a moment earlier not", (replica(),), LOST_AFTER - MICROSECOND, waits=1),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_whom_runs_wait_for(case: Case) -> None:
    found = judge_flushing(case.replicas, FIRST_RUN, FIRST_RUN + case.at)
    assert (len(found.waits_for), len(found.goes_without)) == (case.waits, case.without)


def test_late_rows_have_a_new_time_before_runs_go_on_without_them() -> None:
    assert LOST_AFTER - RESTAMP_AFTER >= 10 * MINUTE


@pytest.mark.parametrize("text", ["", "soon", "2026-03-02", "2026-03-02T10:00:00.000001Z"])
def test_a_lease_is_read_whatever_stands_in_it(text: str) -> None:
    body = {
        "metadata": {"name": "l", "annotations": {ANNOTATION_FLUSHED_THROUGH: text}},
        "spec": {"holderIdentity": "sampler-0", "renewTime": "2026-03-02T10:00:00.000000Z"},
    }
    found = Replica.from_lease(body)
    assert (found.name, found.lease, found.renew_time) == ("sampler-0", "l", FIRST_RUN)
    assert found.has_flushed(FIRST_RUN) == text.endswith("1Z")
    assert Replica.from_lease({"metadata": {"name": "bare"}}) == Replica("bare", "bare", None, None)


def test_a_run_waits_for_the_sampler_without_a_write_and_keeps_its_time() -> None:
    world = JobWorld()
    world.replicas = (replica(),)
    before = world.writes
    plan = world.at_slot(0, seconds=1)
    assert not world.datasets
    assert world.writes == before
    assert plan.wake_at == world.now + world.policy.flush_retry

    world.replicas = (replica(flushed=FIRST_RUN + MINUTE),)
    world.at_slot(0, seconds=70)
    name = run_name("ripeness", FIRST_RUN)
    assert world.active == [name]
    assert [window.end for window in world.windows(name)] == [FIRST_RUN]
    assert world.status["nextRunTime"] == "2026-03-03T10:00:00Z"
    assert not world.condition("SamplerBehind")
    world.succeed(name)
    world.settle()
    assert world.writes - before == 4, "waiting costs none"


def test_tables_that_others_fill_settle_first() -> None:
    world = JobWorld()
    world.policy = replace(world.policy, settle=MINUTE)
    plan = world.at_slot(0, seconds=59)
    assert (plan.wake_at, plan.status, world.datasets) == (FIRST_RUN + MINUTE, None, {})
    world.at_slot(0, seconds=60)
    assert world.active == [run_name("ripeness", FIRST_RUN)]


def test_a_missing_replica_is_named_after_an_hour_until_a_run_has_all_rows() -> None:
    world = JobWorld()
    world.replicas = (replica(),)
    world.at_slot(0)
    assert not world.datasets
    world.at_slot(0, seconds=3600)
    behind = world.condition("SamplerBehind")
    assert (behind["status"], behind["reason"]) == ("True", "ReplicasBehind")
    assert "sampler-0" in behind["message"]
    assert "kubectl delete lease evaluation-sampler-sampler-0" in behind["message"]
    assert world.condition("Ready")["status"] == "True"

    world.succeed(world.newest())
    world.replicas = ()
    world.settle()
    assert world.condition("SamplerBehind") == behind, "it goes with the next run"
    world.edit(description="something else")
    world.settle()
    assert world.condition("SamplerBehind") == behind

    before = world.writes
    world.at_slot(1)
    assert world.condition("SamplerBehind")["status"] == "False"
    assert world.writes - before == 3, "Dataset, Job and status"


def test_a_slot_that_has_begun_is_completed_without_waiting_again() -> None:
    world = JobWorld()
    world.dies_at = world.writes + 2
    world.now = FIRST_RUN + SECOND
    world.turn()
    assert len(world.datasets) == 1
    world.replicas = (replica(),)
    world.settle()
    assert world.status["lastRunTime"] == "2026-03-02T10:00:00Z"


def test_a_pause_while_waiting_leaves_the_rows_to_the_next_run() -> None:
    world = JobWorld()
    world.replicas = (replica(),)
    world.at_slot(0)
    world.edit(paused=True)
    world.settle()
    world.edit(paused=False)
    world.replicas = ()
    world.settle()
    assert not world.datasets
    world.at_slot(1)
    [window] = world.windows(world.newest())
    assert window.end == FIRST_RUN + DAY


def test_leases_are_of_interest_only_while_runs_are_due() -> None:
    world = JobWorld()
    assert due_slot(world.job, FIRST_RUN - MICROSECOND) is None
    assert due_slot(world.job, FIRST_RUN) == FIRST_RUN
    assert due_slot(world.job, FIRST_RUN + DAY + SECOND) == FIRST_RUN + DAY
    world.at_slot(0)
    assert due_slot(world.job, world.now) is None
    world.edit(paused=True)
    assert due_slot(world.job, FIRST_RUN + DAY) is None
    world.edit(paused=False, schedule="when it rains")
    assert due_slot(world.job, FIRST_RUN + DAY) is None
