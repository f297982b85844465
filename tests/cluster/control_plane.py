"""etcd, kube-apiserver and kube-controller-manager: all a test needs that runs no pods.

with ControlPlane(tmp_path / "kubernetes") as control_plane:
    client = connect(control_plane.kubeconfig)
"""

from __future__ import annotations

import shutil
import signal
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.binary import Binary, build_binary
from tests.cluster.host import ClusterError, free_ports, is_free, run, wait_until
from tests.cluster.pki import Authority, Credentials
from tests.cluster.processes import Processes
from tests.cluster.settings import FIRST_SERVICE_ADDRESS, SERVICE_NETWORK, Settings, load_settings

ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
COMPONENTS = (ETCD, API_SERVER, CONTROLLER_MANAGER)


@dataclass(frozen=True)
class Network:
    """Where the API server listens. Pods, when there are any, reach it at `address`."""

    ports: tuple[int, int, int]
    listen: str = "127.0.0.1"
    address: str | None = None

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.ports[0]}"


class ControlPlane:
    """A control plane in a directory of its own; any number run side by side on free ports.

    `controllers` is the controller-manager's own flag: `"*,-job-controller"` leaves Jobs alone.
    `controller_qps` raises the rate at which it may write (its own default is 20 a second).
    `api_server_flags` are passed through as they are. As a context manager it starts at once,
    ends with the process that started it, and removes its directory's state when it succeeds.
    """

    def __init__(
        self,
        directory: Path,
        controllers: str = "*",
        *,
        controller_qps: int = 200,
        api_server_flags: Sequence[str] = (),
        network: Network | None = None,
        end_with_parent: bool = True,
        settings: Settings | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.kubeconfig = self.directory / "kubeconfig"
        self.processes = Processes(self.directory, end_with_parent=end_with_parent)
        self._controllers = controllers
        self._controller_qps = controller_qps
        self._api_server_flags = tuple(api_server_flags)
        self._network = network
        self._settings = settings or load_settings()
        self._binary: Binary | None = None
        self._authority: Authority | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if kind is None:
            shutil.rmtree(self.directory / "etcd", ignore_errors=True)

    @property
    def network(self) -> Network:
        """Chosen once a directory, so that a component restarts where its clients look for it."""
        if self._network is None:
            remembered = self.directory / "ports"
            ports = remembered.read_text().split() if remembered.exists() else free_ports(3)
            api, etcd, peer = (int(port) for port in ports)
            self._network = Network((api, etcd, peer))
        return self._network

    @property
    def binary(self) -> Binary:
        self._binary = self._binary or build_binary(self._settings)
        return self._binary

    @property
    def authority(self) -> Authority:
        self._authority = self._authority or Authority(self.directory / "pki")
        return self._authority

    def start(self) -> None:
        """Start what is not running and wait until it serves (about 5 s)."""
        admin = self.authority.client("admin", "evaluation-admin", "system:masters")
        self.authority.kubeconfig(self.kubeconfig, self.network.server, admin)
        (self.directory / "ports").write_text(" ".join(map(str, self.network.ports)))
        self.start_component(ETCD)
        self.start_component(API_SERVER)
        # The controller-manager gives an API server ten seconds, which a busy machine exceeds.
        wait_until(self._is_served, f"the API server at {self.network.server}", 90)
        self.start_component(CONTROLLER_MANAGER)
        self.wait_until_ready()

    def stop(self) -> None:
        self.processes.stop(reversed(COMPONENTS))

    def start_component(self, component: str) -> None:
        """Start one of COMPONENTS unless it runs, without waiting for it."""
        flags = {
            ETCD: self._etcd_flags,
            API_SERVER: self._apiserver_flags,
            CONTROLLER_MANAGER: self._controller_manager_flags,
        }[component]()
        self.processes.start(component, [self.binary.path, component, *flags])

    def kill(self, component: str) -> None:
        """End a component as a crash would."""
        self.processes.kill(component, signal.SIGKILL)

    def restart_apiserver(self) -> None:
        """Crash the API server and wait until it serves again: every watch breaks."""
        self.kill(API_SERVER)
        # A process that is killed counts as ended while threads of it still hold its sockets.
        port = self.network.ports[0]
        wait_until(lambda: is_free(port), f"port {port} of the killed API server", 30)
        self.start_component(API_SERVER)
        self.wait_until_ready()

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Until the API server is ready and the controller-manager has made what Pods need."""

        def ready() -> bool:
            self.processes.require_running(COMPONENTS)
            return self.is_ready()

        wait_until(ready, f"the API server at {self.network.server}", seconds)

    def _is_served(self) -> bool:
        self.processes.require_running((ETCD, API_SERVER))
        return self._answers("/readyz")

    def is_ready(self) -> bool:
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        return self._answers("/readyz") and self._answers(account)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl against this control plane and return what it printed."""
        return run([self.binary.kubectl, "--kubeconfig", self.kubeconfig, *arguments], stdin=stdin)

    def _answers(self, path: str) -> bool:
        admin = self.authority.client("admin", "evaluation-admin", "system:masters")
        context = ssl.create_default_context(cafile=str(self.authority.ca.certificate))
        context.load_cert_chain(admin.certificate, admin.key)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(self.network.server + path, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def _etcd_flags(self) -> list[str]:
        _, client, peer = self.network.ports
        return [
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",  # a test's data need not survive a power cut
            "--log-level=warn",
        ]

    def _apiserver_flags(self) -> list[str]:
        api, etcd, _ = self.network.ports
        address = self.network.address
        names = ["IP:127.0.0.1", f"IP:{FIRST_SERVICE_ADDRESS}", "DNS:kubernetes.default.svc"]
        serving = self.authority.server(
            "kube-apiserver", "DNS:localhost", *names, *([f"IP:{address}"] if address else [])
        )
        # Without pods nobody looks for the API server in a Service, and loopback cannot be one's.
        advertise = (
            [f"--advertise-address={address}", *self._kubelet_flags()]
            if address
            else ["--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]
        )
        return [
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            f"--bind-address={self.network.listen}",
            f"--secure-port={api}",
            *advertise,
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--authorization-mode=Node,RBAC",
            f"--client-ca-file={self.authority.ca.certificate}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.authority.service_account_public_key}",
            f"--service-account-signing-key-file={self.authority.service_account_key}",
            *self._api_server_flags,
        ]

    def _kubelet_flags(self) -> list[str]:
        client = self.authority.client("kubelet-client", "kube-apiserver", "system:masters")
        return [
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={client.certificate}",
            f"--kubelet-client-key={client.key}",
            f"--kubelet-certificate-authority={self.authority.ca.certificate}",
        ]

    def _controller_manager_flags(self) -> list[str]:
        user = self.authority.client(CONTROLLER_MANAGER, f"system:{CONTROLLER_MANAGER}")
        return [
            f"--kubeconfig={self.component_kubeconfig(CONTROLLER_MANAGER, user)}",
            f"--controllers={self._controllers}",
            f"--kube-api-qps={self._controller_qps}",
            f"--kube-api-burst={self._controller_qps * 2}",
            "--use-service-account-credentials",
            f"--root-ca-file={self.authority.ca.certificate}",
            f"--service-account-private-key-file={self.authority.service_account_key}",
            "--leader-elect=false",
            "--secure-port=0",
        ]

    def component_kubeconfig(self, component: str, user: Credentials) -> Path:
        path = self.directory / "pki" / f"{component}.kubeconfig"
        return self.authority.kubeconfig(path, self.network.server, user)


def stop_control_plane(directory: Path) -> None:
    """Stop the control plane of a directory and remove its data; nothing there is no error."""
    if not directory.exists():
        return
    if not (directory / "pki").exists():
        raise ClusterError(f"{directory} holds no control plane; it stays as it is")
    ControlPlane(directory).stop()
    shutil.rmtree(directory)
