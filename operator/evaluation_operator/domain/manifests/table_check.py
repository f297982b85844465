"""The Job that checks a table."""

from __future__ import annotations

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.kubernetes import (
    EnvVar,
    NewJob,
)
from evaluation_operator.domain import naming
from evaluation_operator.domain.manifests.pod import new_job, pod_spec
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.tables import table_source

CHECK_DEADLINE_SECONDS = 600
CHECK_TTL_SECONDS = 3 * 3600
"""A failed check is remembered by its Job, so this is longer than the longest wait for the next."""


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
    body = new_job(job.metadata.namespace, name, labels)
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
    spec["template"]["spec"] = pod_spec(
        ["check"], environment, source, job.spec.run_template, policy, with_token=False
    )
    return body
