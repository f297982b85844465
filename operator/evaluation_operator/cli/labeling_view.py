"""What Datasets tell of their labelling, read and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from evaluation_operator.api.base import format_time
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import Evaluation, LabelingSummary
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.cli.figures import count, number
from evaluation_operator.cli.output import plural, print_fields, print_table, print_title
from evaluation_operator.domain.conditions import message_of
from evaluation_operator.domain.facts.dataset import DatasetFacts
from evaluation_operator.domain.jobs.run_history import families
from evaluation_operator.domain.labeled import LABELED
from evaluation_operator.domain.naming import LABEL_JOB
from evaluation_operator.kube import DATASETS, EVALUATION_JOBS, EVALUATIONS, Kube, NotFound
from evaluation_operator.labeling.progress import deadline_of

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


async def read_labeling(kube: Kube, namespace: str, name: str) -> LabelingView:
    """Raises NotFound when there is no such job."""
    job = EvaluationJob.from_dict(await kube.get(EVALUATION_JOBS, namespace, name))
    runs, facts = [], []
    async for body in kube.list(DATASETS, namespace, label_selector=f"{LABEL_JOB}={name}"):
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
    evaluation = latest.name if latest is not None else None
    summary = await _summary(kube, namespace, evaluation) if evaluation else None
    return LabelingView(job, tuple(runs), _late(facts), evaluation, summary)


def _late(datasets: Sequence[DatasetFacts]) -> tuple[LateView, ...]:
    found = [
        LateView(family.root.name, family.root.new_label_count, family.evaluation)
        for family in families(datasets)
        if family.root is not None and family.root.new_label_count and family.evaluation
    ]
    return tuple(reversed(found))


async def _summary(kube: Kube, namespace: str, name: str) -> LabelingSummary | None:
    try:
        return Evaluation.from_dict(await kube.get(EVALUATIONS, namespace, name)).spec.labeling
    except NotFound:
        return None


def print_labeling(view: LabelingView) -> None:
    human = view.job.spec.evaluation_job_config.human_annotation_config
    print_fields(
        [
            ("Name", view.job.name),
            ("Labelled by people", _by_people(view)),
            ("People", plural(human.replica_count or 1, "answer") + " an item" if human else ""),
        ]
    )
    going_on = [run for run in view.runs if not run.has_ended]
    if going_on:
        print_title("Runs that wait for people")
        columns = ("RUN", "#DONE", "#OF", "#PERCENT", "REASON", "DEADLINE")
        print_table(columns, [_line(run) for run in going_on], indent=2)
        print_title("What they say")
        said = [(run.dataset.name, run.message or "-") for run in going_on]
        print_table(("RUN", "MESSAGE"), said, indent=2)
    faults = [
        (run.dataset.name, it.message)
        for run in going_on
        for it in run.dataset.status.partial_failures
    ]
    if faults:
        print_title("Answers that do not count")
        print_table(("RUN", "WHY"), faults, indent=2)
    if view.late:
        print_title("Labels that came after the first Evaluation")
        late = [(it.run, str(it.new_labels), it.evaluation) for it in view.late]
        print_table(("RUN", "#NEW LABELS", "NEWEST EVALUATION"), late, indent=2)
    if view.latest is not None:
        _print_latest(view.evaluation or "", view.latest)


def _by_people(view: LabelingView) -> str:
    if not view.job.spec.label_missing_ground_truth:
        return "no: spec.labelMissingGroundTruth is false"
    return "yes"


def _line(run: RunView) -> tuple[str, ...]:
    status = run.dataset.status
    return (
        run.dataset.name,
        count(status.completed_count),
        count(status.total_count),
        count(status.progress_percent),
        run.reason,
        format_time(run.deadline) if run.deadline else "-",
    )


def _print_latest(evaluation: str, latest: LabelingSummary) -> None:
    print_title("Latest Evaluation")
    columns = ("EVALUATION", "#ASKED", "#ANSWERED", "#UNRESOLVED", "#PEOPLE", "#AGREEMENT")
    row = (
        evaluation,
        count(latest.asked_item_count),
        count(latest.answered_item_count),
        count(latest.unresolved_item_count),
        count(latest.annotator_count),
        number(latest.agreement),
    )
    print_table(columns, [row], indent=2)
