"""From a real model server through the real Envoy and a replica of the sampler into a table."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.eventually import eventually
from tests.integration.sampler_site import Site
from tests.servers.envoy import EnvoySidecar
from tests.servers.kserve_server import KServeServer

pytestmark = pytest.mark.integration

JOB = "digits"
CALLS = 60


async def test_the_rows_are_the_predictions_that_envoy_drew(site: Site, tmp_path: Path) -> None:
    await site.accept_job(
        JOB,
        modelVersion="models/digits/versions/v7",
        evaluationJobConfig={
            "bigqueryImportKeys": {"label_json_key": "label", "label_score_json_key": "score"}
        },
    )
    async with site.replica() as replica:
        await replica.knows(JOB)
        with (
            KServeServer(tmp_path / "model") as model,
            EnvoySidecar(
                tmp_path / "envoy",
                {
                    "EVALUATION_MODEL": "digits",
                    "EVALUATION_MODEL_VERSION": "v7",
                    "EVALUATION_MODEL_PORT": str(model.port),
                    "EVALUATION_FRACTION": "0.5",
                    "EVALUATION_SAMPLER_HOST": "127.0.0.1",
                    "EVALUATION_SAMPLER_PORT": str(replica.port),
                },
                site.lab.namespace,
            ) as envoy,
        ):
            drawn = await predict(envoy)
            assert len(drawn) > 0

            async def written() -> set[str]:
                return {
                    row["id"] for row in await asyncio.to_thread(site.rows, JOB, "digits", "v7")
                }

            await eventually(written, lambda found: found == set(drawn), seconds=40)
            rows = site.rows(JOB, "digits", "v7")
            assert {
                row["id"]: (json.loads(row["raw_data"]), json.loads(row["raw_prediction"]))
                for row in rows
            } == drawn
            assert {row["p"] for row in rows} == {0.5}


async def predict(envoy: EnvoySidecar) -> dict[str, tuple[Any, Any]]:
    """Instance and prediction of every item that Envoy has drawn, by its id; some calls fail."""
    said: dict[str, tuple[Any, Any]] = {}
    url = f"{envoy.url}/v1/models/digits:predict"
    before = 0.0
    async with httpx.AsyncClient() as client:
        for number in range(CALLS):
            has_failed = number % 10 == 9
            instances = [{} if has_failed else {"x": [number, i]} for i in range(1 + number % 3)]
            headers = {"X-Request-Id": f"call {number}"}
            answer = await client.post(url, json={"instances": instances}, headers=headers)
            assert answer.status_code == (500 if has_failed else 200)
            count = envoy.metrics().get("http_lua_evaluation_drawn", 0)
            if count > before and not has_failed:
                for i, prediction in enumerate(answer.json()["predictions"]):
                    row = ({"instances": [instances[i]]}, {"predictions": [prediction]})
                    said[f"call {number}/{i}"] = row
            before = count
    return said
