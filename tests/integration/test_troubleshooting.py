"""What docs/troubleshooting.md says to type, typed: kubectl knows each verb, kind and option."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from evaluation_operator.domain.explanations import EXPLANATIONS
from evaluation_operator.domain.explanations.explanation import PLACEHOLDERS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.settings import CHECKOUT

pytestmark = pytest.mark.integration

COMMANDS = sorted(
    {
        command
        for it in EXPLANATIONS.values()
        for command in it.commands
        if command.startswith("kubectl ") and not command.startswith("kubectl evaluations ")
    }
)
CHANGING = {"annotate", "apply", "create", "delete", "label", "patch", "set"}
OF_OTHERS = ("inferenceservice", "workloads", "localqueues")
"""Kinds that are not in the cluster of the tests."""
NOT_FOUND = ("NotFound", "not found", "No resources found")


@pytest.mark.parametrize("command", COMMANDS)
def test_kubectl_takes_it(command: str, control_plane: ControlPlane) -> None:
    """The objects that it names are not there, which is all that may be wrong with it."""
    _, verb, *words = shlex.split(command)
    names = {name: name.lower() for name in PLACEHOLDERS} | {
        "NAMESPACE": "default",
        "FILE": str(CHECKOUT / "manifests" / "samples" / "image-classification.yaml"),
    }
    for name, value in names.items():
        words = [word.replace(name, value) for word in words]
    if verb in CHANGING and "--list" not in words:
        words.append(f"--dry-run={'server' if '--server-side' in words else 'client'}")

    done = subprocess.run(
        [control_plane.binary.kubectl, "--kubeconfig", control_plane.kubeconfig, verb, *words],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env=os.environ | {"EDITOR": "true"},
    )

    print(done.stdout, done.stderr)
    if verb == "auth":
        assert done.stdout.strip() in ("yes", "no")
        return
    lacks_kind = "doesn't have a resource type" in done.stderr
    assert not lacks_kind or words[0].startswith(OF_OTHERS)
    assert done.returncode == 0 or lacks_kind or any(it in done.stderr for it in NOT_FOUND)
