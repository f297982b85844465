"""The cluster of a machine with Docker: kind, under a fixed name."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.host import ClusterError, find_program, run, step, succeeds
from tests.cluster.settings import Settings

KIND_CLUSTER = "evaluation"
KIND_VERSION = "v0.33.0"


def docker_answers() -> bool:
    return find_program("docker") is not None and succeeds(["docker", "info"])


class KindCluster:
    name = "kind"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def host_address(self) -> str:
        gateway = "{{(index .IPAM.Config 0).Gateway}}"
        return run(["docker", "network", "inspect", "kind", "--format", gateway]).strip()

    def up(self) -> None:
        """Create the cluster unless it exists, and write its kubeconfig."""
        if not self.is_up():
            with step("Creating a kind cluster", "pulls its node image the first time"):
                self._kind("create", "cluster", "--wait", "180s")
        self._settings.cluster_dir.mkdir(parents=True, exist_ok=True)
        self._kind("export", "kubeconfig")

    def down(self) -> None:
        self._kind("delete", "cluster")
        self._settings.kubeconfig.unlink(missing_ok=True)

    def is_up(self) -> bool:
        return KIND_CLUSTER in run([self._program(), "get", "clusters"]).split()

    def load_image(self, archive: Path) -> None:
        run([self._program(), "load", "image-archive", archive, "--name", KIND_CLUSTER])

    def _kind(self, *arguments: str) -> None:
        target = ["--name", KIND_CLUSTER, "--kubeconfig", str(self._settings.kubeconfig)]
        run([self._program(), *arguments, *target])

    def _program(self) -> Path | str:
        """The machine's kind, or else one compiled into the cache."""
        if found := find_program("kind"):
            return found
        directory = self._settings.cache_dir / f"kind-{KIND_VERSION}"
        if not (directory / "kind").exists():
            go = find_program("go")
            if go is None:
                raise ClusterError("no kind: install it (https://kind.sigs.k8s.io) or Go")
            with step(f"Compiling kind {KIND_VERSION}", "once a machine: a minute"):
                run(
                    [go, "install", f"sigs.k8s.io/kind@{KIND_VERSION}"],
                    env={"GOBIN": str(directory)},
                )
        return directory / "kind"
