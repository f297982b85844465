"""Scheduled runs: from ten o'clock to the figures in the status, and every other way they end."""

from __future__ import annotations

import pytest

from evaluation_operator.kube import DATASETS, JOBS
from tests.builders import Manifest
from tests.integration.eventually import count_of, eventually
from tests.integration.lab import Lab, condition, quiet, reason, state, time_of, writes

pytestmark = pytest.mark.integration


def attempted(status: Manifest) -> bool:
    return bool(status.get("attempts")) and not status.get("active")


def latest(name: str):  # type: ignore[no-untyped-def]
    return lambda status: status.get("latestEvaluation", {}).get("name") == name


async def test_a_scheduled_run_by_a_shifted_clock(lab: Lab) -> None:
    async with lab.operator() as operator:
        await lab.ready_job()
        name = await lab.go_to_slot()
        created, slot = (await lab.job())["createTime"], time_of(await lab.slot())
        assert await lab.windows(name) == [(created, slot, 0)]
        running = await lab.job(holds=state("RUNNING"))
        assert [item["name"] for item in running["active"]] == [name]

        await lab.finish(name, figure=0.75)
        status = await lab.job(holds=state("SCHEDULED"))

        assert status["latestEvaluation"]["name"] == name
        assert status["latestEvaluation"]["meanAveragePrecision"] == 0.75
        assert status["cover"] == [{"startTime": created, "endTime": slot}]
        assert status["nextRunTime"] == time_of(await lab.slot(1))
        assert status["lastRunTime"] == slot
        assert "lastSuccessTime" in status
        assert condition(status, "Ready")["status"] == "True"
        assert await lab.evaluations() == [name]
        await quiet(operator)
    reasons = await lab.reasons()
    assert reasons.count("RunCreated") == 1
    assert reasons.count("RunSucceeded") == 1


async def test_a_run_costs_four_writes_and_an_idle_job_none(lab: Lab) -> None:
    async with lab.operator() as operator:
        await lab.ready_job()
        await quiet(operator)
        idle = writes(operator)
        await lab.edit_job(description="Another word, and nothing to do but to say so")
        await quiet(operator)
        assert writes(operator) - idle == 1, "the generation that the status speaks of"

        before = writes(operator)
        name = await lab.go_to_slot()
        await lab.finish(name)
        await lab.job(holds=state("SCHEDULED"))
        await quiet(operator)
        assert writes(operator) - before <= 4

        before = writes(operator)
        lab.go_to(await lab.slot(1) - (await lab.slot(1) - await lab.slot()) / 2)
        await quiet(operator)
        assert writes(operator) == before

    async with lab.operator() as restarted:
        await quiet(restarted)
        assert writes(restarted) == 0, "nor after a restart"


async def test_two_runs_overlap(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        first = await lab.go_to_slot()
        await lab.dataset(first)
        second = await lab.go_to_slot(1)
        slots = [time_of(await lab.slot(day)) for day in (0, 1)]
        assert await lab.windows(second) == [(slots[0], slots[1], 0)]
        status = await lab.job(holds=lambda status: len(status.get("active", [])) == 2)
        assert status["state"] == "RUNNING"

        await lab.finish(second)
        status = await lab.job(holds=latest(second))
        assert status["state"] == "RUNNING"
        await lab.finish(first)
        status = await lab.job(holds=state("SCHEDULED"))
        assert status["latestEvaluation"]["name"] == second
        assert len(status["cover"]) == 1


async def test_a_failed_runs_rows_are_in_the_next_run(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        first = await lab.go_to_slot()
        await lab.dataset(first)
        await lab.kubelet.fail(first, "none of 40 rows has a label", code=9)
        status = await lab.job(holds=attempted)
        [attempt] = status["attempts"]
        assert attempt["partialFailures"] == [{"code": 9, "message": "none of 40 rows has a label"}]
        assert attempt["dataset"] == first
        assert status["failedRuns"] == 1
        assert condition(status, "Ready")["status"] == "True"
        outcome = (await lab.dataset(first))["status"]["outcome"]
        assert (outcome["result"], outcome["writtenBy"]) == ("Failed", "Operator")

        created, slots = status["createTime"], [time_of(await lab.slot(day)) for day in (0, 1)]
        second = await lab.go_to_slot(1)
        assert await lab.windows(second) == [(created, slots[0], 1), (slots[0], slots[1], 0)]
        await lab.finish(second)
        status = await lab.job(holds=latest(second))
        assert status["cover"] == [{"startTime": created, "endTime": slots[1]}]
        assert "retryWindows" not in status


async def test_a_failed_runs_rows_wait_for_a_run_that_comes_after_a_success(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        first = await lab.go_to_slot()
        await lab.dataset(first)
        second = await lab.go_to_slot(1)
        await lab.finish(second)
        await lab.job(holds=latest(second))
        await lab.kubelet.fail(first)
        status = await lab.job(holds=attempted)

        third = await lab.go_to_slot(2)
        slots = [time_of(await lab.slot(day)) for day in (0, 1, 2)]
        assert await lab.windows(third) == [
            (status["createTime"], slots[0], 1),
            (slots[1], slots[2], 0),
        ]


async def test_a_pod_that_is_retried_after_it_published(lab: Lab) -> None:
    """The first pod commits and then dies; the second finds the outcome and changes nothing."""
    async with lab.operator():
        await lab.ready_job()
        name = await lab.go_to_slot()
        await lab.dataset(name)
        await lab.kubelet.start(name)
        read = await lab.program.read(name)
        assert await lab.program.publish(name, figure=0.75)
        await lab.kubelet.fail(name, "out of memory", exit_code=70, code=13)
        await lab.job(holds=state("SCHEDULED"))

        assert await lab.program.publish(name, figure=0.75, dataset=read)
        status = await lab.job()
        assert status["latestEvaluation"]["meanAveragePrecision"] == 0.75
        assert "attempts" not in status
        assert await lab.evaluations() == [name]


async def test_a_pod_that_publishes_after_its_deadline_yields(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job(runTemplate={"activeDeadlineSeconds": 1})
        name = await lab.go_to_slot()
        read = await lab.program.read((await lab.dataset(name))["metadata"]["name"])
        status = await lab.job(holds=attempted)
        [failure] = status["attempts"][0]["partialFailures"]
        assert failure["code"] == 4
        assert "activeDeadlineSeconds" in failure["message"]

        assert not await lab.program.publish(name, dataset=read)
        assert await lab.evaluations() == [], "its rows belong to the next run"
        assert "latestEvaluation" not in await lab.job()


async def test_a_run_without_rows(lab: Lab) -> None:
    async with lab.operator() as operator:
        await lab.ready_job()
        name = await lab.go_to_slot()
        await lab.finish(name, empty=True)
        status = await lab.job(holds=state("SCHEDULED"))

        assert "attempts" not in status
        assert "latestEvaluation" not in status
        assert len(status["cover"]) == 1
        await quiet(operator)
        assert count_of(operator.telemetry.no_data_runs) == 1
    assert "NoData" in await lab.reasons()


async def test_label_delay_holds_rows_back(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job(labelDelay="24h")
        created = (await lab.job())["createTime"]
        await lab.go_to_slot()
        await lab.job(holds=lambda status: status["nextRunTime"] > time_of(lab.clock.now()))
        assert await lab.names(DATASETS) == []

        name = await lab.go_to_slot(1)
        dataset = await lab.dataset(name)
        assert await lab.windows(name) == [(created, time_of(await lab.slot()), 0)]
        assert dataset["spec"]["labelDelay"] == "24h"


async def test_a_pause_across_a_grid_point(lab: Lab) -> None:
    async with lab.operator() as operator:
        await lab.ready_job()
        created = (await lab.job())["createTime"]
        await lab.edit_job(paused=True)
        status = await lab.job(holds=state("PAUSED"))
        assert "nextRunTime" not in status
        await lab.go_to_slot()
        await quiet(operator)

        await lab.edit_job(paused=None)
        status = await lab.job(holds=state("SCHEDULED"))
        assert status["nextRunTime"] == time_of(await lab.slot(1))
        assert await lab.names(DATASETS) == [], "what was missed is not replayed"

        name = await lab.go_to_slot(1)
        dataset = await lab.dataset(name)
        assert await lab.windows(name) == [(created, time_of(await lab.slot(1)), 0)]
        assert len(dataset["spec"]["pausedSpans"]) == 1


async def test_a_pause_lets_the_active_run_finish(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        name = await lab.go_to_slot()
        await lab.dataset(name)
        await lab.edit_job(paused=True)
        await lab.job(holds=state("PAUSED"))
        await lab.finish(name)
        status = await lab.job(holds=latest(name))
        assert status["state"] == "PAUSED"


async def test_an_edited_schedule(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job(schedule="every 1 days")
        await lab.edit_job(schedule="every 3 days")
        status = await lab.job(holds=lambda status: status["intervalDays"] == 3)
        assert status["nextRunTime"] == time_of(await lab.slot())
        first = await lab.go_to_slot()
        await lab.finish(first)
        await lab.job(holds=latest(first))

        await lab.edit_job(schedule="every 1 days")
        status = await lab.job(holds=lambda status: status["intervalDays"] == 1)
        assert status["nextRunTime"] == time_of(await lab.slot(1))
        await lab.dataset(await lab.go_to_slot(1))

        await lab.edit_job(schedule="every full moon")
        status = await lab.job(holds=reason("Stalled", "InvalidSpec"))
        assert "state" not in status
        assert "spec.schedule" in condition(status, "Stalled")["message"]


async def test_history_is_pruned(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job(evaluationsHistoryLimit=2)
        runs = []
        for day in range(4):
            runs.append(await lab.go_to_slot(day))
            await lab.finish(runs[-1])
            await lab.job(holds=latest(runs[-1]))

        await eventually(lambda: lab.names(DATASETS), lambda names: names == runs[-2:])
        await eventually(lab.evaluations, lambda names: names == runs[-2:])
        await eventually(lab.run_jobs, lambda names: names == runs[-2:])
        assert len((await lab.job())["cover"]) == 1


async def test_a_dataset_deleted_by_hand(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        name = await lab.go_to_slot()
        await lab.dataset(name)
        await lab.job(holds=state("RUNNING"))
        await lab.delete(DATASETS, name)
        status = await lab.job(holds=attempted)
        assert status["attempts"][0]["dataset"] == name
        assert status["failedRuns"] == 1

        second = await lab.go_to_slot(1)
        assert await lab.windows(second) == [(status["createTime"], time_of(await lab.slot(1)), 0)]


async def test_a_dataset_that_is_deleted_and_held_by_a_finalizer_of_others(lab: Lab) -> None:
    """Its run was RUNNING for ever, and what its pod published belonged to no run."""
    async with lab.operator():
        await lab.ready_job()
        name = await lab.go_to_slot()
        await lab.dataset(name)
        await lab.kubelet.start(name)
        await lab.job(holds=state("RUNNING"))
        held = {"metadata": {"finalizers": ["backup.example/keep"]}}
        await lab.kube.patch(DATASETS, lab.namespace, name, held)
        pod_saw = await lab.program.read(name)
        await lab.delete(DATASETS, name)

        status = await lab.job(holds=attempted)
        assert status["attempts"][0]["partialFailures"] == [
            {"code": 1, "message": f"Dataset {name} was deleted before the run ended"}
        ]
        assert status["failedRuns"] == 1
        await lab.is_gone(JOBS, name)
        assert not await lab.program.publish(name, dataset=pod_saw), "the run has ended"
        await lab.kube.patch(DATASETS, lab.namespace, name, {"metadata": {"finalizers": None}})
        await lab.is_gone(DATASETS, name)
        second = await lab.go_to_slot(1)
        assert await lab.windows(second) == [
            (status["createTime"], time_of(await lab.slot()), 1),
            (time_of(await lab.slot()), time_of(await lab.slot(1)), 0),
        ]
