"""What goes with a deleted job, and what stays: by each of kubectl's ways to delete or replace."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from evaluation_operator.domain.naming import FINALIZER
from evaluation_operator.kube import (
    DATASETS,
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    EVALUATIONS,
    LEASES,
    Kube,
    Resource,
)
from tests.builders import (
    Manifest,
    make_evaluation_job,
    merged,
)
from tests.cluster.control_plane import ControlPlane
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, quiet, ready, reason, state

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("garbage_collector")]

VERSION_RUN = "evjv-again"


async def kubectl(plane: ControlPlane, lab: Lab, *arguments: str, stdin: str | None = None) -> str:
    return await asyncio.to_thread(
        plane.kubectl, *arguments, "-n", lab.namespace, "--wait=false", stdin=stdin
    )


async def busy(lab: Lab) -> tuple[str, str]:
    """A job with a run that has ended and an active one, whose names are given, and a version
    that runs."""
    await with_version(lab)
    done = await lab.go_to_slot()
    await lab.finish(done)
    await lab.job(holds=state("SCHEDULED"))
    return done, await lab.begin(1)


async def with_version(lab: Lab) -> None:
    """A job, and a version of it that runs."""
    await lab.ready_job()
    await lab.apply_version()
    await lab.dataset(VERSION_RUN)
    await lab.kubelet.start(VERSION_RUN)
    await lab.version(holds=state("Running"))


async def owner_of(lab: Lab, resource: Resource, name: str) -> list[str]:
    body = await lab.kube.get(resource, lab.namespace, name)
    return [item["uid"] for item in body["metadata"].get("ownerReferences") or []]


async def finalizers(lab: Lab) -> list[str]:
    body = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness")
    return list(body["metadata"].get("finalizers") or [])


async def complete(lab: Lab) -> None:
    assert await lab.program.publish(VERSION_RUN, figure=0.5)
    await lab.kubelet.succeed(VERSION_RUN)
    status = await lab.version(holds=state("Completed"))
    assert status["evaluation"] == VERSION_RUN


async def test_an_orphaning_deletion_leaves_what_goes_on(
    lab: Lab, control_plane: ControlPlane
) -> None:
    """The version lost its owner, was given back to the job that went, and the garbage collector
    deleted it and its Dataset in the midst of its run."""
    async with lab.operator() as operator:
        done, active = await busy(lab)
        lease = (await lab.job())["modelVersionLease"]
        await kubectl(control_plane, lab, "delete", "evj", "ripeness", "--cascade=orphan")
        await lab.is_gone(EVALUATION_JOBS, "ripeness")
        await quiet(operator)

        assert await owner_of(lab, EVALUATION_JOB_VERSIONS, "again") == []
        await complete(lab)
        assert await lab.program.publish(active), "its run goes on, too"
        everything = sorted([done, active, VERSION_RUN])
        assert await lab.names(DATASETS) == everything
        assert await lab.evaluations() == everything
        assert await lab.run_jobs() == everything
        assert await owner_of(lab, LEASES, lease) == [], "whoever comes next takes it"


async def test_an_orphaning_deletion_that_is_over_before_anybody_looks(
    lab: Lab, control_plane: ControlPlane
) -> None:
    """Its finalizer is gone by then, and only the run that has lost its owner tells of it."""
    async with lab.operator():
        await lab.ready_job()
        active = await lab.begin()
    await kubectl(control_plane, lab, "delete", "evj", "ripeness", "--cascade=orphan")
    await eventually(lambda: finalizers(lab), lambda found: found == [FINALIZER])
    async with lab.operator() as operator:
        await lab.is_gone(EVALUATION_JOBS, "ripeness")
        await quiet(operator)
        assert await lab.run_jobs() == [active]
        assert await lab.program.publish(active)


async def test_a_version_waits_for_a_job_that_was_orphaned_and_comes_again(
    lab: Lab, control_plane: ControlPlane
) -> None:
    """A new job of the same name takes over the model version, and its versions belong to it."""
    async with lab.operator():
        await with_version(lab)
        await kubectl(control_plane, lab, "delete", "evj", "ripeness", "--cascade=orphan")
        await lab.is_gone(EVALUATION_JOBS, "ripeness")
        await lab.apply_version("later")
        status = await lab.version("later", reason("Ready", "EvaluationJobNotFound"))
        assert status["message"] == "EvaluationJob 'ripeness' does not exist: apply it"

        made = await lab.apply_job()
        uid = made["metadata"]["uid"]
        status = await lab.job(holds=ready)
        lease = await lab.kube.get(LEASES, lab.namespace, status["modelVersionLease"])
        assert lease["spec"]["holderIdentity"] == uid
        for name in ("again", "later"):
            await eventually(
                lambda it=name: owner_of(lab, EVALUATION_JOB_VERSIONS, it),  # type: ignore[misc]
                lambda owners: owners == [uid],
            )
        await complete(lab)
        await lab.finish("evjv-later")
        assert (await lab.version("later", state("Completed")))["number"] == 2


@pytest.mark.parametrize("cascade", ["background", "foreground"])
async def test_a_deletion_takes_everything_along(
    lab: Lab, control_plane: ControlPlane, cascade: str
) -> None:
    async with lab.operator():
        await busy(lab)
        lease = (await lab.job())["modelVersionLease"]
        await kubectl(control_plane, lab, "delete", "evj", "ripeness", f"--cascade={cascade}")
        await lab.is_gone(EVALUATION_JOBS, "ripeness")
        await lab.is_gone(LEASES, lease)
        for resource in (EVALUATION_JOB_VERSIONS, DATASETS, EVALUATIONS):
            await eventually(lambda it=resource: lab.names(it), lambda names: names == [])  # type: ignore[misc]
        await eventually(lab.run_jobs, lambda names: names == [])


async def test_a_job_that_is_replaced_by_force(lab: Lab, control_plane: ControlPlane) -> None:
    """`kubectl replace --force` deletes and makes anew: another job, of the same name."""
    async with lab.operator():
        await with_version(lab)
        before = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness")
        manifest = make_evaluation_job(spec={"schedule": "every 3 days"})
        placed = merged(manifest, {"metadata": {"namespace": lab.namespace}})
        await kubectl(control_plane, lab, "replace", "--force", "-f", "-", stdin=json.dumps(placed))

        async def new_status() -> Manifest:
            body = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness")
            is_new = body["metadata"]["uid"] != before["metadata"]["uid"]
            return dict(body.get("status") or {}) if is_new else {}

        status = await eventually(new_status, ready)
        assert status["intervalDays"] == 3
        assert "cover" not in status, "nothing of the other job's"
        for resource in (EVALUATION_JOB_VERSIONS, DATASETS, EVALUATIONS):
            await eventually(lambda it=resource: lab.names(it), lambda names: names == [])  # type: ignore[misc]
        job = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness")
        lease = await lab.kube.get(LEASES, lab.namespace, status["modelVersionLease"])
        assert lease["spec"]["holderIdentity"] == job["metadata"]["uid"]

        await lab.apply_version("fresh")
        await lab.finish("evjv-fresh")
        await lab.version("fresh", state("Completed"))
        name = await lab.go_to_slot()
        await lab.finish(name)
        await lab.job(holds=lambda status: "latestEvaluation" in status)


class LateKube(Kube):
    """A connection by which somebody acts just before a version is given to its job."""

    act: Any = None

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        if self.act is not None and resource is EVALUATION_JOBS:
            act, self.act = self.act, None
            await act()
        return await super().get(resource, namespace, name)


async def test_a_version_is_not_given_to_a_job_that_goes_unseen(
    lab: Lab, control_plane: ControlPlane
) -> None:
    """The store may lag behind: the API server is asked right before the version gets its owner."""
    kube = await LateKube.connect(str(lab.kubeconfig))
    assert isinstance(kube, LateKube)
    async with lab.operator(kube):
        await lab.ready_job()

        async def orphan() -> None:
            await kubectl(control_plane, lab, "delete", "evj", "ripeness", "--cascade=orphan")

        kube.act = orphan
        await lab.apply_version()
        await lab.is_gone(EVALUATION_JOBS, "ripeness")
        status = await lab.version(holds=reason("Ready", "EvaluationJobNotFound"))
        assert status["state"] == "Creating"
        assert await owner_of(lab, EVALUATION_JOB_VERSIONS, "again") == []
