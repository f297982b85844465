"""One test's namespace on the real control plane, its operators, and its shifted clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from evaluation_operator.api.base import format_time
from evaluation_operator.controller.app import Operator
from evaluation_operator.controller.clock import SystemClock
from evaluation_operator.controller.settings import Settings
from evaluation_operator.controller.telemetry import Telemetry
from evaluation_operator.domain.facts.reading import parse_time
from evaluation_operator.domain.naming import LABEL_TABLE, run_name
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.schedule import first_run_time
from evaluation_operator.kube import (
    ANNOTATION_SPEC_SETS,
    CLAIMS,
    DATASETS,
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    EVALUATIONS,
    EVENTS,
    JOBS,
    SERVICE_ACCOUNTS,
    Kube,
    NotFound,
    Resource,
)
from evaluation_operator.serving.settings import Listening
from tests.builders import Manifest, make_evaluation_job, make_spec_set, make_version, merged
from tests.integration.eventually import eventually
from tests.integration.kubelet import Kubelet, RunProgram

DAY = timedelta(days=1)
POLICY = Policy(
    retry=timedelta(seconds=0.5),
    table_check_retry=timedelta(seconds=1),
    flush_retry=timedelta(seconds=0.2),
    trouble_after=timedelta(seconds=0.5),
)
STOP_SECONDS = 20
TABLE_CHECK = "evaluations.dev/component=table-check"


class Lab:
    """Objects are made and read as an administrator; operators see this namespace alone."""

    def __init__(self, kube: Kube, kubeconfig: Path, namespace: str) -> None:
        self.kube = kube
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self.clock = SystemClock()
        self.kubelet = Kubelet(kube, namespace, self.clock)
        self.program = RunProgram(kube, namespace)

    @asynccontextmanager
    async def operator(
        self, kube: Kube | None = None, clock: SystemClock | None = None, **changes: Any
    ) -> AsyncIterator[Operator]:
        """An operator that works until the block ends; `kube` is what it sees the cluster by."""
        settings = Settings(
            policy=POLICY,
            namespaces=(self.namespace,),
            operator_namespace=self.namespace,
            leader_election=False,
            workers=8,
            listening=Listening("127.0.0.1", 0),
            kubeconfig=str(self.kubeconfig),
        )
        telemetry = Telemetry()
        kube = kube or await Kube.connect(settings.kubeconfig, on_write=telemetry.wrote)
        operator = Operator(replace(settings, **changes), kube, clock or self.clock, telemetry)
        task = asyncio.create_task(operator.run())
        try:
            yield operator
        finally:
            operator.stop.set()
            async with asyncio.timeout(STOP_SECONDS):
                await task

    @asynccontextmanager
    async def another_operator(self, clock: SystemClock | None = None) -> AsyncIterator[None]:
        """A second one, in a thread and loop of its own: Kopf wants a loop for itself."""
        running: asyncio.Queue[tuple[asyncio.AbstractEventLoop, Operator]] = asyncio.Queue()
        home = asyncio.get_running_loop()

        async def live() -> None:
            async with self.operator(clock=clock) as operator:
                here = asyncio.get_running_loop()
                home.call_soon_threadsafe(running.put_nowait, (here, operator))
                await operator.stop.wait()

        thread = asyncio.create_task(asyncio.to_thread(asyncio.run, live()))
        loop, operator = await running.get()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(operator.stop.set)
            async with asyncio.timeout(STOP_SECONDS):
                await thread

    # What people do.

    async def apply(self, resource: Resource, manifest: Mapping[str, Any]) -> Manifest:
        placed = merged(manifest, {"metadata": {"namespace": self.namespace}})
        return await self.kube.create(resource, self.namespace, placed)

    async def make_ready(self) -> None:
        """What the namespace's component installs, as far as the operator looks for it."""
        await self.apply(SERVICE_ACCOUNTS, _core("ServiceAccount", "evaluation-runner"))
        await self.apply_claim()

    async def apply_claim(self) -> None:
        """The volume of the jobs that builders make, as one that they may use."""
        claim = {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "none",
        }
        body = _core("PersistentVolumeClaim", "predictions", spec=claim)
        body["metadata"]["labels"] = {LABEL_TABLE: "true"}
        await self.apply(CLAIMS, body)

    async def apply_spec_set(self) -> None:
        await self.apply(ANNOTATION_SPEC_SETS, make_spec_set())

    async def apply_job(self, name: str = "ripeness", **spec: Any) -> Manifest:
        wanted = {"schedule": "every 1 days"} | spec
        return await self.apply(EVALUATION_JOBS, make_evaluation_job(name, spec=wanted))

    async def apply_version(self, name: str = "again", **spec: Any) -> Manifest:
        return await self.apply(EVALUATION_JOB_VERSIONS, make_version(name, spec=spec))

    async def ready_job(self, name: str = "ripeness", **spec: Any) -> Manifest:
        """A job whose table has been checked; the operator must be running."""
        await self.apply_job(name, **spec)
        await self.pass_check()
        return await self.job(name, ready)

    async def pass_check(self) -> None:
        await self.kubelet.succeed(await self.check_name())

    async def check_name(self) -> str:
        """The table check that goes on; waits for one."""

        async def going_on() -> list[str]:
            found = self.kube.list(JOBS, self.namespace, label_selector=TABLE_CHECK)
            return [
                job["metadata"]["name"]
                async for job in found
                if not (job.get("status") or {}).get("conditions")
                and "deletionTimestamp" not in job["metadata"]
            ]

        return (await eventually(going_on))[0]

    async def edit_job(self, name: str = "ripeness", **spec: Any) -> None:
        await self.kube.patch(EVALUATION_JOBS, self.namespace, name, {"spec": spec})

    async def delete(self, resource: Resource, name: str) -> None:
        await self.kube.delete(resource, self.namespace, name)

    # Time.

    async def slot(self, day: int = 0, name: str = "ripeness") -> datetime:
        job = await self.kube.get(EVALUATION_JOBS, self.namespace, name)
        return first_run_time(parse_time(job["metadata"]["creationTimestamp"])) + day * DAY

    async def go_to_slot(self, day: int = 0, name: str = "ripeness") -> str:
        """Ten o'clock on that day after the first; the name of the run that is due."""
        slot = await self.slot(day, name)
        self.go_to(slot)
        return run_name(name, slot)

    async def begin(self, day: int = 0) -> str:
        """Ten o'clock, and the run that is due has a pod that runs; its name."""
        run = await self.go_to_slot(day)
        await self.dataset(run)
        await self.kubelet.start(run)
        await self.job(holds=state("RUNNING"))
        return run

    def go_to(self, moment: datetime) -> None:
        self.clock.offset += moment - self.clock.now() + timedelta(milliseconds=50)

    # What can be seen.

    async def job(
        self,
        name: str = "ripeness",
        holds: Callable[[Manifest], object] = bool,
        *,
        seconds: float = 20,
    ) -> Manifest:
        """The status of an EvaluationJob, once `holds` is true of it."""
        return await self._status(EVALUATION_JOBS, name, holds, seconds)

    async def version(
        self,
        name: str = "again",
        holds: Callable[[Manifest], object] = bool,
        *,
        seconds: float = 20,
    ) -> Manifest:
        return await self._status(EVALUATION_JOB_VERSIONS, name, holds, seconds)

    async def _status(
        self, resource: Resource, name: str, holds: Callable[[Manifest], object], seconds: float
    ) -> Manifest:
        async def look() -> Manifest:
            body = await self.kube.get(resource, self.namespace, name)
            return body.get("status") or {}

        return await eventually(look, holds, seconds=seconds)

    async def dataset(self, name: str) -> Manifest:
        """Waits for the Dataset and for the Job of its name."""
        await eventually(lambda: self.kube.get(JOBS, self.namespace, name))
        return await self.kube.get(DATASETS, self.namespace, name)

    async def finish(self, name: str, **published: Any) -> None:
        """The run's pod publishes and ends."""
        await self.dataset(name)
        await self.kubelet.start(name)
        assert await self.program.publish(name, **published)
        await self.kubelet.succeed(name)

    async def windows(self, name: str) -> list[tuple[str, str, int]]:
        spec = (await self.dataset(name))["spec"]
        return [
            (w["startTime"], w["endTime"], w.get("failures", 0)) for w in spec.get("windows", ())
        ]

    async def names(self, resource: Resource) -> list[str]:
        found = self.kube.list(resource, self.namespace)
        return sorted([item["metadata"]["name"] async for item in found])

    async def run_jobs(self) -> list[str]:
        return [name for name in await self.names(JOBS) if not name.startswith("evc-")]

    async def evaluations(self) -> list[str]:
        return await self.names(EVALUATIONS)

    async def reasons(self) -> list[str]:
        """Of the Events that have been published, in any order."""
        return [item["reason"] async for item in self.kube.list(EVENTS, self.namespace)]

    async def is_gone(self, resource: Resource, name: str, *, seconds: float = 20) -> None:
        async def gone() -> bool:
            try:
                await self.kube.get(resource, self.namespace, name)
            except NotFound:
                return True
            return False

        await eventually(gone, seconds=seconds)


def _core(kind: str, name: str, **more: Any) -> Manifest:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}


def condition(status: Manifest, kind: str) -> Manifest:
    conditions = status.get("conditions") or []
    return next((item for item in conditions if item["type"] == kind), {})


def ready(status: Manifest) -> bool:
    return bool(condition(status, "Ready").get("status") == "True")


def reason(kind: str, wanted: str) -> Callable[[Manifest], bool]:
    """A predicate of a status: that condition has that reason."""
    return lambda status: condition(status, kind).get("reason") == wanted


def state(wanted: str) -> Callable[[Manifest], bool]:
    return lambda status: status.get("state") == wanted


def time_of(moment: datetime) -> str:
    return format_time(moment)


def writes(operator: Operator) -> float:
    """What the operator has written so far, Events apart."""
    samples = [
        sample for metric in operator.telemetry.writes.collect() for sample in metric.samples
    ]
    return sum(
        sample.value
        for sample in samples
        if sample.name.endswith("_total") and sample.labels["resource"] != "events"
    )


async def quiet(operator: Operator) -> None:
    """Waits until nothing has been worked on for a while: news needs a moment to arrive."""
    turns = operator.telemetry.reconciles

    def count() -> float:
        return sum(sample.value for metric in turns.collect() for sample in metric.samples)

    for _ in range(100):
        before = count()
        await asyncio.sleep(0.5)
        if count() == before and not len(operator.queue) and not operator.queue.busy:
            return
    raise AssertionError("the operator does not come to rest")
