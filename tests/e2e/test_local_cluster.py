"""The cluster that the other tests stand on does what a Kubernetes with pods has to do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.binary import build_binary
from tests.cluster.cluster import choose_cluster
from tests.cluster.host import ClusterError, run
from tests.cluster.images import IMAGES, build_images
from tests.cluster.settings import load_settings

pytestmark = pytest.mark.cluster

Kubectl = Callable[..., str]

_WRITE_AND_PRINT = """
import os, pathlib
pathlib.Path("/data/written").write_text("by a pod")
print(f"user {os.getuid()} wrote {os.listdir('/data')}")
"""
_ASK_API_SERVER = """
import os, pathlib, ssl, urllib.request
account = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
url = "https://{KUBERNETES_SERVICE_HOST}:{KUBERNETES_SERVICE_PORT}/version".format(**os.environ)
request = urllib.request.Request(url)
request.add_header("Authorization", "Bearer " + (account / "token").read_text())
context = ssl.create_default_context(cafile=account / "ca.crt")
print(urllib.request.urlopen(request, context=context, timeout=10).read().decode())
"""


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """kubectl in a new namespace of a cluster that has the operator's image."""
    settings = load_settings()
    cluster = choose_cluster(settings)
    cluster.up()
    archives = build_images(settings, ["operator"], docker=cluster.name == "kind")
    cluster.load_image(archives["operator"])
    program = build_binary(settings).kubectl
    namespace = f"local-cluster-{uuid.uuid4().hex[:8]}"

    def call(*arguments: str | Path, stdin: str | None = None) -> str:
        where: list[str | Path] = ["--kubeconfig", settings.kubeconfig, "--namespace", namespace]
        return run([program, *where, *arguments], stdin=stdin)

    call("create", "namespace", namespace)
    call("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    yield call
    call("delete", "namespace", namespace, "--wait=false")


def make_pod(name: str, program: str, claim: str = "") -> dict[str, Any]:
    """A pod that the `restricted` standard admits, and that runs a Python program once."""
    container: dict[str, Any] = {
        "name": "program",
        "image": IMAGES["operator"].tag,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", program],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    if claim:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def run_pod(kubectl: Kubectl, pod: dict[str, Any]) -> str:
    """Run a pod to its end and return what it printed."""
    name = f"pod/{pod['metadata']['name']}"
    kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    kubectl("wait", name, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    return kubectl("logs", name)


def test_a_restricted_pod_writes_a_volume_that_a_later_pod_finds(kubectl: Kubectl) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(claim))
    printed = run_pod(kubectl, make_pod("writer", _WRITE_AND_PRINT, claim="data"))
    assert printed == "user 65532 wrote ['written']\n"
    read = "import pathlib; print(pathlib.Path('/data/written').read_text())"
    assert run_pod(kubectl, make_pod("reader", read, claim="data")) == "by a pod\n"


def test_a_pod_reaches_the_api_server_by_its_service_with_its_own_token(kubectl: Kubectl) -> None:
    answer = json.loads(run_pod(kubectl, make_pod("client", _ASK_API_SERVER)))
    assert answer["major"] == "1"


def test_a_pod_that_the_restricted_standard_forbids_is_refused(kubectl: Kubectl) -> None:
    pod = make_pod("root", "")
    pod["spec"]["securityContext"]["runAsNonRoot"] = False
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        kubectl("apply", "-f", "-", stdin=json.dumps(pod))


def test_a_pod_that_fails_says_with_which_code(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=json.dumps(make_pod("failing", "raise SystemExit(3)")))
    kubectl("wait", "pod/failing", "--for=jsonpath={.status.phase}=Failed", "--timeout=60s")
    code = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    assert kubectl("get", "pod", "failing", "-o", code) == "3"
