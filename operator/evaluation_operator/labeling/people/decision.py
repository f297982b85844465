"""What people say of an item, made one truth; or found to be none.

The rules, in words for those who label and those who read of it: docs/labeling.md.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluation_operator.api.evaluation_options import BoundingBoxUnits, ImportKeys
from evaluation_operator.tasks.answers import Answer, ItemAnswers, Sentiment
from evaluation_operator.tasks.registry import kind_of
from evaluation_operator.tasks.votes import BoxTruth, Rules, Verdict


@dataclass(frozen=True, slots=True)
class Decision:
    """What is known of one item by its answers so far.

    `needed` people more are to be asked, one after the other once `replica_count` have answered.
    Everything else is what holds if nobody is asked any more, as at a deadline: the same rules, on
    the answers that are there. `labels` and `boxes` are empty unless `is_resolved`; `reason` is,
    if it is. `score` is `label_votes / total_votes`, None without an answer.

    `answers` are those that count: by rising time, the latest of each person, without those that
    name unknown labels. `image_size` is (width, height) in pixels, if they agree on it.
    """

    needed: int
    is_resolved: bool
    labels: tuple[str, ...]
    boxes: tuple[BoxTruth, ...]
    score: float | None
    total_votes: int
    label_votes: int
    comments: tuple[str, ...]
    sentiment: Sentiment | None
    answers: tuple[Answer, ...]
    image_size: tuple[int, int] | None
    reason: str


def decide(item: ItemAnswers, rules: Rules) -> Decision:
    """Whatever answers there are, in whatever order; never raises.

    All of the first `replica_count` are asked before anything is decided, even if the outcome is
    certain earlier; only where everybody has to agree is one dissent enough. At a deadline, what
    counts is the majority of those who have answered: take the decision and leave `needed`. Every
    answer counts, also of people who were not asked for it.
    """
    answers = counted_answers(item, rules)
    verdict = _verdict(answers, rules)
    size = _common_size(answers)
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
    return kind_of(rules.annotation_type).vote(answers, rules)


def counted_answers(item: ItemAnswers, rules: Rules) -> tuple[Answer, ...]:
    """The latest of each person, by rising time, if it is one that the rules can count."""
    kind = kind_of(rules.annotation_type)
    latest: dict[str, Answer] = {}
    for answer in sorted(item.answers, key=lambda it: it.time):
        latest[answer.annotator] = answer
    in_time = sorted(latest.values(), key=lambda it: (it.time, it.annotator))
    return tuple(it for it in in_time if kind.is_countable(it, rules))


def groundtruth_of(
    decision: Decision, rules: Rules, keys: ImportKeys, image_size: tuple[int, int] | None
) -> str:
    """JSON of the one entry that the table's ground truth gets. `image_size` in pixels.

    ValueError when there is nothing to write: an unresolved item, boxes without a key for them, or
    pixels without the image's size (which `decide` calls unresolved).
    """
    if not decision.is_resolved:
        raise ValueError(f"decision: unresolved ({decision.reason}); leave the item out")
    truth = Verdict(0, decision.label_votes, decision.labels, decision.boxes)
    entry = kind_of(rules.annotation_type).entry_of(truth, rules, keys, image_size)
    return json.dumps(entry, ensure_ascii=False)


def _common_size(answers: Sequence[Answer]) -> tuple[int, int] | None:
    """The image's size, if anybody's tool tells it and nobody's another one."""
    sizes = {it.image_size for it in answers if it.image_size is not None}
    return sizes.pop() if len(sizes) == 1 else None


def _sentiment(answers: Sequence[Answer], truth: Sequence[str]) -> Sentiment | None:
    """Of more than half of those who gave a label that won; not saying any is a choice as well."""
    choices = [it.sentiment for it in answers if set(truth) & set(it.labels or ())]
    counts = Counter(choices)
    return next((it for it in Sentiment if 2 * counts[it] > len(choices)), None)
