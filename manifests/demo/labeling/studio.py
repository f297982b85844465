"""A labeler whose tool is a Label Studio beside the cluster."""

from __future__ import annotations

import json
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final

from manifests.demo.access import Cluster
from tests.cluster.label_studio import LabelStudio
from tests.cluster.overlay import Overlay, shifted_clock
from tests.cluster.settings import CHECKOUT

LABELER: Final = "deployment/evaluation-labeler"
POLL_SECONDS: Final = 3
"""Instead of a minute: scripted people are fast."""
_MANIFESTS: Final = CHECKOUT / "manifests" / "labeler"


def install_labeler(cluster: Cluster, server: LabelStudio, offset: timedelta) -> None:
    """manifests/labeler, with the server's address and token, and a clock ahead by `offset`."""
    token = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "labeling-tokens"},
        "stringData": {"label-studio": server.token},
    }
    cluster.apply(token)
    with tempfile.TemporaryDirectory(prefix="evaluation-overlay-") as folder:
        overlay = _overlay(Path(folder), server, offset)
        where = ("--namespace", cluster.namespace)
        cluster.kubectl("apply", *where, "--kustomize", overlay)
    cluster.wait_rolled_out(LABELER, cluster.namespace)


def project_of(server: LabelStudio, cluster: Cluster, job: str) -> int | None:
    """The number of the job's project, once the labeler has opened it."""
    found = server.call("GET", "/api/projects/?include=id,title")
    assert isinstance(found, dict)
    title = f"{cluster.namespace}/{job}"
    return next((int(it["id"]) for it in found["results"] if it["title"] == title), None)


def _overlay(folder: Path, server: LabelStudio, offset: timedelta) -> Path:
    backend = {
        "name": "label-studio",
        "type": "LabelStudio",
        "url": server.url,
        "tokenFile": "/etc/evaluations/tokens/label-studio",
    }
    (folder / "backends.yaml").write_text(json.dumps({"backends": [backend]}))
    port = {"port": server.port, "protocol": "TCP"}
    policy = {
        "target": {"kind": "NetworkPolicy", "name": "evaluation-labeler"},
        "patch": json.dumps([{"op": "add", "path": "/spec/egress/0/ports/-", "value": port}]),
    }
    generator = {"name": "labeling-backends", "behavior": "replace", "files": ["backends.yaml"]}
    variables = {"EVALUATION_LABELER_POLL_SECONDS": str(POLL_SECONDS), **shifted_clock(offset)}
    return Overlay(
        _MANIFESTS,
        "Deployment",
        "evaluation-labeler",
        variables,
        patches=[policy],
        parts={"configMapGenerator": [generator]},
    ).write(folder)
