"""Labels by vote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from evaluation_operator.api.evaluation_job_config import AnswerAggregationType
from evaluation_operator.tasks.answers import Answer
from evaluation_operator.tasks.votes import Rules, Verdict


def vote(answers: Sequence[Answer], rules: Rules) -> Verdict:
    """At least one answer, one of each person."""
    if rules.way is not AnswerAggregationType.MAJORITY_VOTE:
        return _all_alike(answers, rules)
    return _majorities(answers, rules) if rules.is_multi_label else _majority(answers, rules)


def _majority(answers: Sequence[Answer], rules: Rules) -> Verdict:
    """One label: strictly more than half. Whoever chose none is against every label."""
    counts = Counter(it.labels[0] for it in answers if it.labels)
    # Not by name or time: which of several equals leads is seen nowhere, only its count.
    winner, votes = counts.most_common(1)[0] if counts else ("", 0)
    if 2 * votes > len(answers):
        return Verdict(rules.missing(len(answers)), votes, (winner,))
    return _undecided(answers, rules, votes, "no label has more than half of the answers")


def _majorities(answers: Sequence[Answer], rules: Rules) -> Verdict:
    """Each label by itself; where it is even for one, the item is open. What agrees is counted in
    the label that people agree on least."""
    total = len(answers)
    counts = Counter(label for it in answers for label in set(it.labels or ()))
    least = min((max(votes, total - votes) for votes in counts.values()), default=total)
    even = [label for label in rules.labels if 2 * counts[label] == total]
    if even:
        why = f"as many people say {even[0]!r} as do not"
        return _undecided(answers, rules, least, why)
    truth = tuple(label for label in rules.labels if 2 * counts[label] > total)
    return Verdict(rules.missing(total), least, truth)


def _undecided(answers: Sequence[Answer], rules: Rules, votes: int, why: str) -> Verdict:
    needed = rules.missing(len(answers)) or int(rules.may_ask_again(len(answers)))
    return Verdict(needed, votes, reason=why)


def _all_alike(answers: Sequence[Answer], rules: Rules) -> Verdict:
    """One dissent is the end of it. Where all answers are kept, all are asked for even so."""
    counts = Counter(frozenset(it.labels or ()) for it in answers)
    leader, votes = counts.most_common(1)[0]
    missing = rules.missing(len(answers))
    if len(counts) > 1:
        is_over = rules.way is AnswerAggregationType.UNANIMOUS_VOTE
        return Verdict(0 if is_over else missing, votes, reason="the answers differ")
    if not leader and not rules.is_multi_label:
        return Verdict(missing, votes, reason="nobody has chosen a label")
    return Verdict(missing, votes, tuple(label for label in rules.labels if label in leader))
