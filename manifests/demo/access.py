"""The cluster of `make cluster`, by kubectl and the command line of this checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.host import ClusterError, find_program, run
from tests.cluster.settings import CHECKOUT, load_settings

NAMESPACE = "digits"

Body = dict[str, Any]


class Cluster:
    """`namespace` is where everything is, unless a call names another one."""

    def __init__(self, namespace: str = NAMESPACE) -> None:
        self.namespace = namespace
        self.kubeconfig = load_settings().kubeconfig
        helper = CHECKOUT / "tests" / "cluster" / "cluster.py"
        self._kubectl = (
            find_program("kubectl") or run([sys.executable, helper, "kubectl-path"]).strip()
        )

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        return run([self._kubectl, "--kubeconfig", self.kubeconfig, *arguments], stdin=stdin)

    def get(self, kind: str, name: str) -> Body:
        found: Body = json.loads(
            self.kubectl("get", kind, name, "--namespace", self.namespace, "--output", "json")
        )
        return found

    def list(self, kind: str, selector: str = "") -> list[Body]:
        where = ("--namespace", self.namespace, "--selector", selector)
        items: list[Body] = json.loads(self.kubectl("get", kind, *where, "--output", "json"))[
            "items"
        ]
        return items

    def apply(self, *bodies: Mapping[str, Any]) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
        self.kubectl("apply", "--namespace", self.namespace, "--filename", "-", stdin=text)

    def restart(self, kind_and_name: str, namespace: str) -> None:
        self.kubectl("rollout", "restart", kind_and_name, "--namespace", namespace)

    def wait_rolled_out(self, kind_and_name: str, namespace: str) -> None:
        where = ("--namespace", namespace, "--timeout=180s")
        self.kubectl("rollout", "status", kind_and_name, *where)

    def in_pod(self, workload: str, container: str, *command: str) -> subprocess.Popen[str]:
        """A command in a pod of the workload; what it says is kept until it has ended."""
        where = ("--namespace", self.namespace, workload, "--container", container)
        # The demo's own words, and no shell.
        return subprocess.Popen(  # noqa: S603 # nosec B603
            [self._kubectl, "--kubeconfig", self.kubeconfig, "exec", *where, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def evaluations(self, *words: str) -> subprocess.Popen[str]:
        """`kubectl evaluations`, whose progress goes to the terminal."""
        program = Path(sys.executable).with_name("kubectl-evaluations")
        where = ["--namespace", self.namespace, "--kubeconfig", str(self.kubeconfig)]
        # The same.
        return subprocess.Popen(  # noqa: S603 # nosec B603
            [program, *words, *where], stdout=subprocess.PIPE, text=True
        )

    def run_version(self, job: str) -> subprocess.Popen[str]:
        return self.evaluations("run", job, "--wait", "--timeout", "5m", "--output", "json")


def finish(processes: Mapping[str, subprocess.Popen[str]], what: str) -> dict[str, str]:
    """What all of them printed, once they have ended. Raises ClusterError if one failed."""
    said = {name: process.communicate() for name, process in processes.items()}
    for name, process in processes.items():
        if process.returncode != 0:
            printed = "".join(part or "" for part in said[name])
            raise ClusterError(f"{what} {name}: code {process.returncode}: {printed}")
    return {name: printed for name, (printed, _) in said.items()}
