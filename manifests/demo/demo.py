"""From a bare cluster to two Evaluations of real predictions: `make demo`.

Installs the operator as a user would, makes a namespace ready, loads the predictions of two model
versions and the labels that came later, and evaluates both now. Running it again does what is
missing, and evaluates once more.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Run by path: the checkout's other modules are found from its root.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from rich.console import Console

from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.api.evaluation_job import EvaluationJob
from manifests.demo.digits import CLASSIFIERS, build_files, predict_held_out_images
from manifests.demo.loading import MOUNT, build_loading
from manifests.demo.showing import show_comparison, show_next_steps
from tests.cluster.host import ClusterError, find_program, run
from tests.cluster.settings import CHECKOUT, load_settings

NAMESPACE = "digits"
TABLE = f"file://{MOUNT}/digits"
JOBS = tuple(f"digits-{version}" for version in CLASSIFIERS)
OPERATOR = ("--namespace", "evaluation-operator")

console = Console(highlight=False)


class Cluster:
    """kubectl and the command line of this checkout, against the cluster of `make cluster`."""

    def __init__(self) -> None:
        self.kubeconfig = load_settings().kubeconfig
        helper = CHECKOUT / "tests" / "cluster" / "cluster.py"
        self._kubectl = (
            find_program("kubectl") or run([sys.executable, helper, "kubectl-path"]).strip()
        )

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        return run([self._kubectl, "--kubeconfig", self.kubeconfig, *arguments], stdin=stdin)

    def get(self, kind: str, name: str, namespace: str = NAMESPACE) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.kubectl("get", kind, name, "--namespace", namespace, "--output", "json")
        )
        return found

    def run_version(self, job: str) -> subprocess.Popen[str]:
        """`kubectl evaluations run JOB --wait`, which tells its progress."""
        program = Path(sys.executable).with_name("kubectl-evaluations")
        where = ["--namespace", NAMESPACE, "--kubeconfig", str(self.kubeconfig)]
        return subprocess.Popen(  # noqa: S603
            [program, "run", job, "--wait", "--timeout", "5m", "--output", "json", *where],
            stdout=subprocess.PIPE,
            text=True,
        )


@contextmanager
def step(title: str) -> Iterator[None]:
    console.print(f"[bold]==> {title}[/bold]")
    started = time.monotonic()
    yield
    console.print(f"    {time.monotonic() - started:.1f} s", style="dim")


def main() -> int:
    try:
        demonstrate()
    except ClusterError as error:
        console.print(f"error: {error}", markup=False)
        return 1
    return 0


def demonstrate() -> None:
    """Raises ClusterError with what kubectl or a run said."""
    cluster = Cluster()
    with step("Installing the operator: kubectl apply -k manifests/overlays/trial"):
        install(cluster)
    with step("Training two classifiers on handwritten digits, predicting the held-out half"):
        files = build_files(predict_held_out_images())
        size = sum(map(len, files.values())) // 1024
        console.print(f"    {', '.join(files)}: {size} KiB")
    with step(f"Applying the label set and two EvaluationJobs in namespace {NAMESPACE!r}"):
        cluster.kubectl("apply", "--kustomize", CHECKOUT / "manifests" / "demo")
    with step("Appending rows and labels to the table on the namespace's claim"):
        load(cluster, files)
    with step("Waiting until both jobs are Ready: their table has been checked by a pod"):
        cluster.kubectl(*_wait("Ready"), *(f"evaluationjob/{job}" for job in JOBS))
    with step("Evaluating both now, each in a pod: kubectl evaluations run JOB --wait"):
        evaluations = evaluate(cluster, JOBS)
    console.print()
    jobs = [EvaluationJob.from_dict(cluster.get("evaluationjob", job)) for job in JOBS]
    show_comparison(console, jobs, evaluations)
    show_next_steps(console, cluster.kubeconfig)


def install(cluster: Cluster) -> None:
    overlay = CHECKOUT / "manifests" / "overlays" / "trial"
    said = cluster.kubectl("apply", "--kustomize", overlay)
    if "deployment.apps/evaluation-operator created" not in said:
        # The image's name stays the same when it is built anew.
        cluster.kubectl(*OPERATOR, "rollout", "restart", "deployment/evaluation-operator")
    crds = [line.split()[0] for line in said.splitlines() if line.startswith("customresource")]
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *crds)
    cluster.kubectl(
        *(*OPERATOR, "rollout", "status", "deployment/evaluation-operator", "--timeout=120s")
    )


def load(cluster: Cluster, files: Mapping[str, bytes]) -> None:
    config_map, job = build_loading("digits", files, TABLE)
    bodies = json.dumps({"apiVersion": "v1", "kind": "List", "items": [config_map, job]})
    where = ("--namespace", NAMESPACE)
    # Server-side: the ConfigMap is too large for kubectl's own annotation.
    cluster.kubectl("apply", "--server-side", *where, "--filename", "-", stdin=bodies)
    name = f"job/{job['metadata']['name']}"
    try:
        cluster.kubectl(*_wait("Complete"), name)
    except ClusterError as error:
        said = [cluster.kubectl("get", "pods", *where)]
        with suppress(ClusterError):  # a pod that has not started has no log
            said.append(cluster.kubectl("logs", *where, name, "--tail=20"))
        raise ClusterError("\n".join([str(error), *said])) from error


def evaluate(cluster: Cluster, jobs: Sequence[str]) -> dict[str, Evaluation]:
    """Both at once; their progress goes to the terminal as it comes."""
    running = {job: cluster.run_version(job) for job in jobs}
    answers = {job: process.communicate()[0] for job, process in running.items()}
    for job, process in running.items():
        if process.returncode != 0:
            raise ClusterError(f"the run of {job} did not succeed: {answers[job]}")
    return {job: Evaluation.from_dict(json.loads(answer)) for job, answer in answers.items()}


def _wait(condition: str) -> list[str]:
    return ["wait", "--namespace", NAMESPACE, f"--for=condition={condition}", "--timeout=180s"]


if __name__ == "__main__":
    sys.exit(main())
