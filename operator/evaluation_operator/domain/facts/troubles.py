"""What keeps a run from going on, in the words of whoever said it, and what to do about it.

A Job or a pod that stands still says why in many places: conditions, the states of containers,
Events. Each is read here into the same three parts, so that a status, an attempt and an Event say
the same of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from evaluation_operator.api.codes import Code
from evaluation_operator.api.kubernetes import Body, StoredEvent
from evaluation_operator.domain.conditions import clip
from evaluation_operator.domain.facts.dataset import Failure
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.facts.pod import PodFacts, Word
from evaluation_operator.domain.facts.reading import parse_time
from evaluation_operator.domain.naming import LABEL_MANAGED_BY, MANAGED_BY
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason

TOLD_BYTES = 512
"""What a status has for a run, and an attempt for a failure; the cure is not what is cut off."""
LEAST_DETAIL_BYTES = 100

OF_WARNINGS = (
    Reason.FAILED_CREATE,
    Reason.FAILED_MOUNT,
    Reason.FAILED_ATTACH_VOLUME,
    Reason.FAILED_CREATE_POD_SANDBOX,
)
"""What only Events tell."""

_CODES = {
    Reason.FAILED_CREATE: Code.FAILED_PRECONDITION,
    Reason.UNSCHEDULABLE: Code.RESOURCE_EXHAUSTED,
    Reason.OOM_KILLED: Code.RESOURCE_EXHAUSTED,
    Reason.EVICTED: Code.UNAVAILABLE,
    Reason.POD_LOST: Code.UNAVAILABLE,
    Reason.FAILED_CREATE_POD_SANDBOX: Code.UNAVAILABLE,
    Reason.POD_FAILED: Code.UNKNOWN,
}
_PULLING = re.compile(
    r'^(Back-off pulling image "[^"]*"(: ErrImagePull)?(: )?)?'
    r'(failed to pull and unpack image "[^"]*": (?=failed to resolve reference))?'
)
_GENERATED = re.compile(r'^(pods "[a-z0-9.-]+)-(?:[a-z0-9]{5})?"')
_DELETE = re.compile(r",? (then|and) kubectl delete job \S+ -n \S+$")


@dataclass(frozen=True, slots=True)
class WarningFacts:
    """An Event of type Warning about a Job or a pod."""

    reason: str
    message: str
    time: datetime

    @classmethod
    def from_body(cls, body: Body) -> WarningFacts:
        stored = cast(StoredEvent, body)
        series = stored.get("series") or {}
        time = (
            series.get("lastObservedTime")
            or stored.get("lastTimestamp")
            or stored.get("eventTime")
            or stored["metadata"]["creationTimestamp"]
        )
        message = str(stored.get("message", ""))[:2048]
        return cls(str(stored.get("reason", "")), message, parse_time(time))


@dataclass(frozen=True, slots=True)
class Trouble:
    """`reason`, what Kubernetes says to it, and the cure; as an attempt it has a gRPC code."""

    reason: Reason
    detail: str
    cure: str

    @property
    def failure(self) -> Failure:
        return Failure(_CODES.get(self.reason, Code.FAILED_PRECONDITION), str(self))

    def __str__(self) -> str:
        if not self.detail:
            return f"{self.reason}; {self.cure}"
        rest = TOLD_BYTES - len(f"{self.reason}: ; {self.cure}".encode())
        detail = clip(self.detail.rstrip(". "), max(rest, LEAST_DETAIL_BYTES))
        return f"{self.reason}: {detail}; {self.cure}"


def told_before(text: str | None) -> Failure | None:
    """The trouble that a status tells, if it tells one: what it was about may be gone by now. Once
    its Job has ended there is none to be made anew."""
    reason = (text or "").partition(":")[0]
    if text is None or reason not in _TROUBLES:
        return None
    return Failure(_CODES.get(Reason(reason), Code.FAILED_PRECONDITION), _DELETE.sub("", text))


def is_same(one: str | None, other: str) -> bool:
    """Whether both texts tell the same: quantities and names of pods change, and are no news."""
    return one is not None and _without_numbers(one) == _without_numbers(other)


def _without_numbers(text: str) -> str:
    return re.sub(r"\d+", "#", text)


def of_creation(job: JobFacts, warning: WarningFacts, policy: Policy) -> Trouble:
    """The Job controller may not make the Job's pod."""
    said = warning.message.removeprefix("Error creating: ")
    detail = _GENERATED.sub(r'\1"', said)
    return Trouble(Reason.FAILED_CREATE, detail, _cure_of_creation(job, detail, policy))


def _cure_of_creation(job: JobFacts, detail: str, policy: Policy) -> str:
    namespace = job.namespace
    if "must specify" in detail:
        return (
            "give in spec.runTemplate.resources what the ResourceQuota wants to be told, and "
            f"{_delete(job)}"
        )
    if "exceeded quota" in detail or "failed quota" in detail:
        return (
            "raise the ResourceQuota; or ask for less in spec.runTemplate.resources, and "
            f"{_delete(job)}"
        )
    if re.search(r"(maximum|minimum) .* usage per|limit to request ratio", detail):
        return (
            "let spec.runTemplate.resources fit the LimitRange (kubectl describe limitrange "
            f"-n {namespace}), then {_delete(job)}"
        )
    if "PriorityClass" in detail:
        return f"name one that exists in spec.runTemplate.priorityClassName, and {_delete(job)}"
    if "serviceaccount" in detail and "not found" in detail:
        if f'"{policy.service_account}"' in detail:
            return f"kubectl apply -n {namespace} -k {policy.namespace_component}"
        return (
            f"create it, or name another in spec.runTemplate.serviceAccountName and {_delete(job)}"
        )
    if "violates PodSecurity" in detail:
        return (
            "run pods fit the level restricted: see what changes them on their way: "
            "kubectl get mutatingwebhookconfigurations"
        )
    describe = f"kubectl describe job {job.name} -n {namespace}"
    return _cure_of_admission("pod", detail) or describe


def _cure_of_admission(what: str, said: str) -> str:
    """Empty where it was not admission that refused it."""
    if "failed calling webhook" in said:
        return "that webhook does not answer: repair it, or have whoever owns it remove it"
    if "denied request" in said or "denied the request" in said:
        return (
            f"have whoever owns that rule admit {what}s with the label "
            f"{LABEL_MANAGED_BY}={MANAGED_BY}"
        )
    return ""


def of_refusal(kind: str, name: str, said: str) -> str:
    """The API server does not take a Dataset or a Job that the operator makes."""
    detail = clip(said.rstrip(". "), TOLD_BYTES - 2 * LEAST_DETAIL_BYTES)
    cure = _cure_of_refusal(kind, said)
    return f"{kind} {name!r} was refused: {detail}" + (f"; {cure}" if cure else "")


def _cure_of_refusal(kind: str, said: str) -> str:
    if "exceeded quota" in said:
        return f"raise the ResourceQuota, or delete {kind}s that have ended"
    return _cure_of_admission(kind, said)


def _delete(job: JobFacts) -> str:
    """A Job keeps the template that it was made with; one that is made anew has the edited one."""
    return f"kubectl delete job {job.name} -n {job.namespace}"


def of_warning(pod: PodFacts, warning: WarningFacts) -> Trouble:
    """A pod that has a node cannot be started there."""
    reason, detail = Reason(warning.reason), warning.message
    describe = f"kubectl describe pod {pod.name} -n {pod.namespace}"
    if reason is Reason.FAILED_MOUNT and "secret" in detail and "not found" in detail:
        cure = "create that Secret, or name another one in spec.runTemplate.envFrom"
    elif reason is Reason.FAILED_ATTACH_VOLUME or "volume" in detail:
        cure = f"see who else has the volume, and whether it is there: {describe}"
    else:
        cure = describe
    return Trouble(reason, detail, cure)


def of_waiting(job: JobFacts, pod: PodFacts) -> Trouble:
    """A container that cannot start, for the reason that the kubelet gives."""
    word = pod.waiting
    image = (
        "name an image that can be pulled in spec.runTemplate.image, or its registry's Secret in "
        "spec.runTemplate.imagePullSecrets (without an image there, it is the operator's "
        f"EVALUATION_RUN_IMAGE), then {_delete(job)}"
    )
    if word.reason in ("ErrImagePull", "ImagePullBackOff"):
        # The kubelet says the one and the other by turns, of the same failure.
        detail = _PULLING.sub("", word.message) or word.message
        return Trouble(Reason.IMAGE_PULL_BACK_OFF, detail, image)
    if word.reason in ("InvalidImageName", "ErrImageNeverPull"):
        return Trouble(Reason(word.reason), word.message, image)
    describe = f"kubectl describe pod {pod.name} -n {pod.namespace}"
    if word.reason in _TROUBLES:
        return Trouble(Reason(word.reason), word.message, describe)
    return Trouble(Reason.CREATE_CONTAINER_ERROR, f"{word.reason}: {word.message}", describe)


def of_scheduling(job: JobFacts, pod: PodFacts) -> Trouble:
    """The scheduler finds no node."""
    detail = pod.unschedulable
    if "persistentvolumeclaim" in detail.lower():
        cure = f"kubectl describe pvc -n {pod.namespace}"
    else:
        cure = (
            "make room; or ask for less or for other nodes in spec.runTemplate (resources, "
            f"nodeSelector, tolerations, affinity), and {_delete(job)}"
        )
    return Trouble(Reason.UNSCHEDULABLE, detail, cure)


def of_end(pod: PodFacts) -> Trouble:
    """A pod that failed without words of its program."""
    match pod.ending:
        case Word("OOMKilled"):
            limit = f" ({pod.memory_limit})" if pod.memory_limit else ""
            return Trouble(
                Reason.OOM_KILLED,
                f"the run needs more memory than its limit{limit}",
                "raise spec.runTemplate.resources.limits.memory",
            )
        case Word("InitContainerFailed", message):
            logs = f"kubectl logs {pod.name} -n {pod.namespace} --all-containers"
            return Trouble(Reason.INIT_CONTAINER_FAILED, message, f"look into it: {logs}")
        case Word(reason, message) if reason:
            detail = message if reason == "Evicted" else f"{reason}: {message}".rstrip(": ")
            on = f" from node {pod.node}" if pod.node else ""
            return Trouble(
                Reason.EVICTED,
                f"pod {pod.name}{on}: {detail}",
                "if it goes on, see what that node lacks, or raise "
                "spec.runTemplate.resources.requests",
            )
        case _:
            logs = f"kubectl logs {pod.name} -n {pod.namespace}"
            detail = f"pod {pod.name} ended with exit code {pod.exit_code}"
            return Trouble(Reason.POD_FAILED, detail, logs)


def of_suspension(job: JobFacts) -> Trouble:
    """Somebody holds the Job by hand: no queue will let it go."""
    patch, how = '{"spec":{"suspend":false}}', "is suspended by hand"
    if not job.suspended:
        patch, how = '{"spec":{"parallelism":1}}', "may have no pod (spec.parallelism: 0)"
    return Trouble(
        Reason.SUSPENDED,
        f"Job {job.name} {how}",
        f"kubectl patch job {job.name} -n {job.namespace} --type=merge -p '{patch}'",
    )


def of_deletion(job: JobFacts) -> Trouble:
    """The Job is deleted, and somebody's finalizer keeps it where its successor has to be."""
    patch = '{"metadata":{"finalizers":null}}'
    held = ", ".join(job.finalizers) or "its pods, which do not end"
    return Trouble(
        Reason.HELD_BY_FINALIZER,
        f"Job {job.name} was deleted, and is held by {held}",
        "once that is done with it, or gone for good: "
        f"kubectl patch job {job.name} -n {job.namespace} --type=merge -p '{patch}'",
    )


def of_loss(pod: PodFacts) -> Trouble:
    """Its node does not say that it has ended, and without that word none takes its place."""
    return Trouble(
        Reason.POD_LOST,
        f"pod {pod.name} was told to end, and node {pod.node or '(none)'} has not said that it did",
        f"if that node is gone for good: kubectl delete node {pod.node or 'NODE'}",
    )


def of_orphan(pod: PodFacts) -> Trouble:
    """The Job was deleted with `--cascade=orphan`, or somebody took the pod from it."""
    return Trouble(
        Reason.POD_WITHOUT_JOB,
        f"pod {pod.name} goes on without its Job, which was deleted",
        "what it writes counts, and another Job is made if it fails; to have that now: "
        f"kubectl delete pod {pod.name} -n {pod.namespace}",
    )


def of_companion(pod: PodFacts) -> Trouble:
    """A container that somebody has put beside the run's goes on after it."""
    return Trouble(
        Reason.CONTAINER_STILL_RUNNING,
        f"in pod {pod.name} the run has ended, and container {pod.still_running!r} goes on",
        "keep it out of pods with the label app.kubernetes.io/managed-by=evaluation-operator, or "
        "have it injected as an init container with restartPolicy: Always",
    )


_TROUBLES = frozenset(
    {
        *_CODES,
        *OF_WARNINGS,
        Reason.IMAGE_PULL_BACK_OFF,
        Reason.ERR_IMAGE_NEVER_PULL,
        Reason.INVALID_IMAGE_NAME,
        Reason.CREATE_CONTAINER_CONFIG_ERROR,
        Reason.CREATE_CONTAINER_ERROR,
        Reason.RUN_CONTAINER_ERROR,
        Reason.INIT_CONTAINER_FAILED,
        Reason.SUSPENDED,
        Reason.CONTAINER_STILL_RUNNING,
        Reason.HELD_BY_FINALIZER,
        Reason.POD_WITHOUT_JOB,
    }
)
