"""Runs whose pods are stopped, by the real API server and the real Job controller."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest

from evaluation_operator.controller.clock import SystemClock
from evaluation_operator.kube import DATASETS, EVALUATIONS, JOBS
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.schema import ROW_SCHEMA
from tests.builders import make_dataset, merged
from tests.integration.eventually import eventually
from tests.integration.kubelet import Kubelet
from tests.integration.lab import Lab, quiet, state
from tests.stopped_run import Ended, run_until
from tests.unit.evaluator.labeled_site import row

pytestmark = pytest.mark.integration

WRITES: Final = 60
"""More than a run has."""


class StoppedRun:
    """One run over a small table, without an operator."""

    def __init__(self, lab: Lab, place: Path, name: str) -> None:
        self._lab = lab
        self._name = name
        self._place = place / name
        self._place.mkdir()
        self._table = (place / "table").as_uri()

    async def create(self) -> None:
        source = {"tableSource": {"inputUri": self._table}}
        body = make_dataset(self._name)
        [config] = body["spec"]["inputConfigs"]
        spec = {
            "inputConfigs": [merged(config, source)],
            "resultsUri": (self._place / "results").as_uri(),
        }
        await self._lab.apply(DATASETS, merged(body, {"spec": spec}))

    async def run(self, write: int | None = None) -> Ended:
        scratch = self._place / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        environment = {
            "KUBECONFIG": str(self._lab.kubeconfig),
            "EVALUATION_NAMESPACE": self._lab.namespace,
            "EVALUATION_DATASET": self._name,
            "EVALUATION_SCRATCH": str(scratch),
        }
        return await asyncio.to_thread(run_until, write, signal.SIGTERM, environment, self._place)

    async def digest(self) -> str:
        body = await self._lab.kube.get(EVALUATIONS, self._lab.namespace, self._name)
        return str(body["spec"]["digest"])

    async def outcome(self) -> Mapping[str, Any]:
        body = await self._lab.kube.get(DATASETS, self._lab.namespace, self._name)
        return (body.get("status") or {}).get("outcome") or {}

    def cut_time(self) -> int | None:
        """When the file was written that says that the rows are cut."""
        found = list(self._place.glob("results/*/*/cut.json"))
        return found[0].stat().st_mtime_ns if found else None


async def test_a_run_that_is_stopped_at_any_write_is_finished_by_the_next_pod(
    lab: Lab, tmp_path: Path
) -> None:
    with closing(open_table((tmp_path / "table").as_uri())) as table:
        rows = [row(f"{number}", "ripe" if number % 3 else "unripe") for number in range(12)]
        table.append_rows([pa.RecordBatch.from_pylist(rows, schema=ROW_SCHEMA)])
    wanted = ""
    at, was_cut = [], 0
    for write in range(WRITES):
        run = StoppedRun(lab, tmp_path, f"evj-ripeness-{29541240 + write}")
        await run.create()
        ended = await run.run(write or None)
        if write and not ended.at:
            break
        at.append(ended.at.partition(" ")[0])
        cut = run.cut_time()
        is_committed = bool(await run.outcome())
        assert ended.code == (0 if is_committed else 143), ended.at

        assert (await run.run()).code == 0
        wanted = wanted or await run.digest()
        assert await run.digest() == wanted
        assert (await run.outcome())["result"] == "Succeeded"
        if cut is not None:
            was_cut += 1
            assert run.cut_time() == cut, f"{ended.at}: its rows were cut twice"
    else:
        pytest.fail(f"a run has more than {WRITES} writes")
    assert {"POST", "PUT", "move"} <= set(at)
    assert was_cut > 10


async def test_a_pod_that_was_stopped_does_not_count_as_a_failure_of_its_run(lab: Lab) -> None:
    """Whoever deleted a pod by hand, or by a tool that does not use the Eviction API, took one of
    the run's attempts, and of a run with only one everything."""
    # The Job controller waits for ten seconds from the end of a pod, by a clock of its own.
    node = Kubelet(lab.kube, lab.namespace, SystemClock())
    async with lab.operator() as operator:
        await lab.ready_job(runTemplate={"backoffLimit": 0})
        name = await lab.go_to_slot()
        await lab.dataset(name)
        first = await node.pod(name)
        await node.start(name)
        await node.fail(name, "told to end by SIGTERM", exit_code=143, reason="PodStopped")

        second = await node.pod(name)
        assert second["metadata"]["uid"] != first["metadata"]["uid"]
        await lab.finish(name)
        status = await lab.job(holds=state("SCHEDULED"))
        await quiet(operator)
    assert status["latestEvaluation"]["name"] == name
    assert "failedRuns" not in status
    job = await eventually(lambda: lab.kube.get(JOBS, lab.namespace, name))
    assert job["status"].get("failed", 0) == 0
