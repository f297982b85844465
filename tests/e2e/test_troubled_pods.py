"""What keeps pods from starting, going on and ending, in the words of a real kubelet.

Each is told as a user reads it; tests/integration/test_standstills.py has what no kubelet is needed
for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import Tell
from tests.e2e.live import Body, Live, ready, spec_set, table_uri, text_job
from tests.e2e.test_scheduled_run import LABELS, rows, time_of

pytestmark = pytest.mark.cluster

IMAGE = "registry.invalid/evaluator:v1"
IMAGE_OF_OURS = "evaluation-evaluator:dev"
MINUTES = 240.0
ROWS = 8


@pytest.fixture(scope="module")
def lenient(live: Live) -> Iterator[Live]:
    """An operator that allows images of a registry that nobody has."""
    live.install(EVALUATION_ALLOWED_IMAGES="registry.invalid/*")
    yield live
    live.install()


@pytest.fixture
def namespace(lenient: Live, make_namespace: Callable[[str], str]) -> str:
    name = make_namespace("troubles")
    lenient.apply(name, spec_set(LABELS))
    return name


def job(name: str, **template: Any) -> Body:
    """Over rows of its own, with labels."""
    source = {"inputUri": table_uri(name), "persistentVolumeClaimName": "evaluations"}
    spec = {"resultsUri": table_uri(f"results-{name}"), "runTemplate": template}
    return text_job(name, source, spec=spec)


def load(live: Live, namespace: str, name: str) -> None:
    """Rows of now, all of them with truth."""
    since = time_of(live.get("evj", name, namespace)["metadata"]["creationTimestamp"])
    live.load(namespace, name, {"rows-now.parquet": rows(name, since, ["glad"] * ROWS)})


def version(name: str, of: str, **template: Any) -> Body:
    return {
        "apiVersion": "evaluations.dev/v1beta1",
        "kind": "EvaluationJobVersion",
        "metadata": {"name": name},
        "spec": {"evaluationJob": of, **({"runTemplate": template} if template else {})},
    }


def state(wanted: str) -> Callable[[Body], bool]:
    return lambda it: bool(it.get("status", {}).get("state") == wanted)


def reason(wanted: str) -> Callable[[Body], bool]:
    return lambda it: bool(ready(it).get("reason") == wanted)


def messages(found: Body) -> list[str]:
    return [it["message"] for it in found["status"].get("partialFailures", [])]


def test_a_run_that_is_killed_for_its_memory_says_so(
    lenient: Live, namespace: str, tell: Tell
) -> None:
    """It was "exit code 137"."""
    lenient.apply(namespace, job("heavy"))
    lenient.wait_ready("heavy", namespace)
    load(lenient, namespace, "heavy")
    little = {"requests": {"memory": "48Mi"}, "limits": {"memory": "48Mi"}}
    lenient.apply(namespace, version("heavy-now", "heavy", resources=little, backoffLimit=0))
    ended = lenient.wait_for("evjv", "heavy-now", namespace, state("Failed"), "to fail", MINUTES)

    [failure] = ended["status"]["partialFailures"]
    tell(f"--- out of memory: {failure['message']}")
    assert failure["message"].startswith(
        "OOMKilled: the run needs more memory than its limit (48Mi)"
    )
    assert failure["code"] == 8
    assert "spec.runTemplate.resources" in failure["message"]


def test_an_image_that_cannot_be_pulled_says_so_at_once_and_at_the_deadline(
    lenient: Live, namespace: str, tell: Tell
) -> None:
    lenient.apply(namespace, job("far"))
    lenient.wait_ready("far", namespace)
    lenient.apply(namespace, version("far-now", "far", image=IMAGE, activeDeadlineSeconds=45))
    waits = lenient.wait_for(
        "evjv", "far-now", namespace, reason("ImagePullBackOff"), "to say why it waits", MINUTES
    )
    assert waits["status"]["state"] == "Queuing"
    ended = lenient.wait_for("evjv", "far-now", namespace, state("Failed"), "to fail", MINUTES)

    deadline, trouble = messages(ended)
    tell(f"--- no image, while it waits: {waits['status']['message']}")
    tell(f"--- no image, at the deadline: {deadline}; {trouble}")
    assert deadline.startswith("DeadlineExceeded: ")
    assert trouble.startswith("ImagePullBackOff: ")
    assert "spec.runTemplate.image" in trouble


def test_a_secret_that_does_not_exist_is_named_and_may_come(
    lenient: Live, namespace: str, tell: Tell
) -> None:
    secret = {"envFrom": [{"secretRef": {"name": "evaluation-db"}}]}
    lenient.apply(namespace, job("locked", **secret))
    found = lenient.wait_for(
        "evj", "locked", namespace, reason("TableInvalid"), "to name the Secret", MINUTES
    )
    tell(f"--- no Secret: {ready(found)['message']}")
    assert ready(found)["message"].startswith("Secret 'evaluation-db' of runTemplate.envFrom")

    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "evaluation-db"}}
    lenient.apply(namespace, body | {"stringData": {"AWS_REGION": "us-east-1"}})
    selector = "evaluations.dev/component=table-check"
    lenient.kubectl("delete", "job", "-n", namespace, "-l", selector)
    lenient.wait_ready("locked", namespace)


def injection(name: str, namespace: str) -> list[Body]:
    """What a mesh does: each pod of a run or a check gets a container that never ends by itself."""
    security = (
        "Object.spec.containers.securityContext{allowPrivilegeEscalation: false, "
        "readOnlyRootFilesystem: true, runAsNonRoot: true, runAsUser: 65532, "
        'capabilities: Object.spec.containers.securityContext.capabilities{drop: ["ALL"]}, '
        "seccompProfile: Object.spec.containers.securityContext.seccompProfile{"
        'type: "RuntimeDefault"}}'
    )
    container = (
        f'Object.spec.containers{{name: "proxy", image: "{IMAGE_OF_OURS}", '
        'imagePullPolicy: "IfNotPresent", command: ["python3", "-c", '
        '"import signal; signal.sigwait([signal.SIGTERM])"], '
        f"securityContext: {security}}}"
    )
    patch = f'JSONPatch{{op: "add", path: "/spec/containers/-", value: {container}}}'
    group = "admissionregistration.k8s.io/v1"
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    return [
        {
            "apiVersion": group,
            "kind": "MutatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [pods | {"resources": ["pods"]}]},
                "failurePolicy": "Fail",
                "reinvocationPolicy": "Never",
                "mutations": [
                    {
                        "patchType": "JSONPatch",
                        "jsonPatch": {"expression": f"[{patch}]"},
                    }
                ],
            },
        },
        {
            "apiVersion": group,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "matchResources": {
                    "namespaceSelector": {
                        "matchLabels": {"kubernetes.io/metadata.name": namespace}
                    },
                    "objectSelector": {
                        "matchLabels": {"app.kubernetes.io/managed-by": "evaluation-operator"}
                    },
                },
            },
        },
    ]


@pytest.fixture
def meshed(lenient: Live, namespace: str) -> Iterator[str]:
    """A namespace whose pods get a proxy beside their own container."""
    name = f"mesh-{namespace}"
    lenient.apply("default", *injection(name, namespace))
    yield namespace
    for kind in ("mutatingadmissionpolicybinding", "mutatingadmissionpolicy"):
        lenient.kubectl("delete", kind, name)


def test_a_proxy_that_a_mesh_puts_beside_a_run_holds_up_neither_check_nor_run(
    lenient: Live, meshed: str, tell: Tell
) -> None:
    """The proxy never ends, and so neither do pod and Job: the check's deadline failed the table,
    and a run kept its place for hours."""
    lenient.apply(meshed, job("meshed"))
    lenient.wait_for("evj", "meshed", meshed, reason("Ready"), "Ready beside a proxy", MINUTES)
    load(lenient, meshed, "meshed")
    lenient.apply(meshed, version("meshed-now", "meshed"))
    ended = lenient.wait_for("evjv", "meshed-now", meshed, state("Completed"), "to end", MINUTES)
    assert ended["status"]["evaluatedItemCount"] == ROWS

    selector = "evaluations.dev/version=meshed-now"
    pods = lenient.list("pods", meshed, selector)
    names = [it["name"] for pod in pods for it in pod["spec"]["containers"]]
    tell(f"--- a mesh's proxy: containers {names}; {ended['status']['message']}")
    assert "proxy" in names
    lenient.kubectl("wait", "-n", meshed, "--for=delete", "job", "-l", selector, "--timeout=180s")
