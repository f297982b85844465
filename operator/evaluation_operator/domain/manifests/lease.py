"""The Lease by which one EvaluationJob evaluates a model version."""

from __future__ import annotations

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.kubernetes import (
    NewLease,
    NewMeta,
)
from evaluation_operator.api.names import parse_model_version
from evaluation_operator.domain import naming
from evaluation_operator.domain.manifests.metadata import owner_reference


def lease_for_model_version(job: EvaluationJob, resource_version: str | None = None) -> NewLease:
    model = parse_model_version(job.spec.model_version, namespace=job.metadata.namespace)
    metadata: NewMeta = {
        "name": naming.model_version_lease_name(model.model, model.version),
        "namespace": job.metadata.namespace,
        "labels": {
            naming.LABEL_MANAGED_BY: naming.MANAGED_BY,
            naming.LABEL_COMPONENT: naming.COMPONENT_MODEL_VERSION,
        },
        "ownerReferences": [
            owner_reference("EvaluationJob", job.metadata.name, job.metadata.uid).to_dict(),
        ],
    }
    if resource_version is not None:
        metadata["resourceVersion"] = resource_version
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {"holderIdentity": job.metadata.uid},
    }
