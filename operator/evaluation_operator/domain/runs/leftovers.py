"""The Job of a run that has its outcome. Mostly it ends by itself, and soon; else it would make
further pods for nothing, or keep its place in the namespace for as long as its deadline."""

from __future__ import annotations

from datetime import datetime

from evaluation_operator.domain.facts.standing import PATIENCE, is_at_work, is_kept_alive
from evaluation_operator.domain.plan import DeleteJob
from evaluation_operator.domain.snapshot import Run


def end_left_over(run: Run, now: datetime) -> tuple[list[DeleteJob], datetime | None]:
    """What is to be done about the Job, and when to look again.

    Called once the run's outcome is decided: one that the Dataset does not have yet is the
    operator's own, and then nothing more is to come of the Job. Else the pod that wrote it may
    still have to look back at earlier runs, and the kubelet to say that it has begun at all.
    """
    job, pods = run.job, run.pods
    if job is None or job.finished or job.failing_since is not None or job.deleting:
        return [], None
    if run.dataset.outcome is None:
        return [DeleteJob(job)], None
    if any(is_kept_alive(pod, now) for pod in pods):
        return [DeleteJob(job)], None
    if any(pod.still_running for pod in pods):
        return [], now + PATIENCE
    if is_at_work(pods) or any(pod.has_succeeded for pod in pods):
        return [], None
    cannot_be_the_writer = [pod.has_failed or pod.waiting or pod.unschedulable for pod in pods]
    if any(cannot_be_the_writer) or (not pods and not job.active_pods):
        return [DeleteJob(job)], None
    return [], None
