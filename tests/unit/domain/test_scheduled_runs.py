"""When runs start, what they cover, and what becomes of them: stories on a world in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from evaluation_operator.api.evaluation_job_status import EvaluationJobStatus
from evaluation_operator.domain.cover import Window
from evaluation_operator.domain.facts.obstacle import Obstacle
from evaluation_operator.domain.naming import FINALIZER, run_name
from evaluation_operator.domain.plan import CreateRun, CreateRunJob, DeleteDataset
from evaluation_operator.domain.reasons import Reason
from tests.builders import ABSENT
from tests.unit.domain.world import CREATED, DAY, FIRST_RUN, JobWorld, is_quiet

HOUR = timedelta(hours=1)


def name_at(day: int, minute: int = 0) -> str:
    return run_name("ripeness", FIRST_RUN + day * DAY + timedelta(minutes=minute))


def slot(day: int) -> Window:
    """What lies between a slot and the one before it."""
    return Window(max(CREATED, FIRST_RUN + (day - 1) * DAY), FIRST_RUN + day * DAY)


def succeed_until(world: JobWorld, day: int) -> None:
    for each in range(day):
        world.at_slot(each)
        world.succeed(name_at(each))
        world.settle()


def test_a_run_starts_at_ten_and_its_figures_reach_the_status() -> None:
    world = JobWorld()
    assert world.status["state"] == "SCHEDULED"
    assert world.status["nextRunTime"] == "2026-03-02T10:00:00Z"

    world.at_slot(0, seconds=-1)
    assert not world.datasets

    world.at_slot(0, seconds=0)
    assert world.active == [name_at(0)]
    assert world.status["state"] == "RUNNING"
    assert world.windows(name_at(0)) == [slot(0)]

    world.succeed(name_at(0), figure=0.75)
    world.settle()
    assert world.status["state"] == "SCHEDULED"
    assert world.status["latestEvaluation"]["meanAveragePrecision"] == 0.75
    assert world.status["lastSuccessTime"] == "2026-03-02T10:00:00Z"
    assert world.status["nextRunTime"] == "2026-03-03T10:00:00Z"
    assert world.status["sampledInInterval"] == 12, "what the run's Dataset holds"
    assert world.spans("cover") == [slot(0)]


def test_a_successful_run_costs_four_writes_and_idle_days_none() -> None:
    world = JobWorld(schedule="every 30 days")
    before = world.writes
    world.at_slot(0)
    world.succeed(name_at(0))
    world.settle()
    assert world.writes - before == 4

    before = world.writes
    for day in range(1, 30):
        world.at_slot(day)
    assert world.writes == before


def test_a_run_that_starts_and_goes_on_costs_no_further_write() -> None:
    world = JobWorld()
    world.at_slot(0)
    before = world.writes

    world.start_pod(name_at(0), "Pending")
    world.settle()
    world.start_pod(name_at(0), "Running")
    world.settle()

    assert world.writes == before


def test_two_runs_overlap_and_share_no_row() -> None:
    world = JobWorld()
    world.at_slot(0)
    world.at_slot(1)
    assert world.active == [name_at(0), name_at(1)]
    assert world.windows(name_at(1)) == [slot(1)]

    world.succeed(name_at(1))
    world.settle()
    assert world.status["state"] == "RUNNING"
    assert world.spans("cover") == [slot(1)]

    world.succeed(name_at(0), figure=0.1)
    world.settle()
    assert world.status["latestEvaluation"]["name"] == name_at(1), "the newer one stays the latest"
    assert world.spans("cover") == [Window(CREATED, FIRST_RUN + DAY)]


def test_a_failed_runs_rows_go_to_the_next_run() -> None:
    world = JobWorld()
    world.at_slot(0)
    world.fail(name_at(0), "the table is gone", code=14)
    world.settle()

    [attempt] = world.status["attempts"]
    assert attempt["partialFailures"] == [{"code": 14, "message": "the table is gone"}]
    assert attempt["dataset"] == name_at(0)
    assert world.status["failedRuns"] == 1
    assert world.condition("Ready")["status"] == "True", "a failed run never makes Ready false"
    assert world.datasets[name_at(0)]["status"]["outcome"]["result"] == "Failed"

    world.at_slot(1)
    assert world.windows(name_at(1)) == [Window(CREATED, FIRST_RUN, 1), slot(1)]


def test_a_failed_runs_rows_are_taken_though_a_run_in_between_has_succeeded() -> None:
    world = JobWorld()
    world.at_slot(0)
    world.at_slot(1)
    world.succeed(name_at(1))
    world.settle()
    world.fail(name_at(0))
    world.settle()

    world.at_slot(2)
    assert world.windows(name_at(2)) == [Window(CREATED, FIRST_RUN, 1), slot(2)]
    world.succeed(name_at(2))
    world.settle()
    assert world.spans("cover") == [Window(CREATED, FIRST_RUN + 2 * DAY)]
    assert "retryWindows" not in world.status


def test_a_pod_that_published_before_it_was_failed_is_believed() -> None:
    """The outcome stands, whatever becomes of the Job afterwards."""
    world = JobWorld()
    world.at_slot(0)
    world.succeed(name_at(0))
    world.fail_job(name_at(0), "DeadlineExceeded")
    world.settle()

    assert "attempts" not in world.status
    assert world.spans("cover") == [slot(0)]


def test_a_poisonous_stretch_runs_alone_after_three_failures_and_is_given_up_after_five() -> None:
    world = JobWorld()
    for day in range(3):
        world.at_slot(day)
        world.fail(name_at(day))
        world.settle()
    world.at_slot(3)
    alone = name_at(3, 1)
    assert world.windows(alone) == [Window(CREATED, FIRST_RUN, 3)]
    assert world.windows(name_at(3)) == [
        Window(FIRST_RUN, FIRST_RUN + DAY, 2),
        Window(FIRST_RUN + DAY, FIRST_RUN + 2 * DAY, 1),
        slot(3),
    ]
    world.succeed(name_at(3))
    world.fail(alone)
    world.settle()

    world.at_slot(4)
    world.succeed(name_at(4))
    world.fail(name_at(4, 1))
    world.settle()
    [abandoned] = world.spans("abandonedWindows")
    assert abandoned == Window(CREATED, FIRST_RUN, 5)
    assert world.spans("cover") == [Window(CREATED, FIRST_RUN + 4 * DAY)], "given up is covered"
    assert (
        "given up after 5 failures"
        in world.status["attempts"][-1]["partialFailures"][-1]["message"]
    )
    assert "retryWindows" not in world.status


def test_no_rows_is_neither_an_attempt_nor_an_evaluation() -> None:
    world = JobWorld()
    world.at_slot(0)
    world.commit(name_at(0), "NoData")
    world.complete_job(name_at(0))
    world.settle()

    assert world.spans("cover") == [slot(0)]
    assert "attempts" not in world.status
    assert "latestEvaluation" not in world.status
    assert Reason.NO_DATA in [event.reason for event in world.events]


def test_label_delay_holds_back_the_newest_rows() -> None:
    world = JobWorld(labelDelay="24h")
    world.at_slot(0)
    assert not world.datasets
    assert world.events[-1].reason is Reason.NOTHING_TO_COVER

    world.at_slot(1)
    assert world.windows(name_at(1)) == [Window(CREATED, FIRST_RUN)]
    world.at_slot(2)
    assert world.windows(name_at(2)) == [Window(FIRST_RUN, FIRST_RUN + DAY)]


def test_a_longer_label_delay_never_takes_rows_twice() -> None:
    world = JobWorld()
    succeed_until(world, 2)
    world.edit(labelDelay="36h")
    world.at_slot(2)
    assert len(world.datasets) == 2, "all that is due has been evaluated"
    world.at_slot(3)
    start = FIRST_RUN + DAY
    assert world.windows(name_at(3)) == [Window(start, FIRST_RUN + 3 * DAY - 36 * HOUR)]


def test_after_days_of_absence_the_latest_slot_runs_once_over_all_rows() -> None:
    world = JobWorld()
    world.at_slot(5, seconds=3600)

    assert world.active == [name_at(5)]
    assert world.windows(name_at(5)) == [Window(CREATED, FIRST_RUN + 5 * DAY)]
    assert world.status["nextRunTime"] == "2026-03-08T10:00:00Z"


def test_a_paused_slot_is_not_replayed_and_the_next_takes_its_rows() -> None:
    world = JobWorld()
    world.edit(paused=True)
    world.settle()
    assert world.status["state"] == "PAUSED"
    assert "nextRunTime" not in world.status

    world.at_slot(0, seconds=60)
    world.edit(paused=ABSENT)
    world.settle()
    assert not world.datasets
    assert world.status["nextRunTime"] == "2026-03-03T10:00:00Z"

    world.at_slot(1)
    assert world.windows(name_at(1)) == [Window(CREATED, FIRST_RUN + DAY)]
    [span] = world.datasets[name_at(1)]["spec"]["pausedSpans"]
    assert span == {"startTime": "2026-03-02T08:00:00Z", "endTime": "2026-03-02T10:01:00Z"}
    world.succeed(name_at(1))
    world.settle()
    assert "pausedSpans" not in world.status, "a run has passed it"


def test_a_pause_lets_active_runs_finish() -> None:
    world = JobWorld()
    world.at_slot(0)
    world.edit(paused=True)
    world.settle()
    assert world.status["state"] == "PAUSED"

    world.succeed(name_at(0))
    world.settle()
    assert world.status["state"] == "PAUSED"
    assert world.status["latestEvaluation"]["name"] == name_at(0)

    world.edit(paused=False)
    world.settle()
    assert world.status["state"] == "SCHEDULED"


@dataclass(frozen=True)
class Edit:
    day: float
    schedule: str
    want_next: str
    want_interval: int


EDITS = {
    "a longer interval has its own grid": Edit(1.5, "every 3 days", "2026-03-05T10:00:00Z", 3),
    "a shorter one comes sooner": Edit(0.5, "every 1 days", "2026-03-03T10:00:00Z", 1),
    "another text of the same interval changes nothing": Edit(
        0.5, "every 48 hours", "2026-03-04T10:00:00Z", 2
    ),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edited_schedule_counts_at_once(edit: Edit) -> None:
    world = JobWorld(schedule="every 2 days")
    succeed_until(world, 1)
    world.now = FIRST_RUN + edit.day * DAY
    world.edit(schedule=edit.schedule)
    world.settle()

    assert world.status["nextRunTime"] == edit.want_next
    assert world.status["intervalDays"] == edit.want_interval
    assert list(world.datasets) == [name_at(0)]


def test_a_clock_that_steps_back_and_forth_runs_each_slot_once() -> None:
    world = JobWorld()
    succeed_until(world, 3)
    for hours in (-25, 0, 25, 0, 25, -25, 26):
        world.now = FIRST_RUN + 2 * DAY + hours * HOUR
        world.settle()

    times = [item["spec"]["scheduledTime"] for item in world.datasets.values()]
    assert sorted(times) == sorted(set(times))
    assert name_at(3) in world.datasets
    assert len(times) == 4


def test_a_dataset_deleted_by_hand_is_an_attempt_and_its_rows_go_on() -> None:
    world = JobWorld()
    world.at_slot(0)
    world.remove_dataset(name_at(0))
    world.settle()

    assert world.status["attempts"][0]["dataset"] == name_at(0)
    assert world.status["failedRuns"] == 1, "it was an attempt, and no failed run"
    assert world.status["state"] == "SCHEDULED"
    world.at_slot(1)
    assert world.windows(name_at(1)) == [Window(CREATED, FIRST_RUN + DAY)]


@pytest.mark.parametrize("has_job", [True, False])
def test_a_dataset_that_is_deleted_and_held_by_others_is_as_good_as_gone(has_job: bool) -> None:
    """Somebody's finalizer kept it, its Job could not be made anew, and the run was "the Job is
    being created" for ever; a Job that was there went on."""
    world = JobWorld()
    world.at_slot(0)
    if not has_job:
        world.remove_job(name_at(0))
    world.datasets[name_at(0)]["metadata"]["deletionTimestamp"] = "2026-03-02T10:05:00Z"
    world.settle()

    message = f"Dataset {name_at(0)} was deleted before the run ended"
    [attempt] = world.status["attempts"]
    assert attempt["partialFailures"] == [{"code": 1, "message": message}]
    assert world.status["failedRuns"] == 1
    assert world.status["state"] == "SCHEDULED"
    assert world.datasets[name_at(0)]["status"]["outcome"]["result"] == "Failed"
    assert name_at(0) not in world.jobs
    world.at_slot(1)
    assert [(w.start, w.end) for w in world.windows(name_at(1))] == [
        (CREATED, FIRST_RUN),
        (FIRST_RUN, FIRST_RUN + DAY),
    ]


def test_a_job_deleted_by_hand_is_made_again() -> None:
    world = JobWorld()
    world.at_slot(0)
    world.remove_job(name_at(0))
    world.settle()

    assert name_at(0) in world.jobs


def test_history_keeps_the_newest_runs() -> None:
    world = JobWorld(evaluationsHistoryLimit=2)
    succeed_until(world, 5)

    assert sorted(world.datasets) == [name_at(3), name_at(4)]
    assert world.spans("cover") == [Window(CREATED, FIRST_RUN + 4 * DAY)]


def test_an_active_run_is_never_pruned() -> None:
    world = JobWorld(evaluationsHistoryLimit=1)
    world.at_slot(0)
    for day in (1, 2, 3):
        world.at_slot(day)
        world.succeed(name_at(day))
        world.settle()

    assert sorted(world.datasets) == [name_at(0), name_at(3)]


def test_deletion_stops_active_runs_and_lets_go() -> None:
    world = JobWorld()
    succeed_until(world, 1)
    world.at_slot(1)
    world.delete()
    world.turn()

    assert world.deleted_jobs == [name_at(1)]
    assert world.status["state"] == "STOPPED"
    assert FINALIZER not in world.own["metadata"]["finalizers"]
    assert is_quiet(world.decide())


def test_a_run_of_a_job_that_is_orphaned_goes_on() -> None:
    """Whether `--cascade=orphan` stopped it hung on who was first, the garbage collector or we."""
    world = JobWorld()
    world.at_slot(0)
    world.own["metadata"]["finalizers"].append("orphan")
    world.delete()
    world.turn()

    assert world.deleted_jobs == []
    assert world.status["state"] == "STOPPED"
    assert world.own["metadata"]["finalizers"] == ["orphan"]


def test_a_job_that_is_being_deleted_starts_nothing() -> None:
    world = JobWorld()
    world.delete()
    world.now = FIRST_RUN + DAY
    world.turn()

    assert not world.datasets


def paused(world: JobWorld) -> None:
    world.edit(paused=True)


def stalled(world: JobWorld) -> None:
    world.edit(schedule="every full moon")


def without_labels(world: JobWorld) -> None:
    world.labels = None


def deleted(world: JobWorld) -> None:
    world.delete()


@pytest.mark.parametrize("hinder", [paused, stalled, without_labels, deleted])
def test_nothing_is_created_while_a_job_may_not_run(hinder: Callable[[JobWorld], None]) -> None:
    world = JobWorld()
    hinder(world)
    for day in range(4):
        world.now = FIRST_RUN + day * DAY + HOUR
        plan = world.turn()
        assert not any(isinstance(action, CreateRun | CreateRunJob) for action in plan.actions)

    assert not world.datasets


def test_a_job_that_becomes_ready_late_runs_its_latest_slot() -> None:
    world = JobWorld()
    world.labels = None
    world.at_slot(2, seconds=HOUR.total_seconds())
    assert world.condition("Ready")["reason"] == Reason.SPEC_SET_NOT_FOUND

    world.labels = ("ripe",)
    world.settle()
    assert world.active == [name_at(2)]


def test_after_a_repaired_spec_the_next_grid_point_counts() -> None:
    world = JobWorld()
    world.edit(schedule="every full moon")
    world.settle()
    assert world.condition("Stalled")["status"] == "True"
    assert "state" not in world.status

    world.now = FIRST_RUN + DAY + HOUR
    world.edit(schedule="every 1 days")
    world.settle()
    assert not world.datasets
    assert world.status["nextRunTime"] == "2026-03-04T10:00:00Z"


def refused(world: JobWorld, *, permanent: bool = False) -> None:
    world.obstacle = Obstacle(Reason.CREATE_REFUSED, "Job was refused: quota", permanent)


def test_a_refused_job_is_told_and_tried_again() -> None:
    world = JobWorld()
    world.at_slot(0)
    world.remove_job(name_at(0))
    refused(world)
    plan = world.decide()

    assert isinstance(plan.status, EvaluationJobStatus)
    assert plan.status.conditions[0].reason == Reason.CREATE_REFUSED
    assert plan.wake_at is not None
    assert plan.wake_at <= world.now + world.policy.retry
    assert name_at(0) in [run.name for run in plan.status.active]


def test_a_job_that_is_refused_for_good_fails_its_run() -> None:
    world = JobWorld()
    world.at_slot(0)
    world.remove_job(name_at(0))
    refused(world, permanent=True)
    world.turn()

    assert world.status["attempts"][0]["partialFailures"][0]["message"] == "Job was refused: quota"
    assert world.active == []


def test_a_late_run_gets_the_full_patience_too() -> None:
    """A run that is created hours after its slot was failed by the first refusal."""
    world = JobWorld()
    world.at_slot(0, seconds=5 * 3600)
    world.remove_job(name_at(0))
    refused(world)
    world.turn()
    assert world.active == [name_at(0)]

    world.now += world.policy.create_deadline + HOUR
    world.turn()
    assert world.active == []
    assert world.status["failedRuns"] == 1


def test_a_queued_run_says_so() -> None:
    world = JobWorld(runTemplate={"queueName": "night"})
    world.at_slot(0)
    assert world.jobs[name_at(0)]["spec"]["suspend"] is True
    [active] = world.status["active"]
    assert active["phase"] == "Queuing"
    assert (active["reason"], active["message"]) == ("Queued", "Queued: a queue holds the Job")

    world.jobs[name_at(0)]["spec"]["suspend"] = False
    world.start_pod(name_at(0))
    world.settle()
    assert world.status["active"][0].keys() == {"name", "scheduledTime"}


def test_a_full_queue_does_not_let_runs_pile_up_for_ever() -> None:
    """A queue that admits nothing once filled `active` beyond what the API server takes."""
    world = JobWorld(runTemplate={"queueName": "night"})
    for day in range(40):
        world.at_slot(day)

    assert len(world.active) == 20
    assert world.events[-1].reason is Reason.TOO_MANY_RUNS
    for name in world.active:
        world.succeed(name)
    world.settle()
    world.at_slot(40)
    assert world.windows(world.newest())[0].end == FIRST_RUN + 40 * DAY
    assert len(world.windows(world.newest())) == 1, "what was held back is taken at once"


def test_a_table_that_fails_in_a_run_is_checked_again() -> None:
    world = JobWorld()
    world.at_slot(0)
    world.fail(name_at(0), "column `id` is missing", code=9, reason="TableInvalid")
    world.settle()

    assert world.condition("Ready")["reason"] == Reason.TABLE_CHECKING
    assert not world.jobs[world.check_name]["status"], "a new check"


def test_a_table_is_checked_again_also_when_the_old_check_has_expired() -> None:
    world = JobWorld()
    world.at_slot(0)
    world.remove_job(world.check_name)
    world.fail(name_at(0), "column `id` is missing", code=9, reason="TableInvalid")
    plan = world.turn()

    assert plan.wake_at == world.now, "no event would tell that it is time to check"
    world.settle()
    assert world.condition("Ready")["reason"] == Reason.TABLE_CHECKING


def test_pruned_runs_go_after_the_status_that_counts_them() -> None:
    world = JobWorld(evaluationsHistoryLimit=1)
    succeed_until(world, 1)
    world.at_slot(1)
    world.succeed(name_at(1))
    plan = world.decide()

    assert plan.status is not None
    assert [type(action) for action in plan.final_actions] == [DeleteDataset]


def test_a_slot_that_was_cut_off_is_completed_without_repeating_what_failed_meanwhile() -> None:
    """The operator ended between two runs of a slot, and the first had failed when it came back."""
    world = JobWorld()
    for day in range(3):
        world.at_slot(day)
        world.fail(name_at(day))
        world.settle()
    world.now = FIRST_RUN + 3 * DAY
    world.dies_at = world.writes + 2
    world.turn()
    assert name_at(3) in world.datasets
    assert name_at(3, 1) not in world.datasets

    world.fail(name_at(3))
    world.settle()
    assert world.active == [name_at(3, 1)]
    assert world.windows(name_at(3, 1)) == [Window(CREATED, FIRST_RUN, 3)]
    assert world.status["failedRuns"] == 4


def test_a_slot_that_has_run_does_not_run_again_for_an_edited_schedule() -> None:
    """The clock stepped back, a new schedule promised the same slot, and its run was pruned."""
    world = JobWorld()
    succeed_until(world, 2)
    world.at_slot(2)
    world.fail(name_at(2))
    world.settle()
    world.remove_dataset(name_at(2))

    world.now -= 25 * HOUR
    world.edit(schedule="every 2 days")
    world.settle()
    assert world.status["nextRunTime"] == "2026-03-04T10:00:00Z"
    world.at_slot(2)
    assert name_at(2) not in world.datasets
    world.at_slot(4)
    assert world.windows(name_at(4))[0] == Window(FIRST_RUN + DAY, FIRST_RUN + 2 * DAY, 1)
