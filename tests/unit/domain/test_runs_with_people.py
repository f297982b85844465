"""Runs in which people label: two Jobs, days in between in which there is none, one Evaluation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.domain.facts.dataset import DatasetFacts
from evaluation_operator.domain.facts.obstacle import Obstacle
from evaluation_operator.domain.facts.steps import Step, step_of
from evaluation_operator.domain.naming import evaluate_job_name, run_name
from evaluation_operator.domain.plan import CreateRunJob
from evaluation_operator.domain.reasons import Reason
from tests.builders import Manifest
from tests.unit.domain.world import DAY, FIRST_RUN, JobWorld, VersionWorld

RUN = run_name("ripeness", FIRST_RUN)
EVALUATE = evaluate_job_name(RUN)


def world_with_a_run(**spec: Any) -> JobWorld:
    world = JobWorld(people=True, **spec)
    world.at_slot()
    return world


def world_that_labels(**spec: Any) -> JobWorld:
    world = world_with_a_run(**spec)
    world.cut(RUN)
    world.settle()
    return world


def arguments(job: Manifest) -> list[str]:
    args: list[str] = job["spec"]["template"]["spec"]["containers"][0]["args"]
    return args


def jobs_of_runs(world: JobWorld) -> list[str]:
    return sorted(name for name in world.jobs if not name.startswith("evc-"))


def label_all(world: JobWorld, reason: str = "AllLabeled") -> None:
    world.say_labeled(RUN, "True", reason)
    world.settle()


def test_the_first_job_only_cuts() -> None:
    world = world_with_a_run()

    assert jobs_of_runs(world) == [RUN]
    job = world.jobs[RUN]
    assert arguments(job) == ["cut"]
    assert job["metadata"]["labels"]["evaluations.dev/step"] == "cut"
    assert job["spec"]["template"]["metadata"]["labels"]["evaluations.dev/step"] == "cut"


def test_with_labels_of_the_users_own_there_is_one_job_and_it_is_as_ever() -> None:
    world = JobWorld()
    before = world.writes
    world.at_slot()

    assert arguments(world.jobs[RUN]) == ["run"]
    assert "evaluations.dev/step" not in world.jobs[RUN]["metadata"]["labels"]
    assert "labeling" not in world.datasets[RUN]["spec"]
    assert world.writes - before == 3, "Dataset, Job and status"


def test_the_dataset_carries_all_that_a_labelling_tool_needs() -> None:
    world = world_with_a_run(labeling={"deadline": "72h", "backend": "studio"})

    labeling = Dataset.from_dict(world.datasets[RUN]).spec.labeling
    assert labeling is not None
    assert labeling.instruction.display_name == "How to tell ripe fruit"
    assert labeling.instruction.pdf_uri == "gs://fruit/how-to-tell.pdf"
    assert (labeling.replica_count, labeling.language_code) == (3, "en-US")
    assert (labeling.deadline, labeling.backend) == ("72h", "studio")
    assert (str(labeling.on_delete), str(labeling.answer_aggregation_type)) == (
        "Archive",
        "MAJORITY_VOTE",
    )


def test_while_people_label_there_is_no_job_and_nothing_is_written_for_days() -> None:
    world = world_that_labels()
    writes = world.writes
    for hours in range(1, 20):
        world.now = FIRST_RUN + timedelta(hours=hours)
        world.say_labeled(RUN, "False", "Labeling", f"{hours} of 12 items are labelled")
        world.settle()

    assert jobs_of_runs(world) == [RUN]
    assert world.writes == writes
    assert (world.status["state"], world.active) == ("RUNNING", [RUN])
    assert "message" not in world.status["active"][0]


def test_the_second_job_evaluates_once_the_labels_are_in() -> None:
    world = world_that_labels()
    label_all(world)

    job = world.jobs[EVALUATE]
    assert arguments(job) == ["evaluate"]
    assert job["metadata"]["labels"]["evaluations.dev/step"] == "evaluate"
    assert job["metadata"]["ownerReferences"][0]["uid"] == world.datasets[RUN]["metadata"]["uid"]
    world.succeed(RUN)
    world.settle()
    assert world.status["latestEvaluation"]["name"] == RUN
    assert (world.status["state"], world.active) == ("SCHEDULED", [])
    assert world.created_jobs == [RUN, EVALUATE]


def test_labels_that_came_by_the_deadline_are_evaluated_as_well() -> None:
    world = world_that_labels()
    label_all(world, "DeadlineReached")

    assert EVALUATE in world.jobs


def test_where_everything_has_ground_truth_nobody_is_waited_for() -> None:
    world = world_with_a_run()
    world.cut(RUN, total=0)
    world.settle()

    assert EVALUATE in world.jobs


def test_a_run_without_rows_ends_with_its_first_job() -> None:
    world = world_with_a_run()
    world.commit(RUN, "NoData")
    world.complete_job(RUN)
    world.settle()

    assert jobs_of_runs(world) == [RUN]
    assert world.active == []
    assert world.spans("cover") == world.windows(RUN)


@pytest.mark.parametrize("reason", ["BackendUnavailable", "BackendNotFound", "BackendRefused"])
def test_what_is_in_the_way_of_people_is_told(reason: str) -> None:
    world = world_that_labels()
    world.say_labeled(RUN, "False", reason, "401: give a new token")
    world.settle()

    (active,) = world.status["active"]
    assert active["phase"] == "Running"
    assert active["message"] == f"{reason}: 401: give a new token"
    world.say_labeled(RUN, "False", "Labeling")
    world.settle()
    assert "message" not in world.status["active"][0]


def test_a_labeler_that_has_gone_is_told_within_a_minute() -> None:
    world = world_that_labels()
    assert world.decide().wake_at == world.now + timedelta(minutes=1)
    world.has_labeler = False
    world.settle()

    assert "no labeler" in world.status["active"][0]["message"]


def test_a_first_job_that_fails_makes_an_attempt_and_passes_its_rows_on() -> None:
    world = world_with_a_run()
    world.fail(RUN, "column is missing")
    world.settle()

    assert world.status["attempts"][0]["partialFailures"][0]["message"] == "column is missing"
    assert world.spans("retryWindows") == [type(w)(w.start, w.end, 1) for w in world.windows(RUN)]


def test_a_second_job_that_fails_makes_an_attempt_and_passes_its_rows_on() -> None:
    world = world_that_labels()
    label_all(world)
    world.fail(EVALUATE, "the results are gone")
    world.settle()

    assert world.status["attempts"][0]["partialFailures"][0]["message"] == "the results are gone"
    assert world.active == []
    assert world.spans("retryWindows")


def test_a_first_job_that_ends_without_a_cut_has_failed() -> None:
    world = world_with_a_run()
    world.complete_job(RUN)
    world.settle()

    assert world.datasets[RUN]["status"]["outcome"]["result"] == "Failed"


def test_a_first_job_that_dies_after_its_cut_harms_nothing() -> None:
    world = world_with_a_run()
    world.cut(RUN)
    world.fail(RUN, "evicted")
    world.settle()

    assert world.active == [RUN]
    assert "outcome" not in world.datasets[RUN]["status"]


@pytest.mark.parametrize("step", [Step.CUT, Step.EVALUATE])
def test_a_job_that_somebody_deletes_is_made_anew(step: Step) -> None:
    world = world_with_a_run()
    name = RUN
    if step is Step.EVALUATE:
        world.cut(RUN)
        label_all(world)
        name = EVALUATE
    world.remove_job(name)
    world.settle()

    assert arguments(world.jobs[name]) == [step]


def test_the_first_job_is_not_missed_once_it_has_cut() -> None:
    world = world_that_labels()
    world.remove_job(RUN)
    world.settle()
    assert jobs_of_runs(world) == []
    label_all(world)
    assert jobs_of_runs(world) == [EVALUATE]


def test_pausing_lets_people_finish() -> None:
    world = world_that_labels()
    world.edit(paused=True)
    world.settle()
    assert (world.status["state"], world.active) == ("PAUSED", [RUN])
    label_all(world)
    world.succeed(RUN)
    world.settle()

    assert world.status["latestEvaluation"]["name"] == RUN


@pytest.mark.parametrize("evaluating", [False, True])
def test_deleting_the_job_stops_it_at_any_step(evaluating: bool) -> None:
    world = world_that_labels()
    if evaluating:
        label_all(world)
    world.delete()
    world.settle()

    assert world.deleted_jobs == ([EVALUATE] if evaluating else [])
    assert world.own["metadata"]["finalizers"] == []
    assert world.status["state"] == "STOPPED"


def test_refused_jobs_of_others_do_not_fail_a_run_that_people_label() -> None:
    world = world_that_labels()
    world.obstacle = Obstacle(Reason.CREATE_REFUSED, "quota", permanent=True)
    world.now += 2 * DAY - timedelta(hours=1)
    world.turn()

    assert "outcome" not in world.datasets[RUN]["status"]


def test_a_second_job_that_is_refused_has_the_same_patience_as_the_first() -> None:
    world = world_that_labels()
    world.now += timedelta(hours=20)
    world.say_labeled(RUN, "True", "AllLabeled")
    world.obstacle = Obstacle(Reason.CREATE_REFUSED, "quota")
    world.turn()
    assert "outcome" not in world.datasets[RUN]["status"]
    world.now += timedelta(minutes=11)
    world.turn()
    assert world.datasets[RUN]["status"]["outcome"]["result"] == "Failed"


def test_people_who_are_slower_than_the_schedule_are_told_of_and_not_waited_for() -> None:
    world = world_that_labels()
    world.at_slot(1)

    assert len(world.active) == 2
    behind = [event for event in world.events if event.reason == Reason.LABELING_BEHIND]
    assert [event.message.partition(" for ")[0] for event in behind] == ["1 earlier run waits"]
    assert behind[0].warning


def test_at_most_twenty_runs_wait_for_people_and_the_next_takes_the_rest() -> None:
    world = JobWorld(people=True)
    for day in range(21):
        world.at_slot(day)
        for name in world.active:
            if "cut" not in world.datasets[name]["status"]:
                world.cut(name)
        world.settle()

    assert len(world.active) == 20
    told = [event for event in world.events if event.reason == Reason.TOO_MANY_RUNS]
    assert "labeling.deadline" in told[-1].message
    label_all(world)
    world.succeed(RUN)
    world.settle()
    world.at_slot(21)
    (newest,) = world.windows(world.newest())
    assert newest.end - newest.start == 2 * DAY


def test_a_version_of_a_job_for_people_takes_the_labels_that_are_there() -> None:
    world = VersionWorld(job_spec={"labelMissingGroundTruth": True})
    world.settle()

    body = world.datasets[world.run_name]
    assert "labeling" not in body["spec"]
    assert arguments(world.jobs[world.run_name]) == ["run"]
    assert step_of(DatasetFacts.from_body(body)) is Step.RUN


def test_the_second_job_of_the_longest_name_fits_into_a_label() -> None:
    assert len(evaluate_job_name(run_name("x" * 45, FIRST_RUN))) <= 63


def test_deciding_again_about_a_step_asks_for_the_same_job() -> None:
    world = world_that_labels()
    world.say_labeled(RUN, "True", "AllLabeled")
    first, again = world.decide(), world.decide()

    (wanted,) = [action for action in first.actions if isinstance(action, CreateRunJob)]
    assert first.actions == again.actions
    assert wanted.job["metadata"]["name"] == EVALUATE
