"""Runs that are evaluated again because labels came late: which are due, and what they consist of.

A revision is a Dataset of its own, `RUN-rN`, over the rows of its run; its Evaluation supersedes
the newest one of the run. It is due once enough labels have come, or on request; it is made again
only if somebody has deleted it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from evaluation_operator.api.base import ObjectMeta
from evaluation_operator.api.dataset import Dataset, DatasetSpec, Revision, RunResult
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain import naming
from evaluation_operator.domain.facts.dataset import DatasetFacts, RevisionFacts
from evaluation_operator.domain.jobs.run_history import Family, number_of
from evaluation_operator.domain.manifests.metadata import run_labels
from evaluation_operator.domain.plan import CreateRevision

MAX_ACTIVE_REVISIONS = 5
REQUEST_LENGTH = 512
TITLE_LENGTH = 64


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


def build_revision(root: Dataset, revision: RevisionFacts) -> Dataset:
    """The Dataset of a revision, owned by the run's job; `root` is the run's, as it is stored.

    A revision does without what people were asked, since they have been, and without a number of
    labels to wait for, since these are counted for the run alone.
    """
    spec, suffix = root.spec, f" revision {revision.number}"
    title = spec.display_name or revision.run
    revised = DatasetSpec(
        display_name=title[: TITLE_LENGTH - len(suffix)] + suffix,
        description=spec.description,
        input_configs=spec.input_configs,
        evaluation_job=spec.evaluation_job,
        evaluation_job_version=spec.evaluation_job_version,
        scheduled_time=spec.scheduled_time,
        model_version=spec.model_version,
        all_rows=spec.all_rows,
        source_dataset=revision.run,
        revision=Revision(
            run=revision.run,
            number=revision.number,
            supersedes=revision.supersedes,
            new_label_count=revision.new_label_count,
            request=revision.request,
        ),
        label_delay=spec.label_delay,
        interval_days=spec.interval_days,
        example_count=spec.example_count,
        example_sample_percentage=spec.example_sample_percentage,
        bigquery_import_keys=spec.bigquery_import_keys,
        evaluation_config=spec.evaluation_config,
        score_thresholds=spec.score_thresholds,
        slice_labels=spec.slice_labels,
        bounding_box_units=spec.bounding_box_units,
        alert=spec.alert,
        annotation_spec_set=spec.annotation_spec_set,
        annotation_specs=spec.annotation_specs,
        results_uri=spec.results_uri,
    )
    name = naming.revision_name(revision.run, revision.number)
    metadata = root.metadata
    owners = [owner for owner in metadata.owner_references if owner.controller]
    return Dataset(
        metadata=ObjectMeta(
            name=name,
            namespace=metadata.namespace,
            labels=run_labels(spec.evaluation_job.name, name),
            owner_references=owners[:1],
        ),
        spec=revised,
    )


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
