"""Telling the cluster: the Evaluation first, then the one write that commits the run.

Whoever writes `Dataset.status.outcome` second yields: a run that the operator has failed in the
meantime takes its Evaluation back, since its rows have gone to another run.
"""

from __future__ import annotations

from typing import Any

from evaluation_operator.api.base import format_time
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.evaluator.cut import Cut
from evaluation_operator.evaluator.errors import Unavailable
from evaluation_operator.evaluator.labels import NOTHING_TO_LABEL
from evaluation_operator.evaluator.run import CutResult, RunResult
from evaluation_operator.kube import DATASETS, EVALUATIONS, AlreadyExists, Conflict, Kube, NotFound

ATTEMPTS = 10


async def read_dataset(kube: Kube, namespace: str, name: str) -> Dataset | None:
    """None when it is gone, and with it the need for the run."""
    try:
        return Dataset.from_dict(await kube.get(DATASETS, namespace, name))
    except NotFound:
        return None


async def publish_cut(kube: Kube, dataset: Dataset, result: CutResult, folder_uri: str) -> bool:
    """Hand the run over to people; False when it is not wanted any more. One write."""
    namespace, name = dataset.metadata.namespace, dataset.metadata.name
    for _ in range(ATTEMPTS):
        try:
            body = await kube.get(DATASETS, namespace, name)
        except NotFound:
            return False
        status = body.get("status") or {}
        if body["metadata"]["uid"] != dataset.metadata.uid or status.get("outcome"):
            return False
        if status.get("cut"):
            return True
        body["status"] = status | _cut_status(result, folder_uri, status.get("conditions") or [])
        try:
            await kube.replace_status(DATASETS, namespace, body)
        except Conflict:
            continue
        except NotFound:
            return False
        return True
    raise Unavailable(f"Dataset {name}: its status changed {ATTEMPTS} times under the run's hand")


async def publish(kube: Kube, dataset: Dataset, result: RunResult, folder_uri: str) -> bool:
    """Whether the run is committed: False when somebody else decided before it did."""
    created: str | None = None
    if result.evaluation is not None:
        created = await _create_evaluation(kube, dataset, result.evaluation.to_dict())
    namespace, name = dataset.metadata.namespace, dataset.metadata.name
    for _ in range(ATTEMPTS):
        try:
            body = await kube.get(DATASETS, namespace, name)
        except NotFound:
            return False
        status = body.get("status") or {}
        if body["metadata"]["uid"] != dataset.metadata.uid:
            return False
        if outcome := status.get("outcome"):
            if outcome["result"] == "Failed" and created is not None:
                await _take_back(kube, namespace, name, created)
            return bool(outcome.get("writtenBy") == "Run")
        body["status"] = status | _status(result, folder_uri)
        try:
            await kube.replace_status(DATASETS, namespace, body)
        except Conflict:
            continue
        except NotFound:
            return False
        return True
    raise Unavailable(f"Dataset {name}: its status changed {ATTEMPTS} times under the run's hand")


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


async def _take_back(kube: Kube, namespace: str, name: str, uid: str) -> None:
    try:
        await kube.delete(EVALUATIONS, namespace, name, uid=uid)
    except (NotFound, Conflict):
        return


def _status(result: RunResult, folder_uri: str) -> dict[str, Any]:
    cut, evaluation = result.cut, result.evaluation
    outcome: dict[str, Any] = {
        "result": "Succeeded" if evaluation is not None else "NoData",
        "time": format_time(evaluation.spec.create_time if evaluation is not None else cut.time),
        "writtenBy": "Run",
    }
    if result.late_rows:
        outcome["lateRows"] = result.late_rows
    if evaluation is not None:
        outcome |= {
            "evaluation": evaluation.metadata.name,
            "evaluatedItemCount": result.counts.evaluated,
        }
        if (figure := _figure(evaluation.spec)) is not None:
            outcome["meanAveragePrecision"] = figure
    return {
        "dataItemCount": result.counts.items,
        "labeledItemCount": result.counts.evaluated,
        "cut": _cut_body(cut, folder_uri),
        "outcome": outcome,
    }


def _cut_status(
    result: CutResult, folder_uri: str, conditions: list[dict[str, Any]]
) -> dict[str, Any]:
    """Where nothing is to be labelled, that is said at once: nobody else will."""
    status: dict[str, Any] = {
        "cut": _cut_body(result.cut, folder_uri),
        "dataItemCount": result.cut.item_count,
        "totalCount": result.tasks,
        "completedCount": 0,
        "progressPercent": 0 if result.tasks else 100,
    }
    if result.tasks == 0:
        labeled = {
            "type": "Labeled",
            "status": "True",
            "reason": NOTHING_TO_LABEL,
            "message": "every item that can be labelled has ground truth",
            "lastTransitionTime": format_time(result.cut.time),
        }
        others = [item for item in conditions if item["type"] != "Labeled"]
        status["conditions"] = [*others, labeled]
    return status


def _cut_body(cut: Cut, folder_uri: str) -> dict[str, Any]:
    return {
        "uri": folder_uri,
        "rowCount": cut.row_count,
        "itemCount": cut.item_count,
        "digest": cut.digest,
        "time": format_time(cut.time),
    }


def _figure(spec: Any) -> float | None:
    """The mean average precision to alert by: the weighted one where items weigh differently."""
    if spec.weighted is not None:
        weighted: float | None = spec.weighted.mean_average_precision
        return weighted
    plain: float | None = spec.mean_average_precision
    return plain
