"""What views are made of, read from the cluster. Everything else in `views` only looks at it."""

from __future__ import annotations

from datetime import UTC, datetime

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain.naming import LABEL_JOB, SAMPLER_LEASES
from evaluation_operator.kube import (
    DATASETS,
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    EVALUATIONS,
    LEASES,
    Kube,
    NotFound,
)
from evaluation_operator.views.job import Body, JobView
from evaluation_operator.views.labeling import LabelingView, view_labeling
from evaluation_operator.views.sampling import SamplingView, view_sampling


async def read_jobs(kube: Kube, namespace: str | None) -> tuple[list[Body], str | None]:
    """All jobs of a namespace, or of all of them, by namespace and name; and where it looked."""
    found = [body async for body in kube.list(EVALUATION_JOBS, namespace)]
    found.sort(key=lambda body: (body["metadata"]["namespace"], body["metadata"]["name"]))
    return found, namespace


async def read_job(kube: Kube, namespace: str, name: str) -> JobView:
    """Raises NotFound when there is no such job."""
    body = await kube.get(EVALUATION_JOBS, namespace, name)
    versions = [
        version
        async for version in kube.list(EVALUATION_JOB_VERSIONS, namespace)
        if version["spec"]["evaluationJob"] == name
    ]
    versions.sort(key=lambda version: version["metadata"]["creationTimestamp"])
    latest = EvaluationJob.from_dict(body).status.latest_evaluation
    evaluation = await _evaluation(kube, namespace, latest.name) if latest is not None else None
    return JobView(body, versions, evaluation)


async def _evaluation(kube: Kube, namespace: str, name: str) -> Body | None:
    """None when it has been deleted: the job's status remembers it for longer."""
    try:
        return await kube.get(EVALUATIONS, namespace, name)
    except NotFound:
        return None


async def read_sampling(kube: Kube, namespace: str, name: str) -> SamplingView:
    """Raises NotFound when there is no such job."""
    body = await kube.get(EVALUATION_JOBS, namespace, name)
    leases = [lease async for lease in kube.list(LEASES, namespace, label_selector=SAMPLER_LEASES)]
    leases.sort(key=lambda lease: str(lease["metadata"]["name"]))
    return view_sampling(body, leases, datetime.now(UTC))


async def read_labeling(kube: Kube, namespace: str, name: str) -> LabelingView:
    """Raises NotFound when there is no such job."""
    job = EvaluationJob.from_dict(await kube.get(EVALUATION_JOBS, namespace, name))
    selector = f"{LABEL_JOB}={name}"
    datasets = [body async for body in kube.list(DATASETS, namespace, label_selector=selector)]
    latest = job.status.latest_evaluation
    evaluation = await _evaluation(kube, namespace, latest.name) if latest is not None else None
    return view_labeling(job, datasets, evaluation)
