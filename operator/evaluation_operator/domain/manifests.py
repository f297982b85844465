"""The objects that a run consists of, as they are created.

A run's pod may read nothing but its Dataset, so the Dataset's spec carries a copy of everything
that the run needs. Whatever a job's runTemplate asks for, the pod keeps the `restricted` profile
of the Pod Security Standards.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from evaluation_operator.api.base import API_VERSION, format_time
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersion
from evaluation_operator.api.instruction import InstructionSpec
from evaluation_operator.api.names import parse_annotation_spec_set_name, parse_model_version
from evaluation_operator.api.run_template import RunTemplate
from evaluation_operator.domain import naming
from evaluation_operator.domain.cover import Window
from evaluation_operator.domain.labeling import labeling_spec
from evaluation_operator.domain.mounts import (
    secret_mount,
    secret_volume,
    secrets_env,
    token_volume,
)
from evaluation_operator.domain.pod_facts import STOPPED_EXIT_CODE
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.quantities import parse_quantity
from evaluation_operator.domain.schedule import parse_schedule
from evaluation_operator.domain.steps import Step, StepJob, step_job
from evaluation_operator.domain.tables import TableSource, table_source

Body = dict[str, Any]

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


def owner_reference(kind: str, name: str, uid: str, *, api_version: str = API_VERSION) -> Body:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
    }


def lease_for_model_version(job: EvaluationJob, resource_version: str | None = None) -> Body:
    model = parse_model_version(job.spec.model_version, namespace=job.metadata.namespace)
    metadata: Body = {
        "name": naming.model_version_lease_name(model.model, model.version),
        "namespace": job.metadata.namespace,
        "labels": {
            naming.LABEL_MANAGED_BY: naming.MANAGED_BY,
            naming.LABEL_COMPONENT: naming.COMPONENT_MODEL_VERSION,
        },
        "ownerReferences": [
            owner_reference("EvaluationJob", job.metadata.name, job.metadata.uid),
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
) -> Body:
    """The Dataset of a scheduled run, owned by its job. With an instruction, people are asked for
    the ground truth that is missing, if the job wants that."""
    name = naming.run_name(job.metadata.name, scheduled_time)
    spec = _dataset_spec(job, scheduled_time, labels)
    if job.spec.label_missing_ground_truth and instruction is not None:
        spec["labeling"] = labeling_spec(job, instruction)
    spec["displayName"] = f"{job.metadata.name} {format_time(scheduled_time)}"[:64]
    spec["windows"] = [_window(window) for window in windows]
    if job.spec.labeling is not None and job.spec.labeling.minimum_new_labels is not None:
        spec["minimumNewLabels"] = job.spec.labeling.minimum_new_labels
    owner = owner_reference("EvaluationJob", job.metadata.name, job.metadata.uid)
    return dataset_body(job.metadata.namespace, job.metadata.name, name, spec, owner)


def build_version_dataset(
    version: EvaluationJobVersion,
    job: EvaluationJob,
    number: int,
    now: datetime,
    *,
    labels: Sequence[str],
) -> Body:
    """The Dataset of a version, owned by it: the job's data under the version's own parameters.

    A version never asks people: it evaluates at once, with the labels that are there.
    """
    name = naming.version_run_name(version.metadata.name)
    spec = _dataset_spec(job, now, labels)
    spec["displayName"] = version.metadata.name[:64]
    spec["evaluationJobVersion"] = {
        "name": version.metadata.name,
        "uid": version.metadata.uid,
        "number": number,
    }
    wanted = version.spec
    if wanted.window is not None:
        spec["windows"] = [wanted.window.to_dict()]
    elif wanted.dataset is not None:
        spec["sourceDataset"] = wanted.dataset
    else:
        spec["allRows"] = True
    if wanted.evaluation_config is not None:
        spec["evaluationConfig"] = wanted.evaluation_config.to_dict()
    if wanted.score_thresholds:
        spec["scoreThresholds"] = list(wanted.score_thresholds)
    if wanted.labels:
        spec["sliceLabels"] = list(wanted.labels)
    owner = owner_reference("EvaluationJobVersion", version.metadata.name, version.metadata.uid)
    body = dataset_body(job.metadata.namespace, job.metadata.name, name, spec, owner)
    body["metadata"]["labels"][naming.LABEL_VERSION] = version.metadata.name
    return body


def build_run_job(
    dataset: Body,
    job: EvaluationJob,
    template: RunTemplate | None,
    policy: Policy,
    step: StepJob | None = None,
) -> Body:
    """The Job of a run, by default the first. Its owner's uid is filled in when the Dataset
    exists."""
    metadata = dataset["metadata"]
    source = table_source(job)
    step = step or first_job(dataset)
    labels = dict(metadata["labels"])
    if step.label is not None:
        labels[naming.LABEL_STEP] = step.label
    body = _job(metadata["namespace"], step.name, labels)
    body["metadata"]["ownerReferences"] = [
        owner_reference("Dataset", metadata["name"], metadata.get("uid", ""))
    ]
    spec = body["spec"]
    spec["activeDeadlineSeconds"] = _or(
        template, "active_deadline_seconds", _default_deadline_seconds(policy)
    )
    spec["backoffLimit"] = _or(template, "backoff_limit", BACKOFF_LIMIT)
    queue = template.queue_name if template else None
    if queue:
        body["metadata"]["labels"][naming.LABEL_QUEUE] = queue
        spec["suspend"] = True
    environment = [
        _field_env("EVALUATION_NAMESPACE", "metadata.namespace"),
        {"name": "EVALUATION_DATASET", "value": metadata["name"]},
    ]
    spec["template"]["spec"] = _pod_spec(
        [step.argument], environment, source, template, policy, with_token=True
    )
    return body


def first_job(dataset: Body) -> StepJob:
    """Where people are asked the first Job only cuts; else the only one does everything."""
    step = step_job(dataset["metadata"]["name"], Step.CUT if _asks(dataset) else Step.RUN)
    assert step is not None, "neither waits for people"
    return step


def _asks(dataset: Body) -> bool:
    return "labeling" in dataset["spec"]


def build_table_check(job: EvaluationJob, policy: Policy, failed_checks: int = 0) -> Body:
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
    environment = [
        {"name": "EVALUATION_TABLE_URI", "value": source.uri},
        {"name": "EVALUATION_RESULTS_URI", "value": source.results_uri},
    ]
    spec["template"]["spec"] = _pod_spec(
        ["check"], environment, source, job.spec.run_template, policy, with_token=False
    )
    return body


def dataset_body(namespace: str, job: str, name: str, spec: Body, owner: Body) -> Body:
    """A Dataset of the EvaluationJob named `job`, with the labels by which it is found."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Dataset",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {
                naming.LABEL_MANAGED_BY: naming.MANAGED_BY,
                naming.LABEL_COMPONENT: naming.COMPONENT_RUN,
                naming.LABEL_JOB: job,
                naming.LABEL_DATASET: name,
            },
            "ownerReferences": [owner],
        },
        "spec": spec,
    }


def _dataset_spec(job: EvaluationJob, run_time: datetime, labels: Sequence[str]) -> Body:
    config = job.spec.evaluation_job_config
    namespace = job.metadata.namespace
    model = parse_model_version(job.spec.model_version, namespace=namespace)
    status = job.status
    spec: Body = {
        "description": f"Run of EvaluationJob {job.metadata.name}",
        "inputConfigs": [config.input_config.to_dict()],
        "evaluationJob": {
            "name": job.metadata.name,
            "uid": job.metadata.uid,
            "createTime": format_time(job.created),
        },
        "scheduledTime": format_time(run_time),
        "modelVersion": {"model": model.model, "version": model.version},
        "intervalDays": parse_schedule(job.spec.schedule).interval_days,
        "exampleCount": config.example_count,
        "exampleSamplePercentage": config.example_sample_percentage,
        "bigqueryImportKeys": config.bigquery_import_keys.to_dict(),
        "evaluationConfig": config.evaluation_config.to_dict(),
        "annotationSpecSet": parse_annotation_spec_set_name(
            job.spec.annotation_spec_set, namespace=namespace
        ),
        "annotationSpecs": list(labels),
        "resultsUri": table_source(job).results_uri,
        "windows": [],
        "pausedSpans": [item.to_dict() for item in status.paused_spans or ()],
    }
    if job.spec.label_delay is not None:
        spec["labelDelay"] = job.spec.label_delay
    if job.spec.bounding_box_units is not None:
        spec["boundingBoxUnits"] = str(job.spec.bounding_box_units)
    alert = config.evaluation_job_alert_config
    if alert is not None:
        threshold = alert.min_acceptable_mean_average_precision
        spec["alert"] = {"minAcceptableMeanAveragePrecision": threshold}
    return spec


def _window(window: Window) -> Body:
    body: Body = {"startTime": format_time(window.start), "endTime": format_time(window.end)}
    if window.failures:
        body["failures"] = window.failures
    return body


def _job(namespace: str, name: str, labels: dict[str, str]) -> Body:
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


def _exit_codes(values: list[int]) -> Body:
    return {"containerName": "run", "operator": "In", "values": values}


def _pod_spec(
    arguments: list[str],
    environment: list[Body],
    source: TableSource,
    template: RunTemplate | None,
    policy: Policy,
    *,
    with_token: bool,
) -> Body:
    wanted = template.to_dict() if template else {}
    volumes: list[Body] = [{"name": "scratch", "emptyDir": _scratch_space(policy)}]
    # A volume of the pod's own, which nobody else can write to.
    mounts: list[Body] = [{"name": "scratch", "mountPath": "/tmp"}]  # noqa: S108
    if source.volume_claim:
        claim = {"claimName": source.volume_claim}
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
    container: Body = {
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
    pod: Body = {
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
    passed_on = ("nodeSelector", "tolerations", "affinity", "priorityClassName", "imagePullSecrets")
    return pod | {key: wanted[key] for key in passed_on if wanted.get(key)}


def _default_deadline_seconds(policy: Policy) -> int:
    allowances = policy.limits.allowances
    if allowances is None:
        return ACTIVE_DEADLINE_SECONDS
    return min(ACTIVE_DEADLINE_SECONDS, allowances.max_deadline_seconds)


def _resources(asked: Body | None, policy: Policy) -> Body:
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


def _scratch_space(policy: Policy) -> Body:
    """The disk is the node's, too."""
    most = _most("ephemeral-storage", policy)
    return {"sizeLimit": most} if most else {}


def _is_asked_for(name: str, amounts: Body) -> bool:
    try:
        return parse_quantity(amounts.get(name, 0)) > 0
    except ValueError:
        return True


def _most(name: str, policy: Policy) -> str | None:
    """What a job may ask for, in whole units; None where the operator's settings say nothing."""
    allowances = policy.limits.allowances
    most = allowances.max_resources.get(name) if allowances is not None else None
    return f"{most:f}" if most else None


def _field_env(name: str, path: str) -> Body:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _or(template: RunTemplate | None, field: str, default: int) -> int:
    value = getattr(template, field) if template is not None else None
    return default if value is None else int(value)
