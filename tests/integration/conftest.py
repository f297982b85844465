"""A real control plane with our kinds, one for the whole session."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from evaluation_operator.api.base import API_VERSION
from evaluation_operator.controller import workqueue
from evaluation_operator.kube import DATASETS, EVALUATION_JOB_VERSIONS, EVALUATIONS, Kube
from tests.builders import make_dataset, make_evaluation, make_version, merged
from tests.cluster.control_plane import ControlPlane
from tests.cluster.settings import CHECKOUT
from tests.integration.eventually import eventually
from tests.integration.lab import Lab
from tests.integration.s3 import s3_server
from tests.integration.sampler_site import Site

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd, API server and controllers, with the CRDs established; no pods run in it."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as running:
        running.kubectl("apply", "--server-side", "-k", str(CHECKOUT / "crds"))
        running.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        yield running


@pytest_asyncio.fixture
async def bare_lab(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Lab]:
    """A namespace of its own with nothing in it."""
    # Tests shift the clock, and need not wait a second until the queue looks at it.
    monkeypatch.setattr(workqueue, "LONGEST_NAP_SECONDS", 0.05)
    namespace = f"lab-{next(_numbers)}"
    control_plane.kubectl("create", "namespace", namespace)
    kube = await Kube.connect(str(control_plane.kubeconfig))
    yield Lab(kube, control_plane.kubeconfig, namespace)
    await kube.close()
    # TLS says good-bye in its own time; what the loop leaves open would be a warning somewhere.
    await eventually(open_connections, lambda found: not found)


async def open_connections() -> list[object]:
    """Transports of this loop whose socket is open."""
    transports = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]
    return [item for item in transports.values() if item._sock is not None]


@pytest_asyncio.fixture
async def lab(bare_lab: Lab) -> Lab:
    """A namespace that is ready for jobs, with the labels of `ripeness`."""
    await bare_lab.make_ready()
    await bare_lab.apply_spec_set()
    return bare_lab


@pytest_asyncio.fixture
async def garbage_collector(lab: Lab) -> None:
    """It learns of new kinds every 30 seconds, of one sooner than of another, and orphans none that
    it does not know."""
    owner = {"apiVersion": API_VERSION, "kind": "EvaluationJob", "name": "none", "uid": "none"}
    garbage = {
        EVALUATION_JOB_VERSIONS: make_version("garbage"),
        DATASETS: make_dataset("garbage"),
        EVALUATIONS: make_evaluation("garbage"),
    }
    for resource, manifest in garbage.items():
        await lab.apply(resource, merged(manifest, {"metadata": {"ownerReferences": [owner]}}))
    for resource in garbage:
        await lab.is_gone(resource, "garbage", seconds=90)


@pytest.fixture(scope="session")
def bucket_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture
def site(bare_lab: Lab, bucket_endpoint: str, tmp_path: Path) -> Site:
    """A namespace and a bucket for replicas of the sampler, of which none runs yet."""
    return Site(bare_lab, bucket_endpoint, tmp_path)
