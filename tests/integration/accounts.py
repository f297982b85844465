"""The accounts that the manifests make: how to act as one, what each may do, and what each did."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.cluster.control_plane import ControlPlane
from tests.cluster.settings import CHECKOUT

OPERATOR = "evaluation-operator"
RUNNER = "evaluation-runner"
SAMPLER = "evaluation-sampler"
LABELER = "evaluation-labeler"
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}


class Right(NamedTuple):
    """One verb of one resource, `jobs` or `datasets/status`, of an API group."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the API server's audit log has it."""

    account: str
    right: Right
    namespace: str
    name: str
    status: int


@dataclass(frozen=True, slots=True)
class Role:
    """A Role, or a ClusterRole when it has no namespace, that the manifests give to an account."""

    account: str
    name: str
    namespace: str
    rules: tuple[dict[str, Any], ...]

    @property
    def rights(self) -> frozenset[Right]:
        return frozenset(right for rule in self.rules for right in _rights(rule))

    def rules_without(self, right: Right) -> list[dict[str, Any]]:
        """Every verb of every resource as a rule of its own, but that one."""
        return [
            rule | {"apiGroups": [it.group], "resources": [it.resource], "verbs": [it.verb]}
            for rule in self.rules
            for it in _rights(rule)
            if it != right
        ]


def audit_flags(directory: Path) -> tuple[str, str]:
    """Flags of an API server that writes down what service accounts ask for."""
    policy = directory / "audit-policy.yaml"
    policy.write_text(yaml.safe_dump(AUDIT_POLICY))
    return f"--audit-policy-file={policy}", f"--audit-log-path={directory / 'audit.log'}"


def read_calls(directory: Path) -> list[Call]:
    """What our accounts have asked for so far, but for discovery, which everybody may do."""
    lines = (directory / "audit.log").read_text().splitlines()
    calls = (_call(json.loads(line)) for line in lines)
    return [call for call in calls if call is not None]


def kubeconfig_of(
    control_plane: ControlPlane, namespace: str, account: str, folder: Path, pod: str | None = None
) -> Path:
    """Of somebody who is that account; with `pod` by a token as that pod has it."""
    bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod}") if pod else ()
    request = ("create", "token", account, "-n", namespace, *bound)
    token = control_plane.kubectl(*request).strip()
    content = yaml.safe_load(control_plane.kubeconfig.read_text())
    content["users"] = [{"name": it["name"], "user": {"token": token}} for it in content["users"]]
    path = folder / f"{namespace}-{pod or account}.kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


def roles(control_plane: ControlPlane, *folders: str) -> list[Role]:
    """What the kustomizations below `manifests` give to our accounts."""
    found = []
    for folder in folders:
        text = control_plane.kubectl("kustomize", str(CHECKOUT / "manifests" / folder))
        objects = list(yaml.safe_load_all(text))
        made = {(it["kind"], it["metadata"]["name"]): it for it in objects}
        for binding in objects:
            if binding["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
                continue
            ref = binding["roleRef"]
            role = made[ref["kind"], ref["name"]]
            [subject] = binding["subjects"]
            home = role["metadata"].get("namespace", "")
            found.append(Role(subject["name"], ref["name"], home, tuple(role["rules"])))
    return found


def _rights(rule: dict[str, Any]) -> Iterable[Right]:
    return [
        Right(group, resource, verb)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def _call(event: dict[str, Any]) -> Call | None:
    account = event["user"]["username"].rpartition(":")[2]
    place = event.get("objectRef")
    if account not in (OPERATOR, RUNNER, SAMPLER, LABELER) or place is None:
        return None
    resource = "/".join(filter(None, (place["resource"], place.get("subresource"))))
    return Call(
        account,
        Right(place.get("apiGroup", ""), resource, event["verb"]),
        place.get("namespace", ""),
        place.get("name", ""),
        (event.get("responseStatus") or {}).get("code", 0),
    )
