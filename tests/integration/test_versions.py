"""Versions: numbered, at once, with parameters and a pool of their own."""

from __future__ import annotations

import pytest

from evaluation_operator.kube import DATASETS, EVALUATION_JOB_VERSIONS, EVALUATION_JOBS, JOBS
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, condition, reason, state

pytestmark = pytest.mark.integration

RUN = "evjv-again"
WINDOW = {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-02-01T00:00:00Z"}


async def test_a_version_runs_at_once_with_its_own_parameters(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        await lab.apply_version(
            window=WINDOW,
            labels=["ripe"],
            scoreThresholds=[0.25, 0.5],
            runTemplate={"nodeSelector": {"kubernetes.io/arch": "arm64"}},
        )
        dataset = await lab.dataset(RUN)
        assert dataset["spec"]["windows"] == [WINDOW]
        assert dataset["spec"]["sliceLabels"] == ["ripe"]
        assert dataset["spec"]["evaluationJobVersion"]["number"] == 1
        job = await lab.kube.get(JOBS, lab.namespace, RUN)
        assert job["spec"]["template"]["spec"]["nodeSelector"] == {"kubernetes.io/arch": "arm64"}

        await lab.kubelet.start(RUN)
        await lab.version(holds=state("Running"))
        assert await lab.program.publish(RUN, figure=0.5)
        await lab.kubelet.succeed(RUN)
        status = await lab.version(holds=state("Completed"))
        assert status["evaluation"] == RUN
        assert status["meanAveragePrecision"] == 0.5
        assert "cover" not in await lab.job(), "a version covers nothing"


async def test_versions_are_numbered_in_the_order_of_creation(lab: Lab) -> None:
    await lab.apply_version("c")
    await lab.apply_version("b")
    async with lab.operator():
        await lab.ready_job()
        await lab.apply_version("a")
        numbers = {
            name: (await lab.version(name, lambda status: "number" in status))["number"]
            for name in "abc"
        }

    assert sorted(numbers.values()) == [1, 2, 3]
    assert numbers["a"] == 3


async def test_a_version_waits_for_its_queue_and_is_terminated_there(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        await lab.apply_version(runTemplate={"queueName": "night"})
        status = await lab.version(holds=state("Queuing"))
        assert "queue" in status["message"]
        job = await lab.kube.get(JOBS, lab.namespace, RUN)
        assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "night"
        assert job["spec"]["suspend"] is True

        await lab.kube.patch(
            EVALUATION_JOB_VERSIONS, lab.namespace, "again", {"spec": {"terminate": True}}
        )
        await lab.version(holds=state("Terminated"))
        await lab.is_gone(JOBS, RUN)


async def test_a_queue_admits_a_version(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        await lab.apply_version(runTemplate={"queueName": "night"})
        await lab.version(holds=state("Queuing"))
        await lab.kube.patch(JOBS, lab.namespace, RUN, {"spec": {"suspend": False}})
        await lab.kubelet.start(RUN)
        await lab.version(holds=state("Running"))


async def test_a_version_that_no_node_has_room_for(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        await lab.apply_version()
        await lab.kubelet.find_no_node(RUN)
        status = await lab.version(holds=reason("Ready", "Unschedulable"))
        assert status["state"] == "Queuing"
        assert "0/3 nodes" in status["message"]


async def test_a_version_whose_image_cannot_be_pulled_says_so(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        await lab.apply_version()
        await lab.kubelet.fail_to_pull(RUN)
        status = await lab.version(
            holds=lambda status: "ImagePullBackOff" in status.get("message", "")
        )
        assert status["state"] == "Queuing"


async def test_terminate_is_honoured_in_creating(lab: Lab) -> None:
    async with lab.operator():
        await lab.apply_version()
        await lab.version(holds=reason("Ready", "EvaluationJobNotFound"))
        await lab.kube.patch(
            EVALUATION_JOB_VERSIONS, lab.namespace, "again", {"spec": {"terminate": True}}
        )
        await lab.version(holds=state("Terminated"))
    assert await lab.names(DATASETS) == []


async def test_terminate_is_refused_in_running(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        await lab.apply_version()
        await lab.kubelet.start(RUN)
        await lab.version(holds=state("Running"))
        await lab.kube.patch(
            EVALUATION_JOB_VERSIONS, lab.namespace, "again", {"spec": {"terminate": True}}
        )
        status = await lab.version(holds=lambda status: condition(status, "TerminateRefused"))
        assert status["state"] == "Running"
        assert "FAILED_PRECONDITION" in condition(status, "TerminateRefused")["message"]

        assert await lab.program.publish(RUN)
        await lab.kubelet.succeed(RUN)
        status = await lab.version(holds=state("Completed"))
        assert condition(status, "TerminateRefused")["status"] == "True"


async def test_a_failed_version(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        await lab.apply_version()
        await lab.kubelet.fail(RUN, "no such column: groundtruth")
        status = await lab.version(holds=state("Failed"))
        assert status["partialFailures"][0]["message"] == "no such column: groundtruth"
        assert "attempts" not in await lab.job(), "it is no attempt of the schedule"


async def test_a_version_evaluates_the_rows_of_a_run_again(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        run = await lab.go_to_slot()
        await lab.apply_version(dataset=run)
        await lab.finish(run)
        assert (await lab.dataset(RUN))["spec"]["sourceDataset"] == run


async def test_versions_go_with_their_job(lab: Lab) -> None:
    async with lab.operator():
        await lab.ready_job()
        await lab.apply_version()
        await lab.dataset(RUN)
        await lab.delete(EVALUATION_JOBS, "ripeness")
        await lab.is_gone(EVALUATION_JOB_VERSIONS, "again")
        await eventually(lambda: lab.names(DATASETS), lambda names: names == [])
