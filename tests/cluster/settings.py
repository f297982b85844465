"""Where things lie and which addresses they have. The only module that reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CONTROL_PLANE_SOURCES = Path(__file__).resolve().parent / "controlplane"
KUBERNETES_VERSION = "1.36.4"

# Both networks are set aside for tests (RFC 2544), so they collide with nobody's.
BRIDGE = "evaluation0"
BRIDGE_ADDRESS = "198.18.0.1"
POD_NETWORK = "198.18.0.0/16"
SERVICE_NETWORK = "198.19.0.0/24"
FIRST_SERVICE_ADDRESS = "198.19.0.1"

NODE_NAME = "evaluation-node"
STORAGE_CLASS = "standard"
PROVISIONER = "evaluation-operator/directory"

# A machine has one network stack for kube-proxy to program and so one cluster with pods. It
# belongs to the machine, not to a checkout: a checkout may go away while its cluster runs.
STATE_DIR = Path("/var/lib/evaluation-cluster")
RUN_DIR = Path("/run/evaluation-cluster")
API_PORT = 16443


@dataclass(frozen=True)
class Settings:
    """`cluster_dir` holds what callers read, `cache_dir` what outlives every cluster."""

    cluster_dir: Path
    cache_dir: Path

    @property
    def kubeconfig(self) -> Path:
        return self.cluster_dir / "kubeconfig"


def load_settings() -> Settings:
    """Read EVALUATION_CLUSTER_DIR (default: .cluster in the checkout) and XDG_CACHE_HOME."""
    cluster_dir = os.environ.get("EVALUATION_CLUSTER_DIR")
    cache_home = os.environ.get("XDG_CACHE_HOME")
    return Settings(
        cluster_dir=Path(cluster_dir).resolve() if cluster_dir else CHECKOUT / ".cluster",
        cache_dir=(Path(cache_home) if cache_home else Path.home() / ".cache")
        / "evaluation-operator",
    )
