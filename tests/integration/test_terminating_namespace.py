"""A namespace that is being deleted, and hangs, while a run is due.

On a control plane of its own without the controller that empties namespaces: that one would take
the job away before its run is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from evaluation_operator.controller import workqueue
from evaluation_operator.kube import Kube
from tests.cluster.control_plane import ControlPlane
from tests.cluster.settings import CHECKOUT
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, condition, reason, writes

pytestmark = pytest.mark.integration

NAMESPACE = "going"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    place = tmp_path_factory.mktemp("control-plane")
    with ControlPlane(place, controllers="*,-namespace-controller") as running:
        running.kubectl("apply", "--server-side", "-k", str(CHECKOUT / "crds"))
        running.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        running.kubectl("create", "namespace", NAMESPACE)
        yield running


@pytest_asyncio.fixture
async def place(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    monkeypatch.setattr(workqueue, "LONGEST_NAP_SECONDS", 0.05)
    kube = await Kube.connect(str(plane.kubeconfig))
    lab = Lab(kube, plane.kubeconfig, NAMESPACE)
    await lab.make_ready()
    await lab.apply_spec_set()
    yield lab
    await kube.close()


async def test_a_run_that_is_due_in_a_namespace_that_goes(
    place: Lab, plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    """The log had two lines a second, and the job was Ready."""
    async with place.operator() as operator:
        await place.ready_job()
        where = ("namespace", NAMESPACE, "--wait=false")
        await asyncio.to_thread(plane.kubectl, "delete", *where)
        await place.go_to_slot()
        status = await place.job(holds=reason("Ready", "NamespaceTerminating"))
        message = condition(status, "Ready")["message"]
        assert "namespace 'going' is being deleted" in message
        assert "kubectl describe namespace going" in message

        turns = operator.telemetry.reconciles
        before, told = writes(operator), len(caplog.records)

        async def count() -> float:
            samples = [it for metric in turns.collect() for it in metric.samples]
            return sum(it.value for it in samples if it.name.endswith("_total"))

        begun = await count()
        await eventually(count, lambda found: found >= begun + 3)
        assert writes(operator) == before
        assert len(caplog.records) == told, "it is no news"
