"""Jobs that wait, stall, take over, meet obstacles and are deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from evaluation_operator.domain.naming import FINALIZER, run_name
from evaluation_operator.kube import DATASETS, EVALUATION_JOBS, JOBS, LEASES, Resource
from tests.builders import ABSENT, Manifest, make_evaluation_job, merged
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, condition, quiet, ready, reason, state, writes

pytestmark = pytest.mark.integration

QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob")
OTHER_MODEL = "models/ripeness/versions/v2"


def says(kind: str, *words: str) -> Callable[[Manifest], bool]:
    return lambda status: all(word in condition(status, kind).get("message", "") for word in words)


async def test_the_spec_set_comes_after_the_job(bare_lab: Lab) -> None:
    await bare_lab.make_ready()
    async with bare_lab.operator():
        await bare_lab.apply_job()
        status = await bare_lab.job(holds=reason("Ready", "AnnotationSpecSetNotFound"))
        assert condition(status, "Stalled")["status"] == "False"
        assert condition(status, "Reconciling")["status"] == "True"

        await bare_lab.apply_spec_set()
        await bare_lab.pass_check()
        await bare_lab.job(holds=ready)


async def test_a_namespace_that_is_made_ready_afterwards(bare_lab: Lab) -> None:
    await bare_lab.apply_spec_set()
    async with bare_lab.operator():
        await bare_lab.apply_job()
        status = await bare_lab.job(holds=reason("Ready", "NamespaceNotReady"))
        message = condition(status, "Ready")["message"]
        assert f"kubectl apply -n {bare_lab.namespace} -k" in message
        assert "evaluation-runner" in message
        assert "predictions" in message

        await bare_lab.make_ready()
        await bare_lab.pass_check()
        await bare_lab.job(holds=ready)


async def test_a_table_that_is_repaired(lab: Lab) -> None:
    async with lab.operator():
        await lab.apply_job()
        first = await lab.check_name()
        await lab.kubelet.fail(first, "column `time` is text", exit_code=66, reason="TableInvalid")
        status = await lab.job(holds=reason("Ready", "TableInvalid"))
        assert condition(status, "Ready")["message"] == "column `time` is text"
        assert condition(status, "Stalled")["status"] == "False"

        await lab.pass_check()
        await lab.job(holds=ready)


async def test_two_jobs_of_one_table_share_its_check(lab: Lab) -> None:
    async with lab.operator():
        await asyncio.gather(lab.apply_job(), lab.apply_job("second", modelVersion=OTHER_MODEL))
        await lab.pass_check()
        await asyncio.gather(lab.job(holds=ready), lab.job("second", ready))
    checks = [name for name in await lab.names(JOBS) if name.startswith("evc-")]
    assert len(checks) == 1


async def test_a_table_that_fails_in_a_run_is_checked_again(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        name = await lab.go_to_slot()
        await lab.dataset(name)
        await lab.kubelet.fail(name, "column `id` is gone", exit_code=66, reason="TableInvalid")
        await lab.job(holds=reason("Ready", "TableChecking"))
        await lab.pass_check()
        status = await lab.job(holds=ready)
        assert len(status["attempts"]) == 1


@pytest.mark.usefixtures("garbage_collector")
@pytest.mark.parametrize("cascade", ["Background", "Orphan"])
async def test_a_second_job_on_a_model_version_takes_over(lab: Lab, cascade: str) -> None:
    async with lab.operator():
        await lab.ready_job()
        await lab.apply_job("second")
        status = await lab.job("second", reason("Stalled", "ModelVersionTaken"))
        assert "'ripeness'" in condition(status, "Stalled")["message"]
        assert "state" not in status

        lease = await lab.kube.get(LEASES, lab.namespace, (await lab.job())["modelVersionLease"])
        path = EVALUATION_JOBS.path(lab.namespace, "ripeness")
        await lab.kube._call("DELETE", path, body={"propagationPolicy": cascade})
        await lab.is_gone(EVALUATION_JOBS, "ripeness")
        status = await lab.job("second", ready)
        taken = await lab.kube.get(LEASES, lab.namespace, lease["metadata"]["name"])
        second = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "second")
        assert taken["spec"]["holderIdentity"] == second["metadata"]["uid"]
        assert status["state"] == "SCHEDULED"


async def test_a_name_that_is_taken_by_something_else(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        slot = await lab.slot()
        name = run_name("ripeness", slot)
        await lab.apply(JOBS, foreign_job(name))
        lab.go_to(slot)
        status = await lab.job(holds=reason("Ready", "NameConflict"))
        assert (
            f"kubectl delete -n {lab.namespace} jobs {name}"
            in (condition(status, "Ready")["message"])
        )
        assert status["active"][0]["name"] == name

        await lab.delete(JOBS, name)
        await lab.job(holds=ready)
        await lab.finish(name)
        await lab.job(holds=state("SCHEDULED"))


def foreign_job(name: str) -> Manifest:
    container = {"name": "run", "image": "busybox"}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"suspend": True, "template": template},
    }


async def test_a_cron_job_of_the_same_name_does_no_harm(lab: Lab) -> None:
    job = foreign_job("ripeness")["spec"]
    await lab.apply(
        CRON_JOBS,
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "ripeness"},
            "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": job}},
        },
    )
    async with lab.operator():
        await lab.ready_job()
        name = await lab.go_to_slot()
        await lab.finish(name)
        await lab.job(holds=state("SCHEDULED"))
    assert await lab.names(CRON_JOBS) == ["ripeness"]


async def test_a_quota_that_refuses_jobs_is_told_and_heals(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        quota = {"hard": {"count/jobs.batch": "1"}}
        await lab.apply(
            QUOTAS,
            {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {"name": "small"},
                "spec": quota,
            },
        )
        await eventually(
            lambda: lab.kube.get(QUOTAS, lab.namespace, "small"),
            lambda quota: quota.get("status", {}).get("used"),
        )
        name = await lab.go_to_slot()
        status = await lab.job(holds=reason("Ready", "CreateRefused"))
        message = condition(status, "Ready")["message"]
        assert "exceeded quota: small" in message
        assert message.endswith("; raise the ResourceQuota, or delete Jobs that have ended")
        assert [item["name"] for item in status["active"]] == [name]

        await lab.delete(QUOTAS, "small")
        await lab.job(holds=ready)
        await lab.finish(name)
        status = await lab.job(holds=state("SCHEDULED"))
        assert "attempts" not in status


STALLED: dict[str, tuple[Any, str]] = {
    "another namespace's labels": (
        {"annotationSpecSet": "projects/elsewhere/annotationSpecSets/ripeness"},
        "spec.annotationSpecSet",
    ),
    "an image that is not allowed": (
        {"runTemplate": {"image": "registry.example/miner:1"}},
        "spec.runTemplate.image",
    ),
    "another service account": (
        {"runTemplate": {"serviceAccountName": "default"}},
        "spec.runTemplate.serviceAccountName",
    ),
    "an impossible date": ({"schedule": "0 10 30 2 *"}, "spec.schedule"),
    "a schedule below a day": ({"schedule": "every 12 hours"}, "spec.schedule"),
}


async def test_bad_specs_are_stalled_and_harm_nobody(lab: Lab) -> None:
    async with lab.operator():
        for number, (spec, _) in enumerate(STALLED.values()):
            version = f"models/bad/versions/v{number}"
            await lab.apply_job(f"bad-{number}", **{"modelVersion": version, **spec})
        await lab.ready_job()
        for number, (_, field) in enumerate(STALLED.values()):
            await lab.job(f"bad-{number}", lambda s, f=field: says("Stalled", f)(s))  # type: ignore[misc]

        name = await lab.go_to_slot()
        await lab.finish(name)
        await lab.job(holds=state("SCHEDULED"))
    assert await lab.run_jobs() == [name]


async def test_what_this_version_cannot_do_yet_is_said(lab: Lab) -> None:
    bigquery = {"tableSource": ABSENT, "bigquerySource": {"inputUri": "bq://p/d/t"}}
    config = {"inputConfig": bigquery}
    async with lab.operator():
        await lab.apply(
            EVALUATION_JOBS,
            merged(
                make_evaluation_job("warehouse"),
                {"spec": {"evaluationJobConfig": config, "resultsUri": "s3://bucket/results"}},
            ),
        )
        status = await lab.job("warehouse", reason("Ready", "BackendUnavailable"))
        assert condition(status, "Stalled")["status"] == "False"


async def test_a_deletion_stops_the_active_run(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        name = await lab.go_to_slot()
        await lab.dataset(name)
        await lab.kubelet.start(name)
        await lab.job(holds=state("RUNNING"))
        await lab.delete(EVALUATION_JOBS, "ripeness")
        await lab.is_gone(EVALUATION_JOBS, "ripeness")
        await lab.is_gone(JOBS, name)
        await lab.is_gone(DATASETS, name)
    assert "Stopped" in await lab.reasons()


async def test_a_deletion_while_the_operator_was_down(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        name = await lab.go_to_slot()
        await lab.dataset(name)
        await lab.job(holds=state("RUNNING"))
    await lab.delete(EVALUATION_JOBS, "ripeness")
    body = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness")
    assert body["metadata"]["finalizers"] == [FINALIZER]

    async with lab.operator():
        await lab.is_gone(EVALUATION_JOBS, "ripeness")
        await lab.is_gone(DATASETS, name)


async def test_a_slot_that_passed_while_the_operator_was_down(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
    name = await lab.go_to_slot(3)
    async with lab.operator():
        await lab.dataset(name)
        await lab.job(holds=state("RUNNING"))
    assert await lab.run_jobs() == [name]


async def test_a_change_is_seen_by_the_watch_alone(lab: Lab) -> None:
    async with lab.operator(sweep_seconds=3600) as operator:
        await lab.ready_job()
        await quiet(operator)
        swept = operator.sweeper.last_success
        await lab.edit_job(paused=True)
        await lab.job(holds=state("PAUSED"), seconds=5)
        assert operator.sweeper.last_success == swept


async def test_a_restart_writes_nothing(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        name = await lab.go_to_slot()
        await lab.dataset(name)
        await lab.job(holds=state("RUNNING"))
        await lab.apply_version()
        await lab.version(holds=state("Queuing"))
    async with lab.operator() as operator:
        await quiet(operator)
        assert writes(operator) == 0
