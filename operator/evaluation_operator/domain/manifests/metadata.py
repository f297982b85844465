"""Whose an object is, and the labels by which it is found."""

from __future__ import annotations

from evaluation_operator.api.base import API_VERSION, ObjectMeta, OwnerReference
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain import naming


def owner_reference(
    kind: str, name: str, uid: str, *, api_version: str = API_VERSION
) -> OwnerReference:
    return OwnerReference(api_version=api_version, kind=kind, name=name, uid=uid, controller=True)


def run_metadata(
    job: EvaluationJob,
    name: str,
    *,
    owner: OwnerReference | None = None,
    uid: str = "",
    version: str | None = None,
) -> ObjectMeta:
    """Of the Dataset of a run of the job, with the labels by which it and its Job are found."""
    labels = run_labels(job.metadata.name, name)
    if version is not None:
        labels[naming.LABEL_VERSION] = version
    return ObjectMeta(
        name=name,
        namespace=job.metadata.namespace,
        uid=uid,
        labels=labels,
        owner_references=[owner] if owner is not None else [],
    )


def run_labels(job: str, name: str) -> dict[str, str]:
    return {
        naming.LABEL_MANAGED_BY: naming.MANAGED_BY,
        naming.LABEL_COMPONENT: naming.COMPONENT_RUN,
        naming.LABEL_JOB: job,
        naming.LABEL_DATASET: name,
    }
