"""A run's items as two Parquet files: one line an item to read, one line a pair to count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.evaluator.items import Fault, Item, LeftOut, Outcome, Reason

# Pairs of evaluated items: every label that is scored, true, or both. `score` and `rank` are
# null for a true label that the prediction does not list. `label` is a place in the label set,
# `rank` counts from 1 inside the item, by falling score and then label.
SCORES_SCHEMA: Final = pa.schema(
    [
        pa.field("item", pa.int64(), nullable=False),
        pa.field("label", pa.int32(), nullable=False),
        pa.field("score", pa.float64()),
        pa.field("is_truth", pa.bool_(), nullable=False),
        pa.field("rank", pa.int16()),
        pa.field("p", pa.float64(), nullable=False),
    ]
)

# Every item, and every row that could not be split into items (`item_id` null). `item` is its
# ordinal. The two indexes are places in the label set: `truth_index` is null unless exactly
# one label is true, `predicted_index` unless something was predicted; with boxes both are null.
ITEMS_SCHEMA: Final = pa.schema(
    [
        pa.field("item", pa.int64(), nullable=False),
        pa.field("item_id", pa.string()),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("code", pa.int32()),
        pa.field("message", pa.string()),
        pa.field("p", pa.float64()),
        pa.field("truth", pa.list_(pa.string())),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("scores", pa.list_(pa.float64())),
        pa.field("truth_index", pa.int32()),
        pa.field("predicted_index", pa.int32()),
    ]
)

EVALUATED: Final = "evaluated"
FAULTY: Final = "faulty"

_BUFFERED_LINES: Final = 65_536


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """How a run's items divide. A row that could not be split counts as one faulty item."""

    evaluated: int = 0
    unlabeled: int = 0
    failed_predictions: int = 0
    faulty: int = 0
    first_faults: tuple[Fault, ...] = field(default=())

    @property
    def items(self) -> int:
        return self.evaluated + self.unlabeled + self.failed_predictions + self.faulty


def write_outcomes(
    outcomes: Iterable[Outcome],
    labels: Sequence[str],
    scores_path: Path,
    items_path: Path,
    *,
    kept_faults: int = 10,
) -> ItemCounts:
    """Write both files, overwriting them, in constant memory; the order is that of the items."""
    with _LineWriter(scores_path, SCORES_SCHEMA) as pairs:

        def write_pairs(ordinal: int, item: Item) -> None:
            for pair in _pairs(ordinal, item):
                pairs.write(pair)

        return write_items(outcomes, labels, items_path, write_pairs, kept_faults=kept_faults)


def write_items(
    outcomes: Iterable[Outcome],
    labels: Sequence[str],
    items_path: Path,
    take: Callable[[int, Item], None],
    *,
    kept_faults: int = 10,
) -> ItemCounts:
    """Write the items, overwriting the file; `take` gets each that can be evaluated."""
    counted: Counter[str] = Counter()
    first_faults: list[Fault] = []
    with _LineWriter(items_path, ITEMS_SCHEMA) as lines:
        for ordinal, outcome in enumerate(outcomes):
            if isinstance(outcome, Item):
                take(ordinal, outcome)
            elif isinstance(outcome, Fault) and len(first_faults) < kept_faults:
                first_faults.append(outcome)
            line = _line(ordinal, outcome, labels)
            counted[str(line[3])] += 1
            lines.write(line)
    return ItemCounts(
        evaluated=counted[EVALUATED],
        unlabeled=counted[Reason.UNLABELED.value],
        failed_predictions=counted[Reason.FAILED_PREDICTION.value],
        faulty=counted[FAULTY],
        first_faults=tuple(first_faults),
    )


def _pairs(ordinal: int, item: Item) -> Iterable[tuple[object, ...]]:
    truth = set(item.truth)
    ranked = zip(item.labels, item.scores, strict=True)
    for rank, (label, score) in enumerate(ranked, start=1):
        yield ordinal, label, score, label in truth, rank, item.p
    for label in item.truth:
        if label not in item.labels:
            yield ordinal, label, None, True, None, item.p


def _line(ordinal: int, outcome: Outcome, labels: Sequence[str]) -> tuple[object, ...]:
    who = (ordinal, outcome.item_id, outcome.row_id)
    if isinstance(outcome, Fault):
        return (*who, FAULTY, outcome.code, outcome.message, *[None] * 6)
    if isinstance(outcome, LeftOut):
        return (*who, outcome.reason.value, None, None, outcome.p, *[None] * 5)
    is_boxes = bool(outcome.boxes or outcome.true_boxes)
    return (
        *(*who, EVALUATED, None, None, outcome.p),
        [labels[label] for label in outcome.truth],
        [labels[label] for label in outcome.labels],
        outcome.scores,
        outcome.truth[0] if len(outcome.truth) == 1 and not is_boxes else None,
        outcome.labels[0] if outcome.labels and not is_boxes else None,
    )


class _LineWriter:
    """A Parquet file written line by line, buffered into row groups."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._file = pq.ParquetWriter(path, schema, compression="zstd")
        self._lines: list[tuple[object, ...]] = []

    def __enter__(self) -> _LineWriter:
        return self

    def __exit__(self, error_type: object, *_: object) -> None:
        if error_type is None:
            self._flush()
        self._file.close()

    def write(self, line: tuple[object, ...]) -> None:
        self._lines.append(line)
        if len(self._lines) >= _BUFFERED_LINES:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._lines, strict=True) if self._lines else ([] for _ in self._schema)
        arrays = [
            pa.array(column, kind.type) for column, kind in zip(columns, self._schema, strict=True)
        ]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._lines.clear()
