"""A namespace with runs that wait for people, and the labeler as a process beside it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from evaluation_operator.api.base import format_time
from evaluation_operator.kube import DATASETS, EVALUATION_JOBS
from evaluation_operator.results.folder import Folder, run_folder
from evaluation_operator.results.tasks import TASKS_SCHEMA
from evaluation_operator.storage.options import TableOptions
from tests.builders import ABSENT, Manifest, make_dataset, make_human_job
from tests.cluster.control_plane import ControlPlane
from tests.cluster.host import free_ports
from tests.cluster.settings import CHECKOUT
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, condition

START_SECONDS = 60.0
RUN = "evj-ripeness-29541240"


@dataclass
class LabelerSite:
    """`folder` holds results, the files of the Manual backend, and logs. `kubeconfig` has no more
    rights than manifests/labeler gives."""

    lab: Lab
    kubeconfig: Path
    folder: Path
    backends: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.backends:
            manual = {"name": "manual", "type": "Manual", "url": f"file://{self.folder}/manual"}
            self.backends.append(manual)

    async def apply_job(self) -> str:
        """Its uid."""
        body = await self.lab.apply(EVALUATION_JOBS, make_human_job())
        return str(body["metadata"]["uid"])

    async def cut_run(
        self,
        job_uid: str,
        items: Sequence[str],
        name: str = RUN,
        *,
        minimum_new_labels: int | None = None,
        **labeling: Any,
    ) -> Manifest:
        """A Dataset whose first Job has done its part."""
        self._write_tasks(job_uid, name, items)
        manifest = make_dataset(
            name,
            spec={
                "evaluationJob": {"uid": job_uid},
                "resultsUri": self.results_uri,
                "minimumNewLabels": minimum_new_labels or ABSENT,
                "labeling": {
                    "instruction": {"displayName": "How to tell", "dataType": "IMAGE"},
                    "replicaCount": 1,
                    "annotatedDatasetDisplayName": "Ripeness",
                }
                | labeling,
            },
        )
        body = await self.lab.apply(DATASETS, manifest)
        body["status"] = {
            "cut": {
                "uri": self.run_folder(job_uid, name).uri,
                "rowCount": len(items),
                "time": format_time(self.lab.clock.now()),
            },
            "totalCount": len(items),
            "completedCount": 0,
        }
        return await self.lab.kube.replace_status(DATASETS, self.lab.namespace, body)

    async def end_run(self, name: str = RUN) -> None:
        """The Dataset of a run that has its Evaluation."""
        body = await self.lab.kube.get(DATASETS, self.lab.namespace, name)
        time = format_time(self.lab.clock.now())
        body["status"]["outcome"] = {"result": "Succeeded", "time": time, "evaluation": name}
        await self.lab.kube.replace_status(DATASETS, self.lab.namespace, body)

    @property
    def results_uri(self) -> str:
        return f"file://{self.folder}/results"

    def run_folder(self, job_uid: str, name: str = RUN) -> Folder:
        return run_folder(self.results_uri, job_uid, name, TableOptions())

    def labels(
        self, job_uid: str, name: str = RUN, *, file: str = "labels.parquet"
    ) -> dict[str, dict[str, Any]]:
        path = self.folder / "results" / job_uid / name / file
        return {row["item_id"]: row for row in pq.read_table(path).to_pylist()}

    def manual(self, job_uid: str, *parts: str) -> Path:
        return self.folder.joinpath("manual", job_uid, *parts)

    def answer(self, job_uid: str, given: dict[str, str], name: str = RUN) -> None:
        """One person's labels by item, as a whole file."""
        answers = [
            {"itemId": item, "annotator": "ann", "labels": [label]} for item, label in given.items()
        ]
        place = self.manual(job_uid, name, "answers.json")
        unfinished = place.with_suffix(".new")
        unfinished.write_text(json.dumps({"answers": answers}))
        unfinished.rename(place)

    async def labeled(self, *reasons: str, name: str = RUN, done: int | None = None) -> Manifest:
        """The Dataset's status, once its condition Labeled gives one of the reasons."""

        async def look() -> Manifest:
            body = await self.lab.kube.get(DATASETS, self.lab.namespace, name)
            return body.get("status") or {}

        def holds(status: Manifest) -> bool:
            return condition(status, "Labeled").get("reason") in reasons and (
                done is None or status.get("completedCount") == done
            )

        return await eventually(look, holds, seconds=60)

    def _write_tasks(self, job_uid: str, name: str, items: Sequence[str]) -> None:
        rows = [
            {
                "item_id": item,
                "row_id": f"row-{item}",
                "index": 0,
                "priority": number / 1000,
                "instance": json.dumps({"image": f"https://fruit.example/{item}.png"}),
            }
            for number, item in enumerate(items)
        ]
        local = self.folder / "tasks"
        pq.write_table(pa.Table.from_pylist(rows, schema=TASKS_SCHEMA), local)
        self.run_folder(job_uid, name).store(local, "tasks.parquet")

    @asynccontextmanager
    async def labeler(self, **environment: str) -> AsyncIterator[Labeler]:
        """A labeler that is ready; killed at the end if it still runs."""
        labeler = Labeler(self, environment)
        await labeler.start()
        try:
            yield labeler
        finally:
            await labeler.kill()


@dataclass
class Labeler:
    """A process, which may be killed and started anew under its name."""

    site: LabelerSite
    environment: dict[str, str]
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: Process | None = None

    @property
    def log(self) -> Path:
        return self.site.folder / "labeler.log"

    async def start(self) -> None:
        backends = self.site.folder / "backends.json"
        backends.write_text(json.dumps({"backends": self.site.backends}))
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "evaluation_operator.labeling.main"),
                stderr=log,
                env=os.environ
                | {
                    "PYTHONPATH": str(CHECKOUT / "operator"),
                    "KUBECONFIG": str(self.site.kubeconfig),
                    "EVALUATION_NAMESPACE": self.site.lab.namespace,
                    "POD_NAME": "evaluation-labeler-0",
                    "EVALUATION_HTTP_HOST": "127.0.0.1",
                    "EVALUATION_HEALTH_PORT": str(self.port),
                    "EVALUATION_LABELER_BACKENDS_FILE": str(backends),
                    "EVALUATION_LABELER_POLL_SECONDS": "0.2",
                }
                | self.environment,
            )
        await eventually(self.is_ready, seconds=START_SECONDS)

    async def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, self.log.read_text()
        return (await self.page("/readyz"))[0] == 200

    async def page(self, path: str) -> tuple[int, str]:
        async with httpx.AsyncClient() as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{self.port}{path}")
            except httpx.TransportError:
                return 0, ""
        return answer.status_code, answer.text

    async def stop(self) -> int:
        """As the kubelet does it first."""
        assert self.process is not None
        self.process.terminate()
        async with asyncio.timeout(30):
            return await self.process.wait()

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


def kubeconfig_of_the_labeler(control_plane: ControlPlane, namespace: str, folder: Path) -> Path:
    """Makes its account and rights in the namespace, as the manifests do."""
    manifest = CHECKOUT / "manifests" / "labeler" / "service-account.yaml"
    control_plane.kubectl("apply", "-n", namespace, "-f", str(manifest))
    token = control_plane.kubectl("create", "token", "-n", namespace, "evaluation-labeler").strip()
    content = yaml.safe_load(control_plane.kubeconfig.read_text())
    content["users"] = [{"name": "labeler", "user": {"token": token}}]
    for it in content["contexts"]:
        it["context"]["user"] = "labeler"
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path
