"""A run's items as a Parquet file, one line an item, and how many there are of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evaluation_operator.results.items import (
    EVALUATED,
    FAILED_PREDICTION,
    FAULTY,
    ITEMS_SCHEMA,
    UNLABELED,
    ItemLine,
)
from evaluation_operator.results.parquet import LineWriter
from evaluation_operator.tasks.items import Fault, Item, LeftOut, Origin, Outcome


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """How a run's items divide. A row that could not be split counts as one faulty item. Of the
    evaluated ones `unscored` have labels without scores, and `differing` a label that is not the
    best of the scores beside it."""

    evaluated: int = 0
    unlabeled: int = 0
    failed_predictions: int = 0
    faulty: int = 0
    unscored: int = 0
    differing: int = 0
    first_faults: tuple[Fault, ...] = field(default=())

    @property
    def items(self) -> int:
        return self.evaluated + self.unlabeled + self.failed_predictions + self.faulty


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
    unscored = differing = 0
    with LineWriter(items_path, ITEMS_SCHEMA) as lines:
        for ordinal, outcome in enumerate(outcomes):
            if isinstance(outcome, Item):
                take(ordinal, outcome)
                unscored += outcome.scores is None
                differing += outcome.differs
            elif isinstance(outcome, Fault) and len(first_faults) < kept_faults:
                first_faults.append(outcome)
            line = _line(ordinal, outcome, labels)
            counted[line.state] += 1
            lines.write(line)
    return ItemCounts(
        evaluated=counted[EVALUATED],
        unlabeled=counted[UNLABELED],
        failed_predictions=counted[FAILED_PREDICTION],
        faulty=counted[FAULTY],
        unscored=unscored,
        differing=differing,
        first_faults=tuple(first_faults),
    )


def _line(ordinal: int, outcome: Outcome, labels: Sequence[str]) -> ItemLine:
    origin = outcome.origin or Origin(outcome.row_id, None)
    line = ItemLine(
        item=ordinal,
        item_id=outcome.item_id,
        row_id=outcome.row_id,
        request_id=origin.request_id,
        data_hash=origin.data_hash(),
        time=origin.time,
        state=FAULTY,
    )
    if isinstance(outcome, Fault):
        return line._replace(code=outcome.code, message=outcome.message)
    line = line._replace(p=outcome.p, weight=1 / outcome.p)
    if isinstance(outcome, LeftOut):
        return line._replace(state=outcome.reason)
    is_boxes = bool(outcome.boxes or outcome.true_boxes)
    return line._replace(
        state=EVALUATED,
        truth=[labels[label] for label in outcome.truth],
        labels=[labels[label] for label in outcome.labels],
        scores=None if outcome.scores is None else list(outcome.scores),
        truth_index=outcome.truth[0] if len(outcome.truth) == 1 and not is_boxes else None,
        predicted_index=outcome.labels[0] if outcome.labels and not is_boxes else None,
    )
