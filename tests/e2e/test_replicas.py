"""Two replicas, as the base has them: one works, and the other takes over when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.host import wait_until
from tests.cluster.settings import CHECKOUT
from tests.e2e.live import OPERATOR_NAMESPACE, Live, ready, spec_set, table_uri, text_job

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
    """The pods that are ready, and not to end."""
    return {
        pod["metadata"]["name"]
        for pod in live.list("pods", OPERATOR_NAMESPACE, SELECTOR)
        if "deletionTimestamp" not in pod["metadata"] and ready(pod)["status"] == "True"
    }


def follow(live: Live, *how: str) -> float:
    """Deletes the leader's pod, and gives the seconds until another leads. Which one does not
    matter: the pod made in its place may be there first."""
    wait_until(lambda: len(standing(live)) == 2, "two replicas", TAKEOVER_SECONDS)
    wait_until(lambda: leader(live) in standing(live), "one to lead", TAKEOVER_SECONDS)
    first = leader(live)
    begun = time.monotonic()
    live.kubectl("delete", "pod", first, "-n", OPERATOR_NAMESPACE, "--wait=false", *how)
    wait_until(lambda: leader(live) not in ("", first), "another to lead", TAKEOVER_SECONDS, 0.05)
    return time.monotonic() - begun


def test_a_replica_that_ends_is_followed_by_the_other(
    base: Live, make_namespace: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """By its Lease, which a pod that is deleted gives back, as it does in a rollout or a drain."""
    stopped = [follow(base) for _ in range(3)]
    forced = follow(base, "--grace-period=0", "--force")
    with capsys.disabled():
        seconds = ", ".join(f"{it:.1f} s" for it in stopped)
        print(
            f"\nfrom `kubectl delete pod` to the next leader: {seconds}; by force: {forced:.1f} s"
        )

    namespace = make_namespace("replicas")
    source = {"inputUri": table_uri("moods"), "persistentVolumeClaimName": "evaluations"}
    base.apply(namespace, spec_set(("glad", "sad")), text_job("steady", source))
    base.wait_ready("steady", namespace)
