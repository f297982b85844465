"""Objects as large as somebody could make them are worked on like any other, and are not kept."""

from __future__ import annotations

import pytest

from evaluation_operator.controller.app import Operator
from evaluation_operator.domain.naming import FINALIZER
from evaluation_operator.kube import EVALUATION_JOBS, JOBS
from tests.bench.largest import heavy_job, largest_job
from tests.builders import Manifest
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, condition, quiet, ready, reason

pytestmark = pytest.mark.integration

HEAVY = 20
LARGE = 400_000
"""Bytes; of more than a megabyte in one request the client library warns."""
MB = 2**20


def kept_bytes(operator: Operator) -> int:
    return sum(len(stored.body) for _, stored in operator.store.jobs.items())


async def finalizers(lab: Lab, name: str) -> list[str]:
    job: Manifest = await lab.kube.get(EVALUATION_JOBS, lab.namespace, name)
    return list(job["metadata"]["finalizers"])


async def test_metadata_of_a_megabyte_is_neither_kept_nor_lost(bare_lab: Lab) -> None:
    """200 objects of 1.2 MB took 1,275 MB at a restart; the schema bounds no annotation and no
    finalizer. The operator puts its own beside the 1,500 of others, and takes only that away."""
    lab = bare_lab
    names = [f"heavy-{number}" for number in range(HEAVY)]
    for name in names:
        made = await lab.apply(EVALUATION_JOBS, heavy_job(name))
    others = made["metadata"]["finalizers"]
    assert len(str(made)) > MB
    async with lab.operator(sweep_seconds=3600) as operator:
        for name in names:
            await lab.job(name, reason("Ready", "AnnotationSpecSetNotFound"), seconds=60)
            assert await finalizers(lab, name) == [*others, FINALIZER]
        await quiet(operator)
        assert len(operator.store.jobs) == HEAVY
        assert kept_bytes(operator) < HEAVY * 4096

        await lab.delete(EVALUATION_JOBS, names[0])
        await eventually(lambda: finalizers(lab, names[0]), lambda found: found == others)


async def test_a_job_that_the_store_keeps_a_digest_of_is_evaluated_whole(lab: Lab) -> None:
    large = largest_job("ripeness", size=LARGE)["spec"]
    async with lab.operator() as operator:
        await lab.apply_job(description=large["description"], runTemplate=large["runTemplate"])
        await lab.pass_check()
        await lab.job(holds=ready)
        assert len(operator.store.jobs) == 1
        assert kept_bytes(operator) < 4096

        name = await lab.go_to_slot()
        await lab.dataset(name)
        job = await lab.kube.get(JOBS, lab.namespace, name)
        pod = job["spec"]["template"]["spec"]
        assert pod["affinity"] == large["runTemplate"]["affinity"]
        await lab.finish(name)
        await lab.apply_version()
        await lab.finish("evjv-again")
        await lab.version(holds=lambda status: status.get("state") == "Completed")
        await lab.edit_job(paused=True)
        await lab.job(holds=lambda status: condition(status, "Ready")["reason"] == "Paused")


async def test_a_large_job_that_changes_while_it_is_read_is_decided_on_as_it_is(lab: Lab) -> None:
    """What a read shows may be newer than what the store knows: a decision on the older one would
    be refused by the API server, and one on the newer must not be taken for it."""
    large = largest_job("ripeness", size=LARGE)["spec"]
    async with lab.operator():
        await lab.apply_job(runTemplate=large["runTemplate"], description=large["description"])
        await lab.pass_check()
        await lab.job(holds=ready)
        for number in range(10):
            text = large["description"][:-4] + f"{number:04}"
            await lab.edit_job(description=text, paused=number % 2 == 0)
        wanted = (await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness"))["metadata"]
        await lab.job(holds=lambda it: it["observedGeneration"] == wanted["generation"])
        status = await lab.job(holds=lambda it: it.get("state") == "SCHEDULED")
        assert condition(status, "Ready")["observedGeneration"] == wanted["generation"]
