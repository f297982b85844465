"""How much people agree on labels, beyond what chance would bring about."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from statistics import fmean
from typing import TypeAlias

from evaluation_operator.tasks.answers import Answer
from evaluation_operator.tasks.votes import Rules

Rating: TypeAlias = tuple[str, int, Hashable]
"""Who, of which item, what."""


def agreement(first: Sequence[Sequence[Answer]], rules: Rules) -> float | None:
    """Krippendorff's alpha for names without order; with several labels an item, the mean of the
    alphas of each label being there or not, but for those that nobody, or everybody, gives."""
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
