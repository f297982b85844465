"""How much people agree on what they were all asked, beyond what chance would bring about.

Only the first `replica_count` answers of an item count: further people are asked only where the
first did not agree, so theirs would make the figure worse than it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations
from statistics import fmean
from typing import TypeAlias

from evaluation_operator.labeling.answers import Answer, Box, ItemAnswers
from evaluation_operator.labeling.box_clusters import clusters
from evaluation_operator.labeling.decision import Rules, counted_answers

Rating: TypeAlias = tuple[str, int, Hashable]
"""Who, of which item, what."""


def agreement(items: Iterable[ItemAnswers], rules: Rules) -> float | None:
    """1: all alike. 0: as chance would have it; below: people contradict each other.

    Krippendorff's alpha for names without order; with several labels an item, the mean of the
    alphas of each label being there or not; for boxes the mean F1 of any two people's boxes of an
    image (0 to 1: chance has no part in it), where boxes of one label match from an IoU of 0.5 on.
    None if one person an item is asked, or if all answers are one and the same, so that nobody can
    tell agreement from having no choice. Labels of which that is true have no part in the mean.
    """
    if rules.replica_count == 1:
        return None
    first = [counted_answers(it, rules)[: rules.replica_count] for it in items]
    if rules.has_boxes:
        return _pairwise_f1(first)
    if not rules.is_multi_label:
        return _alpha(_ratings(first))
    per_label = [
        _alpha([(who, item, label in given) for who, item, given in _ratings(first)])
        for label in rules.labels
    ]
    alphas = [it for it in per_label if it is not None]
    return fmean(alphas) if alphas else None


def _ratings(first: Sequence[Sequence[Answer]]) -> list[tuple[str, int, tuple[str, ...]]]:
    """Of the items that two people or more have answered; others say nothing of agreement."""
    return [
        (it.annotator, item, it.labels or ())
        for item, answers in enumerate(first)
        if len(answers) > 1
        for it in answers
    ]


def _alpha(ratings: Sequence[Rating]) -> float | None:
    """None if fewer than two values occur."""
    if len({value for _, _, value in ratings}) < 2:
        return None
    # Takes seconds to import, and is wanted once a run.
    from nltk.metrics.agreement import AnnotationTask

    return float(AnnotationTask(ratings).alpha())


def _pairwise_f1(first: Sequence[Sequence[Answer]]) -> float | None:
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
