"""How the answers of several people become one label."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.api.evaluation_job_config import AnswerAggregationType
from evaluation_operator.api.evaluation_options import AnnotationType, ImportKeys
from evaluation_operator.labeling.people.decision import decide, groundtruth_of
from evaluation_operator.tasks.answers import ItemAnswers, Sentiment
from evaluation_operator.tasks.votes import Rules
from tests.unit.labeling.saying import LABELS, images, item, says, votes

UNANIMOUS = AnswerAggregationType.UNANIMOUS_VOTE
KEEP_ALL = AnswerAggregationType.NO_AGGREGATION
OPEN = None
KEYS = ImportKeys(data_json_key="image", label_json_key="is", label_score_json_key="score")


@pytest.mark.parametrize(
    ("replica_count", "words", "needed", "truth"),
    [
        (1, "", 1, OPEN),
        (1, "cat", 0, "cat"),
        (1, "cat dog", 1, OPEN),
        (1, "cat dog dog", 0, "dog"),
        (1, "cat dog bird", 0, OPEN),
        (2, "cat dog", 1, OPEN),
        (2, "cat dog bird", 1, OPEN),
        (2, "cat dog bird bird", 0, OPEN),
        (2, "cat cat bird", 0, "cat"),
        (3, "", 3, OPEN),
        (3, "cat cat cat", 0, "cat"),
        (3, "cat dog cat", 0, "cat"),
        (3, "cat dog bird", 1, OPEN),
        (3, "cat dog bird cat", 1, OPEN),
        (3, "cat dog bird cat cat", 0, "cat"),
        (3, "cat dog bird cat dog", 0, OPEN),
        (5, "cat cat dog dog bird cat", 1, OPEN),
        (5, "cat cat dog dog bird cat cat", 0, "cat"),
        (3, "cat dog bird cat dog cat cat", 0, "cat"),
    ],
)
def test_a_label_needs_strictly_more_than_half_of_at_most_two_answers_more_than_asked(
    replica_count: int, words: str, needed: int, truth: str | None
) -> None:
    decision = decide(votes(words), images(replica_count))
    assert decision.needed == needed
    assert decision.labels == ((truth,) if truth else ())
    assert decision.is_resolved == (truth is not None)
    assert bool(decision.reason) == (truth is None)


@pytest.mark.parametrize(("words", "needed"), [("cat", 4), ("cat cat cat", 2), ("cat dog", 3)])
def test_all_who_are_to_answer_first_are_asked_even_if_the_majority_is_certain(
    words: str, needed: int
) -> None:
    assert decide(votes(words), images(5)).needed == needed


@pytest.mark.parametrize(
    ("words", "truth"), [("cat", "cat"), ("cat dog", OPEN), ("cat dog cat", "cat"), ("", OPEN)]
)
def test_at_a_deadline_the_majority_of_those_who_answered_counts(
    words: str, truth: str | None
) -> None:
    decision = decide(votes(words), images(5))
    assert decision.labels == ((truth,) if truth else ())


def test_the_share_of_those_who_agree_is_kept() -> None:
    decision = decide(votes("cat dog cat"), images())
    assert (decision.total_votes, decision.label_votes) == (3, 2)
    assert decision.score == pytest.approx(2 / 3)
    assert decide(votes(""), images()).score is None


def test_an_unresolved_item_keeps_its_votes_but_has_no_label() -> None:
    decision = decide(votes("cat dog cat dog bird"), images())
    assert (decision.total_votes, decision.label_votes, decision.labels) == (5, 2, ())
    assert decision.score == pytest.approx(2 / 5)


def test_who_answers_again_is_counted_once_with_what_they_said_last() -> None:
    ann = [says("dog", who="ann", minute=9), says("cat", who="ann", minute=1)]
    decision = decide(item(*ann, says("dog", who="bob", minute=5)), images(2))
    assert (decision.labels, decision.total_votes) == (("dog",), 2)
    assert [it.annotator for it in decision.answers] == ["bob", "ann"]


def test_whoever_chooses_none_is_counted_and_is_against_every_label() -> None:
    assert decide(votes("cat - -"), images()).needed == 1
    assert decide(votes("cat cat -"), images()).score == pytest.approx(2 / 3)
    assert not decide(votes("- - -"), images()).is_resolved


@pytest.mark.parametrize("word", ["horse", "cat+dog"])
def test_an_answer_that_cannot_be_counted_is_as_if_not_given(word: str) -> None:
    decision = decide(votes(f"cat {word} cat"), images())
    assert (decision.needed, decision.total_votes, decision.score) == (1, 2, 1.0)


def test_boxes_are_no_answer_where_labels_are_asked_for() -> None:
    answer = replace(says("cat", who="ann"), labels=None, boxes=())
    assert decide(item(answer), images(1)).needed == 1


@pytest.mark.parametrize(
    ("words", "needed", "truth", "score"),
    [
        ("cat+dog cat cat+bird", 0, "cat", 2 / 3),
        ("cat+dog cat+dog cat", 0, "cat dog", 2 / 3),
        ("cat+dog dog+bird cat+bird", 0, "bird cat dog", 2 / 3),
        ("cat+dog cat+dog cat+dog", 0, "cat dog", 1),
        ("- - cat", 0, "", 2 / 3),
        ("- - -", 0, "", 1),
        ("cat", 2, "cat", 1),
        ("cat -", 1, OPEN, 1 / 2),
    ],
)
def test_with_several_labels_an_item_each_is_voted_on_by_itself(
    words: str, needed: int, truth: str | None, score: float
) -> None:
    decision = decide(votes(words), images(3, is_multi_label=True))
    assert decision.needed == needed
    assert decision.is_resolved == (truth is not None)
    assert decision.labels == tuple((truth or "").split())
    assert decision.score == pytest.approx(score)


def test_one_label_without_majority_leaves_the_whole_item_open() -> None:
    rules = images(2, is_multi_label=True)
    assert decide(votes("cat+dog cat"), rules).needed == 1
    assert decide(votes("cat+dog cat cat"), rules).labels == ("cat",)
    at_last = decide(votes("cat+dog cat+dog cat cat"), rules)
    assert (at_last.needed, at_last.is_resolved) == (0, False)
    assert "'dog'" in at_last.reason


@pytest.mark.parametrize(
    ("words", "needed", "truth"),
    [
        ("cat", 2, "cat"),
        ("cat dog", 0, OPEN),
        ("cat cat cat", 0, "cat"),
        ("cat cat dog", 0, OPEN),
        ("cat -", 0, OPEN),
        ("- - -", 0, OPEN),
    ],
)
def test_where_all_must_agree_one_dissent_ends_it_at_once(
    words: str, needed: int, truth: str | None
) -> None:
    decision = decide(votes(words), replace(images(), aggregation=UNANIMOUS))
    assert (decision.needed, decision.is_resolved) == (needed, truth is not None)
    assert decision.labels == ((truth,) if truth else ())


@pytest.mark.parametrize(
    ("words", "needed", "truth"),
    [("cat dog", 1, OPEN), ("cat cat cat", 0, "cat"), ("cat dog cat", 0, OPEN)],
)
def test_where_all_answers_are_kept_those_that_differ_are_not_scored(
    words: str, needed: int, truth: str | None
) -> None:
    decision = decide(votes(words), replace(images(), aggregation=KEEP_ALL))
    assert (decision.needed, decision.is_resolved) == (needed, truth is not None)
    assert decision.labels == ((truth,) if truth else ())
    assert [it.labels for it in decision.answers] == [(word,) for word in words.split()]


def test_several_labels_are_alike_in_any_order() -> None:
    rules = replace(images(2, is_multi_label=True), aggregation=UNANIMOUS)
    assert decide(votes("cat+dog dog+cat"), rules).labels == ("cat", "dog")
    assert decide(votes("- -"), rules).is_resolved


def test_only_images_have_a_choice_of_how_answers_are_aggregated() -> None:
    rules = replace(
        images(), annotation_type=AnnotationType.TEXT_CLASSIFICATION, aggregation=UNANIMOUS
    )
    assert decide(votes("cat cat dog"), rules).labels == ("cat",)


GOOD, BAD = Sentiment.POSITIVE, Sentiment.NEGATIVE


@pytest.mark.parametrize(
    ("marks", "sentiment"),
    [
        ((GOOD, GOOD, BAD), GOOD),
        ((GOOD, BAD), None),
        ((GOOD, None, None), None),
        ((BAD, BAD, None), BAD),
        ((None, None), None),
    ],
)
def test_the_sentiment_is_that_of_most_who_gave_the_label(
    marks: tuple[Sentiment | None, ...], sentiment: Sentiment | None
) -> None:
    for_cat = [says("cat", sentiment=mark) for mark in marks]
    decision = decide(item(*for_cat, says("dog", sentiment=GOOD)), images())
    assert (decision.labels, decision.sentiment) == (("cat",), sentiment)


def test_an_unresolved_item_has_no_sentiment() -> None:
    answers = [says("cat", sentiment=GOOD), says("dog", sentiment=GOOD)]
    assert decide(item(*answers), images(2)).sentiment is None


def test_comments_of_all_are_kept_as_they_came() -> None:
    answers = [says("cat", comment="blurred"), says("dog"), says("cat", comment="a lynx?")]
    assert decide(item(*answers), images()).comments == ("blurred", "a lynx?")


def test_labels_are_written_as_an_entry_of_the_table() -> None:
    rules = images(3, is_multi_label=True)
    written = groundtruth_of(decide(votes("dog+cat"), rules), rules, KEYS, None)
    assert json.loads(written) == {"is": ["cat", "dog"]}


def test_an_unresolved_item_is_never_written() -> None:
    with pytest.raises(ValueError, match="unresolved"):
        groundtruth_of(decide(votes("cat dog"), images()), images(), KEYS, None)


def test_nobody_to_ask_is_no_rule() -> None:
    with pytest.raises(ValueError, match="replica_count: 0; ask at least 1"):
        images(0)


CHOICES = st.lists(st.lists(st.sampled_from(LABELS), unique=True, max_size=2), max_size=7)
RULES = st.builds(
    Rules,
    st.just(AnnotationType.IMAGE_CLASSIFICATION),
    st.just(LABELS),
    st.booleans(),
    st.sampled_from([None, *AnswerAggregationType]),
    st.integers(1, 5),
)


@given(CHOICES, RULES, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_it_does_not_matter_who_answered_first(
    choices: list[list[str]], rules: Rules, chance: random.Random
) -> None:
    answers = [says(*labels) for labels in choices]
    before = decide(item(*answers), rules)
    chance.shuffle(answers)
    after = decide(item(*answers), rules)
    assert replace(after, answers=before.answers) == before


@given(CHOICES, RULES)
@settings(max_examples=150, deadline=None)
def test_it_does_not_matter_what_labels_are_called(choices: list[list[str]], rules: Rules) -> None:
    other = dict(zip(LABELS, ("zebra", "ant", "mole"), strict=True))
    before = decide(item(*(says(*labels) for labels in choices)), rules)
    renamed = item(*(says(*(other[it] for it in labels)) for labels in choices))
    after = decide(renamed, replace(rules, labels=tuple(other.values())))
    assert after.labels == tuple(other[it] for it in before.labels)
    assert (after.needed, after.score) == (before.needed, before.score)


@given(RULES, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_asking_as_long_as_anybody_is_needed_ends_after_two_more_than_asked_at_first(
    rules: Rules, chance: random.Random
) -> None:
    answers = [says("cat")]
    while needed := decide(item(*answers), rules).needed:
        assert needed == max(rules.replica_count - len(answers), 1)
        answers.append(says(chance.choice(LABELS)))
    assert rules.replica_count <= len(answers) <= rules.replica_count + 2 or (
        rules.way is UNANIMOUS and not decide(item(*answers), rules).is_resolved
    )


def test_an_item_without_answers_needs_all() -> None:
    assert decide(ItemAnswers("item", ()), images(5)).needed == 5
