"""What is told about an Evaluation, whatever face shows it: figures first, then curves, then what
goes wrong most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from evaluation_operator.api.evaluation import Evaluation, EvaluationSpec, LabelMetrics
from evaluation_operator.domain.headline import Headline, headline, plain_mean_average_precision
from evaluation_operator.tasks.kind import Highlights
from evaluation_operator.tasks.registry import kind_of

WEAK_LABELS: Final = 5


@dataclass(frozen=True, slots=True)
class ItemsView:
    """How many items there were, and where those went that were not evaluated. `total` None: an
    Evaluation from before that was counted."""

    evaluated: int
    total: int | None = None
    unlabeled: int = 0
    failed_predictions: int = 0
    faulty: int = 0


@dataclass(frozen=True, slots=True)
class EvaluationView:
    """`plain` is the mean average precision with each item counted once, `headline` the one that
    stands for the Evaluation. `highlights` is what only its kind of task tells; `weakest` are the
    labels that have truth, by rising average precision."""

    name: str
    job: str
    version: str
    model_version: str
    supersedes: str
    superseded_by: str
    run_time: datetime
    headline: Headline
    plain: float | None
    accuracy: float | None
    weighted_accuracy: float | None
    items: ItemsView
    highlights: Highlights
    weakest: tuple[LabelMetrics, ...]
    warnings: tuple[str, ...]
    left_out: tuple[str, ...]
    digest: str
    results_uri: str


def view_evaluation(evaluation: Evaluation) -> EvaluationView:
    """Total over whatever an Evaluation lacks."""
    spec = evaluation.spec
    return EvaluationView(
        name=evaluation.name,
        job=spec.evaluation_job,
        version=spec.evaluation_job_version or "",
        model_version=str(spec.model_version),
        supersedes=spec.supersedes or "",
        superseded_by=evaluation.status.superseded_by or "",
        run_time=spec.evaluation_job_run_time,
        headline=headline(spec),
        plain=plain_mean_average_precision(spec),
        accuracy=spec.accuracy,
        weighted_accuracy=spec.weighted.accuracy if spec.weighted is not None else None,
        items=_items(spec),
        highlights=kind_of(spec.annotation_type).tell(spec),
        weakest=weakest_labels(spec.label_metrics),
        warnings=tuple(spec.warnings),
        left_out=tuple(failure.message for failure in spec.partial_failures),
        digest=spec.digest,
        results_uri=spec.results_uri,
    )


def _items(spec: EvaluationSpec) -> ItemsView:
    evaluated, counts = spec.evaluated_item_count or 0, spec.item_counts
    if counts is None:
        return ItemsView(evaluated)
    return ItemsView(
        evaluated,
        counts.items or 0,
        counts.unlabeled or 0,
        counts.failed_predictions or 0,
        counts.faulty or 0,
    )


def weakest_labels(labels: Sequence[LabelMetrics]) -> tuple[LabelMetrics, ...]:
    """Labels that have truth, by rising average precision."""
    known = [label for label in labels if label.average_precision is not None]
    return tuple(sorted(known, key=lambda label: label.average_precision or 0.0)[:WEAK_LABELS])
