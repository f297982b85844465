"""The one place that talks to the Kubernetes API server."""

from evaluation_operator.kube.changes import NoPeace, change_status
from evaluation_operator.kube.client import Kube
from evaluation_operator.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    NotFound,
    Rejected,
    Transient,
)
from evaluation_operator.kube.kubeconfig import NoCluster, connect_as_kubectl
from evaluation_operator.kube.port import ApiServer
from evaluation_operator.kube.resources import (
    ANNOTATION_SPEC_SETS,
    CLAIMS,
    DATASETS,
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    EVALUATIONS,
    EVENTS,
    INFERENCE_SERVICES,
    INSTRUCTIONS,
    JOBS,
    LEASES,
    PODS,
    SERVICE_ACCOUNTS,
    Resource,
)
from evaluation_operator.kube.watch import Gone, News, Seen, Synced, follow

__all__ = [
    "ANNOTATION_SPEC_SETS",
    "CLAIMS",
    "DATASETS",
    "EVALUATIONS",
    "EVALUATION_JOBS",
    "EVALUATION_JOB_VERSIONS",
    "EVENTS",
    "INFERENCE_SERVICES",
    "INSTRUCTIONS",
    "JOBS",
    "LEASES",
    "PODS",
    "SERVICE_ACCOUNTS",
    "AlreadyExists",
    "ApiError",
    "ApiServer",
    "Conflict",
    "Forbidden",
    "Gone",
    "Kube",
    "News",
    "NoCluster",
    "NoPeace",
    "NotFound",
    "Rejected",
    "Resource",
    "Seen",
    "Synced",
    "Transient",
    "change_status",
    "connect_as_kubectl",
    "follow",
]
