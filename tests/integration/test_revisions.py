"""Runs that are evaluated again because labels came late, or on request, by the real API server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from evaluation_operator.domain.naming import ANNOTATION_REEVALUATE
from evaluation_operator.kube import DATASETS, EVALUATION_JOBS, EVALUATIONS, Conflict
from tests.builders import Manifest
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, quiet, state, writes
from tests.integration.test_faults import EndingKube

pytestmark = pytest.mark.integration

LEAST = 5


async def evaluated(lab: Lab, day: int = 0) -> str:
    """A run whose labels were few."""
    run = await lab.go_to_slot(day)
    await lab.finish(run, figure=0.9)
    await lab.job(holds=newest(run))
    return run


def newest(name: str) -> Callable[[Manifest], bool]:
    """A predicate of a job's status: that is its newest Evaluation."""
    return lambda status: status.get("latestEvaluation", {}).get("name") == name


async def come_late(lab: Lab, run: str, count: int) -> None:
    """What the pod of the next run, or the labeler, finds out."""
    while True:
        body = await lab.kube.get(DATASETS, lab.namespace, run)
        body["status"]["newLabelCount"] = count
        try:
            await lab.kube.replace_status(DATASETS, lab.namespace, body)
        except Conflict:
            continue
        return


async def ask(lab: Lab, value: str) -> None:
    patch = {"metadata": {"annotations": {ANNOTATION_REEVALUATE: value}}}
    await lab.kube.patch(EVALUATION_JOBS, lab.namespace, "ripeness", patch)


async def evaluation(lab: Lab, name: str) -> Manifest:
    return await lab.kube.get(EVALUATIONS, lab.namespace, name)


async def test_labels_that_come_late_make_an_evaluation_beside_the_first(lab: Lab) -> None:
    async with lab.operator() as operator:
        await lab.ready_job(labeling={"minimumNewLabels": LEAST})
        run = await evaluated(lab)
        await come_late(lab, run, LEAST - 1)
        await quiet(operator)
        assert await lab.names(DATASETS) == [run]

        await come_late(lab, run, LEAST)
        revision = f"{run}-r1"
        dataset = await lab.dataset(revision)
        assert dataset["spec"]["revision"]["newLabelCount"] == LEAST
        assert "windows" not in dataset["spec"]
        status = await lab.job(holds=state("RUNNING"))
        assert [item["name"] for item in status["active"]] == [revision]
        await lab.finish(revision, figure=0.6)
        status = await lab.job(holds=newest(revision))
        await quiet(operator)
        before = writes(operator)
        await quiet(operator)
        assert writes(operator) == before, "one revision, and then there is rest"
        assert await eventually(lab.reasons, lambda found: "EvaluationSuperseded" in found)

    assert status["latestEvaluation"]["meanAveragePrecision"] == 0.6
    assert await lab.evaluations() == [run, revision]
    assert (await evaluation(lab, revision))["spec"]["supersedes"] == run
    assert (await evaluation(lab, run))["status"] == {"supersededBy": revision}
    assert (await evaluation(lab, run))["spec"]["meanAveragePrecision"] == 0.9


@pytest.mark.parametrize("survives", range(4))
async def test_the_operator_ends_at_any_write_of_a_revision(lab: Lab, survives: int) -> None:
    """Writes: Dataset, status that lists it, Job, recorded. Its pod may end while nobody looks."""
    async with lab.operator() as operator:
        await lab.ready_job(labeling={"minimumNewLabels": LEAST})
        run = await evaluated(lab)
        await quiet(operator)
    await come_late(lab, run, LEAST)
    revision = f"{run}-r1"
    playing = asyncio.create_task(lab.finish(revision, figure=0.6))
    kube = await EndingKube.connect(str(lab.kubeconfig))
    assert isinstance(kube, EndingKube)
    kube.survives = survives
    async with lab.operator(kube):

        async def ended() -> bool:
            return kube.has_ended

        await eventually(ended)
    async with lab.operator() as operator:
        async with asyncio.timeout(30):
            await playing
        status = await lab.job(holds=newest(revision))
        await quiet(operator)
    assert await lab.names(DATASETS) == [run, revision]
    assert await lab.run_jobs() == [run, revision]
    assert "active" not in status
    assert "attempts" not in status


async def test_a_paused_job_evaluates_again_on_request_alone(lab: Lab) -> None:
    async with lab.operator() as operator:
        await lab.ready_job(labeling={"minimumNewLabels": LEAST})
        run = await evaluated(lab)
        await lab.edit_job(paused=True)
        await lab.job(holds=state("PAUSED"))
        await come_late(lab, run, LEAST)
        await quiet(operator)
        assert await lab.names(DATASETS) == [run]

        await ask(lab, f"{run} first")
        first = f"{run}-r1"
        await lab.finish(first, figure=0.6)
        await lab.job(holds=newest(first))
        await ask(lab, f"{run} second")
        second = f"{run}-r2"
        await lab.dataset(second)
        await lab.kubelet.fail(second)
        status = await lab.job(holds=lambda it: it.get("failedRuns") == 1)
        await quiet(operator)

    assert await lab.names(DATASETS) == [run, first, second]
    assert newest(first)(status), "what fails supersedes nothing"
    assert [item["dataset"] for item in status["attempts"]] == [second]
    assert "retryWindows" not in status
    assert await lab.evaluations() == [run, first]


async def test_a_run_and_its_revisions_leave_the_history_together(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job(labeling={"minimumNewLabels": LEAST}, evaluationsHistoryLimit=1)
        run = await evaluated(lab)
        await come_late(lab, run, LEAST)
        await lab.finish(f"{run}-r1", figure=0.6)
        await lab.job(holds=newest(f"{run}-r1"))
        later = await evaluated(lab, day=1)
        await lab.is_gone(DATASETS, run)
        await lab.is_gone(DATASETS, f"{run}-r1")
        await eventually(lab.evaluations, lambda found: found == [later])
