"""What a node and a run's program do to pods, for a control plane that has no nodes.

Jobs are handled by the real Job controller; only what a kubelet would report of a pod is written
here, and what the program in it would publish, by the very code of that program.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluation_operator.api.base import format_time
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.controller.clock import Clock
from evaluation_operator.evaluator.publish import publish
from evaluation_operator.evaluator.run import RunResult
from evaluation_operator.kube import DATASETS, EVENTS, PODS, Conflict, Kube, Resource
from evaluation_operator.results.rows import Cut, CutFigures
from evaluation_operator.tasks.item_files import ItemCounts
from tests.builders import make_evaluation
from tests.integration.eventually import eventually

Body = dict[str, Any]
ENDED = ("Succeeded", "Failed")
NODE = "node-1"
BINDINGS = Resource("", "v1", "bindings", "Binding")


class Kubelet:
    """Plays the node for the pods of one namespace."""

    def __init__(self, kube: Kube, namespace: str, clock: Clock) -> None:
        self._kube = kube
        self._namespace = namespace
        self._clock = clock

    async def pods(self, job: str) -> list[Body]:
        selector = f"batch.kubernetes.io/job-name={job}"
        return [
            pod async for pod in self._kube.list(PODS, self._namespace, label_selector=selector)
        ]

    async def pod(self, job: str) -> Body:
        """The Job's pod that has not ended; waits for one."""

        async def live() -> list[Body]:
            return [
                pod
                for pod in await self.pods(job)
                if pod["status"].get("phase") not in ENDED
                and "deletionTimestamp" not in pod["metadata"]
            ]

        return (await eventually(live))[0]

    async def start(self, job: str) -> None:
        await self._report(job, "Running", {"running": {"startedAt": self._now()}})

    async def succeed(self, job: str) -> None:
        await self._report(job, "Succeeded", {"terminated": self._ended(0, "")})

    async def fail(
        self,
        job: str,
        message: str = "no row has a label",
        *,
        exit_code: int = 65,
        code: int = 9,
        reason: str = "NoLabel",
    ) -> None:
        """The program ends with words of its own; 2, 65 and 66 are not tried again."""
        said = json.dumps({"code": code, "message": message, "reason": reason})
        await self.fail_with(job, exit_code, said)

    async def fail_with(self, job: str, exit_code: int, last_words: str) -> None:
        await self._report(job, "Failed", {"terminated": self._ended(exit_code, last_words)})

    async def exceed_memory(self, job: str) -> None:
        """The kernel kills the run's program, which leaves no words."""
        ended = self._ended(137, "") | {"reason": "OOMKilled"}
        await self._report(job, "Failed", {"terminated": ended})

    async def fail_to_pull(self, job: str, message: str = "no such image") -> None:
        waiting = {"reason": "ImagePullBackOff", "message": message}
        await self._report(job, "Pending", {"waiting": waiting})

    async def take(self, job: str) -> None:
        """The pod has a node, and nothing of it runs there yet."""
        pod = await self.pod(job)
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod["metadata"]["name"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
        }
        await self._kube.create(BINDINGS, self._namespace, body)
        await self._report(job, "Pending", {"waiting": {"reason": "ContainerCreating"}})

    async def warn(self, job: str, reason: str, message: str) -> None:
        """An Event of the pod, as a kubelet writes it."""
        metadata, now = (await self.pod(job))["metadata"], self._now()
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{uuid.uuid4().hex[:16]}"},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": self._namespace,
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "type": "Warning",
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": "kubelet", "host": NODE},
            "reportingComponent": "kubelet",
            "reportingInstance": NODE,
        }
        await self._kube.create(EVENTS, self._namespace, event)

    async def find_no_node(
        self, job: str, message: str = "0/3 nodes are available: 3 Insufficient memory."
    ) -> None:
        """What the scheduler says of a pod that fits nowhere."""
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
        await self._write(await self.pod(job), {"phase": "Pending", "conditions": [condition]})

    async def evict(self, job: str, message: str) -> None:
        """The node runs out of something, and the kubelet ends the pod."""
        why = {"phase": "Failed", "reason": "Evicted", "message": message}
        disruption = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "TerminationByKubelet",
        }
        await self._write(await self.pod(job), why | {"conditions": [disruption]})

    async def lose(self, job: str) -> None:
        """The pod's node goes: what the control plane writes of the pods that were there."""
        condition = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}
        await self._write(await self.pod(job), {"phase": "Failed", "conditions": [condition]})

    async def _report(self, job: str, phase: str, state: Body) -> None:
        container = {
            "name": "run",
            "image": "evaluator",
            "imageID": "sha256:0",
            "ready": phase == "Running",
            "restartCount": 0,
            "state": state,
        }
        await self._write(await self.pod(job), {"phase": phase, "containerStatuses": [container]})

    async def _write(self, pod: Body, status: Body) -> None:
        while True:
            body = await self._kube.get(PODS, self._namespace, pod["metadata"]["name"])
            body["status"] = body["status"] | status
            try:
                await self._kube.replace_status(PODS, self._namespace, body)
            except Conflict:
                continue  # the Job controller puts its finalizer on and off
            return

    def _now(self) -> str:
        return format_time(self._clock.now().replace(microsecond=0))

    def _ended(self, exit_code: int, message: str) -> Body:
        now = self._now()
        return {"exitCode": exit_code, "message": message, "startedAt": now, "finishedAt": now}


class RunProgram:
    """The last step of the program in a run's pod, over a table that is not here."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace

    async def read(self, name: str) -> Dataset:
        return Dataset.from_dict(await self._kube.get(DATASETS, self._namespace, name))

    async def publish(
        self,
        name: str,
        *,
        figure: float = 0.75,
        empty: bool = False,
        dataset: Dataset | None = None,
    ) -> bool:
        """Whether the run is committed by it. `dataset`: as it was read when the pod started."""
        dataset = dataset or await self.read(name)
        count = 0 if empty else 40
        figures = CutFigures(row_count=count, item_count=count, digest="sha256:1", time=_now())
        cut = Cut(Path("rows.parquet"), figures)
        evaluation = None if empty else Evaluation.from_dict(self.evaluation(dataset, figure))
        result = RunResult(cut, ItemCounts(evaluated=0 if empty else 40), evaluation)
        return await publish(self._kube, dataset, result, f"{dataset.spec.results_uri}/{name}")

    def evaluation(self, dataset: Dataset, figure: float = 0.75) -> Body:
        """What the program publishes."""
        metadata = dataset.metadata
        owner = {
            "apiVersion": "evaluations.dev/v1beta1",
            "kind": "Dataset",
            "name": metadata.name,
            "uid": metadata.uid,
        }
        curve = {"areaUnderCurve": figure, "meanAveragePrecision": figure}
        revision = dataset.spec.revision
        return make_evaluation(
            metadata.name,
            metadata={"namespace": metadata.namespace, "ownerReferences": [owner]},
            spec={
                "evaluationJob": dataset.spec.evaluation_job.name,
                "evaluationJobRunTime": format_time(dataset.spec.scheduled_time),
                "evaluationMetrics": {"classificationMetrics": {"prCurve": curve}},
                "meanAveragePrecision": figure,
                **({"supersedes": revision.supersedes} if revision is not None else {}),
            },
        )


def _now() -> datetime:
    return datetime.now(UTC)
