"""A run's items and, beside them, one line a pair of item and label to count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from evaluation_operator.results.parquet import LineWriter
from evaluation_operator.results.scores import SCORES_SCHEMA, Pair
from evaluation_operator.tasks.item_files import ItemCounts, write_items
from evaluation_operator.tasks.items import Item, Outcome


def write_outcomes(
    outcomes: Iterable[Outcome],
    labels: Sequence[str],
    scores_path: Path,
    items_path: Path,
    *,
    kept_faults: int = 10,
) -> ItemCounts:
    """Write both files, overwriting them, in constant memory; the order is that of the items."""
    with LineWriter(scores_path, SCORES_SCHEMA) as pairs:

        def write_pairs(ordinal: int, item: Item) -> None:
            for pair in _pairs(ordinal, item):
                pairs.write(pair)

        return write_items(outcomes, labels, items_path, write_pairs, kept_faults=kept_faults)


def _pairs(ordinal: int, item: Item) -> Iterator[Pair]:
    truth = set(item.truth)
    scores = item.scores if item.scores is not None else [None] * len(item.labels)
    ranked = zip(item.labels, scores, strict=True)
    for rank, (label, score) in enumerate(ranked, start=1):
        yield Pair(ordinal, label, score, label in truth, rank, item.p)
    for label in item.truth:
        if label not in item.labels:
            yield Pair(ordinal, label, None, True, None, item.p)
