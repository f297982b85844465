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
    def __init__(self) -> None:
        self.kubeconfig = load_settings().kubeconfig
        helper = CHECKOUT / "tests" / "cluster" / "cluster.py"
        self._kubectl = (
            find_program("kubectl") or run([sys.executable, helper, "kubectl-path"]).strip()
        )

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        return run([self._kubectl, "--kubeconfig", self.kubeconfig, *arguments], stdin=stdin)

    def get(self, kind: str, name: str, namespace: str = NAMESPACE) -> Body:
        found: Body = json.loads(
            self.kubectl("get", kind, name, "--namespace", namespace, "--output", "json")
        )
        return found

    def list(self, kind: str, selector: str, namespace: str = NAMESPACE) -> list[Body]:
        where = ("--namespace", namespace, "--selector", selector)
        items: list[Body] = json.loads(self.kubectl("get", kind, *where, "--output", "json"))[
            "items"
        ]
        return items

    def restart(self, kind_and_name: str, namespace: str) -> None:
        self.kubectl("rollout", "restart", kind_and_name, "--namespace", namespace)

    def wait_rolled_out(self, kind_and_name: str, namespace: str) -> None:
        where = ("--namespace", namespace, "--timeout=180s")
        self.kubectl("rollout", "status", kind_and_name, *where)

    def in_pod(self, workload: str, container: str, *command: str) -> subprocess.Popen[str]:
        """A command in a pod of the workload; what it says is kept until it has ended."""
        where = ("--namespace", NAMESPACE, workload, "--container", container)
        return subprocess.Popen(  # noqa: S603
            [self._kubectl, "--kubeconfig", self.kubeconfig, "exec", *where, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_version(self, job: str) -> subprocess.Popen[str]:
        """`kubectl evaluations run JOB --wait`, which tells its progress."""
        program = Path(sys.executable).with_name("kubectl-evaluations")
        where = ["--namespace", NAMESPACE, "--kubeconfig", str(self.kubeconfig)]
        return subprocess.Popen(  # noqa: S603
            [program, "run", job, "--wait", "--timeout", "5m", "--output", "json", *where],
            stdout=subprocess.PIPE,
            text=True,
        )


def finish(processes: Mapping[str, subprocess.Popen[str]], what: str) -> dict[str, str]:
    """What all of them printed, once they have ended. Raises ClusterError if one failed."""
    said = {name: process.communicate() for name, process in processes.items()}
    for name, process in processes.items():
        if process.returncode != 0:
            printed = "".join(part or "" for part in said[name])
            raise ClusterError(f"{what} {name}: code {process.returncode}: {printed}")
    return {name: printed for name, (printed, _) in said.items()}
