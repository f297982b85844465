"""Which kinds the project reads and writes, and where the API server serves them."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "evaluations.dev"
VERSION = "v1beta1"


@dataclass(frozen=True, slots=True)
class Resource:
    """One namespaced kind of the API."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str = "") -> str:
        """The URL path; without a namespace it spans all of them."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if namespace is not None:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


EVALUATION_JOBS = Resource(GROUP, VERSION, "evaluationjobs", "EvaluationJob")
EVALUATION_JOB_VERSIONS = Resource(GROUP, VERSION, "evaluationjobversions", "EvaluationJobVersion")
ANNOTATION_SPEC_SETS = Resource(GROUP, VERSION, "annotationspecsets", "AnnotationSpecSet")
INSTRUCTIONS = Resource(GROUP, VERSION, "instructions", "Instruction")
DATASETS = Resource(GROUP, VERSION, "datasets", "Dataset")
EVALUATIONS = Resource(GROUP, VERSION, "evaluations", "Evaluation")
JOBS = Resource("batch", "v1", "jobs", "Job")
PODS = Resource("", "v1", "pods", "Pod")
EVENTS = Resource("", "v1", "events", "Event")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
INFERENCE_SERVICES = Resource(
    "serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService"
)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
