"""The cluster of a machine without Docker: the control plane and one node, as plain processes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.cluster.control_plane import COMPONENTS, ControlPlane, Network
from tests.cluster.host import ClusterError, is_root, locked, step
from tests.cluster.node import Node, import_image
from tests.cluster.settings import (
    API_PORT,
    BRIDGE_ADDRESS,
    PROVISIONER,
    STATE_DIR,
    STORAGE_CLASS,
    Settings,
)

_LOCK = Path("/run/lock/evaluation-cluster.lock")
# Of which sources and in which boot the cluster was started: with others it starts anew.
_ORIGIN = STATE_DIR / "origin"
_STORAGE = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {
        "name": STORAGE_CLASS,
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
    },
    "provisioner": PROVISIONER,
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
}


class LocalCluster:
    """One a machine, shared by its checkouts, as a kind cluster of a fixed name is."""

    name = "local"
    host_address = BRIDGE_ADDRESS

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._plane = ControlPlane(
            STATE_DIR,
            # Pods reach it over the bridge and everybody else over loopback.
            network=Network(
                (API_PORT, API_PORT + 1, API_PORT + 2), listen="0.0.0.0", address=BRIDGE_ADDRESS
            ),
            end_with_parent=False,
            settings=settings,
        )
        self._node = Node(self._plane)

    def up(self) -> None:
        """Bring up what is not up, keeping what runs; with pods it takes about 20 s."""
        _require_root()
        _ = self._plane.binary
        with locked(_LOCK):
            if not self.is_up():
                if STATE_DIR.exists() and not self._is_ours():
                    with step("Removing a cluster of other sources or of an earlier boot"):
                        self._remove()
                STATE_DIR.mkdir(parents=True, exist_ok=True)
                _ORIGIN.write_text(self._origin())
                with step("Starting the control plane"):
                    self._plane.start()
                with step("Starting the node"):
                    self._node.start()
                self._plane.kubectl("apply", "-f", "-", stdin=json.dumps(_STORAGE))
            self._publish_kubeconfig()

    def down(self) -> None:
        """Stop everything and remove all state; the compiled binary and the images' files stay."""
        if STATE_DIR.exists():
            _require_root()
            with locked(_LOCK), step("Stopping the cluster"):
                self._remove()
        self._settings.kubeconfig.unlink(missing_ok=True)

    def is_up(self) -> bool:
        processes = self._plane.processes
        return (
            self._is_ours()
            and all(processes.is_running(component) for component in COMPONENTS)
            and self._node.is_running()
            and self._plane.is_ready()
            and self._node.is_ready()
        )

    def load_image(self, archive: Path) -> None:
        """Give the node the images of a `docker save` archive."""
        if not archive.is_file():
            raise ClusterError(f"no image archive at {archive}")
        _require_root()
        import_image(archive)

    def _remove(self) -> None:
        self._node.stop()
        self._plane.stop()
        shutil.rmtree(STATE_DIR)

    def _origin(self) -> str:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{self._plane.binary.key} {boot}"

    def _is_ours(self) -> bool:
        return _ORIGIN.exists() and _ORIGIN.read_text() == self._origin()

    def _publish_kubeconfig(self) -> None:
        target = self._settings.kubeconfig
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_text(self._plane.kubeconfig.read_text())


def _require_root() -> None:
    if not is_root():
        raise ClusterError(
            "pods without Docker need root: run as root, or install Docker and start it"
        )
