"""The full result as Parquet: every curve of every label, and the whole confusion matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.metrics import ClassificationResult, Curve, Figures, Tally

CURVES_SCHEMA = pa.schema(
    [
        pa.field("weighted", pa.bool_(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("cut", pa.string(), nullable=False),
        pa.field("threshold", pa.float64(), nullable=False),
        pa.field("true_positives", pa.float64(), nullable=False),
        pa.field("false_positives", pa.float64(), nullable=False),
        pa.field("false_negatives", pa.float64(), nullable=False),
        pa.field("precision", pa.float64()),
        pa.field("recall", pa.float64()),
        pa.field("f1_score", pa.float64()),
        pa.field("area_under_curve", pa.float64()),
    ]
)
"""`label` null is the aggregate; `cut` is every, at_1 or at_5."""

CONFUSION_SCHEMA = pa.schema(
    [
        pa.field("weighted", pa.bool_(), nullable=False),
        pa.field("truth", pa.string(), nullable=False),
        pa.field("predicted", pa.string()),
        pa.field("items", pa.float64(), nullable=False),
    ]
)
"""`predicted` null: nothing was predicted."""


def write_curves(
    result: ClassificationResult,
    labels: Sequence[str],
    path: Path,
    *,
    cuts: Sequence[str] = ("every", "at_1", "at_5"),
) -> None:
    lines = [
        line
        for weighted, figures in _views(result)
        for curve in (figures.aggregate, *figures.labels)
        for line in _curve_lines(weighted, curve, labels, cuts)
    ]
    pq.write_table(table_of(lines, CURVES_SCHEMA), path, compression="zstd")


def write_confusion(result: ClassificationResult, labels: Sequence[str], path: Path) -> bool:
    """Whether there is a matrix to write: multi-label classification has none."""
    if result.plain.confusion is None:
        return False
    lines: list[tuple[object, ...]] = []
    for weighted, figures in _views(result):
        if figures.confusion is None:
            continue
        for row, truth in enumerate(labels):
            for column, predicted in enumerate((*labels, None)):
                items = float(figures.confusion.cells[row, column])
                lines.append((weighted, truth, predicted, items))
    pq.write_table(table_of(lines, CONFUSION_SCHEMA), path, compression="zstd")
    return True


def _views(result: ClassificationResult) -> list[tuple[bool, Figures]]:
    views = [(False, result.plain)]
    return views if result.weighted is None else [*views, (True, result.weighted)]


def _curve_lines(
    weighted: bool, curve: Curve, labels: Sequence[str], wanted: Sequence[str]
) -> Iterable[tuple[object, ...]]:
    label = None if curve.label is None else labels[curve.label]
    for entry in curve.entries():
        cuts: tuple[tuple[str, Tally], ...] = (
            ("every", entry.every),
            ("at_1", entry.at_1),
            ("at_5", entry.at_5),
        )
        for cut, tally in cuts:
            if cut not in wanted:
                continue
            yield (
                weighted,
                label,
                cut,
                entry.threshold,
                tally.true_positives,
                tally.false_positives,
                tally.false_negatives,
                tally.precision,
                tally.recall,
                tally.f1,
                curve.area,
            )


def table_of(lines: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    """Lines as columns."""
    columns = zip(*lines, strict=True) if lines else ([] for _ in schema)
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
