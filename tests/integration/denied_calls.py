"""What RBAC lets an account do and the admission policies of `manifests` do not: call by call.

Each is what somebody would try who has got hold of the account's token, or of the program itself.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain.manifests.table_check import build_table_check
from evaluation_operator.domain.naming import FINALIZER
from evaluation_operator.kube import (
    DATASETS,
    EVALUATION_JOBS,
    EVALUATIONS,
    INFERENCE_SERVICES,
    JOBS,
    LEASES,
    Kube,
)
from tests.builders import ABSENT, Manifest, make_dataset, make_evaluation, merged
from tests.integration.account_world import HOME, PEOPLE, QUICK, REPLICA, World
from tests.integration.accounts import LABELER, OPERATOR, RUNNER, SAMPLER
from tests.integration.kserve import ANNOTATION
from tests.integration.lab import Lab
from tests.integration.labeler_site import RUN

Attempt = Callable[[World, Kube], Coroutine[Any, Any, object]]
MANAGED = {"app.kubernetes.io/managed-by": "evaluation-operator"}


@dataclass(frozen=True)
class Denied:
    """`run`: of which run's pod the token is, by its number in World.runs."""

    account: str
    what: str
    says: str
    attempt: Attempt
    run: int | None = None
    pod: str | None = None


def lease(name: str, namespace: str = HOME) -> Attempt:
    body = {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {"name": name},
        "spec": {"holderIdentity": "somebody"},
    }
    return lambda world, kube: kube.create(LEASES, namespace, body)


def job(
    change: Callable[[Manifest], object] = lambda pod: None, namespace: str = HOME, **metadata: Any
) -> Attempt:
    """A table check as the operator makes it, but for a `change` to its pod's spec."""

    async def attempt(world: World, kube: Kube) -> None:
        found = await world.lab.kube.get(EVALUATION_JOBS, HOME, "ripeness")
        body: Manifest = dict(build_table_check(EvaluationJob.from_dict(found), QUICK))
        change(body["spec"]["template"]["spec"])
        odd = {"name": "evc-odd", "namespace": namespace, **metadata}
        await kube.create(JOBS, namespace, merged(body, {"metadata": odd}))

    return attempt


def pod(**changes: Any) -> Attempt:
    return job(lambda spec: spec.update(merged(spec, changes)))


def container(**changes: Any) -> Attempt:
    def change(spec: Manifest) -> None:
        spec["containers"] = [merged(spec["containers"][0], changes)]

    return job(change)


def volume(**source: Any) -> Attempt:
    return job(lambda spec: spec["volumes"].append({"name": "odd", **source}))


def patch(**changes: Any) -> Attempt:
    return lambda world, kube: kube.patch(EVALUATION_JOBS, HOME, "ripeness", changes)


def dataset(namespace: str = HOME, **metadata: Any) -> Attempt:
    body = make_dataset("evj-made-up-1", metadata={"namespace": namespace, **metadata})
    return lambda world, kube: kube.create(DATASETS, namespace, body)


async def delete_somebodys_job(world: World, kube: Kube) -> None:
    container = {"name": "main", "image": "backup"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "backup-"},
        "spec": {"suspend": True, "template": {"spec": pod}},
    }
    made = await world.lab.kube.create(JOBS, HOME, body)
    await kube.delete(JOBS, HOME, made["metadata"]["name"])


async def delete_somebodys_dataset(world: World, kube: Kube) -> None:
    body = make_dataset("by-hand", metadata={"namespace": HOME})
    await world.lab.kube.create(DATASETS, HOME, body)
    try:
        await kube.delete(DATASETS, HOME, "by-hand")
    finally:
        await world.lab.kube.delete(DATASETS, HOME, "by-hand")


async def set_a_logger(world: World, kube: Kube) -> None:
    """The service of somebody who has not asked for it."""
    name = "payments"
    body = {
        "apiVersion": INFERENCE_SERVICES.api_version,
        "kind": INFERENCE_SERVICES.kind,
        "metadata": {"name": name, "annotations": {ANNOTATION: "v1"}},
        "spec": {"predictor": {}},
    }
    await world.lab.kube.apply(INFERENCE_SERVICES, HOME, body, field_manager="owner")
    logger = {"mode": "all", "url": "http://evaluation-sampler/"}
    await kube.patch(INFERENCE_SERVICES, HOME, name, {"spec": {"predictor": {"logger": logger}}})


def annotate_a_service(**annotations: str) -> Attempt:
    changes = {"metadata": {"annotations": annotations}}
    return lambda world, kube: kube.patch(INFERENCE_SERVICES, HOME, "ripeness", changes)


def outcome_of(run: int) -> Attempt:
    """Say that another run has failed: its rows would be evaluated once more, its result thrown
    away."""

    async def attempt(world: World, kube: Kube) -> None:
        body = await world.lab.kube.get(DATASETS, HOME, world.runs[run])
        body["status"] = (body.get("status") or {}) | {"labeledItemCount": 7}
        await kube.replace_status(DATASETS, HOME, body)

    return attempt


def evaluation(name: str) -> Attempt:
    """Publish what never was evaluated."""
    body = make_evaluation(name, metadata={"namespace": HOME})
    return lambda world, kube: kube.create(EVALUATIONS, HOME, body)


def status_of_evaluation(run: int) -> Attempt:
    async def attempt(world: World, kube: Kube) -> None:
        body = await world.lab.kube.get(EVALUATIONS, HOME, world.runs[run])
        body["status"] = {"supersededBy": "nothing"}
        await kube.replace_status(EVALUATIONS, HOME, body)

    return attempt


def delete_evaluation(run: int) -> Attempt:
    return lambda world, kube: kube.delete(EVALUATIONS, HOME, world.runs[run])


def renew(name: str) -> Attempt:
    """Another replica's Lease: runs would start while that replica still has rows."""

    async def attempt(world: World, kube: Kube) -> None:
        body = await a_lease(world, name)
        await kube.replace(LEASES, HOME, body)

    return attempt


def delete_lease(name: str) -> Attempt:
    async def attempt(world: World, kube: Kube) -> None:
        await a_lease(world, name)
        await kube.delete(LEASES, HOME, name)

    return attempt


async def a_lease(world: World, name: str) -> Manifest:
    body = {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {"name": name},
    }
    return await world.lab.kube.apply(LEASES, HOME, body, field_manager="test")


def labeled(name: str = RUN, **status: Any) -> Attempt:
    async def attempt(world: World, kube: Kube) -> None:
        if name not in await Lab(world.lab.kube, world.lab.kubeconfig, PEOPLE).names(DATASETS):
            manifest = make_dataset(name, metadata={"namespace": PEOPLE})
            await world.lab.kube.create(DATASETS, PEOPLE, manifest)
        body = await world.lab.kube.get(DATASETS, PEOPLE, name)
        body["status"] = (body.get("status") or {}) | status
        await kube.replace_status(DATASETS, PEOPLE, body)

    return attempt


FIRST, REVISION, VERSION, SECOND = range(4)
"""The runs of World.runs."""
PRIVILEGED = {"privileged": True, "allowPrivilegeEscalation": True}
OUTCOME = {"result": "Failed", "time": "2026-03-03T10:00:00Z", "writtenBy": "Operator"}
LEASE_RULE = "writes Leases of model versions"
JOB_LABELS = "with its own labels alone"
NODE = "share nothing with their node"
CONTAINERS = "have no privilege"
VOLUMES = "and nothing else"
PARTS = "of the sampler or the labeler"
VARIABLES = "no variable from a Secret"
OWN_RUN = "its own Dataset and its own Evaluation"
OWN_LEASE = "the Lease of its own name alone"

DENIED = [
    Denied(OPERATOR, "a Lease of somebody else", LEASE_RULE, lease("payments-leader")),
    Denied(OPERATOR, "a sampler's Lease", LEASE_RULE, lease("evaluation-sampler-9")),
    Denied(OPERATOR, "leadership elsewhere", LEASE_RULE, lease("evaluation-operator")),
    Denied(OPERATOR, "a Lease of the cluster's parts", LEASE_RULE,
           lease("evaluation-model-1", "kube-system")),
    Denied(OPERATOR, "a Job of the cluster's parts", "kube-", job(namespace="kube-system")),
    Denied(OPERATOR, "a Job without labels", JOB_LABELS,
           job(labels={"app.kubernetes.io/managed-by": ABSENT})),
    Denied(OPERATOR, "a Job of another part", JOB_LABELS,
           job(labels={"evaluations.dev/component": "sampler"})),
    Denied(OPERATOR, "somebody's Job deleted", JOB_LABELS, delete_somebodys_job),
    Denied(OPERATOR, "the node's network", NODE, pod(hostNetwork=True)),
    Denied(OPERATOR, "the node's processes", NODE, pod(hostPID=True)),
    Denied(OPERATOR, "an account's token", NODE, pod(automountServiceAccountToken=True)),
    Denied(OPERATOR, "a pod of root", NODE, pod(securityContext={"runAsUser": 0})),
    Denied(OPERATOR, "a pod that may be root", NODE,
           pod(securityContext={"runAsNonRoot": False})),
    Denied(OPERATOR, "no filter of system calls", NODE,
           pod(securityContext={"seccompProfile": {"type": "Unconfined"}})),
    Denied(OPERATOR, "a container before", NODE,
           pod(initContainers=[{"name": "odd", "image": "odd"}])),
    Denied(OPERATOR, "a privileged container", CONTAINERS, container(securityContext=PRIVILEGED)),
    Denied(OPERATOR, "a way to privileges", CONTAINERS,
           container(securityContext={"allowPrivilegeEscalation": True})),
    Denied(OPERATOR, "a capability", CONTAINERS,
           container(securityContext={"capabilities": {"add": ["NET_ADMIN"]}})),
    Denied(OPERATOR, "all capabilities", CONTAINERS,
           container(securityContext={"capabilities": {"drop": []}})),
    Denied(OPERATOR, "a container of root", CONTAINERS,
           container(securityContext={"runAsUser": 0})),
    Denied(OPERATOR, "a port", CONTAINERS,
           container(ports=[{"containerPort": 80, "hostPort": 80}])),
    Denied(OPERATOR, "a hook", CONTAINERS,
           container(lifecycle={"preStop": {"exec": {"command": ["sh"]}}})),
    Denied(OPERATOR, "the node's files", VOLUMES, volume(hostPath={"path": "/"})),
    Denied(OPERATOR, "another's Secret", VOLUMES, volume(secret={"secretName": "payments"})),
    Denied(OPERATOR, "another's Secret by projection", VOLUMES,
           volume(projected={"sources": [{"secret": {"name": "payments"}}]})),
    Denied(OPERATOR, "another's configuration", VOLUMES, volume(configMap={"name": "payments"})),
    Denied(OPERATOR, "the sampler's tokens", PARTS,
           volume(secret={"secretName": "evaluation-sampler-tokens"})),
    Denied(OPERATOR, "what a sampler has not written yet", PARTS,
           volume(persistentVolumeClaim={"claimName": "accepted-evaluation-sampler-0"})),
    Denied(OPERATOR, "another's Secret as variables", VARIABLES,
           container(envFrom=[{"secretRef": {"name": "evaluation-payments"}}])),
    Denied(OPERATOR, "another's configuration as variables", VARIABLES,
           container(envFrom=[{"configMapRef": {"name": "payments"}}])),
    Denied(OPERATOR, "another's Secret as a variable", VARIABLES,
           container(env=[{"name": "P", "valueFrom": {
               "secretKeyRef": {"name": "payments", "key": "password"}}}])),
    Denied(OPERATOR, "what a job is to do", "no spec", patch(spec={"paused": True})),
    Denied(OPERATOR, "a job's labels", "its own finalizer", patch(metadata={"labels": {"a": "b"}})),
    Denied(OPERATOR, "another's finalizer", "its own finalizer",
           patch(metadata={"finalizers": [FINALIZER, "example.com/odd"]})),
    Denied(OPERATOR, "the owner of a job", "its own finalizer",
           patch(metadata={"ownerReferences": [
               {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}]})),
    Denied(OPERATOR, "a Dataset of nobody", "that owns them", dataset(labels=MANAGED)),
    Denied(OPERATOR, "a Dataset of the cluster's parts", "kube-", dataset("kube-system")),
    Denied(OPERATOR, "somebody's Dataset deleted", "that owns them", delete_somebodys_dataset),
    Denied(OPERATOR, "a logger against the owner's will", "annotate it", set_a_logger),
    Denied(OPERATOR, "the owner's word", "annotates no InferenceService",
           annotate_a_service(**{"evaluations.dev/logger-for": "loot"})),
    Denied(RUNNER, "another run's outcome", OWN_RUN, outcome_of(FIRST), SECOND),
    Denied(RUNNER, "the outcome of a version", OWN_RUN, outcome_of(SECOND), REVISION),
    Denied(RUNNER, "another run's Evaluation", OWN_RUN, evaluation("evj-ripeness-1"), SECOND),
    Denied(RUNNER, "an Evaluation of any name", OWN_RUN, evaluation("best"), SECOND),
    Denied(RUNNER, "another's Evaluation deleted", OWN_RUN, delete_evaluation(FIRST), SECOND),
    Denied(RUNNER, "an earlier Evaluation deleted", OWN_RUN, delete_evaluation(FIRST), REVISION),
    Denied(RUNNER, "another's Evaluation superseded", OWN_RUN, status_of_evaluation(FIRST),
           SECOND),
    Denied(RUNNER, "an Evaluation of the next day superseded", OWN_RUN,
           status_of_evaluation(REVISION), FIRST),
    Denied(RUNNER, "anything, by a token of no pod", OWN_RUN, outcome_of(SECOND)),
    Denied(SAMPLER, "another replica's Lease made", OWN_LEASE, lease("evaluation-sampler-7"),
           pod=REPLICA),
    Denied(SAMPLER, "another replica's Lease renewed", OWN_LEASE, renew("evaluation-sampler-8"),
           pod=REPLICA),
    Denied(SAMPLER, "another replica's Lease deleted", OWN_LEASE,
           delete_lease("evaluation-sampler-8"), pod=REPLICA),
    Denied(SAMPLER, "a claim on a model version", OWN_LEASE, lease("evaluation-model-1"),
           pod=REPLICA),
    Denied(SAMPLER, "its own Lease, by a token of no pod", OWN_LEASE, lease(REPLICA)),
    Denied(LABELER, "a run that asks nobody", "ask people", labeled("evj-plain-1", totalCount=3)),
    Denied(LABELER, "the outcome of a run", "not the labeler's to say", labeled(outcome=OUTCOME)),
    Denied(LABELER, "another Lease", "evaluation-labeler alone", lease("evaluation-model-2",
           PEOPLE)),
]  # fmt: skip
