"""What each account may do on a real API server: all that its program does, and nothing else.

The programs run as the accounts of the manifests, with tokens of the pods that the controllers
made, while the API server writes down what they ask for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from operator import eq

import pytest
import pytest_asyncio

from evaluation_operator.controller import workqueue
from evaluation_operator.domain.naming import evaluate_job_name
from evaluation_operator.kube import DATASETS, LEASES, PODS, Forbidden, Kube
from tests.builders import make_dataset
from tests.cluster.control_plane import ControlPlane
from tests.cluster.host import ClusterError, wait_until
from tests.cluster.settings import CHECKOUT
from tests.integration.account_world import HOME, PEOPLE, World, live
from tests.integration.accounts import (
    LABELER,
    OPERATOR,
    RUNNER,
    SAMPLER,
    Call,
    Role,
    audit_flags,
    read_calls,
    roles,
)
from tests.integration.denied_calls import DENIED, Denied
from tests.integration.eventually import eventually
from tests.integration.kserve import apply_kserve
from tests.integration.lab import Lab
from tests.integration.probing import give, refused

pytestmark = pytest.mark.integration

FOLDERS = ("base", "kserve", "namespace", "sampler", "labeler")


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One with an audit log and everything of `manifests`, for these tests alone."""
    folder = tmp_path_factory.mktemp("accounts")
    # Privileged containers are possible on most clusters, so it is ours to forbid them.
    flags = (*audit_flags(folder), "--allow-privileged")
    with ControlPlane(folder, api_server_flags=flags) as running:
        apply = ("apply", "--server-side", "-k")
        apply_kserve(running)
        running.kubectl(*apply, str(CHECKOUT / "crds"))
        running.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        for name in ("base", "kserve"):
            running.kubectl(*apply, str(CHECKOUT / "manifests" / name))
        for namespace in (HOME, PEOPLE):
            running.kubectl("create", "namespace", namespace)
            for name in ("namespace", "sampler", "labeler"):
                running.kubectl(*apply, str(CHECKOUT / "manifests" / name), "-n", namespace)
        wait_until(lambda: policies_count(running), "the policies to count", 60)
        yield running


def policies_count(control_plane: ControlPlane) -> bool:
    """The last one is asked; the API server reads all of them at once."""
    kind = {"apiVersion": LEASES.api_version, "kind": LEASES.kind}
    lease = json.dumps(kind | {"metadata": {"name": "x"}})
    account = f"system:serviceaccount:{HOME}:{SAMPLER}"
    attempt = ("create", "-n", HOME, f"--as={account}", "--dry-run=server", "-f", "-")
    try:
        control_plane.kubectl(*attempt, stdin=lease)
    except ClusterError as error:
        return "ValidatingAdmissionPolicy" in str(error)
    return False


@pytest.fixture(scope="module")
def world(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workqueue, "LONGEST_NAP_SECONDS", 0.05)
        return asyncio.run(live(control_plane, folder))


@pytest_asyncio.fixture
async def here(world: World) -> AsyncIterator[World]:
    """The same, with an administrator's connection of this test's own."""
    kube = await Kube.connect(str(world.control_plane.kubeconfig))
    yield replace(world, lab=Lab(kube, world.lab.kubeconfig, HOME))
    await kube.close()


# What they do is what they may.


@pytest.fixture(scope="module")
def calls(world: World) -> list[Call]:
    """All that was asked for while everything went well."""
    return read_calls(world.control_plane.directory)


@pytest.fixture(scope="module")
def granted(control_plane: ControlPlane) -> list[Role]:
    return roles(control_plane, *FOLDERS)


def test_nothing_that_a_program_asks_for_is_refused(calls: list[Call]) -> None:
    assert {str(call.right) for call in calls if call.status in (401, 403)} == set()


@pytest.mark.parametrize("account", [OPERATOR, RUNNER, SAMPLER, LABELER])
def test_an_account_has_the_rights_that_its_program_uses_and_no_others(
    account: str, calls: list[Call], granted: list[Role]
) -> None:
    """Runs and the labeler could `get` the status of Datasets, samplers and labelers a single job,
    which nothing ever did."""
    used = {str(call.right) for call in calls if call.account == account}
    may = {str(right) for role in granted if role.account == account for right in role.rights}
    assert may - used == set(), "rights that nothing uses"
    assert used - may == set()


@pytest.mark.parametrize("account", [OPERATOR, RUNNER, SAMPLER, LABELER])
async def test_without_any_one_verb_the_calls_that_need_it_are_refused(
    account: str, here: World, calls: list[Call], granted: list[Role]
) -> None:
    """Each role is given to somebody else, less one verb, and the API server is asked what of all
    that the program did it would refuse to him: just the calls by that verb."""
    kube = here.lab.kube
    for role in (role for role in granted if role.account == account):
        home = role.namespace or (PEOPLE if account == LABELER else HOME)
        asked = {
            (call.right, call.name)
            for call in calls
            if call.account == account and call.namespace == home and call.right in role.rights
        }
        assert {right for right, _ in asked} == role.rights
        for right in sorted(role.rights):
            await give(kube, home, role.rules_without(right))
            lost = {item for item in asked if item[0] == right}
            # The authorizer hears of a new role a moment later.
            await eventually(partial(refused, kube, home, asked), partial(eq, lost))


@pytest.mark.parametrize("case", DENIED, ids=lambda case: f"{case.account}: {case.what}")
async def test_what_rbac_cannot_say_a_policy_says(case: Denied, here: World) -> None:
    """With a stolen token of the operator one could have any pod in any namespace, and with that
    of one run or replica one could end the runs of all others."""
    pod = case.pod
    if case.run is not None:
        pod = await here.pod_of(here.runs[case.run])
    namespace = PEOPLE if case.account == LABELER else HOME
    async with here.acting(case.account, pod, namespace) as kube:
        with pytest.raises(Forbidden) as refusal:
            await case.attempt(here, kube)
    assert "ValidatingAdmissionPolicy" in refusal.value.message
    assert case.says in refusal.value.message


async def test_a_run_whose_items_people_have_labelled_commits_from_its_second_job(
    here: World,
) -> None:
    """Its pods have the name of another Job than the run's; both are the run."""
    kube, run = here.lab.kube, "evj-asked-29541240"
    await here.lab.apply(DATASETS, make_dataset(run))
    name = f"{evaluate_job_name(run)}-abcde"
    container = {"name": "run", "image": "evaluator"}
    spec = {"serviceAccountName": RUNNER, "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    await here.lab.apply(PODS, pod)
    async with here.acting(RUNNER, name) as runner:
        body = await kube.get(DATASETS, HOME, run)
        await runner.replace_status(DATASETS, HOME, body | {"status": {"labeledItemCount": 7}})
    stored = await kube.get(DATASETS, HOME, run)
    assert stored["status"]["labeledItemCount"] == 7
