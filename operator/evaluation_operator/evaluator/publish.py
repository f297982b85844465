"""Telling the cluster: the Evaluation first, then the one write that commits the run.

Whoever writes `Dataset.status.outcome` second yields: a run that the operator has failed in the
meantime takes its Evaluation back, since its rows have gone to another run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from evaluation_operator.api.dataset import Cut as KeptCut
from evaluation_operator.api.dataset import Dataset, Outcome, Writer
from evaluation_operator.api.dataset import RunResult as Result
from evaluation_operator.domain.headline import headline
from evaluation_operator.domain.labeled import with_labeled
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.evaluator.run import CutResult, RunResult
from evaluation_operator.kube import (
    DATASETS,
    EVALUATIONS,
    AlreadyExists,
    Conflict,
    Kube,
    NoPeace,
    NotFound,
    Resource,
    change_status,
)
from evaluation_operator.results.errors import Unavailable
from evaluation_operator.results.rows import Cut

Body: TypeAlias = dict[str, Any]
Status: TypeAlias = Body

ATTEMPTS = 10


async def read_dataset(kube: Kube, namespace: str, name: str) -> Dataset | None:
    """None when it is gone, and with it the need for the run."""
    try:
        return Dataset.from_dict(await kube.get(DATASETS, namespace, name))
    except NotFound:
        return None


async def publish_cut(kube: Kube, dataset: Dataset, result: CutResult, folder_uri: str) -> bool:
    """Hand the run over to people; False when it is not wanted any more. One write."""

    def handed(status: Status) -> Status | None:
        if status.get("outcome") or status.get("cut"):
            return None
        changed = status | _cut_status(result, folder_uri)
        if result.tasks:
            return changed
        # Nobody else says it where there is nothing to label.
        return with_labeled(
            changed,
            Reason.NOTHING_TO_LABEL,
            "every item that can be labelled has ground truth",
            generation=dataset.metadata.generation,
            now=result.cut.figures.time,
        )

    after = await change_dataset(kube, dataset, handed)
    return after is not None and not after.get("outcome")


async def publish(kube: Kube, dataset: Dataset, result: RunResult, folder_uri: str) -> bool:
    """Whether the run is committed: False when somebody else decided before it did."""
    created: str | None = None
    if result.evaluation is not None:
        created = await _create_evaluation(kube, dataset, result.evaluation.to_dict())
        await _supersede(kube, dataset)

    def committed(status: Status) -> Status | None:
        return None if status.get("outcome") else status | _status(result, folder_uri)

    after = await change_dataset(kube, dataset, committed)
    if after is None:
        return False
    outcome = after["outcome"]
    if outcome["result"] == Result.FAILED and created is not None:
        await _take_back(kube, dataset, created)
    return bool(outcome.get("writtenBy") == Writer.RUN)


async def change_dataset(
    kube: Kube, dataset: Dataset, change: Callable[[Status], Status | None]
) -> Status | None:
    """The Dataset's status after the change, which may be none; None if it is gone."""
    metadata = dataset.metadata
    return await _change(
        kube, DATASETS, metadata.namespace, metadata.name, change, uid=metadata.uid
    )


async def _change(
    kube: Kube,
    resource: Resource,
    namespace: str,
    name: str,
    change: Callable[[Status], Status | None],
    *,
    uid: str | None = None,
) -> Status | None:
    """The same for any object; without a uid for whichever has the name."""

    def changed(body: Body) -> Body | None:
        return change(body.get("status") or {})

    try:
        return await change_status(kube, resource, namespace, name, changed, uid=uid)
    except NoPeace as error:
        raise Unavailable(str(error)) from error


async def _supersede(kube: Kube, dataset: Dataset) -> None:
    """Say in the Evaluation that is superseded which one takes its place; it may be gone."""
    name = dataset.metadata.name

    def linked(status: Status) -> Status | None:
        return None if status.get("supersededBy") == name else status | {"supersededBy": name}

    await _change_superseded(kube, dataset, linked)


async def _change_superseded(
    kube: Kube, dataset: Dataset, change: Callable[[Status], Status | None]
) -> None:
    revision = dataset.spec.revision
    if revision is not None:
        namespace = dataset.metadata.namespace
        await _change(kube, EVALUATIONS, namespace, revision.supersedes, change)


async def _create_evaluation(kube: Kube, dataset: Dataset, body: dict[str, Any]) -> str:
    """The uid of the Evaluation; one that a pod before this one made is adopted."""
    namespace, name = dataset.metadata.namespace, dataset.metadata.name
    for _ in range(ATTEMPTS):
        try:
            made = await kube.create(EVALUATIONS, namespace, body)
        except AlreadyExists:
            try:
                made = await kube.get(EVALUATIONS, namespace, name)
            except NotFound:
                continue
            owners = made["metadata"].get("ownerReferences") or []
            if not any(owner["uid"] == dataset.metadata.uid for owner in owners):
                raise Unavailable(
                    f"Evaluation {name} belongs to something else: delete it, and the run goes on"
                ) from None
        return str(made["metadata"]["uid"])
    raise Unavailable(f"Evaluation {name} comes and goes while the run tries to create it")


async def _take_back(kube: Kube, dataset: Dataset, uid: str) -> None:
    namespace, name = dataset.metadata.namespace, dataset.metadata.name

    def unlinked(status: Status) -> Status | None:
        if status.get("supersededBy") != name:
            return None
        return {key: value for key, value in status.items() if key != "supersededBy"}

    await _change_superseded(kube, dataset, unlinked)
    try:
        await kube.delete(EVALUATIONS, namespace, name, uid=uid)
    except (NotFound, Conflict):
        return


def _status(result: RunResult, folder_uri: str) -> dict[str, Any]:
    cut, evaluation = result.cut, result.evaluation
    if evaluation is None:
        outcome = Outcome(
            result=Result.NO_DATA,
            time=cut.figures.time,
            written_by=Writer.RUN,
            late_rows=result.late_rows or None,
        )
    else:
        outcome = Outcome(
            result=Result.SUCCEEDED,
            time=evaluation.spec.create_time,
            written_by=Writer.RUN,
            late_rows=result.late_rows or None,
            evaluation=evaluation.metadata.name,
            evaluated_item_count=result.counts.evaluated,
            unscored_item_count=result.counts.unscored or None,
            mean_average_precision=headline(evaluation.spec).mean_average_precision,
        )
    return {
        "dataItemCount": result.counts.items,
        "labeledItemCount": result.counts.evaluated,
        "cut": _cut_body(cut, folder_uri),
        "outcome": outcome.to_dict(),
    }


def _cut_status(result: CutResult, folder_uri: str) -> dict[str, Any]:
    return {
        "cut": _cut_body(result.cut, folder_uri),
        "dataItemCount": result.cut.figures.item_count,
        "totalCount": result.tasks,
        "completedCount": 0,
        "progressPercent": 0 if result.tasks else 100,
    }


def _cut_body(cut: Cut, folder_uri: str) -> dict[str, Any]:
    return KeptCut(
        uri=folder_uri,
        row_count=cut.figures.row_count,
        item_count=cut.figures.item_count,
        digest=cut.figures.digest,
        time=cut.figures.time,
    ).to_dict()
