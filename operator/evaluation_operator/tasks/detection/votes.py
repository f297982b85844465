"""Boxes that most people drew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from evaluation_operator.tasks.answers import Answer, Box
from evaluation_operator.tasks.detection.clusters import Drawn, clusters
from evaluation_operator.tasks.votes import BoxTruth, Rules, Verdict


def vote(answers: Sequence[Answer], rules: Rules) -> Verdict:
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
