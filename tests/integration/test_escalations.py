"""The API server as judge of what somebody with edit rights may try."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from kubernetes import client, config

from evaluation_operator.api.base import GROUP, VERSION
from evaluation_operator.api.crd import KINDS
from tests.builders import merged
from tests.cluster.control_plane import ControlPlane
from tests.cluster.settings import CHECKOUT
from tests.escalations import ESCALATIONS, Escalation, Judge

pytestmark = pytest.mark.integration

PLURALS = {kind.KIND: kind.PLURAL for kind in KINDS}
NAMESPACE = "tenants"
USER = f"system:serviceaccount:{NAMESPACE}:tenant"


class Tenant:
    """Somebody who may edit evaluations in one namespace, and nothing else."""

    def __init__(self, api: client.CustomObjectsApi) -> None:
        self._api = api

    def refusal_of(self, case: Escalation) -> tuple[int, str]:
        """Status and message of the API server; 0 when it admits the object."""
        try:
            self._api.create_namespaced_custom_object(
                GROUP,
                VERSION,
                NAMESPACE,
                PLURALS[case.manifest["kind"]],
                merged(case.manifest, {"metadata": {"namespace": NAMESPACE}}),
                dry_run="All",
                field_validation="Strict",
            )
        except client.ApiException as error:
            return error.status or 0, str(json.loads(error.body or "{}").get("message", ""))
        return 0, ""


@pytest.fixture(scope="module")
def tenant(control_plane: ControlPlane) -> Iterator[Tenant]:
    control_plane.kubectl("create", "namespace", NAMESPACE)
    roles = str(CHECKOUT / "manifests" / "base" / "user-roles.yaml")
    control_plane.kubectl("apply", "--server-side", "-f", roles)
    for role in ("evaluations-edit", "evaluations-view"):
        control_plane.kubectl(
            *("create", "rolebinding", role, "-n", NAMESPACE),
            *(f"--clusterrole={role}", f"--serviceaccount={NAMESPACE}:tenant"),
        )
    api_client = config.new_client_from_config(str(control_plane.kubeconfig))
    api_client.set_default_header("Impersonate-User", USER)
    with api_client:
        yield Tenant(client.CustomObjectsApi(api_client))
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.parametrize("case", ESCALATIONS.values(), ids=ESCALATIONS.keys())
def test_the_api_server_refuses_what_a_schema_or_rights_can(
    tenant: Tenant, case: Escalation
) -> None:
    status, message = tenant.refusal_of(case)

    want = {Judge.SCHEMA: (400, 422), Judge.RBAC: (403,)}.get(case.refused_by, (0,))
    assert status in want, message


def test_a_password_in_an_address_is_refused_without_being_repeated(tenant: Tenant) -> None:
    """With a slash in it the password was taken for a host and a path, and stood in a status."""
    uri = "postgresql://u:ca/nary+pw==@db.example/x/public.t"
    case = ESCALATIONS["pg-password"]
    manifest = json.loads(json.dumps(case.manifest).replace("postgresql://u:p@db/x/t", uri))

    status, message = tenant.refusal_of(Escalation(manifest, Judge.SCHEMA))

    assert status == 422
    assert "inputUri holds a password" in message
    assert "nary" not in message
