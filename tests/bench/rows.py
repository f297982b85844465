"""How fast rows get into a table: from what is accepted to what is written, no HTTP."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from evaluation_operator.domain.sampled_job import read_job
from evaluation_operator.sampling.records import Half
from evaluation_operator.sampling.service import build_sampler
from evaluation_operator.sampling.settings import Settings
from evaluation_operator.storage.credentials import read_secrets
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery
from tests.bench.load import event_id, request_body, response_body
from tests.bench.serving import NAMESPACE, make_job

FLUSH_NEVER_SECONDS = 3600.0
MUCH = 2**40
WARM_UP = 100


@dataclass(frozen=True)
class Written:
    table: str
    rows: int
    seconds: float


async def measure_rows(table: str, uri: str, count: int, secrets: Path) -> Written:
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
            flush_bytes=MUCH,
            secrets_folder=secrets,
        )
        known = read_job(make_job(uri, Path(folder), 1.0, 10**6))
        assert known.job is not None
        sampler = build_sampler(settings)
        await sampler.start()
        sampler.lease_renewed(datetime.now(UTC))
        sampler.set_jobs([known.job])
        instances = tuple(orjson.loads(request_body(1_000))["instances"])
        predictions = tuple(orjson.loads(response_body())["predictions"])
        for number in range(-WARM_UP, count):
            name = event_id(number) if number >= 0 else f"warm-up{number}"
            sampler.offer(Half(name, name, instances, predictions), [known.job])
            if number == -1:
                await sampler.flush()
        await sampler.settled()
        if (found := _count_rows(uri, secrets)) > WARM_UP:
            raise SystemExit(f"{found} rows were written before they were to be")
        began = time.perf_counter()
        await sampler.flush()
        seconds = time.perf_counter() - began
        await sampler.close()
        if (found := _count_rows(uri, secrets)) != WARM_UP + count:
            raise SystemExit(f"{found} rows are in the table instead of {WARM_UP + count}")
        return Written(table, count, seconds)


def _count_rows(uri: str, secrets: Path) -> int:
    options = TableOptions(credentials=read_secrets(secrets))
    with closing(open_table(uri, options=options)) as opened:
        return sum(len(batch) for batch in opened.read_rows(RowQuery("ripeness", "v1")))
