"""Old runs of a job go, each with its revisions, once there are more than are kept."""

from __future__ import annotations

from evaluation_operator.domain.jobs.draft import JobDraft
from evaluation_operator.domain.jobs.run_history import families
from evaluation_operator.domain.plan import CreateRevision, DeleteDataset
from evaluation_operator.domain.snapshot import JobSnapshot


def prune(draft: JobDraft, snapshot: JobSnapshot) -> None:
    """Keep the newest finished runs; what they found stays at resultsUri."""
    active = {run.name for run in draft.status.active}
    active |= {item.root.name for item in draft.actions if isinstance(item, CreateRevision)}
    finished = [
        family
        for family in families(run.dataset for run in snapshot.runs if not run.dataset.deleting)
        if not any(item.name in active for item in family.members)
    ]
    surplus = len(finished) - snapshot.job.spec.history_limit
    for family in finished[: max(surplus, 0)]:
        draft.final_actions.extend(DeleteDataset(dataset) for dataset in family.members)
