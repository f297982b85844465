"""The operator and its runs may do what they do, and nothing that somebody could turn on others."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import pytest

from tests.cluster.host import ClusterError
from tests.e2e.demonstration import Demonstration
from tests.e2e.live import OPERATOR, OPERATOR_NAMESPACE, Live

pytestmark = pytest.mark.cluster

NAMESPACE = "digits"
RUNNER = f"system:serviceaccount:{NAMESPACE}:evaluation-runner"

NOT_FOR_THE_OPERATOR = [
    *(("get", "secrets"), ("list", "secrets"), ("get", "configmaps"), ("create", "configmaps")),
    *(("create", "pods"), ("create", "pods/exec"), ("get", "pods/log"), ("delete", "pods")),
    *(("update", "batch:jobs"), ("patch", "batch:jobs"), ("create", "apps:deployments")),
    *(("create", "evaluations.dev:evaluationjobs"), ("update", "evaluations.dev:evaluationjobs")),
    *(("delete", "evaluations.dev:evaluationjobs"), ("update", "evaluations.dev:datasets")),
    *(("create", "evaluations.dev:evaluations"), ("delete", "evaluations.dev:evaluations")),
    *(("delete", "coordination.k8s.io:leases"), ("create", "serviceaccounts/token")),
    *(("impersonate", "users"), ("impersonate", "serviceaccounts")),
    ("escalate", "rbac.authorization.k8s.io:clusterroles"),
    ("bind", "rbac.authorization.k8s.io:clusterroles"),
    ("create", "rbac.authorization.k8s.io:rolebindings"),
    *(("*", "*:*"), ("*", "evaluations.dev:*"), ("*", "batch:jobs")),
]
NOT_FOR_RUNS = [
    *(("get", "secrets"), ("create", "pods"), ("get", "configmaps"), ("list", "pods")),
    *(("create", "batch:jobs"), ("list", "evaluations.dev:datasets")),
    *(("create", "evaluations.dev:datasets"), ("update", "evaluations.dev:datasets")),
    *(("update", "evaluations.dev:evaluations"), ("list", "evaluations.dev:evaluations")),
    *(("update", "evaluations.dev:evaluationjobs/status"), ("get", "coordination.k8s.io:leases")),
]


def named(right: tuple[str, str]) -> str:
    return " ".join(right)


@pytest.mark.parametrize("right", NOT_FOR_THE_OPERATOR, ids=named)
def test_the_operator_may_not(live: Live, demo: Demonstration, right: tuple[str, str]) -> None:
    assert not live.can(OPERATOR, *right, namespace=NAMESPACE)


@pytest.mark.parametrize("right", NOT_FOR_RUNS, ids=named)
def test_a_run_may_not(live: Live, demo: Demonstration, right: tuple[str, str]) -> None:
    assert not live.can(RUNNER, *right, namespace=NAMESPACE)


def test_a_run_may_publish_in_its_own_namespace_and_in_no_other(
    live: Live, demo: Demonstration
) -> None:
    assert live.can(RUNNER, "create", "evaluations.dev:evaluations", NAMESPACE)
    assert not live.can(RUNNER, "create", "evaluations.dev:evaluations", "evaluations-trial")


def test_nothing_is_refused_to_the_operator(live: Live, demo: Demonstration) -> None:
    """It has watched every kind, and makes a run while we look."""
    name = f"rights-{uuid.uuid4().hex[:6]}"
    version = {
        "apiVersion": "evaluations.dev/v1beta1",
        "kind": "EvaluationJobVersion",
        "metadata": {"name": name},
        "spec": {"evaluationJob": "digits-v1"},
    }
    live.apply(NAMESPACE, version)
    live.wait_for(
        "evaluationjobversion",
        name,
        NAMESPACE,
        lambda body: body.get("status", {}).get("state") == "Completed",
        "Completed",
    )
    # What is refused because its namespace is going away is no missing right.
    log = [line for line in live.operator_log().splitlines() if "being terminated" not in line]
    assert any("RunCreated" in line and name in line for line in log)
    refused = re.compile(r"\b403\b|[Ff]orbidden|PermissionDenied|Traceback")
    assert [line for line in log if refused.search(line)] == []


def test_people_have_it_with_the_clusters_own_roles(
    live: Live, make_namespace: Callable[[str], str]
) -> None:
    namespace = make_namespace("people")
    for role in ("edit", "view"):
        binding = ("rolebinding", role, f"--clusterrole={role}", f"--user={role}or")
        live.kubectl("create", *binding, "-n", namespace)

    def can(user: str, verb: str, plural: str) -> bool:
        return live.can(user, verb, f"evaluations.dev:{plural}", namespace)

    assert can("editor", "create", "evaluationjobs")
    assert can("editor", "patch", "evaluationjobversions")
    assert can("editor", "delete", "datasets")
    assert not can("editor", "create", "datasets")
    assert not can("editor", "create", "evaluations")
    assert can("viewor", "list", "evaluations")
    assert not can("viewor", "create", "evaluationjobs")
    assert not live.can("editor", "get", "evaluations.dev:evaluationjobs", "default")


def test_probes_and_metrics_answer(live: Live, demo: Demonstration) -> None:
    selector = "app.kubernetes.io/name=evaluation-operator"
    pods = live.list("pods", OPERATOR_NAMESPACE, selector)
    name = next(
        it["metadata"]["name"] for it in pods if not it["metadata"].get("deletionTimestamp")
    )
    base = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{name}:8081/proxy"
    assert live.kubectl("get", "--raw", f"{base}/healthz") == "ok\n"
    assert live.kubectl("get", "--raw", f"{base}/readyz") == "ok\n"
    assert "evaluation_" in live.kubectl("get", "--raw", f"{base}/metrics")


def test_the_namespaces_of_the_operator_and_of_runs_admit_only_restricted_pods(
    live: Live, make_namespace: Callable[[str], str]
) -> None:
    namespace = make_namespace("restricted")
    for place in (OPERATOR_NAMESPACE, namespace):
        with pytest.raises(ClusterError, match="violates PodSecurity"):
            live.kubectl("run", "root", "--image=any", "-n", place, "--dry-run=server")
