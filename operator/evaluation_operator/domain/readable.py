"""Whether the model's answers can be read: what the sampler's replicas say of the newest ones.

It never touches `Ready`: rows are kept all the same, and a job that says later how its model
answers reads them, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from evaluation_operator.api.base import Condition, ConditionStatus
from evaluation_operator.domain.conditions import Judgement
from evaluation_operator.domain.reasons import Reason

PREDICTIONS_READABLE: Final = "PredictionsReadable"
NEWEST: Final = 100
"""Responses that a replica remembers, of each job."""
LEAST: Final = 20
"""Fewer say nothing."""
_TOO_MANY: Final = 0.5
_FEW: Final = 0.25


@dataclass(frozen=True, slots=True)
class Answers:
    """The newest responses of a job, of all replicas: those that were read, and those of them that
    no run will be able to read. `message`: what is wrong with the last."""

    judged: int = 0
    unreadable: int = 0
    message: str = ""

    def __add__(self, other: Answers) -> Answers:
        return Answers(
            self.judged + other.judged,
            self.unreadable + other.unreadable,
            other.message or self.message,
        )


def judge_answers(answers: Answers, before: Iterable[Condition]) -> Judgement:
    """Between half and a quarter it stays as it was. The message stays as long as the status does:
    one more answer is no news."""
    known = next((item for item in before if item.type == PREDICTIONS_READABLE), None)
    found = found_of(answers, known.status if known is not None else ConditionStatus.UNKNOWN)
    if known is not None and known.reason == found.reason:
        return found._replace(message=known.message)
    return found


def found_of(answers: Answers, before: ConditionStatus) -> Judgement:
    """What is to be said where `before` was said until now."""
    if answers.judged < LEAST:
        message = f"fewer than {LEAST} of the newest responses were sampled and read"
        return Judgement(None, Reason.FEW_ANSWERS, message)
    share = answers.unreadable / answers.judged
    was_bad = before is ConditionStatus.FALSE
    if share > _TOO_MANY or (was_bad and share >= _FEW):
        message = (
            "of the newest responses most cannot be read by a run: "
            f"{answers.message or 'see `kubectl evaluations sampling`'}"
        )
        return Judgement(False, Reason.ANSWERS_UNREADABLE, message)
    if share < _FEW or before is ConditionStatus.TRUE:
        return Judgement(True, Reason.ANSWERS_READABLE, "the newest responses can be read by a run")
    message = "some of the newest responses cannot be read: see `kubectl evaluations sampling`"
    return Judgement(None, Reason.SOME_UNREADABLE, message)
