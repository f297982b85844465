"""Two replicas, as the base has them: one works, and the other takes over when it dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cluster.host import wait_until
from tests.cluster.settings import CHECKOUT
from tests.e2e.live import OPERATOR_NAMESPACE, Live, spec_set, table_uri, text_job

pytestmark = pytest.mark.cluster

SELECTOR = "app.kubernetes.io/name=evaluation-operator"
TAKEOVER_SECONDS = 40.0


@pytest.fixture
def base(live: Live) -> Iterator[Live]:
    """The operator as `kubectl apply -k manifests/base` has it."""
    live.kubectl("apply", "-k", CHECKOUT / "manifests" / "base")
    where = ("-n", OPERATOR_NAMESPACE, "--timeout=120s")
    live.kubectl("rollout", "status", "deployment/evaluation-operator", *where)
    yield live
    live.install()


def leader(live: Live) -> str:
    lease = live.get("lease", "evaluation-operator", OPERATOR_NAMESPACE)
    return str(lease["spec"].get("holderIdentity"))


def standing(live: Live) -> set[str]:
    pods = live.list("pods", OPERATOR_NAMESPACE, SELECTOR)
    return {it["metadata"]["name"] for it in pods if not it["metadata"].get("deletionTimestamp")}


def test_a_replica_that_dies_is_replaced_by_the_other(
    base: Live, make_namespace: Callable[[str], str]
) -> None:
    wait_until(lambda: leader(base) in standing(base), "a replica to lead", TAKEOVER_SECONDS)
    first = leader(base)
    assert len(standing(base)) == 2

    base.kubectl("delete", "pod", first, "-n", OPERATOR_NAMESPACE, "--grace-period=0", "--force")
    # Which one does not matter: the pod made in its place may be there before the Lease runs out.
    wait_until(
        lambda: leader(base) in standing(base) - {first}, "another to lead", TAKEOVER_SECONDS
    )

    namespace = make_namespace("replicas")
    source = {"inputUri": table_uri("moods"), "persistentVolumeClaimName": "evaluations"}
    base.apply(namespace, spec_set(("glad", "sad")), text_job("steady", source))
    base.wait_ready("steady", namespace)
