"""2,000 runs due at one instant: the operator beside a client that only creates the same objects.

    python -m tests.bench.burst [--jobs 2000]

Both talk to one real control plane on this machine (etcd, kube-apiserver, controller-manager
without its Job controller, so that no pods are made) in one run, each over 64 connections. What is
compared is a ratio: absolute figures are the machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain.manifests.dataset import build_dataset
from evaluation_operator.domain.manifests.run_job import build_run_job, first_job
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.schedule import next_run_time
from evaluation_operator.kube import (
    ANNOTATION_SPEC_SETS,
    CLAIMS,
    DATASETS,
    EVALUATION_JOBS,
    JOBS,
    SERVICE_ACCOUNTS,
    Kube,
)
from tests.bench.operator_process import OperatorProcess
from tests.cluster.control_plane import ControlPlane

ROOT = Path(__file__).resolve().parents[2]
NAMESPACES = 4
CONNECTIONS = 64
LEAD_SECONDS = 25.0
"""How long before the instant the operator starts, so that it stands ready."""

Body = dict[str, Any]


@dataclass(frozen=True)
class Burst:
    """What one side did: seconds from the first to the last Job, and when each one came."""

    seconds: float
    skews: tuple[float, ...]

    @property
    def rate(self) -> float:
        return len(self.skews) / self.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        flags = "*,-job-controller"
        with ControlPlane(Path(directory) / "control-plane", controllers=flags) as control_plane:
            kubectl = [str(control_plane.binary.path), "kubectl"]
            environment = os.environ | {"KUBECONFIG": str(control_plane.kubeconfig)}
            subprocess.run(
                [*kubectl, "apply", "--server-side", "-k", str(ROOT / "crds")],
                check=True,
                env=environment,
                stdout=subprocess.DEVNULL,
            )
            for index in range(NAMESPACES):
                create = [*kubectl, "create", "namespace", _namespace(index)]
                subprocess.run(create, check=True, env=environment, stdout=subprocess.DEVNULL)
            asyncio.run(_bench(str(control_plane.kubeconfig), arguments.jobs))


async def _bench(kubeconfig: str, count: int) -> None:
    kube = await Kube.connect(kubeconfig, connections=CONNECTIONS)
    try:
        _say(f"creating {count} EvaluationJobs in {NAMESPACES} namespaces")
        await _populate(kube, count)
        _say("letting the operator claim their model versions and check their table")
        idle_writes = await _settle(kube, kubeconfig, count)
        jobs = [EvaluationJob.from_dict(body) async for body in kube.list(EVALUATION_JOBS)]
        _say("the bare client creates a Dataset and a Job for each of them")
        bare = await _bare_burst(kube, jobs)
        await _remove_runs(kube)
        _say("the operator: all of them due at 10:00 UTC of its clock")
        burst, memory, writes = await _operator_burst(kube, kubeconfig, jobs)
        _report(count, bare, burst, memory, writes, idle_writes)
    finally:
        await kube.close()


def _report(
    count: int,
    bare: Burst,
    burst: Burst,
    memory: tuple[float, float],
    writes: float,
    idle_writes: float,
) -> None:
    cuts = statistics.quantiles(burst.skews, n=100)
    rows = [
        ("runs due at one instant", f"{count}"),
        ("bare client, Jobs per second", f"{bare.rate:.0f}"),
        ("operator, Jobs per second", f"{burst.rate:.0f}"),
        ("**operator / bare client**", f"**{burst.rate / bare.rate:.0%}**"),
        (
            "skew of a run's Job p50 / p99 / max",
            f"{cuts[49]:.1f} / {cuts[98]:.1f} / {max(burst.skews):.1f} s",
        ),
        ("bare client's last Job after", f"{bare.seconds:.1f} s"),
        ("API writes per run until it is RUNNING (Dataset, Job, status)", f"{writes / count:.2f}"),
        ("API writes for the idle jobs before the instant", f"{idle_writes:.0f}"),
        ("operator's resident memory, before / peak", f"{memory[0]:.0f} / {memory[1]:.0f} MB"),
    ]
    print("\n| | |\n| --- | --- |")
    for name, value in rows:
        print(f"| {name} | {value} |")


async def _populate(kube: Kube, count: int) -> None:
    for index in range(NAMESPACES):
        namespace = _namespace(index)
        account = {"metadata": {"name": "evaluation-runner"}}
        await kube.create(SERVICE_ACCOUNTS, namespace, account)
        claim = {
            "metadata": {"name": "evaluations"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
        await kube.create(CLAIMS, namespace, claim)
        await kube.create(ANNOTATION_SPEC_SETS, namespace, dict(_spec_set()))
    await _gather(
        kube.create(EVALUATION_JOBS, _namespace(index % NAMESPACES), dict(_job(index)))
        for index in range(count)
    )


async def _settle(kube: Kube, kubeconfig: str, count: int) -> float:
    """Run the operator until every job is Ready, then watch it do nothing for a while."""
    async with _operator(kubeconfig, timedelta(0)) as process:
        await _until(lambda: _finish_checks(kube), 300)
        await _until(lambda: _all_ready(kube, count), 600)
        before = await process.writes()
        await asyncio.sleep(10)
        return await process.writes() - before


async def _finish_checks(kube: Kube) -> bool:
    """Play the Job controller for the table checks: there are no pods here."""
    done = 0
    async for body in kube.list(JOBS):
        if not body["metadata"]["name"].startswith("evc-"):
            continue
        done += 1
        if (body.get("status") or {}).get("conditions"):
            continue
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {"status": "True", "lastTransitionTime": now, "lastProbeTime": now}
        body["status"] = {
            "startTime": now,
            "completionTime": now,
            "succeeded": 1,
            "conditions": [
                {"type": "SuccessCriteriaMet", **condition},
                {"type": "Complete", **condition},
            ],
        }
        await kube.replace_status(JOBS, body["metadata"]["namespace"], body)
    return done == NAMESPACES


async def _all_ready(kube: Kube, count: int) -> bool:
    ready = 0
    async for body in kube.list(EVALUATION_JOBS):
        conditions = (body.get("status") or {}).get("conditions") or []
        ready += any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready == count


async def _bare_burst(kube: Kube, jobs: list[EvaluationJob]) -> Burst:
    """The same two objects a run, serialised beforehand, and nothing else."""
    bodies = [_run_bodies(job) for job in jobs]
    queue: asyncio.Queue[tuple[str, bytes, str, bytes]] = asyncio.Queue()
    for item in bodies:
        queue.put_nowait(item)
    times: list[float] = []
    session = kube.watch_session(CONNECTIONS)
    started = time.monotonic()

    async def work() -> None:
        while not queue.empty():
            dataset_path, dataset, job_path, job = queue.get_nowait()
            for path, data in ((dataset_path, dataset), (job_path, job)):
                async with session.post(
                    kube.server + path, data=data, headers={"Content-Type": "application/json"}
                ) as response:
                    await response.read()
                    response.raise_for_status()
            times.append(time.monotonic() - started)

    async with session:
        await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return Burst(times[-1], tuple(times))


def _run_bodies(job: EvaluationJob) -> tuple[str, bytes, str, bytes]:
    time_ = next_run_time(job.created, 1, datetime.now(UTC))
    namespace = job.metadata.namespace
    dataset = build_dataset(job, time_, (), labels=["0", "1"])
    run = build_run_job(dataset.metadata, first_job(dataset), job, None, Policy())
    (owner,) = dataset.metadata.owner_references
    run["metadata"]["ownerReferences"] = [owner.to_dict()]
    return (
        DATASETS.path(namespace),
        json.dumps(dataset.to_dict()).encode(),
        JOBS.path(namespace),
        json.dumps(run).encode(),
    )


async def _remove_runs(kube: Kube) -> None:
    for resource in (JOBS, DATASETS):
        names = [
            (body["metadata"]["namespace"], body["metadata"]["name"])
            async for body in kube.list(resource)
            if body["metadata"]["name"].startswith("evj-")
        ]
        await _gather(kube.delete(resource, *name) for name in names)
    await _until(lambda: _none_left(kube), 120)


async def _none_left(kube: Kube) -> bool:
    async for body in kube.list(JOBS):
        if body["metadata"]["name"].startswith("evj-"):
            return False
    return True


async def _operator_burst(
    kube: Kube, kubeconfig: str, jobs: list[EvaluationJob]
) -> tuple[Burst, tuple[float, float], float]:
    instant = max(next_run_time(job.created, 1, job.created) for job in jobs)
    offset = instant - datetime.now(UTC) - timedelta(seconds=LEAD_SECONDS)
    fired = time.monotonic() + LEAD_SECONDS
    async with _operator(kubeconfig, offset) as process:
        await _until(process.is_ready, 20)
        before, memory = await process.writes(), process.memory()
        times = await _watch_jobs(kube, len(jobs), fired)
        await _until(lambda: _all_running(kube, len(jobs)), 120)
        writes = await process.writes() - before
        peak = process.memory(peak=True)
    return Burst(max(times) - min(times), tuple(times)), (memory, peak), writes


async def _watch_jobs(kube: Kube, count: int, fired: float) -> list[float]:
    """Seconds after the instant at which each run's Job was seen to exist."""
    times: dict[str, float] = {}
    session = kube.watch_session(1)
    async with session, asyncio.timeout(300):
        url = kube.server + JOBS.path(None) + "?watch=true&resourceVersion=0"
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=None)) as response:
            async for line in response.content:
                meta = json.loads(line)["object"]["metadata"]
                name = f"{meta.get('namespace')}/{meta.get('name')}"
                if "/evj-" in name and name not in times:
                    times[name] = time.monotonic() - fired
                if len(times) == count:
                    return list(times.values())
    raise RuntimeError("the watch ended early")


async def _all_running(kube: Kube, count: int) -> bool:
    running = 0
    async for body in kube.list(EVALUATION_JOBS):
        running += (body.get("status") or {}).get("state") == "RUNNING"
    return running == count


def _operator(kubeconfig: str, offset: timedelta) -> OperatorProcess:
    """The operator with its clock set."""
    return OperatorProcess(
        kubeconfig,
        EVALUATION_CLOCK_OFFSET_SECONDS=str(offset.total_seconds()),
        EVALUATION_ALLOW_TEST_CLOCK="true",
        EVALUATION_MAX_ACTIVE_RUNS="0",
    )


async def _until(condition: Any, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.5)


async def _gather(calls: Any) -> None:
    """All of the calls, at most CONNECTIONS at a time."""
    pending = iter(calls)

    async def work() -> None:
        for call in pending:
            await call

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))


def _namespace(index: int) -> str:
    return f"team-{index}"


def _spec_set() -> Body:
    labels = [{"displayName": "0"}, {"displayName": "1"}]
    return {
        "apiVersion": "evaluations.dev/v1beta1",
        "kind": "AnnotationSpecSet",
        "metadata": {"name": "digits"},
        "spec": {"displayName": "digits", "annotationSpecs": labels},
    }


def _job(index: int) -> Mapping[str, Any]:
    return {
        "apiVersion": "evaluations.dev/v1beta1",
        "kind": "EvaluationJob",
        "metadata": {"name": f"job-{index:05}"},
        "spec": {
            "description": "one of many",
            "schedule": "every 24 hours",
            "modelVersion": f"models/m{index}/versions/v1",
            "annotationSpecSet": "digits",
            "labelMissingGroundTruth": False,
            "evaluationJobConfig": {
                "inputConfig": {
                    "dataType": "IMAGE",
                    "annotationType": "IMAGE_CLASSIFICATION_ANNOTATION",
                    "classificationMetadata": {"isMultiLabel": False},
                    "tableSource": {
                        "inputUri": "file:///var/lib/evaluations/table",
                        "persistentVolumeClaimName": "evaluations",
                    },
                },
                "evaluationConfig": {},
                "imageClassificationConfig": {"annotationSpecSet": "digits"},
                "bigqueryImportKeys": {
                    "data_json_key": "image",
                    "label_json_key": "label",
                    "label_score_json_key": "score",
                },
                "exampleCount": 100,
                "exampleSamplePercentage": 1.0,
            },
        },
    }


def _say(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
