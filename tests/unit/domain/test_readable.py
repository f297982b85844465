"""Whether the model's answers can be read: told when it turns, and not by every answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evaluation_operator.api.base import Condition, ConditionStatus
from evaluation_operator.domain.conditions import Judgement, condition
from evaluation_operator.domain.readable import PREDICTIONS_READABLE, Answers, judge_answers
from evaluation_operator.domain.reasons import Reason
from tests.unit.domain.world import JobWorld

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def said(judgement: Judgement, before: list[Condition] | None = None) -> list[Condition]:
    return [condition(PREDICTIONS_READABLE, *judgement, generation=1, now=NOW, before=before or [])]


def seen(unreadable: int, judged: int = 100, message: str = "list classNames") -> Answers:
    return Answers(judged, unreadable, message if unreadable else "")


@pytest.mark.parametrize(
    ("unreadable", "judged", "status", "reason"),
    [
        (0, 0, None, Reason.FEW_ANSWERS),
        (19, 19, None, Reason.FEW_ANSWERS),
        (20, 20, False, Reason.ANSWERS_UNREADABLE),
        (51, 100, False, Reason.ANSWERS_UNREADABLE),
        (50, 100, None, Reason.SOME_UNREADABLE),
        (25, 100, None, Reason.SOME_UNREADABLE),
        (24, 100, True, Reason.ANSWERS_READABLE),
        (0, 20, True, Reason.ANSWERS_READABLE),
    ],
)
def test_what_is_said_first(
    unreadable: int, judged: int, status: bool | None, reason: Reason
) -> None:
    found = judge_answers(seen(unreadable, judged), [])
    assert (found.status, found.reason) == (status, reason)
    assert ("list classNames" in found.message) is (status is False)


def test_between_half_and_a_quarter_it_stays_as_it_was() -> None:
    good = said(judge_answers(seen(0), []))
    assert judge_answers(seen(50), good).status is True
    bad = said(judge_answers(seen(51), good), good)
    assert bad[0].status is ConditionStatus.FALSE
    assert judge_answers(seen(25), bad).status is False
    assert judge_answers(seen(24), bad).status is True
    assert judge_answers(seen(5, 10), bad).status is None


def test_the_message_stays_as_long_as_what_it_says() -> None:
    bad = said(judge_answers(seen(60), []))
    assert judge_answers(seen(70, message="another label"), bad).message == bad[0].message


def test_the_answers_of_replicas_are_taken_together() -> None:
    together = seen(10, 50, "first") + seen(0, 50) + seen(30, 40, "last")
    assert together == Answers(140, 40, "last")


def test_a_job_says_so_and_is_ready_all_the_same() -> None:
    world = JobWorld()
    world.answers = seen(60)
    world.turn()
    found = world.condition(PREDICTIONS_READABLE)
    assert (found["status"], found["reason"]) == ("False", Reason.ANSWERS_UNREADABLE)
    assert found["message"].endswith("list classNames")
    assert world.condition("Ready")["status"] == "True"
    world.answers = None  # An operator that has just started has not looked yet.
    world.turn()
    assert world.condition(PREDICTIONS_READABLE) == found
    world.answers = seen(61, message="another one")
    assert world.turn().status is None, "one more answer is no news"


def test_a_job_that_no_sampler_speaks_of_says_nothing() -> None:
    world = JobWorld()
    assert all(it["type"] != PREDICTIONS_READABLE for it in world.status["conditions"])
