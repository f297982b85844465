"""An honest job's turns beside hostile jobs, each of which holds a worker for as long as it can.

    python -m tests.bench.neighbours [--seconds 60] [--operator CHECKOUT]

On a real control plane (etcd, kube-apiserver), behind a proxy that keeps whatever is asked about a
hostile namespace waiting for longer than a turn may take. An honest turn is timed from without: an
honest job is edited, and its status seen to follow, through the same proxy each time. The operator
is started beside the hostile jobs, so that their first wave, with none of them known yet, counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation_operator.kube import (
    EVALUATION_JOBS,
    Kube,
    Seen,
    follow,
)
from tests.bench.operator_process import OperatorProcess
from tests.builders import make_evaluation_job, make_spec_set
from tests.cluster.control_plane import ControlPlane
from tests.cluster.host import free_ports, wait_until
from tests.cluster.settings import CHECKOUT

HONEST = tuple(f"honest-{number}" for number in range(4))
HONEST_JOBS = 20
EDITS_A_SECOND = 5.0
PATIENCE_SECONDS = 30.0
"""An honest job whose status has not followed by then counts as having taken so long."""
WAIT_SECONDS = 40.0
CONNECTIONS = 64
Body = dict[str, Any]
BESIDE = ((0, 0), (64, 1), (1000, 1), (1000, 100))
"""Hostile jobs, and in how many namespaces they are."""


@dataclass
class Measured:
    """What was seen beside so many hostile jobs."""

    jobs: int
    namespaces: int
    seconds: list[float] = field(default_factory=list)
    at_work: float = 0.0
    cancelled: float = 0.0
    is_live: bool = True

    def row(self) -> str:
        cuts = statistics.quantiles(self.seconds, n=100, method="inclusive")
        beside = f"{self.jobs} in {self.namespaces}" if self.jobs else "none"
        unseen = sum(it >= PATIENCE_SECONDS for it in self.seconds)
        cells = [
            beside,
            f"{len(self.seconds)}",
            *(f"{it:.3f} s" for it in (cuts[49], cuts[98], max(self.seconds))),
            f"{unseen}",
            f"{self.at_work:.0f}",
            f"{self.cancelled:.0f}",
            "200" if self.is_live else "503",
        ]
        return f"| {' | '.join(cells)} |"


COLUMNS = (
    "hostile jobs, in namespaces",
    "honest turns",
    "p50",
    "p99",
    "max",
    f"not in {PATIENCE_SECONDS:.0f} s",
    "turns at once",
    "turns cancelled",
    "/healthz",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure each")
    parser.add_argument("--operator", type=Path, default=CHECKOUT, help="a checkout to measure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        with ControlPlane(place / "control-plane", controllers="*,-job-controller") as running:
            running.kubectl("apply", "--server-side", "-k", str(CHECKOUT / "crds"))
            wait = ("--for=condition=Established", "crd", "--all", "--timeout=60s")
            running.kubectl("wait", *wait)
            _furnish(running)
            (port,) = free_ports(1)
            proxied = _kubeconfig(place / "proxied", port)
            with _proxy(running.kubeconfig, port):
                bench = _bench(running.kubeconfig, proxied, arguments.operator, arguments.seconds)
                measured = asyncio.run(bench)
    print(f"\n| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for found in measured:
        print(found.row())


async def _bench(kubeconfig: Path, proxied: Path, checkout: Path, seconds: float) -> list[Measured]:
    kube, through = await Kube.connect(str(kubeconfig)), await Kube.connect(str(proxied))
    settings = {"PYTHONPATH": str(checkout.resolve() / "operator")}
    try:
        for index in range(HONEST_JOBS):
            await kube.create(EVALUATION_JOBS, _honest(index), _job(_honest(index), index))
        _say("letting the honest jobs have their first turns, which are not counted")
        async with OperatorProcess(str(proxied), **settings):
            await _until(lambda: _all_seen(kube), 120)
        measured = []
        for jobs, namespaces in BESIDE:
            _say(f"beside {jobs} hostile jobs in {namespaces} namespaces")
            spaces = (_hostile(number % namespaces) for number in range(jobs))
            await _all_of(
                kube.create(EVALUATION_JOBS, space, _job(space, number))
                for number, space in enumerate(spaces)
            )
            async with OperatorProcess(str(proxied), **settings) as operator:
                await _until(operator.is_ready, 60)
                measured.append(await _measure(through, operator, jobs, namespaces, seconds))
            await _remove_hostile(kube)
        return measured
    finally:
        await kube.close()
        await through.close()


async def _measure(
    kube: Kube, operator: OperatorProcess, jobs: int, namespaces: int, seconds: float
) -> Measured:
    found = Measured(jobs, namespaces)
    statuses = Statuses(kube)
    async with statuses.followed():
        editing = [_edit_for(kube, statuses, index, seconds, found) for index in range(HONEST_JOBS)]
        edited = asyncio.gather(*editing)
        while not edited.done():
            found.at_work = max(
                found.at_work, await operator.sum_of("evaluation_operator_keys_in_work")
            )
            found.is_live &= await operator.is_live()
            await asyncio.sleep(1)
        await edited
    name = "evaluation_operator_reconciles_total"
    found.cancelled = await operator.sum_of(name, result="cancelled")
    return found


async def _edit_for(
    kube: Kube, statuses: Statuses, index: int, seconds: float, found: Measured
) -> None:
    """One honest job: paused and resumed, again and again, out of step with the others."""
    end, period = time.monotonic() + seconds, HONEST_JOBS / EDITS_A_SECOND
    paused = True
    await asyncio.sleep(index * period / HONEST_JOBS)
    while time.monotonic() < end:
        begun = time.monotonic()
        change = {"spec": {"paused": paused}}
        await kube.patch(EVALUATION_JOBS, _honest(index), _name(index), change)
        await statuses.until(_name(index), paused, PATIENCE_SECONDS)
        found.seconds.append(time.monotonic() - begun)
        paused = not paused
        await asyncio.sleep(max(0.0, begun + period - time.monotonic()))


class Statuses:
    """Which honest jobs say that they are paused, as a watch tells."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._paused: dict[str, bool] = {}
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._follow(namespace)) for namespace in HONEST]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, name: str, paused: bool, seconds: float) -> None:
        """Returns when the job says so, or after that long."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._paused.get(name) == paused)
        except TimeoutError:
            return

    async def _follow(self, namespace: str) -> None:
        async with aclosing(follow(self._kube, EVALUATION_JOBS, namespace)) as news:
            async for told in news:
                if isinstance(told, Seen):
                    state = (told.body.get("status") or {}).get("state")
                    self._paused[told.body["metadata"]["name"]] = state == "PAUSED"
                    async with self._changed:
                        self._changed.notify_all()


async def _all_seen(kube: Kube) -> bool:
    return all([body.get("status") or {} async for body in kube.list(EVALUATION_JOBS)])


async def _remove_hostile(kube: Kube) -> None:
    """Without their finalizers: the operator that would take those away has been stopped."""
    names = [
        (body["metadata"]["namespace"], body["metadata"]["name"])
        async for body in kube.list(EVALUATION_JOBS)
        if body["metadata"]["namespace"] not in HONEST
    ]
    bare = {"metadata": {"finalizers": None}}
    await _all_of(kube.patch(EVALUATION_JOBS, *name, bare) for name in names)
    await _all_of(kube.delete(EVALUATION_JOBS, *name) for name in names)


def _furnish(control_plane: ControlPlane) -> None:
    """Namespaces, and what one with jobs has."""
    names = [*HONEST, *(_hostile(number) for number in range(max(it for _, it in BESIDE)))]
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    objects: list[Body] = [_core("Namespace", name) for name in names]
    for name in names:
        objects += [
            _placed(_core("ServiceAccount", "evaluation-runner"), name),
            _placed(_core("PersistentVolumeClaim", "predictions", spec=claim), name),
            _placed(make_spec_set(), name),
        ]
    everything = {"apiVersion": "v1", "kind": "List", "items": objects}
    control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(everything))


def _honest(index: int) -> str:
    return HONEST[index % len(HONEST)]


def _hostile(number: int) -> str:
    return f"hostile-{number}"


def _name(index: int) -> str:
    return f"job-{index:04}"


def _job(namespace: str, index: int) -> Body:
    version = {"modelVersion": f"models/m{index}/versions/v1"}
    return _placed(make_evaluation_job(_name(index), spec=version), namespace)


def _core(kind: str, name: str, **more: Any) -> Body:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}


def _placed(body: Body, namespace: str) -> Body:
    return body | {"metadata": body["metadata"] | {"namespace": namespace}}


@contextmanager
def _proxy(kubeconfig: Path, port: int) -> Iterator[None]:
    options = ("--kubeconfig", str(kubeconfig), "--port", str(port), "--seconds", str(WAIT_SECONDS))
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.slow_proxy", *options])

    def listens() -> bool:
        assert process.poll() is None, "the proxy ended"
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, "the proxy", 60)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _kubeconfig(path: Path, port: int) -> Path:
    """For the API server as the proxy shows it, to whoever asks."""
    name, server = "proxied", {"server": f"http://127.0.0.1:{port}"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": server}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.write_text(json.dumps(content))
    return path


async def _until(holds: Callable[[], Awaitable[bool]], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.2)


async def _all_of(calls: Iterator[Awaitable[object]]) -> None:
    """At most so many at a time as there are connections."""

    async def work() -> None:
        for call in calls:
            await call

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))


def _say(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
