"""This machine as the cluster's one node: bridge, containerd, kubelet and kube-proxy.

Nothing is shared with a containerd, a CNI or a Docker that the machine has for itself: sockets,
configuration and images are under RUN_DIR and STATE_DIR.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.control_plane import ControlPlane
from tests.cluster.host import (
    ClusterError,
    can_overlay,
    find_program,
    need_packages,
    run,
    succeeds,
    wait_until,
)
from tests.cluster.processes import Processes, running_pids, with_descendants
from tests.cluster.scratch_image import write_scratch_image
from tests.cluster.settings import (
    API_PORT,
    BRIDGE,
    BRIDGE_ADDRESS,
    NODE_NAME,
    POD_NETWORK,
    PROVISIONER,
    RUN_DIR,
    STATE_DIR,
)

CONTAINERD = "containerd"
KUBELET = "kubelet"
NODE_COMPONENTS = (CONTAINERD, "kube-scheduler", "volumes", "kube-proxy", KUBELET)

_SOCKET = RUN_DIR / "containerd.sock"
_IMPORTED = STATE_DIR / "imported.json"
_PAUSE_IMAGE = "docker.io/library/evaluation-pause:1"
_FILTERS = (
    # (table, chain, rule): pods reach the world as this machine does, whatever Docker forbids.
    ("nat", "POSTROUTING", f"-s {POD_NETWORK} ! -d {POD_NETWORK} -j MASQUERADE"),
    ("filter", "FORWARD", f"-i {BRIDGE} -j ACCEPT"),
    ("filter", "FORWARD", f"-o {BRIDGE} -j ACCEPT"),
)
# What the kubelet leaves behind; kube-proxy removes its own.
_KUBELET_FILTERS = (
    ("filter", "INPUT", "-j KUBE-FIREWALL"),
    ("filter", "OUTPUT", "-j KUBE-FIREWALL"),
)
_PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "ip": "iproute2",
    "mount": "mount",
}


class Node:
    """Starts and stops what runs pods. Needs root."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._processes = Processes(STATE_DIR)

    def start(self) -> None:
        """Start what is not running and wait until the node is Ready."""
        need_packages(_PACKAGES)
        _set_up_network()
        self._write_configuration()
        self._processes.start(
            CONTAINERD,
            [find_program("containerd") or "containerd", "--config", STATE_DIR / "containerd.toml"],
        )
        wait_until(lambda: succeeds(ctr("version")), "containerd's socket", 30)
        self._import_pause_image()
        binary = self._control_plane.binary.path
        for component in NODE_COMPONENTS[1:]:
            flags = self._flags(component)
            self._processes.start(component, [binary, component, *flags])

        def ready() -> bool:
            self._processes.require_running(NODE_COMPONENTS)
            return self.is_ready()

        wait_until(ready, f"node {NODE_NAME} to be Ready", 120, 0.5)

    def is_running(self) -> bool:
        return all(self._processes.is_running(name) for name in NODE_COMPONENTS)

    def is_ready(self) -> bool:
        """Whether the kubelet has said within its lease that pods may run."""
        jsonpath = "{.status.conditions[?(@.type=='Ready')].status}"
        try:
            status = self._control_plane.kubectl(
                "get", "node", NODE_NAME, "--ignore-not-found", "-o", f"jsonpath={jsonpath}"
            )
        except ClusterError:
            return False
        return status == "True"

    def stop(self) -> None:
        """Stop the node, its containers and its network, also those of a run that was killed."""
        self._processes.stop(reversed(NODE_COMPONENTS))
        _kill_containers()
        _unmount_below(STATE_DIR, RUN_DIR)
        _tear_down_network(self._control_plane)
        shutil.rmtree(RUN_DIR, ignore_errors=True)

    def _flags(self, component: str) -> list[str]:
        plane = self._control_plane
        if component == KUBELET:
            user = plane.authority.client(KUBELET, f"system:node:{NODE_NAME}", "system:nodes")
            return [
                f"--config={STATE_DIR / 'kubelet.json'}",
                f"--kubeconfig={plane.component_kubeconfig(KUBELET, user)}",
                f"--hostname-override={NODE_NAME}",
                f"--node-ip={BRIDGE_ADDRESS}",
                f"--root-dir={STATE_DIR / 'kubelet'}",
            ]
        if component == "volumes":
            directory = STATE_DIR / "volumes"
            return [
                f"--kubeconfig={plane.kubeconfig}",
                f"--provisioner={PROVISIONER}",
                f"--directory={directory}",
            ]
        user = plane.authority.client(component, f"system:{component}")
        kubeconfig = plane.component_kubeconfig(component, user)
        if component == "kube-proxy":
            _write_json(STATE_DIR / "kube-proxy.json", _kube_proxy_configuration(kubeconfig))
            return [f"--config={STATE_DIR / 'kube-proxy.json'}"]
        return [
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--leader-elect=false",
            "--secure-port=0",
        ]

    def _write_configuration(self) -> None:
        serving = self._control_plane.authority.server(
            "kubelet-server", f"IP:{BRIDGE_ADDRESS}", f"DNS:{NODE_NAME}"
        )
        _write_json(
            STATE_DIR / "kubelet.json",
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "address": BRIDGE_ADDRESS,
                "authentication": {
                    "anonymous": {"enabled": False},
                    "webhook": {"enabled": True},
                    "x509": {"clientCAFile": str(self._control_plane.authority.ca.certificate)},
                },
                "authorization": {"mode": "Webhook"},
                "tlsCertFile": str(serving.certificate),
                "tlsPrivateKeyFile": str(serving.key),
                "containerRuntimeEndpoint": f"unix://{_SOCKET}",
                "cgroupDriver": "cgroupfs",
                "failCgroupV1": False,
                "failSwapOn": False,
                "enforceNodeAllocatable": [],
                # A full disk or a small machine must not evict what is under test, and images
                # that were loaded here can be pulled again from nowhere.
                "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
                "imageGCHighThresholdPercent": 100,
                "maxPods": 250,
                "podLogsDir": str(STATE_DIR / "pod-logs"),
                "volumePluginDir": str(STATE_DIR / "volume-plugins"),
            },
        )
        snapshotter = "overlayfs" if can_overlay(STATE_DIR) else "native"
        (STATE_DIR / "containerd.toml").write_text(_containerd_configuration(snapshotter))
        _write_json(
            STATE_DIR / "cni" / "net.d" / "10-bridge.conflist",
            {
                "cniVersion": "1.0.0",
                "name": "evaluation",
                "plugins": [
                    {
                        "type": "bridge",
                        "bridge": BRIDGE,
                        "isGateway": True,
                        "hairpinMode": True,
                        "ipam": {
                            "type": "host-local",
                            "dataDir": str(STATE_DIR / "cni" / "addresses"),
                            "ranges": [[{"subnet": POD_NETWORK, "gateway": BRIDGE_ADDRESS}]],
                            "routes": [{"dst": "0.0.0.0/0"}],
                        },
                    }
                ],
            },
        )

    def _import_pause_image(self) -> None:
        archive = STATE_DIR / "pause.tar"
        write_scratch_image(archive, _PAUSE_IMAGE, self._control_plane.binary.pause)
        import_image(archive)
        archive.unlink()


def ctr(*arguments: str | Path) -> list[str | Path]:
    """The command that speaks to this cluster's containerd."""
    return ["ctr", "--address", _SOCKET, "--namespace", "k8s.io", *arguments]


def import_image(archive: Path) -> None:
    """Give containerd the images of a `docker save` archive, unless it has just these.

    What was imported from where is remembered beside what the name meant then: containerd knows an
    image by another digest than the archive does, and a name may have moved since.
    """
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("manifest.json")
        saved: list[dict[str, Any]] = json.load(manifest) if manifest else []
    configs = {_full_name(name): image["Config"] for image in saved for name in image["RepoTags"]}

    def state() -> dict[str, list[str]]:
        digests = _image_digests()
        return {name: [config, digests.get(name, "")] for name, config in configs.items()}

    imported: dict[str, list[str]] = {}
    if _IMPORTED.exists():
        imported = json.loads(_IMPORTED.read_text())
    if any(imported.get(name) != pair for name, pair in state().items()):
        run(ctr("images", "import", archive))
        _write_json(_IMPORTED, {**imported, **state()})


def _full_name(name: str) -> str:
    """As containerd writes it: `app:dev` is `docker.io/library/app:dev`."""
    return name if "/" in name else f"docker.io/library/{name}"


def _image_digests() -> dict[str, str]:
    lines = run(ctr("images", "list")).splitlines()[1:]
    return {line.split()[0]: line.split()[2] for line in lines}


def _containerd_configuration(snapshotter: str) -> str:
    return f"""\
version = 2
root = "{STATE_DIR / "containerd"}"
state = "{RUN_DIR / "containerd"}"
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
address = "{_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{_PAUSE_IMAGE}"
netns_mounts_under_state_dir = true
# Where a container may not lower its OOM score, every sandbox dies without this.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{STATE_DIR / "cni" / "net.d"}"
"""


def _kube_proxy_configuration(kubeconfig: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "mode": "iptables",
        "hostnameOverride": NODE_NAME,
        "clusterCIDR": POD_NETWORK,
        # Without the br_netfilter module answers between pods of one bridge bypass the tables.
        "iptables": {"masqueradeAll": True},
        # Zero leaves the kernel's values: containers may not set them.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "metricsBindAddress": f"127.0.0.1:{API_PORT + 3}",
        "healthzBindAddress": f"127.0.0.1:{API_PORT + 4}",
    }


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a file unless it says this already: kube-proxy ends when its own is written to."""
    text = json.dumps(content, indent=1)
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _set_up_network() -> None:
    # The bridge needs its address before the kubelet looks for it.
    if not succeeds(["ip", "link", "show", BRIDGE]):
        run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    if BRIDGE_ADDRESS not in run(["ip", "-4", "address", "show", "dev", BRIDGE]):
        prefix = POD_NETWORK.partition("/")[2]
        run(["ip", "address", "add", f"{BRIDGE_ADDRESS}/{prefix}", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    for table, chain, rule in _FILTERS:
        if not succeeds(["iptables", "-t", table, "-C", chain, *rule.split()]):
            run(["iptables", "-t", table, "-I", chain, *rule.split()])


def _tear_down_network(control_plane: ControlPlane) -> None:
    if find_program("ip") and succeeds(["ip", "link", "show", BRIDGE]):
        run(["ip", "link", "delete", BRIDGE])
    if not find_program("iptables"):
        return
    for table, chain, rule in (*_FILTERS, *_KUBELET_FILTERS):
        while succeeds(["iptables", "-t", table, "-D", chain, *rule.split()]):
            pass
    for command in ("-F", "-X"):
        succeeds(["iptables", command, "KUBE-FIREWALL"])
    subprocess.run([control_plane.binary.path, "kube-proxy", "--cleanup"], capture_output=True)


def _kill_containers() -> None:
    """Kill all shims of this containerd with what they started; they outlive it by design."""
    shims = [pid for pid in running_pids() if str(_SOCKET).encode() in _command_line(pid)]
    for pid in with_descendants(shims):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: not any(_command_line(pid) for pid in shims), "the end of all containers", 10
    )


def _command_line(pid: int) -> bytes:
    """Empty once the process has ended, also while it is a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _unmount_below(*directories: Path) -> None:
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    prefixes = tuple(f"{directory}/" for directory in directories)
    for path in reversed(mounted):
        if path.startswith(prefixes):
            run(["umount", "--lazy", path])
