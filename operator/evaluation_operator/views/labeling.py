"""What Datasets tell of their labelling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from evaluation_operator.api.base import format_time
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import Evaluation, LabelingSummary
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain.conditions import message_of
from evaluation_operator.domain.facts.dataset import DatasetFacts
from evaluation_operator.domain.jobs.run_history import families
from evaluation_operator.domain.labeled import LABELED, deadline_of
from evaluation_operator.views.job import Body

CUTTING = "Cutting"
"""Of a run that has not told yet what people are asked."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run whose items people label, or have labelled."""

    dataset: Dataset

    @property
    def reason(self) -> str:
        found = (it for it in self.dataset.status.conditions if it.type == LABELED)
        return next((str(it.reason) for it in found), CUTTING)

    @property
    def message(self) -> str:
        return message_of(self.dataset.status.conditions, LABELED)

    @property
    def deadline(self) -> datetime | None:
        return deadline_of(self.dataset)

    @property
    def has_ended(self) -> bool:
        return self.dataset.status.outcome is not None

    def to_dict(self) -> dict[str, object]:
        status = self.dataset.status
        return {
            "name": self.dataset.name,
            "progressPercent": status.progress_percent,
            "completedCount": status.completed_count,
            "totalCount": status.total_count,
            "reason": self.reason,
            "message": self.message or None,
            "deadline": format_time(self.deadline) if self.deadline else None,
            "outcome": str(status.outcome.result) if status.outcome else None,
            "partialFailures": [it.to_dict() for it in status.partial_failures],
        }


@dataclass(frozen=True, slots=True)
class LateView:
    """A run that labels have come for since its first Evaluation; `evaluation` is its newest."""

    run: str
    new_labels: int
    evaluation: str

    def to_dict(self) -> dict[str, object]:
        return {
            "run": self.run,
            "newLabelCount": self.new_labels,
            "newestEvaluation": self.evaluation,
        }


@dataclass(frozen=True, slots=True)
class LabelingView:
    """`latest` is what the last Evaluation says of its labelling. Runs are the newest first."""

    job: EvaluationJob
    runs: tuple[RunView, ...]
    late: tuple[LateView, ...]
    evaluation: str | None
    latest: LabelingSummary | None

    def to_dict(self) -> dict[str, object]:
        return {
            "job": self.job.name,
            "labelMissingGroundTruth": self.job.spec.label_missing_ground_truth,
            "runs": [run.to_dict() for run in self.runs],
            "lateLabels": [run.to_dict() for run in self.late],
            "latestEvaluation": self.evaluation,
            "latestLabeling": self.latest.to_dict() if self.latest else None,
        }


def _late(datasets: Sequence[DatasetFacts]) -> tuple[LateView, ...]:
    found = [
        LateView(family.root.name, family.root.new_label_count, family.evaluation)
        for family in families(datasets)
        if family.root is not None and family.root.new_label_count and family.evaluation
    ]
    return tuple(reversed(found))


def view_labeling(
    job: EvaluationJob, datasets: Iterable[Body], evaluation: Body | None
) -> LabelingView:
    """Of the Datasets that carry the job's name, and its latest Evaluation if that is there."""
    runs, facts = [], []
    for body in datasets:
        if body["spec"]["evaluationJob"]["uid"] != job.uid:
            continue
        facts.append(DatasetFacts.from_body(body))
        if body["spec"].get("labeling"):
            try:
                runs.append(RunView(Dataset.from_dict(body)))
            except ValidationError:
                continue
    runs.sort(key=lambda run: (run.dataset.spec.scheduled_time, run.dataset.name), reverse=True)
    latest = job.status.latest_evaluation
    summary = Evaluation.from_dict(evaluation).spec.labeling if evaluation is not None else None
    name = latest.name if latest is not None else None
    return LabelingView(job, tuple(runs), _late(facts), name, summary)
