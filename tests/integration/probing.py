"""Roles given to somebody who has no other, and what the API server would then let him do."""

from __future__ import annotations

from typing import Any

from evaluation_operator.kube import Kube, Resource
from tests.integration.accounts import Right

PROBE = "probe"
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
REVIEWS = Resource(
    "authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview"
)
Asked = set[tuple[Right, str]]
"""What is asked for, and the name of the object, if it has one."""


async def give(kube: Kube, namespace: str, rules: list[dict[str, Any]]) -> None:
    """To the user `probe`, in the place of what he could do there before."""
    group = {"apiGroup": ROLES.group}
    role = {"metadata": {"name": PROBE}, "rules": rules}
    binding = {
        "metadata": {"name": PROBE},
        "roleRef": group | {"kind": "Role", "name": PROBE},
        "subjects": [group | {"kind": "User", "name": PROBE}],
    }
    for resource, body in ((ROLES, role), (ROLE_BINDINGS, binding)):
        head = {"apiVersion": resource.api_version, "kind": resource.kind}
        await kube.apply(resource, namespace, head | body)


async def refused(kube: Kube, namespace: str, asked: Asked) -> Asked:
    """Of these calls those that the API server's authorizer does not let `probe` do."""
    return {item for item in asked if not await _is_allowed(kube, namespace, *item)}


async def _is_allowed(kube: Kube, namespace: str, right: Right, name: str) -> bool:
    resource, _, subresource = right.resource.partition("/")
    wanted = {
        "namespace": namespace,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "verb": right.verb,
        "name": name,
    }
    review = {
        "apiVersion": REVIEWS.api_version,
        "kind": REVIEWS.kind,
        "metadata": {"namespace": namespace},
        "spec": {"user": PROBE, "resourceAttributes": wanted},
    }
    answer = await kube.create(REVIEWS, namespace, review)
    return bool(answer["status"]["allowed"])
