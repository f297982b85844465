"""How much later a model's answer comes with the Envoy sidecar before it.

    python -m tests.bench.envoy [--calls 1000]

A client makes one call after the other to KServe's Python server: directly, through Envoy that
draws nothing, and through Envoy that sends everything to a process which answers 202. The three
take turns, so that whatever else the machine does falls on all of them.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from tests.cluster.host import free_ports, wait_until
from tests.cluster.processes import Processes
from tests.servers.envoy import EnvoySidecar
from tests.servers.kserve_server import KServeServer

_BATCH: Final = 50
_BODY: Final = b'{"instances": [{"x": [1.0, 2.0]}]}'
_PATH: Final = "/v1/models/digits:predict"


@dataclass(frozen=True)
class Latency:
    """Of one way to the model. `added_ms`: to the median of calling it directly."""

    way: str
    p50_ms: float
    p99_ms: float
    added_ms: float


def added_latency(directory: Path, calls: int = 1000) -> tuple[list[Latency], int]:
    """The three ways, and the bytes of memory that Envoy then has. Files go into `directory`."""
    with ExitStack() as running:
        model = running.enter_context(KServeServer(directory / "model"))
        sink = _start_sink(running, directory / "sink")

        def envoy(fraction: str) -> EnvoySidecar:
            settings = {
                "EVALUATION_MODEL": "digits",
                "EVALUATION_MODEL_VERSION": "v1",
                "EVALUATION_MODEL_PORT": str(model.port),
                "EVALUATION_FRACTION": fraction,
                "EVALUATION_SAMPLER_HOST": "127.0.0.1",
                "EVALUATION_SAMPLER_PORT": str(sink),
            }
            return running.enter_context(EnvoySidecar(directory / f"at-{fraction}", settings))

        sampling = envoy("1")
        ways = {
            "the model itself": model.port,
            "with Envoy, not drawn": envoy("0").port,
            "with Envoy, drawn": sampling.port,
        }
        seconds = _measure(ways, calls)
        arrived = sampling.metrics()["evaluation_sampler.upstream_rq_completed"]
        if arrived < 2 * calls * 0.99:
            raise RuntimeError(f"of {2 * calls} events only {arrived:.0f} have arrived")
        direct = median(seconds["the model itself"])
        found = [
            Latency(way, 1e3 * median(s), 1e3 * quantiles(s, n=100)[98], 1e3 * (median(s) - direct))
            for way, s in seconds.items()
        ]
        return found, sampling.resident_bytes()


def _start_sink(running: ExitStack, directory: Path) -> int:
    [port] = free_ports(1)
    processes = Processes(directory, end_with_parent=True)
    processes.start("sink", [sys.executable, "-m", "tests.bench.echo", str(port)])
    running.callback(processes.kill, "sink")
    wait_until(lambda: _answers(port), "the process that events are sent to", 20)
    return port


def _answers(port: int) -> bool:
    try:
        return _call(http.client.HTTPConnection("127.0.0.1", port)) == 202
    except OSError:
        return False


def _measure(ways: Mapping[str, int], calls: int) -> dict[str, list[float]]:
    """Seconds of every call by way, after a first batch that does not count."""
    clients = {way: http.client.HTTPConnection("127.0.0.1", port) for way, port in ways.items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(-1, calls // _BATCH):
        for way, client in clients.items():
            for _ in range(_BATCH):
                began = time.perf_counter()
                status = _call(client)
                took = time.perf_counter() - began
                if status != 200:
                    raise RuntimeError(f"{way}: status {status}")
                if number >= 0:
                    seconds[way].append(took)
    return seconds


def _call(client: http.client.HTTPConnection) -> int:
    client.request("POST", _PATH, _BODY, {"Content-Type": "application/json"})
    answer = client.getresponse()
    answer.read()
    return answer.status


def main() -> None:
    parser = argparse.ArgumentParser(description="The latency that the Envoy sidecar adds.")
    parser.add_argument("--calls", type=int, default=1000)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as directory:
        found, memory = added_latency(Path(directory), calls)
    print(f"{'way':<24}{'p50':>10}{'p99':>10}{'added':>10}")
    for each in found:
        figures = (each.p50_ms, each.p99_ms, each.added_ms)
        print(f"{each.way:<24}" + "".join(f"{figure:>7.2f} ms" for figure in figures))
    print(f"Envoy's memory: {memory / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
