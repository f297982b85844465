"""The metrics' definitions by brute force: plain Python over items, no counts, no numpy.

Every function filters the whole list of pairs anew for each threshold and each point, as the
definitions are worded, so that it shares neither an idea nor a line with what it judges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True)
class OracleItem:
    """What a model said of one item (label → score), what is true, and the item's weight."""

    truth: frozenset[int]
    scores: dict[int, float] = field(default_factory=dict)
    p: float = 1.0

    def best(self, k: int | None) -> list[int]:
        ranked = sorted(self.scores, key=lambda label: (-self.scores[label], label))
        return ranked if k is None else ranked[:k]


Weigh = Callable[[OracleItem], Fraction]


def count_once(item: OracleItem) -> Fraction:
    return Fraction(1)


def by_inverse_p(item: OracleItem) -> Fraction:
    return Fraction(1.0 / item.p)


def tally(
    items: Sequence[OracleItem],
    labels: Sequence[int],
    threshold: float,
    k: int | None,
    weigh: Weigh = count_once,
) -> tuple[Fraction, Fraction, Fraction]:
    """True positives, false positives and false negatives over (item, label) pairs."""
    hits = false_alarms = misses = Fraction(0)
    for item in items:
        for label in labels:
            positive = label in item.best(k) and item.scores[label] >= threshold
            if positive and label in item.truth:
                hits += weigh(item)
            elif positive:
                false_alarms += weigh(item)
            elif label in item.truth:
                misses += weigh(item)
    return hits, false_alarms, misses


def ratio(part: Fraction, whole: Fraction) -> float | None:
    return None if whole == 0 else float(part / whole)


def average_precision(
    items: Sequence[OracleItem],
    labels: Sequence[int],
    weigh: Weigh = count_once,
    *,
    envelope: bool = True,
) -> float | None:
    """The sum over distinct scores, falling, of recall gained times the best later precision."""
    scores = sorted(
        {item.scores[label] for item in items for label in labels if label in item.scores},
        reverse=True,
    )
    truths = sum(
        (weigh(item) for item in items for label in labels if label in item.truth), Fraction(0)
    )
    if truths == 0:
        return None
    points = [tally(items, labels, score, None, weigh) for score in scores]
    recalls = [hits / (hits + misses) for hits, _, misses in points]
    precisions = [hits / (hits + false_alarms) for hits, false_alarms, _ in points]
    area = Fraction(0)
    for i, recall in enumerate(recalls):
        gained = recall - (recalls[i - 1] if i else 0)
        area += gained * (max(precisions[i:]) if envelope else precisions[i])
    return float(area)


def mean_average_precision(
    items: Sequence[OracleItem], label_count: int, weigh: Weigh = count_once
) -> float | None:
    areas = [
        area
        for label in range(label_count)
        if (area := average_precision(items, [label], weigh)) is not None
    ]
    return sum(areas) / len(areas) if areas else None


def confusion(
    items: Sequence[OracleItem], label_count: int, weigh: Weigh = count_once
) -> list[list[Fraction]]:
    cells = [[Fraction(0)] * (label_count + 1) for _ in range(label_count)]
    for item in items:
        (true_label,) = item.truth
        best = item.best(1)
        cells[true_label][best[0] if best else label_count] += weigh(item)
    return cells


def accuracy(items: Sequence[OracleItem], weigh: Weigh = count_once) -> float | None:
    right = sum((weigh(item) for item in items if set(item.best(1)) == item.truth), Fraction(0))
    return ratio(right, sum((weigh(item) for item in items), Fraction(0)))
