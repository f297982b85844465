"""Metrics of classification and detection: curves, areas, matrices. Needs numpy, no I/O."""

from evaluation_operator.metrics.classification import (
    ClassificationResult,
    Figures,
    classify,
    weightings,
)
from evaluation_operator.metrics.confusion import ConfusionCounts, ConfusionMatrix
from evaluation_operator.metrics.counts import CountBatch, Piece, Totals, piece_weights
from evaluation_operator.metrics.curves import ConfidenceEntry, Curve, Tally
from evaluation_operator.metrics.thresholds import (
    MAXIMUM_THRESHOLDS,
    THRESHOLDS,
    checked_thresholds,
    nearest_ranks,
    reported_thresholds,
)

__all__ = [
    "MAXIMUM_THRESHOLDS",
    "THRESHOLDS",
    "ClassificationResult",
    "ConfidenceEntry",
    "ConfusionCounts",
    "ConfusionMatrix",
    "CountBatch",
    "Curve",
    "Figures",
    "Piece",
    "Tally",
    "Totals",
    "checked_thresholds",
    "classify",
    "nearest_ranks",
    "piece_weights",
    "reported_thresholds",
    "weightings",
]
