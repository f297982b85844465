"""The part of an Evaluation that tells of boxes."""

from __future__ import annotations

from dataclasses import asdict

from evaluation_operator.api.detection_metrics import BestF1, CocoMetrics, DetectionErrors
from evaluation_operator.api.evaluation import (
    ConfidenceMetricsEntry,
    ObjectDetectionMetrics,
    PrCurve,
)
from evaluation_operator.metrics import Tally
from evaluation_operator.metrics.detection import DetectionFigures, DetectionResult
from evaluation_operator.metrics.detection_coco import CocoFigures

CURVE_POINTS = 50
"""What of the curve over the score always fits, beside everything else."""


def detection_metrics(result: DetectionResult, figures: DetectionFigures) -> ObjectDetectionMetrics:
    """All of one weighting; counts of boxes and errors are never weighted."""
    return ObjectDetectionMetrics(
        pr_curve=_overlap_curve(figures),
        score_pr_curve=_score_curve(figures),
        best_f1=_best_f1(figures),
        coco=_coco(figures.coco),
        errors=DetectionErrors(**asdict(result.errors.counts)),
        truth_box_count=len(result.errors.missed),
        predicted_box_count=len(result.errors.kinds),
    )


def weighted_detection_metrics(result: DetectionResult | None) -> ObjectDetectionMetrics | None:
    """What is a ratio, weighted; None where nothing is."""
    if result is None or result.weighted is None:
        return None
    return ObjectDetectionMetrics(
        pr_curve=_overlap_curve(result.weighted),
        best_f1=_best_f1(result.weighted),
        coco=_coco(result.weighted.coco),
    )


def _overlap_curve(figures: DetectionFigures) -> PrCurve:
    return PrCurve(
        area_under_curve=figures.scores.aggregate.area,
        confidence_metrics_entries=[_entry(it.iou, it.tally) for it in figures.overlaps],
        mean_average_precision=figures.mean_average_precision,
    )


def _score_curve(figures: DetectionFigures) -> PrCurve:
    entries = [_entry(it.threshold, it.every) for it in figures.scores.aggregate.entries()]
    if len(entries) > CURVE_POINTS:
        last = len(entries) - 1
        entries = [entries[at * last // (CURVE_POINTS - 1)] for at in range(CURVE_POINTS)]
    return PrCurve(
        area_under_curve=figures.scores.aggregate.area,
        confidence_metrics_entries=entries,
        mean_average_precision=figures.mean_average_precision,
    )


def _entry(threshold: float, tally: Tally) -> ConfidenceMetricsEntry:
    return ConfidenceMetricsEntry(
        confidence_threshold=threshold,
        recall=tally.recall,
        precision=tally.precision,
        f1_score=tally.f1,
    )


def _best_f1(figures: DetectionFigures) -> BestF1 | None:
    best = figures.best_f1
    if best is None:
        return None
    return BestF1(
        score_threshold=best.threshold,
        f1_score=best.tally.f1,
        precision=best.tally.precision,
        recall=best.tally.recall,
    )


def _coco(figures: CocoFigures) -> CocoMetrics:
    return CocoMetrics(
        ap=figures.ap,
        ap50=figures.ap_50,
        ap75=figures.ap_75,
        ap_small=figures.ap_small,
        ap_medium=figures.ap_medium,
        ap_large=figures.ap_large,
        ar1=figures.ar_1,
        ar10=figures.ar_10,
        ar100=figures.ar_100,
        ar_small=figures.ar_small,
        ar_medium=figures.ar_medium,
        ar_large=figures.ar_large,
    )
