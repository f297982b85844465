"""One cluster with the operator for the whole session; it stays up when the tests have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cluster.cluster import choose_cluster
from tests.cluster.images import IMAGES, build_images
from tests.cluster.label_studio import LabelStudio
from tests.cluster.settings import load_settings
from tests.e2e.demonstration import Demonstration, run_demo
from tests.e2e.live import Live


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Live:
    """The cluster, with the operator of this checkout installed and leading."""
    settings = load_settings()
    cluster = choose_cluster(settings)
    cluster.up()
    for archive in build_images(settings, IMAGES, docker=cluster.name == "kind").values():
        cluster.load_image(archive)
    running = Live(settings, tmp_path_factory.mktemp("overlays"))
    running.install()
    return running


@pytest.fixture(scope="session")
def demo(live: Live) -> Demonstration:
    """What `make demo` does once the cluster and the images are there, done twice."""
    run_demo("demo.py")
    return run_demo("demo.py")


@pytest.fixture(scope="session")
def studio(live: Live) -> Iterator[LabelStudio]:
    """A real one, beside the cluster, that pods reach."""
    with LabelStudio(listen=choose_cluster(load_settings()).host_address) as server:
        yield server


@pytest.fixture
def make_namespace(live: Live) -> Iterator[Callable[[str], str]]:
    """Namespaces that go when the test has ended."""
    made: list[str] = []

    def make(stem: str) -> str:
        made.append(live.make_namespace(stem))
        return made[-1]

    yield make
    for name in made:
        live.kubectl("delete", "namespace", name, "--wait=false")
