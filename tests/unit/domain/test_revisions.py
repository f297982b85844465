"""Runs that are evaluated again because labels came late: stories on a world in memory."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation_operator.domain.jobs.due_runs import MAX_ACTIVE_RUNS
from evaluation_operator.domain.jobs.revisions import MAX_ACTIVE_REVISIONS, REQUEST_LENGTH
from evaluation_operator.domain.naming import LABEL_DATASET, run_name
from evaluation_operator.domain.plan import CreateRevision, CreateRunJob, WriteOutcome
from evaluation_operator.domain.reasons import Reason
from tests.builders import Manifest
from tests.unit.domain.world import DAY, FIRST_RUN, JobWorld, is_quiet

RUN = run_name("ripeness", FIRST_RUN)
FIRST, SECOND = f"{RUN}-r1", f"{RUN}-r2"
ALERT = {
    "evaluationJobAlertConfig": {
        "email": "owner@example.com",
        "minAcceptableMeanAveragePrecision": 0.8,
    }
}


def evaluated(*, runs: int = 1, least: int | None = 10, **spec: Any) -> JobWorld:
    """A job some runs of which have been evaluated."""
    if least:
        spec |= {"labeling": {"minimumNewLabels": least}}
    world = JobWorld(**spec)
    for day in range(runs):
        world.at_slot(day)
        world.succeed(world.newest())
        world.settle()
    return world


def revised(world: JobWorld, name: str = FIRST, figure: float = 0.7) -> JobWorld:
    world.succeed(name, figure)
    world.settle()
    return world


def late(world: JobWorld, count: int, run: str = RUN) -> JobWorld:
    world.count_new_labels(run, count)
    world.settle()
    return world


def revision(world: JobWorld, name: str = FIRST) -> Manifest:
    found: Manifest = world.datasets[name]["spec"]["revision"]
    return found


def test_enough_new_labels_make_one_revision_that_says_what_it_is() -> None:
    world = late(evaluated(), 9)
    assert list(world.datasets) == [RUN]
    late(world, 10)
    assert world.active == [FIRST]
    root, new = world.datasets[RUN]["spec"], world.datasets[FIRST]["spec"]
    assert root["minimumNewLabels"] == 10
    assert "minimumNewLabels" not in new
    assert new["sourceDataset"] == RUN
    assert not {"windows", "pausedSpans"} & set(new)
    assert new["revision"] == {
        "run": RUN,
        "number": 1,
        "supersedes": RUN,
        "newLabelCount": 10,
    }
    assert new["displayName"].endswith(" revision 1")
    changed = {"displayName", "windows", "pausedSpans", "sourceDataset", "revision"}
    kept = set(root) - changed - {"minimumNewLabels"}
    assert {key: new[key] for key in kept} == {key: root[key] for key in kept}
    owners = [world.datasets[name]["metadata"]["ownerReferences"] for name in (RUN, FIRST)]
    assert owners[0] == owners[1]


def test_its_job_evaluates_at_once_under_its_own_name() -> None:
    world = late(evaluated(), 10)
    job = world.jobs[FIRST]
    pod = job["spec"]["template"]
    assert pod["spec"]["containers"][0]["args"] == ["run"]
    assert {"name": "EVALUATION_DATASET", "value": FIRST} in pod["spec"]["containers"][0]["env"]
    assert pod["metadata"]["labels"][LABEL_DATASET] == FIRST


def test_a_run_that_people_labelled_is_not_given_to_them_again() -> None:
    world = JobWorld(people=True, labeling={"minimumNewLabels": 10})
    world.at_slot(0)
    world.cut(RUN)
    world.say_labeled(RUN, "True", "DeadlineReached")
    world.settle()
    world.succeed(RUN)
    world.settle()
    late(world, 10)
    assert "labeling" not in world.datasets[FIRST]["spec"]
    assert world.jobs[FIRST]["spec"]["template"]["spec"]["containers"][0]["args"] == ["run"]
    revised(world)
    assert world.created_jobs == [RUN, f"{RUN}-eval", FIRST]


def test_labels_are_counted_on_from_the_last_revision() -> None:
    world = revised(late(evaluated(), 12))
    late(world, 21)
    assert world.active == []
    late(world, 22)
    assert revision(world, SECOND) == {
        "run": RUN,
        "number": 2,
        "supersedes": FIRST,
        "newLabelCount": 22,
    }


def test_nothing_is_made_again_that_nobody_asked_for() -> None:
    for world in (late(evaluated(least=None), 1000), evaluated()):
        assert list(world.datasets) == [RUN]


def test_what_is_set_today_counts_for_runs_of_before() -> None:
    world = late(evaluated(least=None), 4)
    world.edit(labeling={"minimumNewLabels": 4})
    world.settle()
    assert world.active == [FIRST]


def test_the_revision_is_listed_before_it_has_a_job() -> None:
    """Else it might end before anybody knows that its outcome is to be recorded."""
    world = evaluated()
    world.count_new_labels(RUN, 10)
    first = world.turn()
    assert [type(action) for action in first.actions] == [CreateRevision]
    assert world.active == [FIRST]
    assert FIRST not in world.jobs
    second = world.turn()
    assert [type(action) for action in second.actions] == [CreateRunJob]


def test_a_revision_that_no_status_lists_yet_gets_no_job() -> None:
    world = evaluated()
    world.count_new_labels(RUN, 10)
    world.dies_at = world.writes + 1
    world.turn()
    assert FIRST in world.datasets
    assert world.active == [], "the operator ended before it had said so"
    assert world.turn().actions == ()
    assert world.active == [FIRST]


def test_a_revision_takes_the_place_of_the_newest_evaluation_and_changes_no_cover() -> None:
    world = late(evaluated(evaluationJobConfig=ALERT), 10)
    before = dict(world.status)
    assert world.condition("QualityAcceptable")["status"] == "True"
    world.now += DAY / 4
    revised(world, figure=0.7)
    assert world.status["latestEvaluation"] == {
        "name": FIRST,
        "dataset": FIRST,
        "evaluationJobRunTime": "2026-03-02T10:00:00Z",
        "createTime": "2026-03-02T16:00:01Z",
        "meanAveragePrecision": 0.7,
        "evaluatedItemCount": 10,
    }
    assert world.condition("QualityAcceptable")["status"] == "False"
    kept = ("cover", "sampledInInterval", "lastSuccessTime", "lastRunTime", "nextRunTime")
    assert {key: world.status[key] for key in kept} == {key: before[key] for key in kept}
    told = next(item for item in world.events if item.reason is Reason.EVALUATION_SUPERSEDED)
    text = f"{FIRST}: 10 items evaluated, mean average precision 0.7000"
    assert told.message == f"{text}; supersedes Evaluation {RUN}"
    assert Reason.QUALITY_BELOW_THRESHOLD in {item.reason for item in world.events}


def test_a_revision_of_an_older_run_leaves_the_newest_evaluation_alone() -> None:
    world = late(evaluated(runs=2), 10)
    newest = world.status["latestEvaluation"]
    revised(world)
    assert world.status["latestEvaluation"] == newest
    assert world.active == []


def test_a_revision_that_fails_is_an_attempt_and_leaves_the_evaluation_that_there_is() -> None:
    world = late(evaluated(), 10)
    newest, cover = world.status["latestEvaluation"], world.spans("cover")
    world.fail(FIRST, "the table is gone")
    world.settle()
    assert [item["dataset"] for item in world.status["attempts"]] == [FIRST]
    assert world.status["latestEvaluation"] == newest
    assert world.spans("cover") == cover
    assert "retryWindows" not in world.status
    told = next(item for item in world.events if item.reason is Reason.RUN_FAILED)
    assert told.message == f"{FIRST}: the table is gone; Evaluation {RUN} stands"
    late(world, 19)
    assert world.active == []
    late(world, 20)
    assert revision(world, SECOND)["supersedes"] == RUN


def test_labels_that_came_meanwhile_make_the_next_one_when_the_first_has_ended() -> None:
    for end in (JobWorld.succeed, JobWorld.fail):
        world = late(late(evaluated(), 10), 20)
        assert world.active == [FIRST]
        end(world, FIRST)
        world.settle()
        assert world.active == [SECOND]


@pytest.mark.parametrize("paused", [False, True])
def test_a_run_is_evaluated_again_on_request_once_for_each(paused: bool) -> None:
    world = evaluated(least=None)
    world.edit(paused=paused)
    world.request(f"{RUN} 2026-03-02T12:00:00Z")
    world.settle()
    assert revision(world)["request"] == f"{RUN} 2026-03-02T12:00:00Z"
    revised(world)
    assert world.active == []
    world.request(RUN)
    world.settle()
    assert revision(world, SECOND)["request"] == RUN
    assert revision(world, SECOND)["supersedes"] == FIRST


def test_new_labels_wait_until_a_paused_job_is_resumed() -> None:
    world = evaluated()
    world.edit(paused=True)
    late(world, 10)
    assert world.active == []
    world.edit(paused=False)
    world.settle()
    assert world.active == [FIRST]


@pytest.mark.parametrize("value", ["", "  ", "evj-ripeness-1", f"{RUN}x now", f"x {RUN}"])
def test_a_request_that_names_no_run_asks_for_nothing(value: str) -> None:
    world = evaluated()
    world.request(value)
    world.settle()
    assert list(world.datasets) == [RUN]


def test_a_request_may_say_more_than_a_revision_can_keep() -> None:
    world = evaluated()
    world.request(f"{RUN} {'x' * 1000}")
    world.settle()
    assert len(revision(world)["request"]) == REQUEST_LENGTH
    revised(world)
    assert world.active == []


@pytest.mark.parametrize("result", ["NoData", "Failed"])
def test_a_run_without_an_evaluation_has_nothing_to_revise(result: str) -> None:
    world = JobWorld(labeling={"minimumNewLabels": 1})
    world.at_slot(0)
    world.commit(RUN, result)
    world.request(f"{RUN} now")
    late(world, 5)
    assert list(world.datasets) == [RUN]


def test_few_revisions_work_at_once_and_what_was_asked_for_comes_first() -> None:
    world = evaluated(runs=8)
    runs = sorted(world.datasets)
    world.request(f"{runs[0]} now")
    for run in runs[1:]:
        world.count_new_labels(run, 10)
    world.settle()
    newest = [f"{run}-r1" for run in runs[:-5:-1]]
    assert len(newest) + 1 == MAX_ACTIVE_REVISIONS
    assert sorted(world.active) == sorted([f"{runs[0]}-r1", *newest])
    revised(world, newest[0])
    assert f"{runs[3]}-r1" in world.active, "one ends, another begins"


def test_revisions_leave_room_to_no_more_runs_than_before() -> None:
    world = evaluated()
    for day in range(1, MAX_ACTIVE_RUNS + 1):
        world.at_slot(day)
    assert len(world.active) == MAX_ACTIVE_RUNS
    late(world, 10)
    assert FIRST not in world.datasets
    world.succeed(world.active[0])
    world.settle()
    assert FIRST in world.active


def test_a_slot_is_not_taken_for_begun_because_its_run_is_revised() -> None:
    world = late(evaluated(), 10)
    world.at_slot(1)
    assert len(world.active) == 2
    assert world.newest() == run_name("ripeness", FIRST_RUN + DAY)
    revised(world)
    world.succeed(world.newest())
    world.settle()
    assert len(world.spans("cover")) == 1


def test_a_run_and_its_revisions_are_one_in_the_history_and_go_together() -> None:
    world = late(evaluated(runs=2, evaluationsHistoryLimit=2), 10)
    revised(world)
    assert len(world.datasets) == 3, "the first stays readable"
    world.at_slot(2)
    world.succeed(world.newest())
    world.settle()
    assert sorted(world.datasets) == [run_name("ripeness", FIRST_RUN + n * DAY) for n in (1, 2)]


def test_a_run_that_is_revised_is_kept_until_that_has_ended() -> None:
    world = late(evaluated(runs=2, evaluationsHistoryLimit=2), 10)
    world.at_slot(2)
    world.succeed(world.newest())
    world.settle()
    assert {RUN, FIRST} < set(world.datasets)
    revised(world)
    assert not {RUN, FIRST} & set(world.datasets)


def test_labels_that_come_when_a_run_is_to_leave_the_history_keep_it() -> None:
    world = evaluated(runs=2)
    world.edit(evaluationsHistoryLimit=1)
    late(world, 10)
    assert {RUN, FIRST} < set(world.datasets)
    revised(world)
    assert not {RUN, FIRST} & set(world.datasets)


def test_a_revision_that_somebody_deletes_is_an_attempt_and_is_made_again() -> None:
    world = late(evaluated(), 10)
    world.remove_dataset(FIRST)
    world.settle()
    assert [item["dataset"] for item in world.status["attempts"]] == [FIRST]
    assert world.active == [FIRST]
    assert is_quiet(world.decide())


def test_deleting_the_job_stops_its_revisions() -> None:
    world = late(evaluated(), 10)
    world.delete()
    world.turn()
    assert world.deleted_jobs == [FIRST]
    assert not world.datasets


def test_a_revision_whose_job_is_gone_before_it_says_anything_gets_another() -> None:
    world = late(evaluated(), 10)
    world.remove_job(FIRST)
    plan = world.settle()
    assert not [action for action in plan.actions if isinstance(action, WriteOutcome)]
    assert FIRST in world.jobs
