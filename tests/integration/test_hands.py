"""What other people's hands change on what the operator has made, and how it goes on.

Whatever carries a run may be edited by anybody who has the right to: its Job, its pod, its
Dataset, the Lease of the model version, finalizers, states. Each heals by itself, or is said.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from evaluation_operator.kube import (
    DATASETS,
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    JOBS,
    LEASES,
    PODS,
    NotFound,
    Resource,
)
from tests.builders import Manifest
from tests.cluster.control_plane import ControlPlane
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, condition, quiet, ready, reason, state, writes
from tests.integration.test_standstills import held_up, told

pytestmark = pytest.mark.integration

VERSION_RUN = "evjv-again"
FOREIGN = "backup.example.com/keep"


async def begun(lab: Lab) -> str:
    """A job whose first run has a pod that runs; the run's name."""
    await lab.ready_job()
    return await lab.begin()


async def ends_well(lab: Lab, run: str) -> None:
    assert await lab.program.publish(run)
    await lab.kubelet.succeed(run)
    status = await lab.job(holds=state("SCHEDULED"))
    assert status["latestEvaluation"]["name"] == run


async def change(lab: Lab, resource: Resource, name: str, **metadata: Any) -> None:
    await lab.kube.patch(resource, lab.namespace, name, {"metadata": metadata})


async def write_status(lab: Lab, resource: Resource, name: str, status: Manifest) -> None:
    body = await lab.kube.get(resource, lab.namespace, name)
    body["status"] = (body.get("status") or {}) | status
    await lab.kube.replace_status(resource, lab.namespace, body)


async def live_pods(lab: Lab) -> list[str]:
    return [
        pod["metadata"]["name"]
        async for pod in lab.kube.list(PODS, lab.namespace)
        if pod["status"].get("phase") in ("Pending", "Running")
        and pod["metadata"]["name"].startswith("evj-")
    ]


# The Job.


async def test_a_job_that_may_have_no_pod_says_so_and_goes_on(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        run = await lab.go_to_slot()
        await lab.dataset(run)
        await lab.kube.patch(JOBS, lab.namespace, run, {"spec": {"parallelism": 0}})
        status = await lab.job(holds=held_up("Suspended"))
        assert '{"spec":{"parallelism":1}}' in status["active"][0]["message"]

        await lab.kube.patch(JOBS, lab.namespace, run, {"spec": {"parallelism": 1}})
        await lab.kubelet.start(run)
        await ends_well(lab, run)


async def test_the_pod_of_a_job_that_was_deleted_alone_goes_on_and_no_other_begins(
    lab: Lab, control_plane: ControlPlane
) -> None:
    """A second Job was made at once, whose pod wrote the same files as the first one's."""
    async with lab.operator():
        run = await begun(lab)
        where = ("-n", lab.namespace, "--cascade=orphan")
        await asyncio.to_thread(control_plane.kubectl, "delete", "job", run, *where)
        status = await lab.job(holds=held_up("PodWithoutJob"))
        assert f"kubectl delete pod {run}-" in status["active"][0]["message"]
        assert len(await live_pods(lab)) == 1

        assert await lab.program.publish(run)
        status = await lab.job(holds=state("SCHEDULED"))
        assert status["latestEvaluation"]["name"] == run


async def test_a_pod_without_its_job_that_is_deleted_is_followed_by_another_job(
    lab: Lab, control_plane: ControlPlane
) -> None:
    async with lab.operator():
        run = await begun(lab)
        where = ("-n", lab.namespace, "--cascade=orphan")
        await asyncio.to_thread(control_plane.kubectl, "delete", "job", run, *where)
        await lab.job(holds=held_up("PodWithoutJob"))
        for name in await live_pods(lab):
            await lab.kube.delete(PODS, lab.namespace, name)

        await eventually(lambda: lab.kube.get(JOBS, lab.namespace, run))
        await lab.kubelet.start(run)
        await ends_well(lab, run)


async def test_a_job_that_has_lost_its_label_goes_on_unseen(lab: Lab) -> None:
    async with lab.operator():
        run = await begun(lab)
        await change(lab, JOBS, run, labels={"app.kubernetes.io/managed-by": None})
        await ends_well(lab, run)


async def test_a_job_that_fails_without_the_label_by_which_it_is_watched(lab: Lab) -> None:
    """A Job of that name was to be made again and again, and nobody was told why none was."""
    async with lab.operator():
        run = await begun(lab)
        await change(lab, JOBS, run, labels={"app.kubernetes.io/managed-by": None})
        await lab.kubelet.fail(run)
        status = await lab.job(holds=reason("Ready", "NameConflict"))
        assert (
            f"kubectl label -n {lab.namespace} job {run} " in condition(status, "Ready")["message"]
        )

        await change(lab, JOBS, run, labels={"app.kubernetes.io/managed-by": "evaluation-operator"})
        status = await lab.job(holds=lambda status: ready(status) and state("SCHEDULED")(status))
        assert status["failedRuns"] == 1


# The pod and the Dataset.


async def test_a_pod_that_has_lost_its_labels_ends_its_run_all_the_same(lab: Lab) -> None:
    async with lab.operator():
        run = await begun(lab)
        pod = (await lab.kubelet.pod(run))["metadata"]["name"]
        await change(lab, PODS, pod, labels={"app.kubernetes.io/managed-by": None})
        await ends_well(lab, run)


async def test_a_dataset_that_has_lost_owner_and_labels_is_still_the_jobs(lab: Lab) -> None:
    async with lab.operator():
        run = await begun(lab)
        await change(lab, DATASETS, run, ownerReferences=None, labels=None)
        await ends_well(lab, run)


async def test_who_holds_a_deleted_dataset_does_not_hold_its_job(lab: Lab) -> None:
    async with lab.operator():
        run = await begun(lab)
        await change(lab, DATASETS, run, finalizers=[FOREIGN])
        await lab.delete(DATASETS, run)
        status = await lab.job(holds=state("SCHEDULED"))
        assert status["failedRuns"] == 1
        await change(lab, DATASETS, run, finalizers=None)


# The claim of the model version, and finalizers.


async def test_a_lease_that_was_deleted_or_given_to_others_is_taken_again(lab: Lab) -> None:
    async with lab.operator() as operator:
        await lab.ready_job()
        lease = (await lab.job())["modelVersionLease"]
        uid = (await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness"))["metadata"]["uid"]

        async def holder() -> str:
            body = await lab.kube.get(LEASES, lab.namespace, lease)
            return str(body["spec"]["holderIdentity"])

        await lab.delete(LEASES, lease)
        await operator.sweeper.sweep()
        await eventually(holder, lambda found: found == uid)

        change = {"spec": {"holderIdentity": "somebody"}}
        await lab.kube.patch(LEASES, lab.namespace, lease, change)
        await operator.sweeper.sweep()
        await eventually(holder, lambda found: found == uid)


async def test_the_operators_own_finalizer_is_put_back(lab: Lab) -> None:
    """Without it a deletion would not free what nobody else frees."""
    async with lab.operator():
        await lab.ready_job()
        await change(lab, EVALUATION_JOBS, "ripeness", finalizers=None)

        async def finalizers() -> list[str]:
            body = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness")
            return list(body["metadata"].get("finalizers") or [])

        await eventually(finalizers, lambda found: "evaluations.dev/operator" in found)


async def test_who_waits_for_a_model_version_is_told_whose_finalizer_it_waits_for(
    lab: Lab,
) -> None:
    """It was told to delete one of the two, and one of them was deleted."""
    async with lab.operator():
        await lab.ready_job("earlier")
        found = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "earlier")
        held = [*found["metadata"]["finalizers"], FOREIGN]
        await change(lab, EVALUATION_JOBS, "earlier", finalizers=held)
        await lab.apply_job()
        await lab.job(holds=reason("Stalled", "ModelVersionTaken"))
        await lab.delete(EVALUATION_JOBS, "earlier")

        def names_it(status: Manifest) -> bool:
            return FOREIGN in condition(status, "Stalled").get("message", "")

        message = condition(await lab.job(holds=names_it), "Stalled")["message"]
        assert "which was deleted; this job takes over once it is gone" in message
        assert f"kubectl patch evj earlier -n {lab.namespace} --type=merge" in message

        await change(lab, EVALUATION_JOBS, "earlier", finalizers=None)
        await lab.job(holds=ready)


async def test_the_run_of_a_version_that_is_deleted_ends_though_somebody_holds_the_version(
    lab: Lab,
) -> None:
    async with lab.operator():
        await lab.ready_job()
        await lab.apply_version()
        await lab.dataset(VERSION_RUN)
        await lab.kubelet.start(VERSION_RUN)
        await lab.version(holds=state("Running"))
        await change(lab, EVALUATION_JOB_VERSIONS, "again", finalizers=[FOREIGN])
        await lab.delete(EVALUATION_JOB_VERSIONS, "again")

        await lab.is_gone(JOBS, VERSION_RUN)
        await change(lab, EVALUATION_JOB_VERSIONS, "again", finalizers=None)
        await lab.is_gone(EVALUATION_JOB_VERSIONS, "again")


# States.


@pytest.mark.parametrize("written", ["Completed", "Failed", "Terminated"])
async def test_a_final_state_by_hand_is_not_believed_while_the_run_goes_on(
    lab: Lab, written: str
) -> None:
    """All care for the version's Job ended with it: nobody read what came out."""
    async with lab.operator() as operator:
        await lab.ready_job()
        await lab.apply_version()
        await lab.dataset(VERSION_RUN)
        await lab.kubelet.start(VERSION_RUN)
        await lab.version(holds=state("Running"))
        future = "2030-01-01T00:00:00Z"
        by_hand = {"state": written, "completionTime": future, "startTime": future}
        await write_status(lab, EVALUATION_JOB_VERSIONS, "again", by_hand)

        status = await lab.version(holds=state("Running"))
        assert "completionTime" not in status
        message = await told(lab, "StateNotBelieved")
        assert f"status.state: {written}, but {VERSION_RUN} has not ended" in message
        assert "status.startTime: 2030-01-01" in await told(lab, "FutureNotBelieved")
        await quiet(operator)
        before = writes(operator)

        assert await lab.program.publish(VERSION_RUN)
        await lab.kubelet.succeed(VERSION_RUN)
        status = await lab.version(holds=state("Completed"))
        assert status["evaluation"] == VERSION_RUN
        assert status["completionTime"] < future
        assert writes(operator) - before == 1


async def test_a_state_that_contradicts_the_outcome_is_set_right(lab: Lab) -> None:
    async with lab.operator() as operator:
        await lab.ready_job()
        await lab.apply_version()
        await lab.finish(VERSION_RUN)
        await lab.version(holds=state("Completed"))
        await quiet(operator)

        before = writes(operator)
        await write_status(lab, EVALUATION_JOB_VERSIONS, "again", {"state": "Failed"})
        status = await lab.version(holds=state("Completed"))
        assert status["evaluation"] == VERSION_RUN
        assert "came out as Succeeded" in await told(lab, "StateNotBelieved")
        await quiet(operator)
        assert writes(operator) - before == 1


async def test_a_status_that_was_wiped_is_written_again_and_no_run_is_made_twice(
    lab: Lab,
) -> None:
    async with lab.operator() as operator:
        done = await begun(lab)
        await ends_well(lab, done)
        active = await lab.go_to_slot(1)
        await lab.dataset(active)
        await lab.kubelet.start(active)
        before = await lab.job(holds=state("RUNNING"))
        body = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness")
        del body["status"]
        await lab.kube.replace_status(EVALUATION_JOBS, lab.namespace, body)

        await lab.job(holds=state("RUNNING"))
        await quiet(operator)
        status = await lab.job()
        assert [run["name"] for run in status["active"]] == [active]
        assert status["latestEvaluation"]["name"] == done
        assert status["nextRunTime"] == before["nextRunTime"]
        assert {*await lab.run_jobs()} == {active, done}
        await ends_well(lab, active)
        third = await lab.go_to_slot(2)
        end_of_active = (await lab.windows(active))[-1][1]
        assert [window[0] for window in await lab.windows(third)] == [end_of_active]


async def test_an_outcome_that_was_taken_away_by_hand_ends_in_peace(lab: Lab) -> None:
    """The run is over for its job; nothing is made again for what a hand has lost."""
    async with lab.operator() as operator:
        run = await begun(lab)
        await ends_well(lab, run)
        body = await lab.kube.get(DATASETS, lab.namespace, run)
        del body["status"]["outcome"]
        await lab.kube.replace_status(DATASETS, lab.namespace, body)
        await quiet(operator)
        assert (await lab.job())["state"] == "SCHEDULED"
        assert [it for it in await lab.run_jobs() if it != run] == []


async def test_a_job_held_by_a_finalizer_of_others_frees_all_else(lab: Lab) -> None:
    """Of a deleted job that somebody holds, no run goes on."""
    async with lab.operator():
        run = await begun(lab)
        found = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness")
        held = [*found["metadata"]["finalizers"], FOREIGN]
        await change(lab, EVALUATION_JOBS, "ripeness", finalizers=held)
        await lab.delete(EVALUATION_JOBS, "ripeness")
        await lab.is_gone(JOBS, run)

        async def finalizers() -> list[str]:
            body = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness")
            return list(body["metadata"].get("finalizers") or [])

        await eventually(finalizers, lambda left: left == [FOREIGN])
        await change(lab, EVALUATION_JOBS, "ripeness", finalizers=None)
        with pytest.raises(NotFound):
            await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness")
