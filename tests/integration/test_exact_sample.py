"""The cap is exact with three replicas, events that come twice, and a kill -9 in the middle."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pyarrow.parquet as pq
import pytest

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.evaluator.cut import cut_rows
from evaluation_operator.kube import EVALUATION_JOBS
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.sample import item_priority
from tests.builders import make_dataset
from tests.integration.s3 import bucket_options
from tests.integration.sampler_site import Replica, Site

pytestmark = pytest.mark.integration

CAP: Final = 80
REQUESTS: Final = 300
ATTEMPTS: Final = 100
Call = tuple[dict[str, str], bytes]


async def test_three_replicas_give_exactly_the_sample_that_the_definition_gives(
    site: Site,
) -> None:
    """Each half goes to a replica of its own; one of them is killed while events come, and its
    senders repeat what it did not answer."""
    chance = random.Random(20)
    await site.accept_job(evaluationJobConfig={"exampleCount": CAP})
    sizes = {f"event-{n}": chance.choice((1, 1, 2, 3, 10)) for n in range(REQUESTS)}
    calls = [half for event, size in sizes.items() for half in halves(event, size)]
    calls += chance.sample(calls, len(calls) // 10)
    chance.shuffle(calls)
    slow = {"EVALUATION_SAMPLER_FLUSH_SECONDS": "2"}
    async with (
        site.replica(0, **slow) as first,
        site.replica(1, **slow) as second,
        site.replica(2, **slow) as third,
    ):
        replicas = [first, second, third]
        for replica in replicas:
            await replica.knows()
        middle = len(calls) // 2
        await send(replicas, calls[:middle], chance)
        async with asyncio.TaskGroup() as group:
            group.create_task(send(replicas, calls[middle:], chance))
            group.create_task(kill_and_start(second))
        for replica in replicas:
            assert await replica.stop() == 0

    items = [f"{event}/{n}" for event, size in sizes.items() for n in range(size)]
    job = await site.lab.kube.get(EVALUATION_JOBS, site.lab.namespace, "ripeness")
    uid = job["metadata"]["uid"]
    smallest = sorted(items, key=lambda item: item_priority(uid, item))
    drawn = await asyncio.to_thread(draw, site, job)
    assert drawn.keys() == set(smallest[:CAP])
    assert set(drawn.values()) == {item_priority(uid, smallest[CAP])}


async def kill_and_start(replica: Replica) -> None:
    await replica.kill()
    await replica.start()
    await replica.knows()


def halves(event: str, size: int) -> list[Call]:
    """As KServe's agent sends them."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": event,
        "ce-source": "http://localhost:9081/",
        "ce-inferenceservicename": "ripeness",
        "ce-modelversion": "v1",
        "content-type": "application/json",
    }
    instances = [{"image": f"{event}-{n}.png"} for n in range(size)]
    predictions = [{"labels": ["ripe"], "scores": [0.9]}] * size
    return [
        (headers | {"ce-type": f"org.kubeflow.serving.inference.{side}"}, json.dumps(body).encode())
        for side, body in (
            ("request", {"instances": instances}),
            ("response", {"predictions": predictions}),
        )
    ]


async def send(replicas: list[Replica], calls: list[Call], chance: random.Random) -> None:
    """Each call to some replica, and again to some other until one has accepted it."""
    places = asyncio.Semaphore(16)
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:

        async def accept(call: Call) -> None:
            headers, body = call
            async with places:
                for _ in range(ATTEMPTS):
                    url = chance.choice(replicas).url
                    try:
                        answer = await client.post(url, headers=headers, content=body)
                    except httpx.TransportError:
                        continue
                    if answer.status_code == 202:
                        return
            raise AssertionError("nobody accepts it")

        for call in calls:
            group.create_task(accept(call))


def draw(site: Site, job: Any) -> dict[str, float]:
    """What a run over everything draws: each item with its probability."""
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    meta = job["metadata"]
    window = {"startTime": meta["creationTimestamp"], "endTime": tomorrow.isoformat()}
    owner = {"name": "ripeness", "uid": meta["uid"], "createTime": meta["creationTimestamp"]}
    spec = {
        "windows": [window],
        "evaluationJob": owner,
        "exampleCount": CAP,
        "exampleSamplePercentage": 1.0,
    }
    dataset = Dataset.from_dict(make_dataset(spec=spec))
    options = bucket_options(site.endpoint)
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(open_table(site.uri("ripeness"), options=options)) as table,
    ):
        cut = cut_rows(dataset, table, Path(scratch), tomorrow)
        rows = pq.read_table(cut.path, columns=["id", "p"]).to_pylist()
    return {row["id"]: row["p"] for row in rows}
