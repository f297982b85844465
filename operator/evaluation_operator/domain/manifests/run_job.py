"""The Job of a step of a run."""

from __future__ import annotations

from evaluation_operator.api.base import ObjectMeta
from evaluation_operator.api.dataset import (
    Dataset,
)
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.kubernetes import (
    EnvVar,
    NewJob,
)
from evaluation_operator.api.run_template import RunTemplate
from evaluation_operator.domain import naming
from evaluation_operator.domain.facts.steps import Step, StepJob, step_job
from evaluation_operator.domain.manifests.metadata import owner_reference
from evaluation_operator.domain.manifests.pod import (
    asked_or,
    default_deadline_seconds,
    field_env,
    new_job,
    pod_spec,
)
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.tables import table_source

BACKOFF_LIMIT = 2


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
    body = new_job(run.namespace, step.name, labels)
    body["metadata"]["ownerReferences"] = [owner_reference("Dataset", run.name, run.uid).to_dict()]
    spec = body["spec"]
    spec["activeDeadlineSeconds"] = asked_or(
        template, "active_deadline_seconds", default_deadline_seconds(policy)
    )
    spec["backoffLimit"] = asked_or(template, "backoff_limit", BACKOFF_LIMIT)
    queue = template.queue_name if template else None
    if queue:
        body["metadata"]["labels"][naming.LABEL_QUEUE] = queue
        spec["suspend"] = True
    environment: list[EnvVar] = [
        field_env("EVALUATION_NAMESPACE", "metadata.namespace"),
        {"name": "EVALUATION_DATASET", "value": run.name},
    ]
    spec["template"]["spec"] = pod_spec(
        [step.argument], environment, source, template, policy, with_token=True
    )
    return body


def first_job(dataset: Dataset) -> StepJob:
    """Where people are asked the first Job only cuts; else the only one does everything."""
    asks = dataset.spec.labeling is not None
    step = step_job(dataset.metadata.name, Step.CUT if asks else Step.RUN)
    assert step is not None, "neither waits for people"
    return step
