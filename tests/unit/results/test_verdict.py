"""What a run's program says when it fails is what the operator reads of it."""

from __future__ import annotations

import json

from evaluation_operator.api.codes import Code
from evaluation_operator.api.verdict import LIMIT_BYTES, read_verdict
from evaluation_operator.domain.facts.dataset import Failure
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.results.errors import NothingUsable, termination_message


def test_a_verdict_comes_back_as_it_was_written() -> None:
    failures = [Failure(3, "item e1/0: no label"), Failure(3, "item e2/0: twice")]
    said = read_verdict(termination_message(NothingUsable("none of 2 items", failures)))
    assert said is not None
    assert (said.code, said.status) == (Code.FAILED_PRECONDITION, "FAILED_PRECONDITION")
    assert (said.reason, said.message) == (Reason.NOTHING_USABLE, "none of 2 items")
    assert [(it.code, it.message) for it in said.partial_failures] == [
        (failure.code, failure.message) for failure in failures
    ]


def test_the_longest_verdict_is_kept_whole_by_kubernetes() -> None:
    failures = [Failure(3, "ä" * 9999)] * 9
    text = termination_message(NothingUsable("ä" * 9999, failures))
    assert len(text.encode()) <= LIMIT_BYTES
    said = read_verdict(text)
    assert said is not None
    assert len(said.partial_failures) == 5


def test_single_failures_go_where_even_these_are_too_long() -> None:
    failures = [Failure(3, "\x01" * 9999)] * 9
    text = termination_message(NothingUsable("\x01" * 300, failures))
    assert len(text.encode()) <= LIMIT_BYTES
    said = read_verdict(text)
    assert said is not None
    assert said.partial_failures == []


def test_half_a_pair_is_read_as_a_question_mark() -> None:
    said = read_verdict(json.dumps({"code": 3, "message": "no \ud800 label"}))
    assert said is not None
    assert said.message == "no ? label"
