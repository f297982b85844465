"""Which kinds the project reads and writes, and where the API server serves them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from evaluation_operator.kube.errors import Rejected

GROUP = "evaluations.dev"
VERSION = "v1beta1"
LONGEST_SHOWN = 100


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
        """The URL path; without a namespace it spans all of them.

        Raises Rejected for what can be no segment of one.
        """
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "".join(f"/{_segment(part)}" for part in parts)


def _segment(text: str) -> str:
    """One segment of a path, however it was written; the only place that makes one.

    To quote is not enough: the API server undoes it before it splits the path, and takes
    `default%2Ftoken` for a name and its subresource. What it admits in no name (a slash, a percent
    sign, a dot or two alone) is therefore never sent. Raises Rejected.
    """
    if text in ("", ".", "..") or "/" in text or "%" in text:
        raise Rejected(
            f"{_clipped(text)} can be the name of nothing: write one that is not empty, '.' or "
            "'..' and has no '/' and no '%' in it"
        )
    return quote(text, safe="")


def _clipped(text: str) -> str:
    shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return repr(shown)


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
