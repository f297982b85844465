"""How much people agree on what they were all asked, beyond what chance would bring about.

Only the first `replica_count` answers of an item count: further people are asked only where the
first did not agree, so theirs would make the figure worse than it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from evaluation_operator.labeling.people.decision import counted_answers
from evaluation_operator.tasks.answers import ItemAnswers
from evaluation_operator.tasks.registry import kind_of
from evaluation_operator.tasks.votes import Rules


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
    return kind_of(rules.annotation_type).agreement(first, rules)
