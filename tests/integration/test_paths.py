"""Names that walk through paths, against a real API server."""

from __future__ import annotations

import pytest

from evaluation_operator.kube import SERVICE_ACCOUNTS, NotFound, Rejected
from tests.integration.eventually import eventually
from tests.integration.lab import Lab

pytestmark = pytest.mark.integration


async def test_the_server_undoes_quoting_before_it_splits_a_path(lab: Lab) -> None:
    """`default%2Ftoken` is one segment on the wire, and gets its caller a token of `default`: so a
    slash is refused in a name, not only quoted."""
    quoted = f"{SERVICE_ACCOUNTS.path(lab.namespace)}/default%2Ftoken"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}

    # The controller-manager makes it, some time after the namespace.
    await eventually(lambda: lab.kube.get(SERVICE_ACCOUNTS, lab.namespace, "default"))
    answer = await lab.kube._call("POST", quoted, body=request)

    assert answer["status"]["token"]
    for name in ("default/token", "default%2Ftoken"):
        with pytest.raises(Rejected, match="can be the name of nothing"):
            await lab.kube.get(SERVICE_ACCOUNTS, lab.namespace, name)


async def test_an_odd_name_is_looked_up_as_it_is(lab: Lab) -> None:
    for name in ("default?fieldManager=x#", "default token", "..default", "DEFAULT"):
        with pytest.raises(NotFound) as caught:
            await lab.kube.get(SERVICE_ACCOUNTS, lab.namespace, name)
        assert f'"{name}" not found' in caught.value.message
