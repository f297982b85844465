"""A namespace with a bucket for tables, and replicas of the sampler as processes beside it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from evaluation_operator.kube import EVALUATION_JOBS, LEASES
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery
from tests.builders import ABSENT, Manifest, found_good, make_evaluation_job, merged
from tests.cluster.host import free_ports
from tests.cluster.settings import CHECKOUT
from tests.integration.eventually import eventually
from tests.integration.lab import Lab
from tests.integration.s3 import BUCKET, bucket_options, bucket_secret
from tests.stores import write_secret

START_SECONDS = 60.0
SOON = "0.2"


@dataclass
class Site:
    """A namespace with jobs whose tables are files in a bucket, and replicas of the sampler."""

    lab: Lab
    endpoint: str
    folder: Path

    def uri(self, job: str) -> str:
        return f"s3://{BUCKET}/{self.lab.namespace}/{job}"

    @property
    def secrets(self) -> Path:
        """The folder of Secrets, as the kubelet mounts them."""
        folder = self.folder / "secrets"
        write_secret(folder, "evaluation-stores", bucket_secret(self.endpoint))
        return folder

    async def accept_job(self, name: str = "ripeness", **spec: Any) -> None:
        """A job that samples everything; its status is written as the operator writes it."""
        config = {
            "inputConfig": {
                "tableSource": {
                    "inputUri": self.uri(name),
                    "persistentVolumeClaimName": ABSENT,
                }
            },
            "exampleSamplePercentage": 1.0,
            "exampleCount": 100_000,
        }
        manifest = make_evaluation_job(name, spec={"evaluationJobConfig": config})
        body = await self.lab.apply(EVALUATION_JOBS, merged(manifest, {"spec": spec}))
        body = found_good(body | {"status": {"state": "SCHEDULED", "intervalDays": 1}})
        await self.lab.kube.replace_status(EVALUATION_JOBS, self.lab.namespace, body)

    @asynccontextmanager
    async def replica(self, number: int = 0, **environment: str) -> AsyncIterator[Replica]:
        """A replica that is ready; killed at the end if it still runs."""
        replica = Replica(self, f"evaluation-sampler-{number}", environment)
        await replica.start()
        try:
            yield replica
        finally:
            await replica.kill()

    async def lease(self, replica: Replica) -> Manifest:
        return await self.lab.kube.get(LEASES, self.lab.namespace, replica.lease)

    async def ids(self, job: str = "ripeness", model: str = "ripeness") -> list[str]:
        return [row["id"] for row in await asyncio.to_thread(self.rows, job, model)]

    def rows(self, job: str, model: str, version: str = "v1") -> list[Mapping[str, Any]]:
        options = bucket_options(self.endpoint)
        with closing(open_table(self.uri(job), options=options)) as table:
            table.ensure()
            batches = list(table.read_rows(RowQuery(model, version)))
        return [row for batch in batches for row in batch.to_pylist()]


@dataclass
class Replica:
    """A process of the sampler, which may end and start anew with the same volume."""

    site: Site
    name: str
    environment: dict[str, str]
    ports: list[int] = field(default_factory=lambda: free_ports(2))
    process: Process | None = None

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def lease(self) -> str:
        return self.name

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        with (self.site.folder / f"{self.name}.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "evaluation_operator.sampling.main"),
                stderr=log,
                env=os.environ
                | {
                    "PYTHONPATH": str(CHECKOUT / "operator"),
                    "KUBECONFIG": str(self.site.lab.kubeconfig),
                    "EVALUATION_SECRETS_DIR": str(self.site.secrets),
                    "EVALUATION_NAMESPACE": self.site.lab.namespace,
                    "POD_NAME": self.name,
                    "EVALUATION_HTTP_HOST": "127.0.0.1",
                    "EVALUATION_HTTP_PORT": str(self.port),
                    "EVALUATION_HEALTH_PORT": str(self.ports[1]),
                    "EVALUATION_SAMPLER_DIRECTORY": str(self.site.folder / self.name),
                    "EVALUATION_SAMPLER_FLUSH_SECONDS": SOON,
                    "EVALUATION_SAMPLER_SPILL_SECONDS": "0.5",
                }
                | self.environment,
            )
        await eventually(self.is_ready, seconds=START_SECONDS)

    async def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, (self.site.folder / f"{self.name}.log").read_text()
        async with httpx.AsyncClient() as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{self.ports[1]}/readyz")
                return answer.status_code == 200
            except httpx.TransportError:
                return False

    async def stop(self) -> int:
        """As the kubelet does it first."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            return await self.process.wait()

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def status_of(self, job: str) -> int:
        """What somebody is told who sends an empty prediction for the job: 400 when it samples."""
        async with httpx.AsyncClient() as client:
            url = f"{self.url}/v1/jobs/{job}/predictions"
            return (await client.post(url, content=b"{}")).status_code

    async def knows(self, job: str = "ripeness") -> None:
        await eventually(lambda: self.status_of(job), lambda status: status == 400)

    async def predict(
        self, client: httpx.AsyncClient, event_id: str, job: str = "ripeness"
    ) -> bool:
        """Whether a whole prediction, in one piece, was accepted."""
        whole = {
            "id": event_id,
            "instances": [{"image": f"{event_id}.png"}],
            "predictions": [{"labels": ["ripe"], "scores": [0.9]}],
        }
        try:
            answer = await client.post(f"{self.url}/v1/jobs/{job}/predictions", json=whole)
        except httpx.TransportError:
            return False
        return answer.status_code == 202
