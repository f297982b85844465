"""How long nobody works when the leading replica ends: until the other one's first write.

    python -m tests.bench.takeover [--rounds 5] [--operator CHECKOUT]

Two operators as processes, on a real control plane (etcd, kube-apiserver). A job is edited all the
time, so that there is always something to write; who has written it, each replica's metrics say.
The time begins with the signal and ends when the other's count of written statuses grows.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from evaluation_operator.kube import ANNOTATION_SPEC_SETS, EVALUATION_JOBS, Kube
from tests.bench.operator_process import OperatorProcess
from tests.builders import make_evaluation_job, make_spec_set
from tests.cluster.control_plane import ControlPlane
from tests.cluster.settings import CHECKOUT

NAMESPACE = "takeover"
JOB = "ripeness"
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.02
WAYS = {
    "stopped (SIGTERM: rollout, drain, scale-down)": (signal.SIGTERM, False),
    "killed (`kill -9`: its node is gone)": (signal.SIGKILL, False),
    "killed, and started anew under its name (its container crashed)": (signal.SIGKILL, True),
}


@dataclass
class Pair:
    """One replica leads and another stands by; `kubeconfig` is how they see the cluster."""

    kube: Kube
    kubeconfig: str
    namespace: str
    settings: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @asynccontextmanager
    async def replica(self, name: str = "") -> AsyncIterator[OperatorProcess]:
        """Ready to work: it knows all that there is."""
        own = {
            "EVALUATION_LEADER_ELECTION": "true",
            "EVALUATION_NAMESPACES": self.namespace,
            "POD_NAMESPACE": self.namespace,
            "POD_NAME": name or f"replica-{next(self._numbers)}",
        }
        async with OperatorProcess(self.kubeconfig, **own, **self.settings) as process:
            await _until(process.is_ready)
            yield process

    async def takeover(self, number: signal.Signals, *, again: bool = False) -> float:
        """Seconds from the signal until another process's first write; `again`: of the leader's
        name too."""
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(self.replica("first"))
            await _until(lambda: leads(first))
            others = [await stack.enter_async_context(self.replica())]
            await self._edit()
            begun = time.monotonic()
            first.send(number)
            if again:
                others.append(await stack.enter_async_context(self.replica("first")))
            while not any([await statuses(other) for other in others]):
                assert time.monotonic() - begun < PATIENCE_SECONDS, "nobody has taken over"
                await self._edit()
                await asyncio.sleep(PAUSE_SECONDS)
            return time.monotonic() - begun

    async def _edit(self) -> None:
        change = {"spec": {"paused": bool(next(self._numbers) % 2)}}
        await self.kube.patch(EVALUATION_JOBS, self.namespace, JOB, change)


async def leads(replica: OperatorProcess) -> bool:
    return await replica.sum_of("evaluation_operator_leading") == 1


async def statuses(replica: OperatorProcess) -> float:
    """How many statuses of jobs it has written."""
    name = "evaluation_operator_api_writes_total"
    return await replica.sum_of(name, resource=EVALUATION_JOBS.plural)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--operator", type=Path, default=CHECKOUT, help="a checkout to measure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / "control-plane"
        with ControlPlane(place, controllers="*,-job-controller") as control_plane:
            control_plane.kubectl("apply", "--server-side", "-k", str(CHECKOUT / "crds"))
            wait = ("--for=condition=Established", "crd", "--all", "--timeout=60s")
            control_plane.kubectl("wait", *wait)
            control_plane.kubectl("create", "namespace", NAMESPACE)
            kubeconfig = str(control_plane.kubeconfig)
            asyncio.run(_bench(kubeconfig, arguments.operator, arguments.rounds))


async def _bench(kubeconfig: str, checkout: Path, rounds: int) -> None:
    kube = await Kube.connect(kubeconfig)
    settings = {"PYTHONPATH": str(checkout.resolve() / "operator")}
    pair = Pair(kube, kubeconfig, NAMESPACE, settings)
    try:
        here = {"namespace": NAMESPACE}
        await kube.create(ANNOTATION_SPEC_SETS, NAMESPACE, make_spec_set(metadata=here))
        await kube.create(EVALUATION_JOBS, NAMESPACE, make_evaluation_job(JOB, metadata=here))
        print("| the leading replica is | rounds | median | longest |\n| --- | --- | --- | --- |")
        for way, (number, again) in WAYS.items():
            taken = [await _round(pair, way, number, again=again) for _ in range(rounds)]
            cells = (way, f"{rounds}", f"{statistics.median(taken):.2f} s", f"{max(taken):.2f} s")
            print(f"| {' | '.join(cells)} |", flush=True)
    finally:
        await kube.close()


async def _round(pair: Pair, way: str, number: signal.Signals, *, again: bool) -> float:
    seconds = await pair.takeover(number, again=again)
    print(f"==> {way}: {seconds:.2f} s", file=sys.stderr, flush=True)
    return seconds


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():
            await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
