"""What one namespace can make of pods: so many at once, and rarely where it is in vain."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from evaluation_operator.kube import DATASETS, EVALUATION_JOB_VERSIONS, EVALUATION_JOBS, JOBS
from tests.integration.eventually import eventually
from tests.integration.lab import POLICY, TABLE_CHECK, Lab, condition, quiet, ready, reason

FAILED = "evaluations.dev/failed-checks"

pytestmark = pytest.mark.integration


async def apply_jobs(lab: Lab, count: int) -> list[str]:
    names = [f"ripeness-{number:02}" for number in range(count)]
    for number, name in enumerate(names):
        await lab.apply_job(name, modelVersion=f"models/ripeness/versions/v{number}")
    return names


def has_two(names: list[str]) -> bool:
    return len(names) == 2


async def started(lab: Lab, count: int) -> bool:
    return len(await lab.run_jobs()) == count


async def waiting(lab: Lab) -> list[str]:
    """The jobs that say that their run waits for a place."""
    return [
        job["metadata"]["name"]
        async for job in lab.kube.list(EVALUATION_JOBS, lab.namespace)
        if condition(job.get("status") or {}, "Waiting")
    ]


async def test_of_sixty_due_runs_fifty_start_and_each_of_the_rest_when_one_ends(lab: Lab) -> None:
    """Runs, checks and versions had no cap: a namespace with edit rights filled the cluster."""
    async with lab.operator(workers=64) as operator:
        names = await apply_jobs(lab, 60)
        await lab.pass_check()
        for name in names:
            await lab.job(name, ready)
        await quiet(operator)
        slots = [await lab.slot(0, name) for name in names]
        lab.go_to(max(slots))
        await eventually(lambda: waiting(lab), lambda found: len(found) == 10)
        await quiet(operator)
        assert len(await lab.run_jobs()) == 50
        assert len(await lab.names(DATASETS)) == 50
        status = await lab.job((await waiting(lab))[0])
        assert "EVALUATION_MAX_ACTIVE_RUNS" in condition(status, "Waiting")["message"]

        for number, name in enumerate((await lab.run_jobs())[:10], start=1):
            await lab.finish(name)
            await eventually(partial(started, lab, 50 + number))
        assert await waiting(lab) == []
        runs = await lab.run_jobs()
        assert len(runs) == 60
        assert len({name.rpartition("-")[2] for name in runs}) == len(set(slots))


async def test_versions_and_checks_take_places_too_and_one_that_is_stopped_gives_its_back(
    lab: Lab,
) -> None:
    async with lab.operator(policy=replace(POLICY, max_active_runs=2)):
        await lab.ready_job()
        for name in ("a", "b", "c"):
            await lab.apply_version(name)
            if name != "c":
                await lab.dataset(f"evjv-{name}")
        status = await lab.version("c", reason("Ready", "TooManyRuns"))
        assert "EVALUATION_MAX_ACTIVE_RUNS" in condition(status, "Ready")["message"]
        other = {"tableSource": {"inputUri": "file:///var/lib/evaluations/table/other"}}
        await lab.apply_job(
            "other",
            modelVersion="models/other/versions/v1",
            evaluationJobConfig={"inputConfig": other},
        )
        await lab.job("other", reason("Ready", "TooManyRuns"))
        assert len(await lab.names(JOBS)) == 3, "the check that has ended, and two versions"

        await lab.finish("evjv-a")
        first, second = await eventually(lambda: unfinished(lab), has_two)
        assert "evjv-b" in (first, second), "one of the two that waited has the place"
        end = {"spec": {"terminate": True}}
        await lab.kube.patch(EVALUATION_JOB_VERSIONS, lab.namespace, "b", end)
        await eventually(lambda: unfinished(lab), lambda it: len(it) == 2 and "evjv-b" not in it)
        await lab.pass_check()
        await lab.job("other", ready)


async def unfinished(lab: Lab) -> list[str]:
    return [
        job["metadata"]["name"]
        async for job in lab.kube.list(JOBS, lab.namespace)
        if not (job.get("status") or {}).get("conditions")
    ]


async def check_after(lab: Lab, failed: int) -> str:
    """Waits for the check that so many failed ones went before; its name."""

    async def look() -> list[str]:
        return [
            job["metadata"]["name"]
            async for job in lab.kube.list(JOBS, lab.namespace, label_selector=TABLE_CHECK)
            if int((job["metadata"].get("annotations") or {}).get(FAILED, 0)) == failed
        ]

    return (await eventually(look))[0]


async def test_how_often_a_table_was_wrong_outlives_the_operator(lab: Lab) -> None:
    """The third check comes after two failures, though the operator that saw them has ended."""
    async with lab.operator():
        await lab.apply_job()
        for failed in range(2):
            await lab.kubelet.fail(await check_after(lab, failed), "connection refused")
        await lab.job(holds=lambda it: "refused" in condition(it, "Ready").get("message", ""))
    async with lab.operator():
        await check_after(lab, 2)
        await lab.pass_check()
        await lab.job(holds=ready)
