"""Runs that are evaluated again because labels came late: which are due, and what they consist of.

A revision is a Dataset of its own, `RUN-rN`, over the rows of its run; its Evaluation supersedes
the newest one of the run. It is due once enough labels have come, or on request; it is made again
only if somebody has deleted it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evaluation_operator.api.dataset import RunResult
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain import naming
from evaluation_operator.domain.facts import DatasetFacts, RevisionFacts
from evaluation_operator.domain.families import Family, number_of
from evaluation_operator.domain.manifests import Body, dataset_body
from evaluation_operator.domain.plan import CreateRevision

MAX_ACTIVE_REVISIONS = 5
REQUEST_LENGTH = 512
TITLE_LENGTH = 64
NOT_COPIED = ("labeling", "minimumNewLabels")
"""What of a run's spec its revisions do without: people have been asked, and labels are counted
for the run alone."""


def due_revisions(
    job: EvaluationJob, found: Iterable[Family], active: frozenset[str]
) -> list[CreateRevision]:
    """What was asked for first, then the newest runs. `active`: runs that are not recorded yet.

    While the job is paused no number of labels makes one; a request does.
    """
    due = [
        (request is None, -index, CreateRevision(root, _next(root, family, request)))
        for index, family in enumerate(found)
        if (root := _revisable(family, active)) is not None
        for request in _reasons(job, root, family)[:1]
    ]
    return [action for *_, action in sorted(due, key=lambda item: item[:2])]


def build_revision(root: Mapping[str, Any], revision: RevisionFacts) -> Body:
    """The Dataset of a revision, owned by the run's job; `root` is the run's, as it is stored."""
    metadata, spec = root["metadata"], root["spec"]
    name = naming.revision_name(revision.run, revision.number)
    suffix = f" revision {revision.number}"
    title = str(spec.get("displayName") or revision.run)
    described: Body = {
        "run": revision.run,
        "number": revision.number,
        "supersedes": revision.supersedes,
        "newLabelCount": revision.new_label_count,
    }
    if revision.request is not None:
        described["request"] = revision.request
    kept = {key: value for key, value in spec.items() if key not in NOT_COPIED}
    changes: Body = {
        "displayName": title[: TITLE_LENGTH - len(suffix)] + suffix,
        "windows": [],
        "pausedSpans": [],
        "sourceDataset": revision.run,
        "revision": described,
    }
    owner = next(item for item in metadata["ownerReferences"] if item.get("controller"))
    job = spec["evaluationJob"]["name"]
    return dataset_body(metadata["namespace"], job, name, kept | changes, dict(owner))


def _revisable(family: Family, active: frozenset[str]) -> DatasetFacts | None:
    """The run, if it has an Evaluation to supersede and nothing of its family is under way.

    What is failed in this turn is not active any more, and has no outcome to be seen yet.
    """
    root = family.root
    if root is None or root.deleting or root.outcome is None:
        return None
    if root.outcome.result is not RunResult.SUCCEEDED:
        return None
    return None if any(item.name in active for item in family.members) else root


def _reasons(job: EvaluationJob, root: DatasetFacts, family: Family) -> list[str | None]:
    """Why the run is to be revised: the request, or None for the number of its new labels."""
    known = [item.revision for item in family.revisions if item.revision is not None]
    reasons: list[str | None] = []
    request = requested(job.metadata.annotations)
    if request is not None and request.split()[0] == root.name:
        reasons += [request] if all(item.request != request for item in known) else []
    labeling = job.spec.labeling
    least = labeling.minimum_new_labels if labeling is not None else None
    counted = known[-1].new_label_count if known else 0
    if least is not None and not job.spec.is_paused and root.new_label_count - counted >= least:
        reasons.append(None)
    return reasons


def requested(annotations: Mapping[str, str]) -> str | None:
    """What the job's annotation asks for, as its revision will carry it; None for nothing."""
    value = annotations.get(naming.ANNOTATION_REEVALUATE, "")[:REQUEST_LENGTH]
    return value if value.strip() else None


def _next(root: DatasetFacts, family: Family, request: str | None) -> RevisionFacts:
    return RevisionFacts(
        run=root.name,
        number=max((number_of(item) for item in family.revisions), default=0) + 1,
        supersedes=family.evaluation or root.name,
        new_label_count=root.new_label_count,
        request=request,
    )
