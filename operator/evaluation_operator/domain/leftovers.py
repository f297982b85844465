"""The Job of a run that has its outcome. Mostly it ends by itself, and soon; else it would make
further pods for nothing, or keep its place in the namespace for as long as its deadline."""

from __future__ import annotations

from datetime import datetime

from evaluation_operator.domain.plan import DeleteJob
from evaluation_operator.domain.snapshot import Run
from evaluation_operator.domain.standing import PATIENCE, is_at_work


def follow_left_over(run: Run, now: datetime) -> tuple[list[DeleteJob], datetime | None]:
    """What is to be done about the Job, and when to look again.

    Called once the run's outcome is decided: one that the Dataset does not have yet is the
    operator's own, and then nothing more is to come of the Job.
    """
    job, pods, outcome = run.job, run.pods, run.dataset.outcome
    if job is None or job.finished or job.failing_since is not None or job.deleting:
        return [], None
    if outcome is None:
        return [DeleteJob(job)], None
    if is_at_work(pods) or any(pod.has_succeeded and not pod.still_running for pod in pods):
        return [], None
    if any(pod.has_failed for pod in pods) or now - outcome.time >= PATIENCE:
        return [DeleteJob(job)], None
    return [], now + PATIENCE
