"""Files onto a claim, which no laptop can see: by a Job in the cluster that mounts it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Body = dict[str, Any]

MOUNT = "/var/lib/evaluations/table"
_PROGRAM = Path(__file__).with_name("load.py")


def build_loading(
    name: str,
    files: Mapping[str, bytes],
    uri: str,
    *,
    image: str = "evaluation-evaluator:dev",
    claim: str = "evaluations",
) -> list[Body]:
    """A ConfigMap with the files (1 MiB at most, in all) and the Job that appends them.

    Both are named by their content, so that applying them again loads nothing twice.
    """
    digest = hashlib.sha256(_PROGRAM.read_bytes())
    for file, content in sorted(files.items()):
        digest.update(file.encode() + content)
    title = f"{name}-{digest.hexdigest()[:12]}"
    held = {file: base64.b64encode(content).decode() for file, content in files.items()}
    config_map: Body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": title},
        "immutable": True,
        "binaryData": held,
        "data": {_PROGRAM.name: _PROGRAM.read_text()},
    }
    job: Body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": title},
        "spec": {"backoffLimit": 1, "template": {"spec": _pod_spec(title, uri, image, claim)}},
    }
    return [config_map, job]


def _pod_spec(config_map: str, uri: str, image: str, claim: str) -> Body:
    """As the `restricted` profile wants it, and as the same user that runs have."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "load",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["python3", f"/files/{_PROGRAM.name}", "/files", uri],
                "volumeMounts": [
                    {"name": "files", "mountPath": "/files"},
                    {"name": "table", "mountPath": MOUNT},
                    {"name": "scratch", "mountPath": "/tmp"},
                ],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
        "volumes": [
            {"name": "files", "configMap": {"name": config_map}},
            {"name": "table", "persistentVolumeClaim": {"claimName": claim}},
            {"name": "scratch", "emptyDir": {}},
        ],
    }
