"""The objects that a run consists of, as they are created.

A run's pod may read nothing but its Dataset, so the Dataset's spec carries a copy of everything
that the run needs. Whatever a job's runTemplate asks for, the pod keeps the `restricted` profile
of the Pod Security Standards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from evaluation_operator.api.base import API_VERSION, ObjectMeta, OwnerReference, format_time
from evaluation_operator.api.dataset import (
    Dataset,
    DatasetAlert,
    DatasetLabeling,
    DatasetSpec,
    JobReference,
    RunWindow,
    VersionReference,
)
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersion
from evaluation_operator.api.evaluation_options import EvaluationConfig
from evaluation_operator.api.instruction import InstructionSpec
from evaluation_operator.api.kubernetes import (
    ClaimSource,
    Container,
    EmptyDir,
    EnvVar,
    ExitCodes,
    NewJob,
    NewLease,
    NewMeta,
    PodSpec,
    Resources,
    Volume,
    VolumeMount,
)
from evaluation_operator.api.names import parse_annotation_spec_set_name, parse_model_version
from evaluation_operator.api.run_template import RunTemplate
from evaluation_operator.domain import naming
from evaluation_operator.domain.cover import Window
from evaluation_operator.domain.facts.pod import STOPPED_EXIT_CODE
from evaluation_operator.domain.facts.steps import Step, StepJob, step_job
from evaluation_operator.domain.manifests.labeling import labeling_spec
from evaluation_operator.domain.manifests.mounts import (
    secret_mount,
    secret_volume,
    secrets_env,
    token_volume,
)
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.quantities import parse_quantity
from evaluation_operator.domain.schedule import parse_schedule
from evaluation_operator.domain.tables import TableSource, table_source

ACTIVE_DEADLINE_SECONDS = 6 * 3600
BACKOFF_LIMIT = 2
CHECK_DEADLINE_SECONDS = 600
CHECK_TTL_SECONDS = 3 * 3600
"""A failed check is remembered by its Job, so this is longer than the longest wait for the next."""
GRACE_SECONDS = 3
"""The program finishes the file or the API write that it is about, and ends within two seconds
(evaluator/stopping.py). No longer than that: a Job that is deleted gives its place in the namespace
back, while its pod, which may be of an image that heeds no signal, goes on for so long."""
DEFAULT_MEMORY = "256Mi"
DEFAULT_MEMORY_LIMIT = "1Gi"
USER_ID = 65532
NOT_RETRIED_EXIT_CODES = [2, 65, 66]
"""Exit codes of a run's program that another attempt cannot change."""
_PASSED_ON: Final = (
    "nodeSelector",
    "tolerations",
    "affinity",
    "priorityClassName",
    "imagePullSecrets",
)


def owner_reference(
    kind: str, name: str, uid: str, *, api_version: str = API_VERSION
) -> OwnerReference:
    return OwnerReference(api_version=api_version, kind=kind, name=name, uid=uid, controller=True)


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


def build_dataset(
    job: EvaluationJob,
    scheduled_time: datetime,
    windows: Sequence[Window],
    *,
    labels: Sequence[str],
    instruction: InstructionSpec | None = None,
) -> Dataset:
    """The Dataset of a scheduled run, owned by its job. With an instruction, people are asked for
    the ground truth that is missing, if the job wants that."""
    wishes = job.spec.labeling
    labeling = None
    if job.spec.label_missing_ground_truth and instruction is not None:
        labeling = labeling_spec(job, instruction)
    spec = _dataset_spec(
        job,
        scheduled_time,
        labels,
        display_name=f"{job.metadata.name} {format_time(scheduled_time)}",
        windows=[_window(window) for window in windows],
        labeling=labeling,
        minimum_new_labels=wishes.minimum_new_labels if wishes is not None else None,
    )
    name = naming.run_name(job.metadata.name, scheduled_time)
    owner = owner_reference("EvaluationJob", job.metadata.name, job.metadata.uid)
    return Dataset(metadata=run_metadata(job, name, owner=owner), spec=spec)


def build_version_dataset(
    version: EvaluationJobVersion,
    job: EvaluationJob,
    number: int,
    now: datetime,
    *,
    labels: Sequence[str],
) -> Dataset:
    """The Dataset of a version, owned by it: the job's data under the version's own parameters.

    A version never asks people: it evaluates at once, with the labels that are there.
    """
    wanted, metadata = version.spec, version.metadata
    window = wanted.window
    spec = _dataset_spec(
        job,
        now,
        labels,
        display_name=metadata.name,
        evaluation_job_version=VersionReference(
            name=metadata.name, uid=metadata.uid, number=number
        ),
        windows=[RunWindow(start_time=window.start_time, end_time=window.end_time)]
        if window is not None
        else [],
        source_dataset=wanted.dataset if window is None else None,
        all_rows=True if window is None and wanted.dataset is None else None,
        evaluation_config=wanted.evaluation_config,
        score_thresholds=wanted.score_thresholds,
        slice_labels=wanted.labels,
    )
    owner = owner_reference("EvaluationJobVersion", metadata.name, metadata.uid)
    name = naming.version_run_name(metadata.name)
    return Dataset(metadata=run_metadata(job, name, owner=owner, version=metadata.name), spec=spec)


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


def build_run_job(
    run: ObjectMeta,
    step: StepJob,
    job: EvaluationJob,
    template: RunTemplate | None,
    policy: Policy,
) -> NewJob:
    """The Job of a step of a run, whose Dataset has the metadata `run`: without a uid as long as it
    does not exist, and that of its owner is filled in then."""
    source = table_source(job)
    labels = dict(run.labels)
    if step.label is not None:
        labels[naming.LABEL_STEP] = step.label
    body = _job(run.namespace, step.name, labels)
    body["metadata"]["ownerReferences"] = [owner_reference("Dataset", run.name, run.uid).to_dict()]
    spec = body["spec"]
    spec["activeDeadlineSeconds"] = _or(
        template, "active_deadline_seconds", _default_deadline_seconds(policy)
    )
    spec["backoffLimit"] = _or(template, "backoff_limit", BACKOFF_LIMIT)
    queue = template.queue_name if template else None
    if queue:
        body["metadata"]["labels"][naming.LABEL_QUEUE] = queue
        spec["suspend"] = True
    environment: list[EnvVar] = [
        _field_env("EVALUATION_NAMESPACE", "metadata.namespace"),
        {"name": "EVALUATION_DATASET", "value": run.name},
    ]
    spec["template"]["spec"] = _pod_spec(
        [step.argument], environment, source, template, policy, with_token=True
    )
    return body


def first_job(dataset: Dataset) -> StepJob:
    """Where people are asked the first Job only cuts; else the only one does everything."""
    asks = dataset.spec.labeling is not None
    step = step_job(dataset.metadata.name, Step.CUT if asks else Step.RUN)
    assert step is not None, "neither waits for people"
    return step


def build_table_check(job: EvaluationJob, policy: Policy, failed_checks: int = 0) -> NewJob:
    """The check of a table: shared by every job of the namespace that reads the same one.

    `failed_checks` of the same table went before it, in a row.
    """
    source = table_source(job)
    name = naming.table_check_name(source.digest)
    labels = {
        naming.LABEL_MANAGED_BY: naming.MANAGED_BY,
        naming.LABEL_COMPONENT: naming.COMPONENT_TABLE_CHECK,
        naming.LABEL_TABLE: source.digest[:16],
    }
    body = _job(job.metadata.namespace, name, labels)
    if failed_checks:
        body["metadata"]["annotations"] = {naming.ANNOTATION_FAILED_CHECKS: str(failed_checks)}
    spec = body["spec"]
    spec["activeDeadlineSeconds"] = CHECK_DEADLINE_SECONDS
    spec["backoffLimit"] = 1
    spec["ttlSecondsAfterFinished"] = CHECK_TTL_SECONDS
    environment: list[EnvVar] = [
        {"name": "EVALUATION_TABLE_URI", "value": source.uri},
        {"name": "EVALUATION_RESULTS_URI", "value": source.results_uri},
    ]
    spec["template"]["spec"] = _pod_spec(
        ["check"], environment, source, job.spec.run_template, policy, with_token=False
    )
    return body


def _dataset_spec(
    job: EvaluationJob,
    run_time: datetime,
    labels: Sequence[str],
    *,
    display_name: str,
    windows: list[RunWindow],
    evaluation_job_version: VersionReference | None = None,
    source_dataset: str | None = None,
    all_rows: bool | None = None,
    evaluation_config: EvaluationConfig | None = None,
    score_thresholds: Sequence[float] = (),
    slice_labels: Sequence[str] = (),
    labeling: DatasetLabeling | None = None,
    minimum_new_labels: int | None = None,
) -> DatasetSpec:
    config, namespace = job.spec.evaluation_job_config, job.metadata.namespace
    alert = config.evaluation_job_alert_config
    return DatasetSpec(
        display_name=display_name[:64],
        description=f"Run of EvaluationJob {job.metadata.name}",
        input_configs=[config.input_config],
        evaluation_job=JobReference(
            name=job.metadata.name, uid=job.metadata.uid, create_time=job.created
        ),
        evaluation_job_version=evaluation_job_version,
        scheduled_time=run_time,
        model_version=parse_model_version(job.spec.model_version, namespace=namespace),
        windows=windows,
        all_rows=all_rows,
        paused_spans=list(job.status.paused_spans),
        source_dataset=source_dataset,
        minimum_new_labels=minimum_new_labels,
        label_delay=job.spec.label_delay,
        interval_days=parse_schedule(job.spec.schedule).interval_days,
        example_count=config.example_count,
        example_sample_percentage=config.example_sample_percentage,
        bigquery_import_keys=config.bigquery_import_keys,
        evaluation_config=evaluation_config or config.evaluation_config,
        score_thresholds=list(score_thresholds),
        slice_labels=list(slice_labels),
        bounding_box_units=job.spec.bounding_box_units,
        alert=DatasetAlert(
            min_acceptable_mean_average_precision=alert.min_acceptable_mean_average_precision
        )
        if alert is not None
        else None,
        labeling=labeling,
        annotation_spec_set=parse_annotation_spec_set_name(
            job.spec.annotation_spec_set, namespace=namespace
        ),
        annotation_specs=list(labels),
        results_uri=table_source(job).results_uri,
    )


def _window(window: Window) -> RunWindow:
    return RunWindow(start_time=window.start, end_time=window.end, failures=window.failures or None)


def _job(namespace: str, name: str, labels: dict[str, str]) -> NewJob:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    # Who is told to end was deleted, which says nothing of the run and so does not
                    # count. The Eviction API and the cluster itself mark such a pod, `kubectl
                    # delete pod` does not.
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
                    {"action": "Ignore", "onExitCodes": _exit_codes([STOPPED_EXIT_CODE])},
                    {"action": "FailJob", "onExitCodes": _exit_codes(NOT_RETRIED_EXIT_CODES)},
                ]
            },
            "template": {"metadata": {"labels": dict(labels)}},
        },
    }


def _exit_codes(values: list[int]) -> ExitCodes:
    return {"containerName": "run", "operator": "In", "values": values}


def _pod_spec(
    arguments: list[str],
    environment: list[EnvVar],
    source: TableSource,
    template: RunTemplate | None,
    policy: Policy,
    *,
    with_token: bool,
) -> PodSpec:
    wanted = template.to_dict() if template else {}
    volumes: list[Volume] = [{"name": "scratch", "emptyDir": _scratch_space(policy)}]
    # A volume of the pod's own, which nobody else can write to.
    mounts: list[VolumeMount] = [{"name": "scratch", "mountPath": "/tmp"}]  # noqa: S108
    if source.volume_claim:
        claim: ClaimSource = {"claimName": source.volume_claim}
        volumes.append({"name": "table", "persistentVolumeClaim": claim})
        mounts.append({"name": "table", "mountPath": naming.MOUNT_PATH})
    secrets = tuple(dict.fromkeys(source.secrets))
    volumes += [secret_volume(number, name) for number, name in enumerate(secrets)]
    mounts += [secret_mount(number, name) for number, name in enumerate(secrets)]
    if with_token:
        volumes.append(token_volume())
        mounts.append(
            {
                "name": "token",
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                "readOnly": True,
            }
        )
    container: Container = {
        "name": "run",
        "image": wanted.get("image") or policy.image,
        "imagePullPolicy": policy.image_pull_policy,
        "args": arguments,
        "env": environment + secrets_env(secrets),
        "resources": _resources(wanted.get("resources"), policy),
        "volumeMounts": mounts,
        "terminationMessagePolicy": "File",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod: PodSpec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "serviceAccountName": wanted.get("serviceAccountName") or policy.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    }
    for key in _PASSED_ON:
        if wanted.get(key):
            pod[key] = wanted[key]
    return pod


def _default_deadline_seconds(policy: Policy) -> int:
    allowances = policy.limits.allowances
    if allowances is None:
        return ACTIVE_DEADLINE_SECONDS
    return min(ACTIVE_DEADLINE_SECONDS, allowances.max_deadline_seconds)


def _resources(asked: Resources | None, policy: Policy) -> Resources:
    """As the job asks for them. Without a limit of its memory, or with one of 0, which says the
    same, a pod may take all that its node has: then it is the most that a job may ask for."""
    if not asked:
        return {
            "requests": {"cpu": "100m", "memory": DEFAULT_MEMORY},
            "limits": {"memory": DEFAULT_MEMORY_LIMIT},
        }
    limits, requests = asked.get("limits", {}), asked.get("requests", {})
    if _is_asked_for("memory", limits):
        return asked
    most = _most("memory", policy) or DEFAULT_MEMORY_LIMIT
    # A request that is missing would be as large as the limit.
    return {
        "requests": {"memory": DEFAULT_MEMORY} | requests,
        "limits": limits | {"memory": most},
    }


def _scratch_space(policy: Policy) -> EmptyDir:
    """The disk is the node's, too."""
    most = _most("ephemeral-storage", policy)
    return {"sizeLimit": most} if most else {}


def _is_asked_for(name: str, amounts: Mapping[str, str]) -> bool:
    try:
        return parse_quantity(amounts.get(name, 0)) > 0
    except ValueError:
        return True


def _most(name: str, policy: Policy) -> str | None:
    """What a job may ask for, in whole units; None where the operator's settings say nothing."""
    allowances = policy.limits.allowances
    most = allowances.max_resources.get(name) if allowances is not None else None
    return f"{most:f}" if most else None


def _field_env(name: str, path: str) -> EnvVar:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _or(template: RunTemplate | None, field: str, default: int) -> int:
    value = getattr(template, field) if template is not None else None
    return default if value is None else int(value)
