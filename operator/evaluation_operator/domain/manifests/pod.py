"""A Job with its pod as each of ours is: restricted, bounded, tried again where that may help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from evaluation_operator.api.kubernetes import (
    ClaimSource,
    Container,
    EmptyDir,
    EnvVar,
    ExitCodes,
    NewJob,
    PodSpec,
    Resources,
    Volume,
    VolumeMount,
)
from evaluation_operator.api.run_template import RunTemplate
from evaluation_operator.domain import naming
from evaluation_operator.domain.facts.pod import STOPPED_EXIT_CODE
from evaluation_operator.domain.manifests.mounts import (
    secret_mount,
    secret_volume,
    secrets_env,
    token_volume,
)
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.quantities import parse_quantity
from evaluation_operator.domain.tables import TableSource

ACTIVE_DEADLINE_SECONDS = 6 * 3600
GRACE_SECONDS = 3
"""The program finishes the file or the API write that it is about, and ends within two seconds
(evaluator/stopping.py). No longer than that: a Job that is deleted gives its place in the namespace
back, while its pod, which may be of an image that heeds no signal, goes on for so long."""
DEFAULT_MEMORY = "256Mi"
DEFAULT_MEMORY_LIMIT = "1Gi"
USER_ID = 65532
NOT_RETRIED_EXIT_CODES = [2, 65, 66]
"""Exit codes of a run's program that another attempt cannot change."""
_PASSED_ON: Final = (
    "nodeSelector",
    "tolerations",
    "affinity",
    "priorityClassName",
    "imagePullSecrets",
)


def new_job(namespace: str, name: str, labels: dict[str, str]) -> NewJob:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    # Who is told to end was deleted, which says nothing of the run and so does not
                    # count. The Eviction API and the cluster itself mark such a pod, `kubectl
                    # delete pod` does not.
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
                    {"action": "Ignore", "onExitCodes": _exit_codes([STOPPED_EXIT_CODE])},
                    {"action": "FailJob", "onExitCodes": _exit_codes(NOT_RETRIED_EXIT_CODES)},
                ]
            },
            "template": {"metadata": {"labels": dict(labels)}},
        },
    }


def _exit_codes(values: list[int]) -> ExitCodes:
    return {"containerName": "run", "operator": "In", "values": values}


def pod_spec(
    arguments: list[str],
    environment: list[EnvVar],
    source: TableSource,
    template: RunTemplate | None,
    policy: Policy,
    *,
    with_token: bool,
) -> PodSpec:
    wanted = template.to_dict() if template else {}
    volumes: list[Volume] = [{"name": "scratch", "emptyDir": _scratch_space(policy)}]
    # A volume of the pod's own, which nobody else can write to.
    mounts: list[VolumeMount] = [{"name": "scratch", "mountPath": "/tmp"}]  # noqa: S108
    if source.volume_claim:
        claim: ClaimSource = {"claimName": source.volume_claim}
        volumes.append({"name": "table", "persistentVolumeClaim": claim})
        mounts.append({"name": "table", "mountPath": naming.MOUNT_PATH})
    secrets = tuple(dict.fromkeys(source.secrets))
    volumes += [secret_volume(number, name) for number, name in enumerate(secrets)]
    mounts += [secret_mount(number, name) for number, name in enumerate(secrets)]
    if with_token:
        volumes.append(token_volume())
        mounts.append(
            {
                "name": "token",
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                "readOnly": True,
            }
        )
    container: Container = {
        "name": "run",
        "image": wanted.get("image") or policy.image,
        "imagePullPolicy": policy.image_pull_policy,
        "args": arguments,
        "env": environment + secrets_env(secrets),
        "resources": _resources(wanted.get("resources"), policy),
        "volumeMounts": mounts,
        "terminationMessagePolicy": "File",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod: PodSpec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "serviceAccountName": wanted.get("serviceAccountName") or policy.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    }
    for key in _PASSED_ON:
        if wanted.get(key):
            pod[key] = wanted[key]
    return pod


def default_deadline_seconds(policy: Policy) -> int:
    allowances = policy.limits.allowances
    if allowances is None:
        return ACTIVE_DEADLINE_SECONDS
    return min(ACTIVE_DEADLINE_SECONDS, allowances.max_deadline_seconds)


def _resources(asked: Resources | None, policy: Policy) -> Resources:
    """As the job asks for them. Without a limit of its memory, or with one of 0, which says the
    same, a pod may take all that its node has: then it is the most that a job may ask for."""
    if not asked:
        return {
            "requests": {"cpu": "100m", "memory": DEFAULT_MEMORY},
            "limits": {"memory": DEFAULT_MEMORY_LIMIT},
        }
    limits, requests = asked.get("limits", {}), asked.get("requests", {})
    if _is_asked_for("memory", limits):
        return asked
    most = _most("memory", policy) or DEFAULT_MEMORY_LIMIT
    # A request that is missing would be as large as the limit.
    return {
        "requests": {"memory": DEFAULT_MEMORY} | requests,
        "limits": limits | {"memory": most},
    }


def _scratch_space(policy: Policy) -> EmptyDir:
    """The disk is the node's, too."""
    most = _most("ephemeral-storage", policy)
    return {"sizeLimit": most} if most else {}


def _is_asked_for(name: str, amounts: Mapping[str, str]) -> bool:
    try:
        return parse_quantity(amounts.get(name, 0)) > 0
    except ValueError:
        return True


def _most(name: str, policy: Policy) -> str | None:
    """What a job may ask for, in whole units; None where the operator's settings say nothing."""
    allowances = policy.limits.allowances
    most = allowances.max_resources.get(name) if allowances is not None else None
    return f"{most:f}" if most else None


def field_env(name: str, path: str) -> EnvVar:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def asked_or(template: RunTemplate | None, field: str, default: int) -> int:
    value = getattr(template, field) if template is not None else None
    return default if value is None else int(value)
