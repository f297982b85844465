"""What there is to say about a reason, for a person who has just met it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """Where people meet a reason, in the words of the document."""

    READY = "condition `Ready` of the job"
    STALLED = "condition `Stalled` of the job"
    RECONCILING = "condition `Reconciling` of the job"
    WAITING = "condition `Waiting` of the job"
    QUALITY = "condition `QualityAcceptable` of the job"
    READABLE = "condition `PredictionsReadable` of the job"
    SAMPLER = "condition `SamplerBehind` of the job"
    LOGGER = "condition `LoggerManaged` of the job"
    RUN = "`status.active[].message` of the job"
    ATTEMPT = "`status.attempts` of the job"
    VERSION = "`Ready` and `status.message` of a version"
    REFUSAL = "condition `TerminateRefused` of a version"
    LABELED = "condition `Labeled` of the run's Dataset"
    POD = "the last words of the run's pod, and its log"
    EVENT = "Event"


@dataclass(frozen=True, slots=True)
class Explanation:
    """`cure`: what to do, empty where there is nothing to be done. `commands`: what to type, with
    NAMESPACE, JOB and the like in the place of names; see PLACEHOLDERS. `passes`: it goes by
    itself, or somebody wants it so, or it repeats what is told elsewhere: nobody need be called."""

    seen: tuple[Place, ...]
    meaning: str
    cure: str = ""
    commands: tuple[str, ...] = ()
    passes: bool = False


PLACEHOLDERS = {
    "NAMESPACE": "the job's namespace",
    "JOB": "the EvaluationJob",
    "VERSION": "the EvaluationJobVersion",
    "RUN": "the run: the name of its Dataset and of its Job, like evj-digits-v1-29541240",
    "NODE": "the node that is gone",
    "SERVICE": "the InferenceService",
    "MODELVERSION": "the version that `spec.modelVersion` of the job names",
    "CLAIM": "the PersistentVolumeClaim",
    "LEASE": "the Lease of a sampler's replica",
    "TABLE": "the folder or address of the job's table",
    "FILE": "a file of yours",
}

EDIT = "kubectl edit evj JOB -n NAMESPACE"
DESCRIBE = "kubectl evaluations describe JOB -n NAMESPACE"
PODS = "kubectl describe pod -n NAMESPACE -l evaluations.dev/dataset=RUN"
LOGS = "kubectl logs -n NAMESPACE -l evaluations.dev/dataset=RUN --tail=50 --prefix"
AGAIN = "kubectl delete job RUN -n NAMESPACE"
CHECK_PODS = "kubectl describe pod -n NAMESPACE -l evaluations.dev/component=table-check"
CHECK_AGAIN = "kubectl delete job -n NAMESPACE -l evaluations.dev/component=table-check"
OPERATOR_LOGS = "kubectl logs -n evaluation-operator deployment/evaluation-operator --tail=100"
LABELER_LOGS = "kubectl logs -n NAMESPACE deployment/evaluation-labeler --tail=50"
