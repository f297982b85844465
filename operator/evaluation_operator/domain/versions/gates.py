"""What keeps a version from having a run: what may still come, and what never does."""

from __future__ import annotations

from datetime import datetime

from evaluation_operator.api.codes import Code
from evaluation_operator.api.dataset import RunResult
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersion
from evaluation_operator.domain.conditions import clip, is_true, message_of
from evaluation_operator.domain.facts.dataset import Failure, Outcome
from evaluation_operator.domain.faults import Fault, listed
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.snapshot import Run, VersionSnapshot
from evaluation_operator.domain.stalled import (
    pod_faults,
    stalled_version_faults,
    version_faults,
)

REFUSAL_BYTES = 512


def waits_for(snapshot: VersionSnapshot, policy: Policy) -> tuple[Reason, str] | None:
    """What may still come; what lies in the version's own spec never does, and fails it."""
    spec, job = snapshot.version.spec, snapshot.job
    if job is None or job.metadata.deletion_timestamp is not None:
        return (
            Reason.JOB_NOT_FOUND,
            f"EvaluationJob {spec.evaluation_job!r} does not exist: apply it",
        )
    if snapshot.obstacle is not None:
        return snapshot.obstacle.reason, snapshot.obstacle.message
    conditions = job.status.conditions
    if is_true(conditions, "Stalled"):
        return Reason.JOB_STALLED, message_of(conditions, "Stalled")
    if not is_true(conditions, "Ready") or snapshot.labels is None:
        return Reason.JOB_NOT_READY, message_of(conditions, "Ready") or "the job is not ready yet"
    # What the status says may be of the job before it was edited, and this is where pods come from.
    if faults := pod_faults(job.spec.run_template, policy.limits):
        return Reason.JOB_NOT_READY, listed(faults)
    if spec.dataset is not None and not snapshot.source_dataset_found:
        message = (
            f"Dataset {spec.dataset!r} of EvaluationJob {spec.evaluation_job!r} does not exist"
        )
        return Reason.DATASET_NOT_FOUND, message
    return None


def refusal(version: EvaluationJobVersion, policy: Policy) -> tuple[Reason, str] | None:
    """Why the version's own spec, which nobody can edit, never gets a pod."""
    reason, faults = Reason.INVALID_SPEC, stalled_version_faults(version, limits=policy.limits)
    if not faults:
        reason, faults = Reason.NOT_ALLOWED, version_faults(version, limits=policy.limits)
    if not faults:
        return None
    cure = ": make a version with a runTemplate that is allowed"
    return reason, clip(listed(faults), REFUSAL_BYTES - len(cure)) + cure


def never_starts(
    snapshot: VersionSnapshot, run: Run, now: datetime, policy: Policy
) -> Outcome | None:
    """A run without a Job that can have none any more has failed; it would wait for ever."""
    version, job = snapshot.version, snapshot.job
    if run.job is not None:
        return None
    if (refused := refusal(version, policy)) is not None:
        message = refused[1]
    elif job is None or run.dataset.job_uid == job.uid or job.created < run.dataset.create_time:
        return None
    else:
        message = (
            f"the EvaluationJob {job.name!r} of this run is gone, and the one that has its name "
            "now is another: delete the version, and make one of that job"
        )
    failure = Failure(Code.FAILED_PRECONDITION, message)
    return Outcome(RunResult.FAILED, now, message=message, partial_failures=(failure,))


def templates_faults(
    version: EvaluationJobVersion, job: EvaluationJob, policy: Policy
) -> list[Fault]:
    """Of the job's template, too, where the version has one: its Secrets are the job's."""
    templates = (version.spec.run_template, job.spec.run_template)
    return [fault for it in templates for fault in pod_faults(it, policy.limits)]
