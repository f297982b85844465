"""A job's first run, as its objects tell, and what is brought into its table."""

from __future__ import annotations

from typing import Final

from manifests.demo.access import Body, Cluster
from manifests.demo.labeling.studio import LABELER

TABLES: Final = "file:///var/lib/evaluations/table"


def import_rows(cluster: Cluster, table: str, lines: str) -> str:
    """`kubectl evaluations rows import` of JSON lines; what it said."""
    return _import(cluster, "rows", table, lines)


def import_labels(cluster: Cluster, table: str, lines: str) -> str:
    """`kubectl evaluations labels import` of JSON lines; what it said."""
    return _import(cluster, "labels", table, lines)


def _import(cluster: Cluster, what: str, table: str, lines: str) -> str:
    """Where the tables' claim is mounted: no laptop sees a claim. The labeler's pod does, and its
    image has the command."""
    file = f"/tmp/{table}.jsonl"  # noqa: S108 # the pod's own
    command = f"kubectl-evaluations {what} import {file} --table {TABLES}/{table}"
    return in_labeler(cluster, "sh", "-c", f"cat > {file} && {command}", stdin=lines)


def in_labeler(cluster: Cluster, *command: str, stdin: str = "") -> str:
    where = ("--namespace", cluster.namespace, "--stdin", LABELER, "--container", "labeler")
    return cluster.kubectl("exec", *where, "--", *command, stdin=stdin)


def status_of(cluster: Cluster, job: str) -> Body:
    status: Body = cluster.get("evaluationjob", job).get("status", {})
    return status


def dataset_of(cluster: Cluster, job: str) -> Body:
    """The job's only run; empty if there is none yet."""
    found = [it for it in cluster.list("evds") if it["spec"]["evaluationJob"]["name"] == job]
    return found[0] if found else {}


def labeled(dataset: Body) -> Body:
    """The condition Labeled; empty if there is none yet."""
    conditions = dataset.get("status", {}).get("conditions", [])
    return next((it for it in conditions if it["type"] == "Labeled"), {})
