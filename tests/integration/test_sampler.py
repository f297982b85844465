"""The sampler as a process of its own, beside a real API server."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from evaluation_operator.domain.naming import ANNOTATION_FLUSHED_THROUGH, ANNOTATION_SAMPLING
from evaluation_operator.kube import EVALUATION_JOBS, LEASES
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery, TableOptions
from tests.builders import ABSENT, Manifest, make_evaluation_job, merged
from tests.cluster.host import free_ports
from tests.cluster.settings import CHECKOUT
from tests.integration.eventually import eventually
from tests.integration.lab import Lab
from tests.integration.s3 import BUCKET, CREDENTIALS, s3_server

pytestmark = pytest.mark.integration

EVENTS = CHECKOUT / "tests" / "fixtures" / "kserve-agent-events.json"
START_SECONDS = 60.0
NEVER = "3600"
SOON = "0.2"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture
def site(bare_lab: Lab, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return Site(bare_lab, endpoint, tmp_path)


@dataclass
class Site:
    """A namespace with jobs whose tables are files in a bucket, and replicas of the sampler."""

    lab: Lab
    endpoint: str
    folder: Path

    def uri(self, job: str) -> str:
        return f"s3://{BUCKET}/{self.lab.namespace}/{job}"

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
        body["status"] = {"state": "SCHEDULED", "intervalDays": 1}
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
        options = TableOptions(s3_endpoint=self.endpoint)
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
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: Process | None = None

    @property
    def lease(self) -> str:
        return f"evaluation-sampler-{self.name}"

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
                    "AWS_ENDPOINT_URL": self.site.endpoint,
                    "EVALUATION_NAMESPACE": self.site.lab.namespace,
                    "POD_NAME": self.name,
                    "EVALUATION_HTTP_HOST": "127.0.0.1",
                    "EVALUATION_HTTP_PORT": str(self.port),
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
                return (await client.get(f"{self.url}/readyz")).status_code == 200
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


async def test_predictions_become_rows_and_the_mark_of_the_lease_moves_past_them(
    site: Site,
) -> None:
    await site.accept_job()
    async with site.replica() as replica, httpx.AsyncClient() as client:
        await replica.knows()
        sent_at = datetime.now(UTC)
        assert await replica.predict(client, "one")
        assert await eventually(site.ids) == ["one/0"]

        lease = await eventually(
            lambda: site.lease(replica), lambda found: mark_of(found) > sent_at, seconds=30
        )
        (row,) = site.rows("ripeness", "ripeness")
        assert row["sampled_at"] >= sent_at
        assert lease["spec"]["holderIdentity"] == replica.name
        told = json.loads(lease["metadata"]["annotations"][ANNOTATION_SAMPLING])
        assert told["jobs"]["ripeness"]["predictions"] == 1


async def test_a_pause_takes_effect_within_a_second(site: Site) -> None:
    await site.accept_job()
    async with site.replica() as replica:
        await replica.knows()

        await site.lab.edit_job(paused=True)
        await eventually(lambda: replica.status_of("ripeness"), lambda code: code == 409, seconds=1)
        await site.lab.edit_job(paused=False)
        await eventually(lambda: replica.status_of("ripeness"), lambda code: code == 400, seconds=1)
        await site.lab.delete(EVALUATION_JOBS, "ripeness")
        await eventually(lambda: replica.status_of("ripeness"), lambda code: code == 404, seconds=1)


async def test_a_lease_that_somebody_deletes_is_made_anew(site: Site) -> None:
    async with site.replica() as replica:
        first = await eventually(lambda: site.lease(replica))
        await site.lab.delete(LEASES, replica.lease)

        again = await eventually(lambda: site.lease(replica), seconds=30)
        assert again["metadata"]["uid"] != first["metadata"]["uid"]
        assert mark_of(again) >= mark_of(first)


async def test_a_replica_that_is_told_to_stop_writes_all_it_has_and_leaves(site: Site) -> None:
    await site.accept_job()
    later = {"EVALUATION_SAMPLER_FLUSH_SECONDS": NEVER, "EVALUATION_SAMPLER_SPILL_SECONDS": NEVER}
    async with site.replica(**later) as replica, httpx.AsyncClient() as client:
        await replica.knows()
        await eventually(lambda: site.lease(replica))
        for number in range(20):
            assert await replica.predict(client, f"{number:02}")
        assert await site.ids() == []

        assert await replica.stop() == 0
        assert await site.ids() == [f"{number:02}/0" for number in range(20)]
        await site.lab.is_gone(LEASES, replica.lease)


async def test_a_replica_that_is_killed_loses_nothing_that_it_accepted(site: Site) -> None:
    """Senders go on while it is killed twice; some of it is in the table by then, some is not."""
    await site.accept_job()
    accepted: list[str] = []
    is_over = asyncio.Event()

    async def keep_sending(sender: int, replica: Replica) -> None:
        async with httpx.AsyncClient() as client:
            number = 0
            while not is_over.is_set():
                event_id = f"{sender}-{number:05}"
                if await replica.predict(client, event_id):
                    accepted.append(f"{event_id}/0")
                number += 1
                await asyncio.sleep(0.005)

    async with site.replica() as replica:
        await replica.knows()
        async with asyncio.TaskGroup() as senders:
            for sender in range(4):
                senders.create_task(keep_sending(sender, replica))
            for target in (100, 200):
                await eventually(length_of(accepted), reaches(target), seconds=60)
                await replica.kill()
                await replica.start()
            await eventually(length_of(accepted), reaches(300), seconds=60)
            await replica.kill()
            is_over.set()
        await replica.start()

        found = await eventually(site.ids, lambda ids: set(ids) >= set(accepted), seconds=30)
        assert len(found) == len(set(found))


async def test_captured_events_give_the_same_rows_in_any_order_at_any_replica(site: Site) -> None:
    """KServe's agent, byte for byte but for the namespace: their halves meet in memory, at two
    replicas, or after one of them has been written by itself; some of them come twice."""
    events = json.loads(EVENTS.read_text())
    orders: dict[str, Callable[[list[Any]], list[Any]]] = {
        "as-captured": list,
        "backwards": lambda sent: sent[::-1],
        "shuffled": lambda sent: random.Random(4).sample(sent, len(sent)),
        "twice": lambda sent: random.Random(5).sample(sent * 2, 2 * len(sent)),
    }
    seen: dict[str, list[tuple[Any, ...]]] = {}
    async with site.replica(0) as first, site.replica(1) as second:
        for name, order in orders.items():
            replicas = [first] if name == "as-captured" else [first, second]
            seen[name] = await rows_of_captured(site, name, order(events), replicas)

    assert len(seen["as-captured"]) == CAPTURED_ITEMS
    for name in orders:
        assert seen[name] == seen["as-captured"], name


async def rows_of_captured(
    site: Site, name: str, events: list[Any], replicas: list[Replica]
) -> list[tuple[Any, ...]]:
    """The rows of a job of their own, which is gone again afterwards."""
    keys = {
        "reference_json_key": "image",
        "label_json_key": "label",
        "label_score_json_key": "score",
    }
    await site.accept_job(
        name,
        modelVersion="models/digits/versions/3",
        evaluationJobConfig={"bigqueryImportKeys": keys},
    )
    for replica in replicas:
        await replica.knows(name)
    chance = random.Random(name)
    async with httpx.AsyncClient() as client:
        for event in events:
            await replay(client, chance.choice(replicas), event, site.lab.namespace)

    async def read() -> list[Mapping[str, Any]]:
        return await asyncio.to_thread(site.rows, name, "digits", "3")

    rows = await eventually(read, lambda found: len(found) >= CAPTURED_ITEMS, seconds=30)
    await site.lab.delete(EVALUATION_JOBS, name)
    for replica in replicas:
        status = partial(replica.status_of, name)
        await eventually(status, lambda code: code == 404)
    return [tuple(row[column] for column in COLUMNS) for row in rows]


COLUMNS = ("id", "model", "model_version", "time", "raw_data", "raw_prediction")
CAPTURED_ITEMS = 5
"""Two of the captured pairs have one instance and two predictions, which make no row."""


async def replay(
    client: httpx.AsyncClient, replica: Replica, event: Mapping[str, Any], namespace: str
) -> None:
    headers = {name: value for name, value in event["headers"] if name != "Host"}
    headers["Ce-Namespace"] = namespace
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    body = base64.b64decode(event["body_base64"])
    answer = await client.post(f"{replica.url}{event['path']}", headers=encoded, content=body)
    assert (answer.status_code, answer.content) == (202, b"")


def mark_of(lease: Manifest) -> datetime:
    return datetime.fromisoformat(lease["metadata"]["annotations"][ANNOTATION_FLUSHED_THROUGH])


def length_of(things: list[str]) -> Callable[[], Any]:
    async def look() -> int:
        return len(things)

    return look


def reaches(target: int) -> Callable[[int], bool]:
    return lambda found: found >= target
