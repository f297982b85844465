"""The operator of this checkout, as a user installs it, for every demo."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from manifests.demo.access import Cluster
from tests.cluster.overlay import Overlay, shifted_clock
from tests.cluster.settings import CHECKOUT

OPERATOR = "deployment/evaluation-operator"
OPERATOR_NAMESPACE = "evaluation-operator"
_TRIAL = CHECKOUT / "manifests" / "overlays" / "trial"


def install(cluster: Cluster) -> None:
    said = cluster.kubectl("apply", "--kustomize", _TRIAL)
    if f"{OPERATOR.replace('/', '.apps/')} created" not in said:
        # The image's name stays the same when it is built anew.
        cluster.restart(OPERATOR, OPERATOR_NAMESPACE)
    crds = [line.split()[0] for line in said.splitlines() if line.startswith("customresource")]
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *crds)
    cluster.wait_rolled_out(OPERATOR, OPERATOR_NAMESPACE)


@contextmanager
def ahead_of_time(cluster: Cluster, offset: timedelta) -> Iterator[None]:
    """Meanwhile the operator's clock is ahead, and no namespace but the cluster's is looked at,
    since no other job is to think it is later."""
    variables = {"EVALUATION_NAMESPACES": cluster.namespace, **shifted_clock(offset)}
    try:
        with tempfile.TemporaryDirectory(prefix="evaluation-overlay-") as folder:
            overlay = Overlay(_TRIAL, "Deployment", "evaluation-operator", variables)
            cluster.kubectl("apply", "--kustomize", overlay.write(Path(folder)))
        cluster.wait_rolled_out(OPERATOR, OPERATOR_NAMESPACE)
        yield
    finally:
        cluster.kubectl("apply", "--kustomize", _TRIAL)
        cluster.wait_rolled_out(OPERATOR, OPERATOR_NAMESPACE)
