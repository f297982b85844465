"""manifests/admission: whoever writes a job could have made its pods, by a real API server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from evaluation_operator.domain.naming import ANNOTATION_REEVALUATE
from evaluation_operator.kube import (
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    Forbidden,
    Kube,
    Resource,
)
from tests.builders import Manifest, make_evaluation_job, make_version
from tests.cluster.control_plane import ControlPlane
from tests.cluster.host import ClusterError, wait_until
from tests.cluster.settings import CHECKOUT
from tests.integration.accounts import kubeconfig_of
from tests.integration.eventually import eventually
from tests.integration.probing import ROLE_BINDINGS, ROLES

pytestmark = pytest.mark.integration

HOME, AUTHOR, OTHER = "authors", "author", "trainer"
PODS_RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}
USE_RULE = {
    "apiGroups": [""],
    "resources": ["serviceaccounts"],
    "resourceNames": [OTHER],
    "verbs": ["use"],
}


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One of these tests' own, since the policy is for all namespaces. The author is bound to the
    roles that manifests/base has for people, and to no other."""
    with ControlPlane(tmp_path_factory.mktemp("authors")) as running:
        running.kubectl("apply", "--server-side", "-k", str(CHECKOUT / "crds"))
        running.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        base = CHECKOUT / "manifests" / "base"
        running.kubectl("apply", "-f", str(base / "user-roles.yaml"))
        running.kubectl("apply", "-k", str(CHECKOUT / "manifests" / "admission"))
        running.kubectl("create", "namespace", HOME)
        running.kubectl("create", "serviceaccount", AUTHOR, "-n", HOME)
        for role in ("evaluations-edit", "evaluations-view"):
            subject = f"--serviceaccount={HOME}:{AUTHOR}"
            binding = ("rolebinding", role, f"--clusterrole={role}", subject)
            running.kubectl("create", *binding, "-n", HOME)
        wait_until(lambda: counts(running), "the policy to count", 60)
        yield running


def counts(control_plane: ControlPlane) -> bool:
    account = f"system:serviceaccount:{HOME}:{AUTHOR}"
    manifest = job("probe")
    try:
        attempt = ("create", f"--as={account}", "--dry-run=server", "-f", "-")
        control_plane.kubectl(*attempt, stdin=json.dumps(manifest))
    except ClusterError as error:
        return "evaluation-authors" in str(error)
    return False


@pytest_asyncio.fixture
async def admin(control_plane: ControlPlane) -> AsyncIterator[Kube]:
    kube = await Kube.connect(str(control_plane.kubeconfig))
    yield kube
    await kube.close()


@pytest_asyncio.fixture
async def author(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Kube]:
    path = kubeconfig_of(control_plane, HOME, AUTHOR, tmp_path_factory.mktemp("author"))
    kube = await Kube.connect(str(path))
    yield kube
    await kube.close()


def job(name: str, **spec: object) -> Manifest:
    return make_evaluation_job(name, metadata={"namespace": HOME}, spec=spec)


async def give(admin: Kube, name: str, *rules: Manifest) -> None:
    """One more role for the author."""
    group = {"apiGroup": ROLES.group}
    subject = {"kind": "ServiceAccount", "name": AUTHOR, "namespace": HOME}
    role = {"rules": list(rules)}
    binding = {"roleRef": group | {"kind": "Role", "name": name}, "subjects": [subject]}
    for resource, body in ((ROLES, role), (ROLE_BINDINGS, binding)):
        head = {"apiVersion": resource.api_version, "kind": resource.kind}
        await admin.apply(resource, HOME, head | {"metadata": {"name": name}} | body)


async def admitted(author: Kube, resource: Resource, body: Manifest) -> bool:
    try:
        await author.create(resource, HOME, body)
    except Forbidden:
        return False
    return True


async def test_somebody_with_evaluations_edit_alone_may_stop_jobs_but_not_order_pods(
    admin: Kube, author: Kube
) -> None:
    """The role lets its holder write EvaluationJobs, and so have pods that he could not make."""
    version = make_version("again", metadata={"namespace": HOME})
    for resource, body in ((EVALUATION_JOBS, job("own")), (EVALUATION_JOB_VERSIONS, version)):
        with pytest.raises(Forbidden) as refusal:
            await author.create(resource, HOME, body)
        told = refusal.value.message
        assert f"system:serviceaccount:{HOME}:{AUTHOR} may not create pods in namespace" in told
        assert "ask for a role there that may, as `edit` is" in told

    await admin.create(EVALUATION_JOBS, HOME, job("running"))
    with pytest.raises(Forbidden, match="may not create pods"):
        await author.patch(EVALUATION_JOBS, HOME, "running", {"spec": {"schedule": "every 1 days"}})
    changes = {"spec": {"paused": True, "schedule": "every 1 days"}}
    with pytest.raises(Forbidden, match="may not create pods"):
        await author.patch(EVALUATION_JOBS, HOME, "running", changes)
    # That had a pod for each new value, of a run that has an Evaluation.
    again = {"metadata": {"annotations": {ANNOTATION_REEVALUATE: "evj-running-29541240 once more"}}}
    with pytest.raises(Forbidden, match="may not create pods"):
        await author.patch(EVALUATION_JOBS, HOME, "running", again)
    labels = {"metadata": {"labels": {"team": "fruit"}, "annotations": {"team": "fruit"}}}
    await author.patch(EVALUATION_JOBS, HOME, "running", labels)
    await author.patch(EVALUATION_JOBS, HOME, "running", {"spec": {"paused": True}})
    with pytest.raises(Forbidden, match="may not create pods"):
        await author.patch(EVALUATION_JOBS, HOME, "running", {"spec": {"paused": False}})
    await author.delete(EVALUATION_JOBS, HOME, "running")


async def test_who_may_create_pods_may_write_jobs_and_name_the_accounts_that_he_may_use(
    admin: Kube, author: Kube
) -> None:
    await give(admin, "pods", PODS_RULE)
    await eventually(lambda: admitted(author, EVALUATION_JOBS, job("own")))
    named = job("named", runTemplate={"serviceAccountName": OTHER})
    with pytest.raises(Forbidden) as refusal:
        await author.create(EVALUATION_JOBS, HOME, named)
    told = refusal.value.message
    assert f"may not use service account {OTHER} in namespace {HOME}" in told
    assert "leave spec.runTemplate.serviceAccountName out" in told

    await give(admin, "use", USE_RULE)
    await eventually(lambda: admitted(author, EVALUATION_JOBS, named))
    another = job("another", runTemplate={"serviceAccountName": "admin"})
    assert not await admitted(author, EVALUATION_JOBS, another)
