"""Runs wait for the sampler: real Leases, written as a replica writes them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from evaluation_operator.domain.flushing import CLOCKS_APART
from evaluation_operator.domain.naming import (
    ANNOTATION_FLUSHED_THROUGH,
    COMPONENT_SAMPLER,
    LABEL_COMPONENT,
    run_name,
    sampler_lease_name,
)
from evaluation_operator.kube import DATASETS, LEASES
from evaluation_operator.sampling.lease import format_mark
from tests.integration.eventually import count_of, eventually
from tests.integration.lab import Lab, condition, quiet, state, time_of, writes

pytestmark = pytest.mark.integration

MINUTE = timedelta(minutes=1)


async def tell(lab: Lab, replica: str, mark: datetime, renewed: datetime | None = None) -> None:
    """What a replica writes when it has flushed; the Lease is made if there is none."""
    name = sampler_lease_name(replica)
    body = {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {
            "name": name,
            "labels": {LABEL_COMPONENT: COMPONENT_SAMPLER},
            "annotations": {ANNOTATION_FLUSHED_THROUGH: format_mark(mark)},
        },
        "spec": {
            "holderIdentity": replica,
            "leaseDurationSeconds": 30,
            "renewTime": format_mark(renewed or lab.clock.now()),
        },
    }
    await lab.kube.apply(LEASES, lab.namespace, body, field_manager=replica)


async def test_a_run_waits_for_every_replica_and_costs_no_more(lab: Lab) -> None:
    async with lab.operator() as operator:
        await lab.ready_job()
        await quiet(operator)
        slot, before = await lab.slot(), writes(operator)
        await tell(lab, "sampler-0", slot - timedelta(seconds=10), slot)
        await tell(lab, "sampler-1", slot, slot)
        lab.go_to(slot)
        # It looks again and again, so what it has done after some looks it does for good.
        turns = operator.telemetry.reconciles.labels("EvaluationJob", "ok")
        seen = count_of(turns)

        async def looks() -> float:
            return count_of(turns) - seen

        await eventually(looks, lambda count: count >= 3)
        assert await lab.names(DATASETS) == []
        assert writes(operator) == before

        await tell(lab, "sampler-0", slot + timedelta(microseconds=1))
        name = run_name("ripeness", slot)
        [(_, end, _)] = await lab.windows(name)
        assert end == time_of(slot)
        await lab.finish(name)
        status = await lab.job(holds=state("SCHEDULED"))
        await quiet(operator)
        assert status["nextRunTime"] == time_of(await lab.slot(1))
        assert status["sampledInInterval"] == 40
        assert not condition(status, "SamplerBehind")
        assert writes(operator) - before == 4


async def test_a_lost_replica_is_named_and_forgotten_with_its_lease(lab: Lab) -> None:
    async with lab.operator() as operator:
        await lab.ready_job()
        slot = await lab.slot()
        await tell(lab, "sampler-0", slot - MINUTE, slot - MINUTE)
        lab.go_to(slot + 61 * MINUTE)
        name = run_name("ripeness", slot)
        status = await lab.job(holds=lambda status: condition(status, "SamplerBehind"))
        behind = condition(status, "SamplerBehind")
        assert behind["status"] == "True"
        assert "sampler-0" in behind["message"]
        assert condition(status, "Ready")["status"] == "True"
        await lab.finish(name)
        await lab.job(holds=state("SCHEDULED"))

        await lab.delete(LEASES, sampler_lease_name("sampler-0"))
        await quiet(operator)
        assert condition(await lab.job(), "SamplerBehind") == behind
        second = await lab.go_to_slot(1)
        await lab.dataset(second)
        await lab.job(holds=lambda it: condition(it, "SamplerBehind")["status"] == "False")


async def test_a_lease_that_is_long_dead_holds_up_for_a_quarter_of_an_hour(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        slot = await lab.slot()
        await tell(lab, "sampler-0", slot - 90 * MINUTE, slot - 90 * MINUTE)
        lab.go_to(slot + CLOCKS_APART)
        await lab.dataset(run_name("ripeness", slot))
        status = await lab.job(holds=lambda status: condition(status, "SamplerBehind"))
        assert condition(status, "SamplerBehind")["status"] == "True"


async def test_jobs_of_a_namespace_share_a_look_and_idle_ones_look_at_nothing(lab: Lab) -> None:
    async with lab.operator() as operator:
        lists = 0
        pages = operator.kube.pages

        def counting(resource, namespace=None, **more):  # type: ignore[no-untyped-def]
            nonlocal lists
            lists += resource is LEASES and COMPONENT_SAMPLER in more.get("label_selector", "")
            return pages(resource, namespace, **more)

        operator.kube.pages = counting  # type: ignore[method-assign]
        for number in range(4):
            version = f"models/ripeness/versions/v{number}"
            await lab.apply_job(f"ripeness-{number}", modelVersion=version)
        await lab.pass_check()
        for number in range(4):
            await lab.job(
                f"ripeness-{number}", lambda it: condition(it, "Ready")["status"] == "True"
            )
        await quiet(operator)
        assert lists == 0
        slot = await lab.slot(0, "ripeness-0")
        lab.go_to(slot)
        for number in range(4):
            await lab.dataset(run_name(f"ripeness-{number}", slot))
        assert 1 <= lists <= 2
