"""The one figure that stands for an Evaluation: alerts, comparisons and every view use it."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation_operator.api.evaluation import EvaluationMetrics, EvaluationSpec


@dataclass(frozen=True, slots=True)
class Headline:
    """A mean average precision. `is_weighted`: by 1/p, since items weigh differently."""

    mean_average_precision: float | None
    is_weighted: bool


def headline(spec: EvaluationSpec) -> Headline:
    if spec.weighted is not None:
        return Headline(spec.weighted.mean_average_precision, is_weighted=True)
    return Headline(plain_mean_average_precision(spec), is_weighted=False)


def plain_mean_average_precision(spec: EvaluationSpec) -> float | None:
    """Each item counted once."""
    if spec.mean_average_precision is not None:
        return spec.mean_average_precision
    # Evaluations from before that field was there have it in their curve only.
    both = spec.evaluation_metrics or EvaluationMetrics()
    metrics = both.classification_metrics or both.object_detection_metrics
    curve = metrics.pr_curve if metrics is not None else None
    return curve.mean_average_precision if curve is not None else None
