"""How fast rows get into a table: from what is accepted to what is written, no HTTP."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from evaluation_operator.sampling.jobs import read_job
from evaluation_operator.sampling.records import Half
from evaluation_operator.sampling.service import build_sampler
from evaluation_operator.sampling.settings import Settings
from tests.bench.load import event_id, request_body, response_body
from tests.bench.serving import NAMESPACE, make_job

FLUSH_NEVER_SECONDS = 3600.0
MUCH = 2**40


@dataclass(frozen=True)
class Written:
    table: str
    rows: int
    seconds: float


async def measure_rows(table: str, uri: str, count: int) -> Written:
    """`count` whole predictions of two kilobytes are accepted first, and then written."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            NAMESPACE,
            "evaluation-sampler-0",
            Path(folder) / "accepted",
            durable=False,
            memory_bytes=MUCH,
            wal_bytes=MUCH,
            flush_seconds=FLUSH_NEVER_SECONDS,
        )
        known = read_job(make_job(uri, Path(folder), 1.0, 10**6))
        assert known.job is not None
        sampler = build_sampler(settings)
        await sampler.start()
        sampler.lease_renewed(datetime.now(UTC))
        sampler.set_jobs([known.job])
        instances = tuple(orjson.loads(request_body(1_000))["instances"])
        predictions = tuple(orjson.loads(response_body())["predictions"])
        for number in range(-100, count):
            name = event_id(number) if number >= 0 else f"warm-up{number}"
            sampler.offer(Half(name, name, instances, predictions), [known.job])
            if number == -1:
                await sampler.flush()
        await sampler.settled()
        began = time.perf_counter()
        await sampler.flush()
        seconds = time.perf_counter() - began
        await sampler.close()
        return Written(table, count, seconds)
