"""A replica of the sampler for the benchmark: everything but the cluster is as it is installed.

    python -m tests.bench.serving --port 8080 --folder DIR --table URI --fraction 0.01 [--cap N]

Its one job is told instead of watched. On SIGTERM it drains, and says so by its exit code.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from evaluation_operator.kube import Seen, Synced
from evaluation_operator.sampling.service import (
    build_parts,
    build_sampler,
    settle_collector,
)
from evaluation_operator.sampling.settings import Settings
from tests.bench.loopback import listen
from tests.builders import ABSENT, Manifest, found_good, make_evaluation_job, merged, stored

NAMESPACE = "fruit"
JOB_UID = "uid-of-ripeness"
FLUSH_SECONDS = 4.0
"""Shorter than by default, so that a short measurement holds its share of writing."""
CREATED = "2026-01-01T00:00:00Z"


def make_job(table: str, folder: Path, fraction: float, cap: int) -> Manifest:
    config = {
        "inputConfig": {"tableSource": {"inputUri": table, "persistentVolumeClaimName": ABSENT}},
        "exampleSamplePercentage": fraction,
        "exampleCount": cap,
    }
    changes = {"evaluationJobConfig": config, "resultsUri": f"file://{folder}/results"}
    job = stored(make_evaluation_job(spec=changes), uid=JOB_UID, creationTimestamp=CREATED)
    return found_good(merged(job, {"status": {"state": "SCHEDULED", "intervalDays": 1000}}))


async def serve(arguments: argparse.Namespace) -> bool:
    """Whether everything was written in the end."""
    folder = arguments.folder
    settings = Settings(
        NAMESPACE,
        "evaluation-sampler-0",
        folder / "accepted",
        durable=arguments.mode == "durable",
        flush_seconds=FLUSH_SECONDS,
    )
    sampler = build_sampler(settings)
    await sampler.start()
    sampler.lease_renewed(datetime.now(UTC))
    parts = build_parts(settings, sampler, None)
    parts.jobs.hear(Seen(make_job(arguments.table, folder, arguments.fraction, arguments.cap)))
    parts.jobs.hear(Synced())
    settle_collector()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    serving = asyncio.create_task(parts.traffic.serve([listen(arguments.port)]))
    await stopping.wait()
    await parts.app.stop_taking()
    is_empty = await sampler.drain()
    parts.traffic.should_exit = True
    await serving
    return is_empty


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--fraction", type=float, required=True)
    parser.add_argument("--cap", type=int, default=1_000_000)
    parser.add_argument("--mode", choices=("durable", "fast"), default="durable")
    parser.add_argument("--profile", type=Path)
    arguments = parser.parse_args()
    profile = None
    if arguments.profile:
        import cProfile

        profile = cProfile.Profile()
        profile.enable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        is_empty = runner.run(serve(arguments))
    if profile:
        profile.disable()
        profile.dump_stats(arguments.profile)
    sys.exit(0 if is_empty else 1)


if __name__ == "__main__":
    main()
