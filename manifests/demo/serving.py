"""Predictions through the served models, the rows they become, and the labels that come later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from evaluation_operator.api.sampling_report import SamplingReport, read_sampling_report
from evaluation_operator.domain.naming import (
    ANNOTATION_SAMPLING,
    COMPONENT_SAMPLER,
    LABEL_COMPONENT,
)
from manifests.demo.access import NAMESPACE, Body, Cluster, finish
from manifests.demo.model.digits import LABELS, MODEL, VERSIONS, row_id, split_images
from tests.cluster.host import ClusterError, wait_until

SAMPLER = "statefulset/evaluation-sampler"
TABLE = "file:///var/lib/evaluations/table/digits"
_ROWS_SECONDS = 60.0


@dataclass(frozen=True)
class Sampled:
    """What became of a job's predictions: `sampled` of them are rows."""

    predictions: int
    sampled: int


def send_traffic(cluster: Cluster) -> dict[str, int]:
    """Let a client in the cluster ask both versions about every image; how often, by version."""
    clients = {}
    for version in VERSIONS:
        address = cluster.get("service", f"digits-{version}")["spec"]["clusterIP"]
        command = ("python3", "/opt/digits/traffic.py", f"http://{address}", version)
        clients[version] = cluster.in_pod(f"deployment/digits-{version}", "server", *command)
    return {version: int(said) for version, said in finish(clients, "asking digits").items()}


def wait_for_rows(cluster: Cluster, sent: Mapping[str, int]) -> dict[str, Sampled]:
    """By job, once the sampler says in its Leases that it has seen all and holds nothing back."""
    found: dict[str, Sampled] = {}
    wanted = {f"digits-{version}": count for version, count in sent.items()}

    def is_all_there() -> bool:
        summaries = [_summary(lease) for lease in _leases(cluster)]
        found.update({job: _sampled(summaries, job) for job in wanted})
        waiting = sum(it.pending + it.unflushed_bytes for it in summaries)
        return waiting == 0 and all(
            found[job].predictions >= count for job, count in wanted.items()
        )

    try:
        wait_until(is_all_there, "all predictions to become rows", _ROWS_SECONDS, 0.5)
    except ClusterError as error:
        raise ClusterError(f"{error}: sent {wanted}, sampled {found}") from error
    return found


def _leases(cluster: Cluster) -> list[Body]:
    return cluster.list("lease", f"{LABEL_COMPONENT}={COMPONENT_SAMPLER}")


def _summary(lease: Body) -> SamplingReport:
    report = read_sampling_report(lease["metadata"]["annotations"][ANNOTATION_SAMPLING])
    if report is None:
        raise ClusterError(f"Lease {lease['metadata']['name']} holds no counts")
    return report


def _sampled(summaries: list[SamplingReport], job: str) -> Sampled:
    counts = [it.jobs[job] for it in summaries if job in it.jobs]
    return Sampled(sum(it.predictions for it in counts), sum(it.sampled for it in counts))


def label_lines() -> str:
    """JSONL of what each image shows, for the rows of both versions."""
    _, asked = split_images()
    return "".join(
        json.dumps(
            {
                "id": row_id(version, number),
                "groundtruth": {"predictions": [{"labels": [LABELS[digit]]}]},
                "labeler": "scikit-learn",
                "model": MODEL,
                "model_version": version,
            }
        )
        + "\n"
        for version in VERSIONS
        for number, digit in enumerate(asked.truth)
    )


def import_labels(cluster: Cluster) -> str:
    """`kubectl evaluations labels import`, where the table's claim is mounted; what it said.

    No laptop sees a claim. A sampler's pod does, and its image has the command.
    """
    file = "/tmp/labels.jsonl"  # noqa: S108 # the pod's own
    script = f"cat > {file} && kubectl-evaluations labels import {file} --table {TABLE}"
    where = ("--namespace", NAMESPACE, "--stdin", SAMPLER, "--container", "sampler")
    return cluster.kubectl("exec", *where, "--", "sh", "-c", script, stdin=label_lines())
