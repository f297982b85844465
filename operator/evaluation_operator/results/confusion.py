"""confusion.parquet: the whole confusion matrix, of single-label classification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from evaluation_operator.metrics import ClassificationResult
from evaluation_operator.results.curves import views
from evaluation_operator.results.parquet import column, write_lines

CONFUSION_SCHEMA: Final = pa.schema(
    [
        column(
            "weighted",
            pa.bool_(),
            "Whether items count by what they stand for; written only where that differs.",
            is_nullable=False,
        ),
        column("truth", pa.string(), "The true label.", is_nullable=False),
        column("predicted", pa.string(), "The best predicted one; null: nothing was predicted."),
        column("items", pa.float64(), "How many; also 0.", is_nullable=False),
    ]
)


class Cell(NamedTuple):
    """A line of the file."""

    weighted: bool
    truth: str
    predicted: str | None
    items: float


def write_confusion(result: ClassificationResult, labels: Sequence[str], path: Path) -> bool:
    """Whether there is a matrix to write: multi-label classification and boxes have none."""
    if result.plain.confusion is None:
        return False
    write_lines(path, CONFUSION_SCHEMA, _cells(result, labels))
    return True


def _cells(result: ClassificationResult, labels: Sequence[str]) -> Iterator[Cell]:
    for weighted, figures in views(result.plain, result.weighted):
        if figures.confusion is None:
            continue
        for row, truth in enumerate(labels):
            for place, predicted in enumerate((*labels, None)):
                items = float(figures.confusion.cells[row, place])
                yield Cell(weighted, truth, predicted, items)
