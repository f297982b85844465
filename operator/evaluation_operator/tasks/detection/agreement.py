"""How much people agree on boxes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

from evaluation_operator.tasks.answers import Answer, Box
from evaluation_operator.tasks.detection.clusters import clusters


def pairwise_f1(first: Sequence[Sequence[Answer]]) -> float | None:
    """Two people who both see nothing in an image agree. None if nobody sees anything anywhere."""
    if not any(it.boxes for answers in first for it in answers):
        return None
    scores = [
        _f1(one.boxes or (), other.boxes or ())
        for answers in first
        for one, other in combinations(answers, 2)
    ]
    return fmean(scores) if scores else None


def _f1(one: Sequence[Box], other: Sequence[Box]) -> float:
    total = len(one) + len(other)
    labels = {it.label for it in (*one, *other)}
    matched = sum(_matched(one, other, label) for label in labels)
    return 2 * matched / total if total else 1.0


def _matched(one: Sequence[Box], other: Sequence[Box], label: str) -> int:
    """Pairs of boxes of this label."""
    sides = {"one": one, "other": other}
    of_label = {side: [it for it in boxes if it.label == label] for side, boxes in sides.items()}
    return sum(len(it) == 2 for it in clusters(of_label))
