"""One replica of the sampler as it really serves, without a cluster: jobs are told by the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from evaluation_operator.kube import Seen, Synced
from evaluation_operator.sampling.engine import Sampler
from evaluation_operator.sampling.intake.app import App
from evaluation_operator.sampling.intake.auth import Tokens
from evaluation_operator.sampling.intake.jobs import JobTable
from evaluation_operator.sampling.service import build_parts, build_sampler
from evaluation_operator.sampling.settings import Settings
from evaluation_operator.serving.server import Server, listen
from evaluation_operator.serving.settings import Listening
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery
from tests.builders import ABSENT, Manifest, found_good, make_evaluation_job, merged, stored

NAMESPACE = "fruit"
INSTANCES = b'{"instances":[{"image":"a.png"}]}'
PREDICTIONS = b'{"predictions":[{"labels":["ripe"],"scores":[0.9]}]}'


def make_settings(folder: Path, **changes: Any) -> Settings:
    listening = Listening("127.0.0.1")
    settings = Settings(NAMESPACE, "evaluation-sampler-0", folder / "accepted", listening=listening)
    return replace(settings, **changes)


def make_job(
    table: Path, name: str = "ripeness", *, fraction: float = 1.0, cap: int = 1000, **changes: Any
) -> Manifest:
    """A job that the operator has accepted, of the model that has its name."""
    config = {
        "inputConfig": {
            "tableSource": {"inputUri": f"file://{table}", "persistentVolumeClaimName": ABSENT}
        },
        "exampleSamplePercentage": fraction,
        "exampleCount": cap,
    }
    manifest = make_evaluation_job(
        name,
        spec={"modelVersion": f"models/{name}/versions/v1", "evaluationJobConfig": config},
        status={"state": "SCHEDULED", "intervalDays": 1},
    )
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return merged(found_good(stored(manifest, creationTimestamp=created)), changes)


def event_headers(side: str, event_id: str, **changes: str) -> dict[str, str]:
    """As KServe's agent sends them."""
    headers = {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-type": f"org.kubeflow.serving.inference.{side}",
        "ce-source": "http://localhost:9081/",
        "ce-inferenceservicename": "ripeness",
        "ce-namespace": NAMESPACE,
        "ce-component": "predictor",
        "ce-endpoint": "",
        "ce-annotations": '{"evaluations.dev/model-version":"v1"}',
        "ce-time": "2026-11-22T11:12:11.251294118Z",
    }
    return headers | {name.replace("_", "-"): value for name, value in changes.items()}


@dataclass
class Replica:
    """A replica that serves on loopback, a client of it, and one of its health port."""

    sampler: Sampler
    app: App
    jobs: JobTable
    client: httpx.AsyncClient
    health: httpx.AsyncClient
    table: Path
    port: int

    def know(self, *jobs: Manifest) -> None:
        for job in jobs:
            self.jobs.hear(Seen(job))
        self.jobs.hear(Synced())

    async def send(
        self, side: str, event_id: str, body: bytes | None = None, **changes: Any
    ) -> httpx.Response:
        """One half of a prediction."""
        if body is None:
            body = INSTANCES if side == "request" else PREDICTIONS
        headers = event_headers(side, event_id, **changes)
        return await self.client.post("/", content=body, headers=headers)

    async def predict(self, event_id: str, **changes: Any) -> None:
        """A whole prediction, which is taken."""
        for side in ("request", "response"):
            answer = await self.send(side, event_id, **changes)
            assert answer.status_code == 202, answer.text

    async def rows(self, model: str = "ripeness") -> list[Mapping[str, Any]]:
        """What is in the table once everything that waits is written."""
        await self.sampler.settled()
        self.sampler.tick()
        await self.sampler.flush()
        return read_rows(self.table, model)

    @property
    def reasons(self) -> dict[str, int]:
        return {reason.value: count for reason, count in self.sampler.counts.reasons.items()}


def read_rows(table: Path, model: str = "ripeness") -> list[Mapping[str, Any]]:
    with closing(open_table(f"file://{table}")) as opened:
        opened.ensure()
        batches = list(opened.read_rows(RowQuery(model, "v1")))
    return [row for batch in batches for row in batch.to_pylist()]


@asynccontextmanager
async def serving(folder: Path, **changes: Any) -> AsyncIterator[Replica]:
    """A replica that knows one job, `ripeness`, which samples everything."""
    settings = make_settings(folder, **changes)
    sampler = build_sampler(settings)
    await sampler.start()
    sampler.lease_renewed(datetime.now(UTC))
    tokens = Tokens(settings.tokens_file) if settings.tokens_file else None
    parts = build_parts(settings, sampler, tokens)
    sockets = [listen(settings.listening.host, 0) for _ in range(2)]
    traffic, health = (f"http://127.0.0.1:{it.getsockname()[1]}" for it in sockets)
    port = sockets[0].getsockname()[1]
    servers = tuple(zip((parts.traffic, parts.health), sockets, strict=True))
    await asyncio.gather(*(_start(server, listening) for server, listening in servers))
    # Loading the authorities that nobody here is signed by takes as long as a test.
    async with (
        httpx.AsyncClient(base_url=traffic, timeout=20, verify=False) as client,
        httpx.AsyncClient(base_url=health, timeout=20, verify=False) as prober,
    ):
        replica = Replica(sampler, parts.app, parts.jobs, client, prober, folder / "table", port)
        replica.know(make_job(replica.table))
        try:
            yield replica
        finally:
            await parts.app.stop_taking()
            await client.aclose()
            await prober.aclose()
            await asyncio.gather(*(server.shutdown([listening]) for server, listening in servers))
            await sampler.close()


async def _start(server: Server, listening: socket.socket) -> None:
    """As `Server.serve` does, whose loop takes a tenth of a second to end."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([listening])
    await server.on_tick(0)
