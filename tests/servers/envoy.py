"""The real Envoy with the files of manifests/envoy, rendered and started as a kubelet would.

with EnvoySidecar(directory, {"EVALUATION_MODEL": "digits", …}) as sidecar:
    post(f"{sidecar.url}/v1/models/digits:predict", …)
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.cluster.binary import build_binary
from tests.cluster.host import free_ports, run, wait_until
from tests.cluster.processes import Processes
from tests.cluster.server import Server
from tests.cluster.settings import CHECKOUT, load_settings
from tests.servers.environment import envoy_binary

COMPONENT: Final = CHECKOUT / "manifests" / "envoy"
NAMESPACE: Final = "team-a"
_NAME: Final = "evaluation-envoy"
_ENV: Final = "/usr/bin/env"


def render(
    directory: Path,
    settings: Mapping[str, str],
    *,
    kind: str = "Deployment",
    namespace: str = NAMESPACE,
) -> list[Any]:
    """What `kubectl kustomize` makes of a workload with our component and these settings."""
    overlay = directory / "overlay"
    overlay.mkdir(parents=True, exist_ok=True)
    labels = {"app": "digits"}
    server = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "digits", "labels": {"evaluations.dev/sampled": "true"}},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "server", "image": "server:1"}]},
            },
        },
    }
    kustomization = {
        "resources": ["server.yaml"],
        "components": [os.path.relpath(COMPONENT, overlay.resolve())],
        "namespace": namespace,
        "configMapGenerator": [
            {"name": _NAME, "literals": [f"{name}={value}" for name, value in settings.items()]}
        ],
    }
    (overlay / "server.yaml").write_text(yaml.safe_dump(server))
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    kubectl = build_binary(load_settings()).kubectl
    return list(yaml.safe_load_all(run([kubectl, "kustomize", overlay])))


class EnvoySidecar(Server):
    """The sidecar's container as a process on ports of its own, until the block ends.

    `settings` are what a user puts into the ConfigMap `evaluation-envoy`. Fails with Envoy's own
    words if it does not start.
    """

    def __init__(
        self, directory: Path, settings: Mapping[str, str], namespace: str = NAMESPACE
    ) -> None:
        self._directory = directory
        self._namespace = namespace
        self._settings = settings
        self.port, self.metrics_port = free_ports(2)
        self._processes = Processes(directory, end_with_parent=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        documents = render(self._directory, self._settings, namespace=self._namespace)
        [workload] = [each for each in documents if each["kind"] == "Deployment"]
        [container] = workload["spec"]["template"]["spec"]["initContainers"]
        maps = {each["metadata"]["name"]: each["data"] for each in documents if "data" in each}
        environment = self._environment(container, maps)
        folder = self._mount(workload, maps)
        assert container["command"] == ["envoy"]
        arguments = [_expand(each, environment) for each in container["args"]]
        self._processes.start(
            _NAME,
            [
                *(_ENV, "--ignore-environment", f"--chdir={folder}"),
                *(f"{name}={value}" for name, value in environment.items()),
                envoy_binary(),
                *arguments,
            ],
        )
        wait_until(self._listens, "Envoy", 20, 0.02)

    def stop(self) -> None:
        self._processes.kill(_NAME)

    def metrics(self) -> dict[str, float]:
        """Envoy's counters and gauges; a cluster's are named `CLUSTER.NAME`. Sums of the rest."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as answer:
            text = answer.read().decode()
        found: dict[str, float] = {}
        for name, labels, value in re.findall(r"^envoy_(\w+)({[^}]*})? (\S+)$", text, re.MULTILINE):
            cluster = re.search(r'envoy_cluster_name="(\w+)"', labels)
            key = f"{cluster[1]}.{name.removeprefix('cluster_')}" if cluster else name
            found[key] = found.get(key, 0) + float(value)
        return found

    def resident_bytes(self) -> int:
        pid = self._processes.pid(_NAME)
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def log(self) -> str:
        return self._processes.log_file(_NAME).read_text()

    def _environment(
        self, container: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]]
    ) -> dict[str, str]:
        """As Kubernetes makes it: `envFrom` in order, `env` over it."""
        found: dict[str, str] = {}
        for source in container["envFrom"]:
            found |= maps[source["configMapRef"]["name"]]
        found["EVALUATION_NAMESPACE"] = self._namespace
        # The pod has its address to itself; here others run too.
        found["EVALUATION_PORT"] = str(self.port)
        found["EVALUATION_METRICS_PORT"] = str(self.metrics_port)
        return found

    def _mount(self, workload: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]]) -> Path:
        """The container's working directory, with the files of the volume mounted there."""
        [volume] = workload["spec"]["template"]["spec"]["volumes"]
        folder = self._directory / "mounted"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, text in maps[volume["configMap"]["name"]].items():
            (folder / name).write_text(text)
        return folder

    def _listens(self) -> bool:
        self._processes.require_running([_NAME])
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _expand(text: str, environment: Mapping[str, str]) -> str:
    """$(NAME) as the kubelet fills it in; a name that is not set stays as it is."""
    return re.sub(r"\$\((\w+)\)", lambda found: environment.get(found[1], found[0]), text)
