"""What the operator takes beside objects that are as large as somebody could make them.

    python -m tests.bench.memory [--largest 10000] [--heavy 500] [--before REVISION]

The program runs in a memory cgroup with the limit of its manifest, as a kubelet would run it: above
that the kernel ends it. Beside `largest` objects, each the largest that the schema admits, which a
server in memory holds; then beside `heavy` ones on a real control plane, each with a megabyte of
metadata, which no schema bounds: annotations up to the 256 KiB that the API server allows, and
finalizers for the rest. With `--before` the program of that revision does the same.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from evaluation_operator.domain.quantities import parse_quantity
from evaluation_operator.kube import EVALUATION_JOBS, Kube
from tests.bench.cgroup import MemoryCgroup, memory_cgroup
from tests.bench.largest import heavy_job
from tests.bench.many_objects import ManyObjects
from tests.builders import Manifest, merged
from tests.cluster.control_plane import ControlPlane
from tests.cluster.host import free_ports
from tests.cluster.settings import CHECKOUT

MB = 2**20
READY_SECONDS = 3600.0
SETTLE_SECONDS = 1200.0
QUIET_LOOKS = 5
HEAVY_NAMESPACE = "default"


@dataclass(frozen=True)
class Outcome:
    """`ready`: seconds to the first sweep's end, None when the program ended before. Memory in
    bytes, at most: of the process, and of the cgroup, which counts the kernel's part too."""

    ready: float | None
    settled: float | None
    resident: int
    charged: int
    ended: int | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=10_000)
    parser.add_argument("--heavy", type=int, default=500)
    parser.add_argument("--before", metavar="REVISION")
    arguments = parser.parse_args()
    limit = manifest_limit()
    with tempfile.TemporaryDirectory() as directory:
        programs = {"now": CHECKOUT / "operator"}
        if arguments.before:
            programs[arguments.before] = _checked_out(arguments.before, Path(directory))
        print(f"limit of the manifest: {limit / MB:.0f} MiB\n\n{HEAD}", flush=True)
        for name, program in programs.items():
            for scenario in (beside_largest, beside_heavy):
                count = arguments.largest if scenario is beside_largest else arguments.heavy
                if count:
                    text, outcome = asyncio.run(scenario(count, program, limit, Path(directory)))
                    print(_row(text, name, outcome), flush=True)


def manifest_limit() -> int:
    """Bytes that the operator's Deployment lets it have."""
    deployment = yaml.safe_load((CHECKOUT / "manifests/base/deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return int(parse_quantity(container["resources"]["limits"]["memory"]))


HEAD = (
    "| objects | program | Ready after | at rest after | resident | charged | ended by |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


def _row(text: str, name: str, outcome: Outcome) -> str:
    def seconds(value: float | None) -> str:
        return "not" if value is None else f"{value:.0f} s"

    ended = "" if outcome.ended is None else f"signal {-outcome.ended}"
    return (
        f"| {text} | {name} | {seconds(outcome.ready)} | {seconds(outcome.settled)} | "
        f"{outcome.resident / MB:.0f} MiB | {outcome.charged / MB:.0f} MiB | {ended} |"
    )


async def beside_largest(
    count: int, program: Path, limit: int, directory: Path
) -> tuple[str, Outcome]:
    server = ManyObjects(count)
    async with server.serve() as address:
        kubeconfig = directory / "in-memory.kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(_kubeconfig(address)))
        outcome = await _measure(program, kubeconfig, limit)
    text = f"{count:,} of {server.job_bytes / MB:.1f} MiB, by the schema, at rest"
    return text, outcome


async def beside_heavy(
    count: int, program: Path, limit: int, directory: Path
) -> tuple[str, Outcome]:
    with ControlPlane(directory / "control-plane") as control_plane:
        control_plane.kubectl("apply", "--server-side", "-k", str(CHECKOUT / "crds"))
        control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
        kube = await Kube.connect(str(control_plane.kubeconfig))
        size = 0
        for number in range(count):
            job = merged(
                heavy_job(f"job-{number:05}"), {"metadata": {"namespace": HEAVY_NAMESPACE}}
            )
            made = await kube.create(EVALUATION_JOBS, HEAVY_NAMESPACE, job)
            size = len(str(made))
        await kube.close()
        outcome = await _measure(program, control_plane.kubeconfig, limit)
    return f"{count:,} of {size / MB:.1f} MiB, by metadata, new", outcome


async def _measure(program: Path, kubeconfig: Path, limit: int) -> Outcome:
    """From the start until everything has been worked on, or until the program has ended."""
    with memory_cgroup(limit) as cgroup:
        (port,) = free_ports(1)
        async with _operator(program, kubeconfig, cgroup, port) as process:
            started = time.monotonic()
            ready = await _until_ready(process, port, started)
            settled = await _until_quiet(process, port, started) if ready is not None else None
            resident = _resident(process)
            return Outcome(ready, settled, resident, cgroup.peak_bytes, process.poll())


@asynccontextmanager
async def _operator(
    program: Path, kubeconfig: Path, cgroup: MemoryCgroup, port: int
) -> AsyncIterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "PYTHONPATH": str(program),
        "KUBECONFIG": str(kubeconfig),
        "EVALUATION_LEADER_ELECTION": "false",
        "EVALUATION_HEALTH_PORT": str(port),
        "EVALUATION_HTTP_PORT": str(port),
        "EVALUATION_LOG_LEVEL": "ERROR",
    }
    command = cgroup.wrap([sys.executable, "-m", "evaluation_operator.controller.main"])
    process = subprocess.Popen(command, env=environment)
    try:
        yield process
    finally:
        process.kill()
        await asyncio.to_thread(process.wait, 30)


async def _until_ready(process: subprocess.Popen[bytes], port: int, started: float) -> float | None:
    while process.poll() is None and time.monotonic() - started < READY_SECONDS:
        if await _read(port, "/readyz") is not None:
            return time.monotonic() - started
        await asyncio.sleep(0.2)
    return None


async def _until_quiet(process: subprocess.Popen[bytes], port: int, started: float) -> float | None:
    """When no key has waited or been in work for several looks, a second apart."""
    quiet, end = 0, time.monotonic() + SETTLE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        await asyncio.sleep(1)
        text = await _read(port, "/metrics")
        depth = [_gauge(text, name) for name in ("queue_depth", "keys_in_work")] if text else [1.0]
        quiet = 0 if any(depth) else quiet + 1
        if quiet == QUIET_LOOKS:
            return time.monotonic() - started - QUIET_LOOKS
    return None


def _gauge(text: str, name: str) -> float:
    prefix = f"evaluation_operator_{name} "
    return next(float(line[len(prefix) :]) for line in text.splitlines() if line.startswith(prefix))


async def _read(port: int, path: str) -> str | None:
    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return str(response.read().decode())

    try:
        return await asyncio.to_thread(read)
    except OSError:
        return None


def _resident(process: subprocess.Popen[bytes]) -> int:
    """The most that it had; 0 when it has ended, and nobody can tell any more."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0


def _kubeconfig(address: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "memory", "cluster": {"server": address}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "memory", "context": {"cluster": "memory", "user": "nobody"}}],
        "current-context": "memory",
    }


def _checked_out(revision: str, directory: Path) -> Path:
    """The program of another revision, beside this one."""
    place = directory / "before"
    place.mkdir()
    archive = subprocess.run(
        ["git", "-C", str(CHECKOUT), "archive", revision, "operator"],
        check=True,
        capture_output=True,
    )
    subprocess.run(["tar", "-x", "-C", str(place)], input=archive.stdout, check=True)
    return place / "operator"


if __name__ == "__main__":
    main()
