"""curves.parquet and overlaps.parquet: every curve, of every label, plain and weighted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import pyarrow as pa

from evaluation_operator.metrics import ClassificationResult, Curve, Tally
from evaluation_operator.metrics.detection import DetectionResult
from evaluation_operator.results.parquet import column, write_lines

F = TypeVar("F")

CUTS: Final = ("every", "at_1", "at_5")

_WEIGHTED: Final = column(
    "weighted",
    pa.bool_(),
    "Whether items count by what they stand for; written only where that differs.",
    is_nullable=False,
)
_TALLY: Final = (
    column("true_positives", pa.float64(), "Number, or weight, of pairs.", is_nullable=False),
    column("false_positives", pa.float64(), "Number, or weight, of pairs.", is_nullable=False),
    column("false_negatives", pa.float64(), "Number, or weight, of pairs.", is_nullable=False),
    column("precision", pa.float64(), "Null where nothing is predicted."),
    column("recall", pa.float64(), "Null where nothing is true."),
    column("f1_score", pa.float64(), "Null where precision or recall is."),
)

CURVES_SCHEMA: Final = pa.schema(
    [
        _WEIGHTED,
        column("label", pa.string(), "Null: all labels together."),
        column(
            "cut",
            pa.string(),
            "Which of an item's predicted labels count: every, at_1 the best one, at_5 the five "
            "best. With boxes every alone.",
            is_nullable=False,
        ),
        column("threshold", pa.float64(), "Labels from this score on count.", is_nullable=False),
        *_TALLY,
        column("area_under_curve", pa.float64(), "Of the whole curve: the average precision."),
    ]
)
OVERLAPS_SCHEMA: Final = pa.schema(
    [
        _WEIGHTED,
        column(
            "iou",
            pa.float64(),
            "From this intersection over union on boxes match.",
            is_nullable=False,
        ),
        *_TALLY,
    ]
)


class CurvePoint(NamedTuple):
    """A line of curves.parquet."""

    weighted: bool
    label: str | None
    cut: str
    threshold: float
    true_positives: float
    false_positives: float
    false_negatives: float
    precision: float | None
    recall: float | None
    f1_score: float | None
    area_under_curve: float | None


class OverlapPoint(NamedTuple):
    """A line of overlaps.parquet: all labels together."""

    weighted: bool
    iou: float
    true_positives: float
    false_positives: float
    false_negatives: float
    precision: float | None
    recall: float | None
    f1_score: float | None


def write_curves(
    result: ClassificationResult, labels: Sequence[str], path: Path, *, cuts: Sequence[str] = CUTS
) -> None:
    points = (
        point
        for weighted, figures in views(result.plain, result.weighted)
        for curve in (figures.aggregate, *figures.labels)
        for point in _points(weighted, curve, labels, cuts)
    )
    write_lines(path, CURVES_SCHEMA, points)


def write_overlaps(result: DetectionResult, path: Path) -> None:
    write_lines(path, OVERLAPS_SCHEMA, _overlaps(result))


def views(plain: F, weighted: F | None) -> list[tuple[bool, F]]:
    """The figures, and the weighted ones where these differ."""
    return [(False, plain)] if weighted is None else [(False, plain), (True, weighted)]


def _points(
    weighted: bool, curve: Curve, labels: Sequence[str], cuts: Sequence[str]
) -> Iterator[CurvePoint]:
    label = None if curve.label is None else labels[curve.label]
    for entry in curve.entries():
        for cut, tally in zip(CUTS, (entry.every, entry.at_1, entry.at_5), strict=True):
            if cut in cuts:
                yield CurvePoint(
                    weighted, label, cut, entry.threshold, *_figures(tally), curve.area
                )


def _overlaps(result: DetectionResult) -> Iterator[OverlapPoint]:
    for weighted, figures in views(result.plain, result.weighted):
        for entry in figures.overlaps:
            yield OverlapPoint(weighted, entry.iou, *_figures(entry.tally))


def _figures(
    tally: Tally,
) -> tuple[float, float, float, float | None, float | None, float | None]:
    counts = tally.true_positives, tally.false_positives, tally.false_negatives
    return *counts, tally.precision, tally.recall, tally.f1
