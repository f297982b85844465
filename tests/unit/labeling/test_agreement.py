"""How much people agree, beyond chance."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import permutations

import pytest

from evaluation_operator.labeling.people.agreement import agreement
from evaluation_operator.tasks.answers import Box, ItemAnswers
from evaluation_operator.tasks.votes import Rules
from tests.unit.labeling.saying import LABELS, box, boxes, draws, images, item, says, votes


def by_coder(*coders: str, labels: Sequence[str]) -> tuple[list[ItemAnswers], Rules]:
    """A table of reliability data: a line a coder, a column an item, a dot for no answer."""
    items = [
        item(*(says(value, who=str(who)) for who, value in enumerate(column) if value != "."))
        for column in zip(*coders, strict=True)
    ]
    kind = images().annotation_type
    return items, Rules(kind, tuple(labels), replica_count=len(coders))


def test_alpha_of_two_people_and_two_labels_worked_out_by_hand() -> None:
    # Ten items, 20 answers: 14 of 0 and 6 of 1; 4 items differ. Observed: 8/20 = 0.4.
    # Expected: 2·14·6 / (20·19) = 168/380. Alpha = 1 − 0.4·380/168 = 0.0952.
    items, rules = by_coder("0100000010", "1110010000", labels="01")
    assert agreement(items, rules) == pytest.approx(0.0952, abs=5e-5)


def test_alpha_with_answers_missing_worked_out_by_hand() -> None:
    # Items aaa, abb, bb, b: the last says nothing. Coincidences: aa 3, bb 1+2, ab and ba 1 each.
    # 8 values: 4 of a, 4 of b. Observed 2/8; expected 2·4·4/(8·7); alpha = 1 − (1/4)/(4/7).
    items, rules = by_coder("aa.b", "abb.", "abb.", labels="ab")
    assert agreement(items, rules) == pytest.approx(1 - (1 / 4) / (4 / 7))


def test_alpha_is_1_if_all_agree_and_negative_if_all_contradict() -> None:
    items, rules = by_coder("abab", "abab", labels="ab")
    assert agreement(items, rules) == pytest.approx(1)
    items, rules = by_coder("abab", "baba", labels="ab")
    assert (agreement(items, rules) or 0) < 0


def brute_alpha(items: Sequence[Sequence[object]]) -> float:
    """From the matrix of coincidences, as the measure is defined."""
    pairs: defaultdict[tuple[object, object], float] = defaultdict(float)
    for values in items:
        for one, other in permutations(values, 2):
            pairs[one, other] += 1 / (len(values) - 1)
    totals: defaultdict[object, float] = defaultdict(float)
    for (one, _), weight in pairs.items():
        totals[one] += weight
    n = sum(totals.values())
    observed = sum(weight for (one, other), weight in pairs.items() if one != other)
    expected = sum(totals[a] * totals[b] for a in totals for b in totals if a != b) / (n - 1)
    return 1 - observed / expected


def test_alpha_is_that_of_the_matrix_of_coincidences_on_random_answers() -> None:
    chance = random.Random(5)
    for _ in range(20):
        values = [chance.choices(LABELS, k=chance.randint(1, 4)) for _ in range(12)]
        items = [item(*(says(it) for it in column)) for column in values]
        assert agreement(items, images(4)) == pytest.approx(brute_alpha(values))


def test_only_the_first_answers_count_and_not_those_asked_for_in_a_dispute() -> None:
    undisputed = [votes("cat cat"), votes("dog dog")]
    first, later = votes("cat dog"), votes("cat dog cat cat")
    expected = brute_alpha(["cc", "dd", "cd"])
    assert expected != pytest.approx(brute_alpha(["cc", "dd", "cdcc"]))
    for last in (first, later):
        assert agreement([*undisputed, last], images(2)) == pytest.approx(expected)


def test_there_is_none_if_one_person_is_asked() -> None:
    assert agreement([votes("cat dog"), votes("cat cat")], images(1)) is None


@pytest.mark.parametrize("items", [["cat cat", "cat cat"], ["cat", "dog"], []])
def test_there_is_none_if_only_one_value_occurs_where_people_can_be_compared(
    items: list[str],
) -> None:
    assert agreement([votes(it) for it in items], images(2)) is None


def test_choosing_none_is_a_value_as_well() -> None:
    assert agreement([votes("- -"), votes("cat cat")], images(2)) == pytest.approx(1)


def test_with_several_labels_an_item_it_is_the_mean_over_the_labels_that_vary() -> None:
    items = [votes("cat+dog cat"), votes("- dog"), votes("cat+dog cat+dog"), votes("- -")]
    cat = brute_alpha([(True, True), (False, False), (True, True), (False, False)])
    dog = brute_alpha([(True, False), (False, True), (True, True), (False, False)])
    assert cat == 1
    assert agreement(items, images(2, is_multi_label=True)) == pytest.approx((cat + dog) / 2)


def test_with_several_labels_their_order_does_not_matter() -> None:
    items = [votes("cat+dog dog+cat"), votes("bird bird")]
    assert agreement(items, images(2, is_multi_label=True)) == pytest.approx(1)


def test_there_is_none_if_no_label_varies() -> None:
    assert agreement([votes("cat cat")], images(2, is_multi_label=True)) is None


def test_boxes_agree_by_the_mean_f1_of_any_two_people() -> None:
    one, other = box(0, 0.3), box(0.6, 0.9)
    # F1 of (a, b) is 1, of (a, c) and (b, c) 2·1/3; the second image is 1 for its only pair.
    items = [item(draws(one, other), draws(one, other), draws(one)), item(draws(), draws())]
    assert agreement(items, boxes(3)) == pytest.approx((1 + 2 / 3 + 2 / 3 + 1) / 4)


@pytest.mark.parametrize(
    ("drawn", "f1"),
    [
        (box(0, 0.25), 1),
        (box(0, 0.24), 0),
        (box(0, 0.5, "dog"), 0),
    ],
)
def test_boxes_match_by_label_and_by_an_overlap_of_half(drawn: Box, f1: float) -> None:
    assert agreement([item(draws(box(0, 0.5)), draws(drawn))], boxes(2)) == f1


def test_who_draws_one_thing_twice_matches_once() -> None:
    twice = draws(box(0, 0.5), box(0, 0.5))
    assert agreement([item(draws(box(0, 0.5)), twice)], boxes(2)) == pytest.approx(2 / 3)


def test_there_is_none_for_boxes_if_nobody_draws_any() -> None:
    assert agreement([item(draws(), draws())], boxes(2)) is None
    assert agreement([item(draws(box(0, 0.5)))], boxes(2)) is None
    assert agreement([item(draws(box(0, 0.5)), draws(box(0, 0.5)))], boxes(1)) is None
