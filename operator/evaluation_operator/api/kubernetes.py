"""The parts of Kubernetes' own objects that we read or write, as they stand in JSON.

These are types alone: a misspelt key fails in mypy and nothing happens at run time. A program holds
one such body for every object that changes, so reading through a model would cost much and give
nothing. What is read may lack any key, and null stands for what is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Required, TypedDict

Body = Mapping[str, object]
"""An object whose kind is not known yet."""


class Owner(TypedDict, total=False):
    apiVersion: str
    kind: str
    name: str
    uid: str
    controller: bool
    blockOwnerDeletion: bool


class ManagedFields(TypedDict):
    manager: str
    fieldsV1: dict[str, object]


"""Of a field manager: `fieldsV1` is a tree of `f:<field>`."""


class StoredMeta(TypedDict, total=False):
    name: Required[str]
    namespace: Required[str]
    uid: Required[str]
    resourceVersion: Required[str]
    creationTimestamp: Required[str]
    labels: dict[str, str] | None
    annotations: dict[str, str] | None
    ownerReferences: list[Owner] | None
    finalizers: list[str] | None
    managedFields: list[ManagedFields] | None
    deletionTimestamp: str


class NewMeta(TypedDict, total=False):
    """Metadata of an object that is made, or replaced as of `resourceVersion`."""

    name: str
    namespace: str
    resourceVersion: str
    labels: dict[str, str]
    annotations: dict[str, str]
    ownerReferences: list[dict[str, object]]


class StatusCondition(TypedDict, total=False):
    type: str
    status: str
    reason: str
    message: str
    lastTransitionTime: str


class FieldRef(TypedDict):
    fieldPath: str


class EnvSource(TypedDict):
    fieldRef: FieldRef


class EnvVar(TypedDict, total=False):
    name: str
    value: str
    valueFrom: EnvSource


class VolumeMount(TypedDict, total=False):
    name: str
    mountPath: str
    readOnly: bool


class EmptyDir(TypedDict, total=False):
    sizeLimit: str


class SecretSource(TypedDict):
    secretName: str
    optional: bool
    defaultMode: int


class ClaimSource(TypedDict):
    claimName: str


class ProjectedSource(TypedDict):
    sources: list[dict[str, object]]


class Volume(TypedDict, total=False):
    name: str
    emptyDir: EmptyDir
    secret: SecretSource
    persistentVolumeClaim: ClaimSource
    projected: ProjectedSource


class Resources(TypedDict, total=False):
    """Amounts as Kubernetes writes them: `100m`, `1Gi`."""

    requests: dict[str, str]
    limits: dict[str, str]


class Capabilities(TypedDict):
    drop: list[str]


class ContainerSecurity(TypedDict):
    allowPrivilegeEscalation: bool
    readOnlyRootFilesystem: bool
    capabilities: Capabilities


class SeccompProfile(TypedDict):
    type: str


class PodSecurity(TypedDict):
    runAsNonRoot: bool
    runAsUser: int
    runAsGroup: int
    fsGroup: int
    fsGroupChangePolicy: str
    seccompProfile: SeccompProfile


class Container(TypedDict, total=False):
    name: str
    image: str
    imagePullPolicy: str
    args: list[str]
    env: list[EnvVar]
    resources: Resources
    volumeMounts: list[VolumeMount]
    terminationMessagePolicy: str
    securityContext: ContainerSecurity


class PodSpec(TypedDict, total=False):
    restartPolicy: str
    terminationGracePeriodSeconds: int
    serviceAccountName: str
    automountServiceAccountToken: bool
    enableServiceLinks: bool
    securityContext: PodSecurity
    containers: list[Container]
    volumes: list[Volume]
    nodeName: str
    nodeSelector: dict[str, str]
    tolerations: list[dict[str, object]]
    affinity: dict[str, object]
    priorityClassName: str
    imagePullSecrets: list[dict[str, object]]


class PodTemplate(TypedDict, total=False):
    metadata: NewMeta
    spec: PodSpec


class ExitCodes(TypedDict):
    containerName: str
    operator: str
    values: list[int]


class PodCondition(TypedDict):
    type: str


class PodFailureRule(TypedDict, total=False):
    action: str
    onExitCodes: ExitCodes
    onPodConditions: list[PodCondition]


class PodFailurePolicy(TypedDict):
    rules: list[PodFailureRule]


class JobSpec(TypedDict, total=False):
    activeDeadlineSeconds: int
    backoffLimit: int
    parallelism: int
    podFailurePolicy: PodFailurePolicy
    podReplacementPolicy: str
    suspend: bool
    template: PodTemplate
    ttlSecondsAfterFinished: int


class JobStatus(TypedDict, total=False):
    active: int
    conditions: list[StatusCondition] | None


class NewJob(TypedDict):
    """A batch/v1 Job as it is created."""

    apiVersion: str
    kind: str
    metadata: NewMeta
    spec: JobSpec


class StoredJob(TypedDict, total=False):
    metadata: Required[StoredMeta]
    spec: JobSpec | None
    status: JobStatus | None


class Waiting(TypedDict, total=False):
    reason: str
    message: str


class Running(TypedDict, total=False):
    startedAt: str | None


class Terminated(TypedDict, total=False):
    exitCode: int
    reason: str
    message: str
    startedAt: str | None
    finishedAt: str | None


class ContainerState(TypedDict, total=False):
    waiting: Waiting | None
    running: Running | None
    terminated: Terminated | None


class ContainerStatus(TypedDict, total=False):
    name: str
    state: ContainerState | None


class PodStatus(TypedDict, total=False):
    phase: str
    reason: str
    message: str
    conditions: list[StatusCondition] | None
    containerStatuses: list[ContainerStatus] | None
    initContainerStatuses: list[ContainerStatus] | None


class StoredPod(TypedDict, total=False):
    metadata: Required[StoredMeta]
    spec: PodSpec | None
    status: PodStatus | None


class LeaseSpec(TypedDict, total=False):
    holderIdentity: str
    renewTime: str


class NewLease(TypedDict):
    """A coordination.k8s.io/v1 Lease as it is created or replaced."""

    apiVersion: str
    kind: str
    metadata: NewMeta
    spec: LeaseSpec


class StoredLease(TypedDict, total=False):
    metadata: Required[StoredMeta]
    spec: LeaseSpec | None


class EventSeries(TypedDict, total=False):
    lastObservedTime: str | None


class StoredEvent(TypedDict, total=False):
    metadata: Required[StoredMeta]
    reason: str
    message: str
    series: EventSeries | None
    lastTimestamp: str | None
    eventTime: str | None


class Logger(TypedDict, total=False):
    """`spec.predictor.logger` of a KServe InferenceService."""

    url: str
    mode: str
    metadataAnnotations: list[str]


class Predictor(TypedDict, total=False):
    logger: Logger | None


class InferenceServiceSpec(TypedDict, total=False):
    predictor: Predictor | None


class StoredInferenceService(TypedDict, total=False):
    metadata: Required[StoredMeta]
    spec: InferenceServiceSpec | None
