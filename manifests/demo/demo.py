"""From a bare cluster to two Evaluations of live predictions: `make demo`.

Installs the operator as a user would, serves two versions of a model with KServe's model server,
and samples what they answer by an Envoy beside each. A client asks about 899 images; labels come
afterwards, and both versions are evaluated. Running it again does what is missing, sends the same
once more, which makes no row twice, and evaluates once more.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Run by path: the checkout's other modules are found from its root.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.api.evaluation_job import EvaluationJob
from manifests.demo.access import NAMESPACE, Cluster, finish
from manifests.demo.installing import install
from manifests.demo.model.digits import VERSIONS
from manifests.demo.serving import SAMPLER, import_labels, send_traffic, wait_for_rows
from manifests.demo.showing import console, show_comparison, show_next_steps, step
from tests.cluster.host import ClusterError
from tests.cluster.settings import CHECKOUT

JOBS = tuple(f"digits-{version}" for version in VERSIONS)


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
    with step(f"Two versions of a model, a sampler and two EvaluationJobs in {NAMESPACE!r}"):
        deploy(cluster)
    with step("Waiting until the models serve and both jobs are Ready"):
        wait_until_live(cluster)
    with step("Live traffic: a client asks each version about every image it has not seen"):
        sent = send_traffic(cluster)
        for version, count in sent.items():
            console.print(f"    {count} predictions by digits-{version}")
    with step("The sampler writes rows by itself"):
        for job, it in wait_for_rows(cluster, sent).items():
            console.print(f"    {job}: {it.predictions} predictions seen, {it.sampled} sampled")
    with step("Labels arrive: kubectl evaluations labels import, where the claim is mounted"):
        console.print(f"    {import_labels(cluster).splitlines()[0]}")
    with step("Evaluating both, each in a pod: kubectl evaluations run JOB --wait"):
        evaluations = evaluate(cluster, JOBS)
    console.print()
    jobs = [EvaluationJob.from_dict(cluster.get("evaluationjob", job)) for job in JOBS]
    show_comparison(jobs, evaluations)
    show_next_steps(cluster.kubeconfig)


def deploy(cluster: Cluster) -> None:
    said = cluster.kubectl("apply", "--kustomize", CHECKOUT / "manifests" / "demo")
    if f"{SAMPLER.replace('/', '.apps/')} created" not in said:
        # As above; what it held is written before it goes.
        cluster.restart(SAMPLER, NAMESPACE)


def wait_until_live(cluster: Cluster) -> None:
    for workload in (*(f"deployment/{job}" for job in JOBS), SAMPLER):
        cluster.wait_rolled_out(workload, NAMESPACE)
    ready = ("--for=condition=Ready", "--timeout=180s", "--namespace", NAMESPACE)
    cluster.kubectl("wait", *ready, *(f"evaluationjob/{job}" for job in JOBS))


def evaluate(cluster: Cluster, jobs: Sequence[str]) -> dict[str, Evaluation]:
    """Both at once; their progress goes to the terminal as it comes."""
    said = finish({job: cluster.run_version(job) for job in jobs}, "the run of")
    return {job: Evaluation.from_dict(json.loads(answer)) for job, answer in said.items()}


if __name__ == "__main__":
    sys.exit(main())
