"""The sampler as a process of its own, beside a real API server."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest

from evaluation_operator.domain.naming import ANNOTATION_FLUSHED_THROUGH, ANNOTATION_SAMPLING
from evaluation_operator.kube import EVALUATION_JOBS, LEASES
from tests.builders import Manifest
from tests.cluster.settings import CHECKOUT
from tests.integration.eventually import eventually
from tests.integration.sampler_site import Replica, Site

pytestmark = pytest.mark.integration

EVENTS = CHECKOUT / "tests" / "fixtures" / "kserve-agent-events.json"
NEVER = "3600"


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
    later: dict[str, Any] = {
        "EVALUATION_SAMPLER_FLUSH_SECONDS": NEVER,
        "EVALUATION_SAMPLER_SPILL_SECONDS": NEVER,
    }
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
