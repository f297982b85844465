"""`pause` and `resume`: the one thing that the command line writes into a job."""

from __future__ import annotations

from evaluation_operator.cli.output import PROGRAM
from evaluation_operator.kube import EVALUATION_JOBS, Kube
from evaluation_operator.views.job import Body


async def set_paused(kube: Kube, namespace: str, name: str, *, paused: bool) -> Body:
    """Touches spec.paused alone, always as the same field manager, so that its owner is plain."""
    patch = {"spec": {"paused": paused}}
    return await kube.patch(EVALUATION_JOBS, namespace, name, patch, field_manager=PROGRAM)
