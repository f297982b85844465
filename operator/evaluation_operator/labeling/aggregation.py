"""What people say of an item, made one truth; or found to be none.

The rules, in words for those who label and those who read of it: docs/labeling.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from evaluation_operator.api.evaluation_options import BoundingBoxUnits
from evaluation_operator.labeling.answers import Answer, Box, ItemAnswers, Sentiment
from evaluation_operator.labeling.box_clusters import Drawn, clusters
from evaluation_operator.labeling.decision import (
    BoxTruth,
    Decision,
    Rules,
    Verdict,
    common_size,
    counted_answers,
    groundtruth_of,
)
from evaluation_operator.labeling.voting import vote

__all__ = ["Decision", "Rules", "decide", "groundtruth_of"]


def decide(item: ItemAnswers, rules: Rules) -> Decision:
    """Whatever answers there are, in whatever order; never raises.

    All of the first `replica_count` are asked before anything is decided, even if the outcome is
    certain earlier; only where everybody has to agree is one dissent enough. At a deadline, what
    counts is the majority of those who have answered: take the decision and leave `needed`. Every
    answer counts, also of people who were not asked for it.
    """
    answers = counted_answers(item, rules)
    verdict = _verdict(answers, rules)
    size = common_size(answers)
    if verdict.boxes and rules.units is BoundingBoxUnits.PIXELS and size is None:
        why = "boxes are wanted in pixels, and the answers tell no one size of the image"
        verdict = replace(verdict, boxes=(), reason=why)
    total, is_resolved = len(answers), not verdict.reason
    return Decision(
        needed=verdict.needed,
        is_resolved=is_resolved,
        labels=verdict.labels,
        boxes=verdict.boxes,
        score=verdict.label_votes / total if total else None,
        total_votes=total,
        label_votes=verdict.label_votes,
        comments=tuple(it.comment for it in answers if it.comment),
        sentiment=_sentiment(answers, verdict.labels),
        answers=answers,
        image_size=size,
        reason=verdict.reason,
    )


def _verdict(answers: Sequence[Answer], rules: Rules) -> Verdict:
    if not answers:
        return Verdict(rules.replica_count, 0, reason="nobody has answered")
    return _draw(answers, rules) if rules.has_boxes else vote(answers, rules)


def _draw(answers: Sequence[Answer], rules: Rules) -> Verdict:
    """Boxes that more than half of the people drew. An image without any is an answer as well.

    What agrees is counted in the thing that people agree on least, be it there or not.
    """
    total = len(answers)
    things = clusters({it.annotator: it.boxes or () for it in answers})
    least = min((max(len(it), total - len(it)) for it in things), default=total)
    truths = [_truth(it, total) for it in things if 2 * len(it) > total]
    found = [it for it in truths if it is not None]
    if len(found) < len(truths):
        needed = rules.missing(total) or int(rules.may_ask_again(total))
        return Verdict(needed, least, reason="no label of a box has more than half of its votes")
    found.sort(key=lambda it: (it.box.top, it.box.left, it.box.bottom, it.box.right, it.box.label))
    return Verdict(rules.missing(total), least, boxes=tuple(found))


def _truth(thing: Sequence[Drawn], total: int) -> BoxTruth | None:
    """None if those who drew it do not agree on what it is."""
    label, votes = Counter(it.box.label for it in thing).most_common(1)[0]
    if 2 * votes <= len(thing):
        return None
    box = Box(
        label,
        left=median(it.box.left for it in thing),
        top=median(it.box.top for it in thing),
        right=median(it.box.right for it in thing),
        bottom=median(it.box.bottom for it in thing),
    )
    return BoxTruth(box, len(thing) / total)


def _sentiment(answers: Sequence[Answer], truth: Sequence[str]) -> Sentiment | None:
    """Of more than half of those who gave a label that won; not saying any is a choice as well."""
    choices = [it.sentiment for it in answers if set(truth) & set(it.labels or ())]
    counts = Counter(choices)
    return next((it for it in Sentiment if 2 * counts[it] > len(choices)), None)
