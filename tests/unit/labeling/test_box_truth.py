"""How the boxes of several people become one truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.api.evaluation_options import (
    AnnotationType,
    BoundingBoxUnits,
    ImportKeys,
)
from evaluation_operator.labeling.people.decision import Decision, decide, groundtruth_of
from evaluation_operator.tasks.answers import Answer, Box
from evaluation_operator.tasks.detection.clusters import clusters, iou
from tests.unit.labeling.saying import box, boxes, draws, images, item, says

KEYS = ImportKeys(
    data_json_key="image",
    label_json_key="is",
    label_score_json_key="score",
    bounding_box_json_key="at",
)


def decided(*answers: Answer, replica_count: int = 3) -> Decision:
    return decide(item(*answers), boxes(replica_count))


def spans(decision: Decision) -> list[tuple[str, float, float]]:
    return [(it.box.label, it.box.left, it.box.right) for it in decision.boxes]


def grouped(*people: Sequence[Box]) -> set[frozenset[tuple[str, int]]]:
    """Clusters as sets of who and which; people are called a, b, c."""
    found = clusters(dict(zip("abcd", people, strict=False)))
    return {frozenset((it.annotator, it.place) for it in cluster) for cluster in found}


def group(words: str) -> frozenset[tuple[str, int]]:
    return frozenset((word[0], int(word[1:])) for word in words.split())


def test_overlap_is_intersection_over_union() -> None:
    assert iou(box(0.0, 0.6), box(0.2, 0.8)) == pytest.approx(0.4 / 0.8)
    assert iou(box(0.0, 0.3), box(0.3, 0.6)) == 0
    assert iou(Box("cat", 0, 0, 0.5, 0.5), Box("cat", 0, 0, 1, 1)) == pytest.approx(0.25)
    assert iou(box(0.5, 0.5), box(0.5, 0.5)) == 0


def test_boxes_of_different_people_that_overlap_by_half_are_one_thing() -> None:
    assert grouped([box(0, 0.5)], [box(0, 0.25)]) == {group("a0 b0")}
    assert grouped([box(0, 0.5)], [box(0, 0.24)]) == {group("a0"), group("b0")}


def test_two_boxes_of_one_person_are_never_one_thing() -> None:
    assert grouped([box(0, 0.5), box(0, 0.5)]) == {group("a0"), group("a1")}
    assert grouped([box(0, 0.5), box(0, 0.5)], [box(0, 0.5)]) == {group("a0 b0"), group("a1")}


def test_boxes_with_one_label_are_joined_first_even_if_others_overlap_more() -> None:
    near_dog, far_cat = box(0, 0.5, "dog"), box(0, 0.3, "cat")
    assert grouped([box(0, 0.5, "cat")], [near_dog, far_cat]) == {group("a0 b1"), group("b0")}


def test_among_one_label_the_larger_overlap_is_joined_first() -> None:
    assert grouped([box(0, 0.5)], [box(0, 0.3), box(0, 0.45)]) == {group("a0 b1"), group("b0")}


def test_equal_overlaps_go_by_person_and_then_by_the_order_of_their_boxes() -> None:
    one, other = box(0, 0.5), box(0.25, 0.75)
    middle = box(0.125, 0.625)
    assert grouped([one, other], [middle]) == {group("a0 b0"), group("a1")}
    assert grouped([one], [middle], [other]) == {group("a0 b0"), group("c0")}


def test_clusters_join_only_if_every_box_overlaps_every_other() -> None:
    left, middle, right = box(0, 0.5), box(0.125, 0.625), box(0.25, 0.75)
    assert iou(left, middle) == iou(middle, right) == 0.6
    assert iou(left, right) < 0.5
    assert len(grouped([left], [middle], [right])) == 2


def test_clusters_do_not_join_if_somebody_would_be_in_twice() -> None:
    # a0+b0 and b1+c0 are closest; then a0 and c0 would join both, with b in twice.
    found = grouped([box(0, 0.5)], [box(0, 0.5), box(0, 0.45)], [box(0, 0.45)])
    assert found == {group("a0 b0"), group("b1 c0")}


def test_a_box_that_more_than_half_drew_is_there() -> None:
    decision = decided(draws(box(0, 0.5)), draws(box(0, 0.5)), draws())
    assert spans(decision) == [("cat", 0, 0.5)]
    assert decision.boxes[0].score == pytest.approx(2 / 3)
    assert decision.score == pytest.approx(2 / 3)


def test_a_box_that_half_or_less_drew_is_not_there() -> None:
    for answers in ([draws(box(0, 0.5)), draws(), draws()], [draws(box(0, 0.5)), draws()]):
        decision = decided(*answers, replica_count=len(answers))
        assert decision.is_resolved
        assert (decision.boxes, decision.needed) == ((), 0)


def test_an_image_without_any_box_is_an_answer() -> None:
    decision = decided(draws(), draws(), draws())
    assert (decision.is_resolved, decision.boxes, decision.score) == (True, (), 1.0)
    assert decided(draws(), draws()).needed == 1


def test_coordinates_are_medians() -> None:
    people = [
        Box("cat", 0.10, 0.20, 0.60, 0.70),
        Box("cat", 0.12, 0.18, 0.90, 0.71),
        Box("cat", 0.11, 0.19, 0.61, 0.75),
    ]
    decision = decided(*(draws(it) for it in people))
    assert decision.boxes[0].box == Box("cat", 0.11, 0.19, 0.61, 0.71)
    two = decided(*(draws(it) for it in people[::2]), draws())
    assert two.boxes[0].box.left == pytest.approx(0.105)


def test_the_label_is_that_of_more_than_half_who_drew_it() -> None:
    cats, dog = [draws(box(0, 0.5))] * 2, draws(box(0, 0.5, "dog"))
    assert spans(decided(*cats, dog)) == [("cat", 0, 0.5)]


def test_a_box_whose_label_has_no_majority_leaves_the_whole_image_open() -> None:
    clear = box(0.6, 0.9, "bird")
    answers = [draws(box(0, 0.5, label), clear) for label in ("cat", "dog", "bird")]
    decision = decided(*answers)
    assert (decision.is_resolved, decision.boxes, decision.needed) == (False, (), 1)
    assert decided(*answers, draws(box(0, 0.5, "cat"), clear)).needed == 1
    at_last = [draws(box(0, 0.5, label), clear) for label in ("cat", "dog")]
    assert decided(*answers, *at_last).needed == 0
    assert not decided(*answers, *at_last).is_resolved
    settled = decided(*answers, *[draws(box(0, 0.5, "cat"), clear)] * 2)
    assert [it.box.label for it in settled.boxes] == ["cat", "bird"]


def test_labels_of_a_box_that_is_not_there_anyway_do_not_matter() -> None:
    disputed = [draws(box(0, 0.5, label)) for label in ("cat", "dog")]
    assert decided(*disputed, *[draws()] * 3, replica_count=5).is_resolved


def test_all_who_are_to_answer_first_are_asked() -> None:
    decision = decided(draws(box(0, 0.5)), draws(box(0, 0.5)))
    assert (decision.needed, len(decision.boxes)) == (1, 1)


def test_the_score_of_an_image_is_that_of_what_people_agree_on_least() -> None:
    sure, doubtful = box(0, 0.3), box(0.6, 0.9)
    decision = decided(draws(sure, doubtful), draws(sure, doubtful), draws(sure))
    assert [it.score for it in decision.boxes] == pytest.approx([1, 2 / 3])
    assert decision.score == pytest.approx(2 / 3)
    assert decision.label_votes == 2


def test_an_answer_with_an_unknown_label_is_as_if_not_given() -> None:
    decision = decided(draws(box(0, 0.5)), draws(box(0, 0.5, "horse")), says("cat"))
    assert (decision.total_votes, decision.needed) == (1, 2)


def written(decision: Decision, units: BoundingBoxUnits | None) -> object:
    rules = replace(boxes(), units=units)
    return json.loads(groundtruth_of(decision, rules, KEYS, decision.image_size))


def test_boxes_are_written_as_fractions_or_in_pixels() -> None:
    decision = decided(draws(Box("cat", 0.1, 0.2, 0.5, 0.7), size=(640, 480)), replica_count=1)
    for units, corners in (
        (BoundingBoxUnits.NORMALIZED, (0.1, 0.2, 0.5, 0.7)),
        (BoundingBoxUnits.PIXELS, (64, 96, 320, 336)),
    ):
        left, top, right, bottom = corners
        shape = {"top_left": {"x": left, "y": top}, "bottom_right": {"x": right, "y": bottom}}
        assert written(decision, units) == {"at": [shape], "is": ["cat"]}


def test_no_box_is_written_as_empty_arrays_even_without_the_image_s_size() -> None:
    decision = decided(draws(), replica_count=1)
    assert written(decision, BoundingBoxUnits.PIXELS) == {"at": [], "is": []}


@pytest.mark.parametrize("sizes", [(None, None), ((640, 480), (480, 640))])
def test_pixels_need_the_one_size_of_the_image(sizes: tuple[tuple[int, int] | None, ...]) -> None:
    rules = replace(boxes(2), units=BoundingBoxUnits.PIXELS)
    answers = item(*(draws(box(0, 0.5), size=it) for it in sizes))
    decision = decide(answers, rules)
    assert (decision.is_resolved, decision.needed) == (False, 0)
    assert "no one size of the image" in decision.reason
    in_fractions = decide(answers, boxes(2))
    with pytest.raises(ValueError, match="image_size: None"):
        groundtruth_of(in_fractions, rules, KEYS, None)


def test_boxes_without_a_key_for_them_are_not_written() -> None:
    keys = KEYS.model_copy(update={"bounding_box_json_key": None})
    with pytest.raises(ValueError, match="bounding_box_json_key"):
        groundtruth_of(decided(draws(), replica_count=1), boxes(), keys, None)


def test_several_labels_an_item_mean_nothing_for_boxes() -> None:
    rules = replace(
        images(2, is_multi_label=True), annotation_type=AnnotationType.IMAGE_BOUNDING_BOX
    )
    assert len(decide(item(draws(box(0, 0.5)), draws(box(0, 0.5))), rules).boxes) == 1


# Few places, so that overlaps are often equal, and just at the limit.
BOXES = st.builds(
    lambda start, width, label: box(start / 8, (start + width) / 8, label),
    st.integers(0, 4),
    st.integers(1, 4),
    st.sampled_from(["cat", "dog"]),
)
PEOPLE = st.lists(st.lists(BOXES, max_size=3), min_size=1, max_size=4)


def brute_force(people: Sequence[Sequence[Box]]) -> set[frozenset[tuple[str, int]]]:
    """The rule as it is said, step by step, with sets and no shortcut."""
    all_boxes = {(who, n): it for who, own in zip("abcd", people, strict=False)
                 for n, it in enumerate(own)}  # fmt: skip
    state = {frozenset([key]) for key in all_boxes}
    pairs = [
        (one, other)
        for one, other in combinations(sorted(all_boxes), 2)
        if one[0] != other[0] and iou(all_boxes[one], all_boxes[other]) >= 0.5
    ]
    for same_label in (True, False):
        stage = [it for it in pairs if same_label == (len({all_boxes[k].label for k in it}) == 1)]
        while stage:
            best = max(stage, key=lambda it: iou(all_boxes[it[0]], all_boxes[it[1]]))
            stage.remove(best)
            one, other = (next(it for it in state if key in it) for key in best)
            joint = one | other
            is_twice = len({who for who, _ in joint}) < len(joint)
            is_far = any(
                iou(all_boxes[x], all_boxes[y]) < 0.5 for x in one for y in other if x != y
            )
            if one != other and not is_twice and not is_far:
                state = (state - {one, other}) | {joint}
    return state


@given(PEOPLE)
@settings(max_examples=300, deadline=None)
def test_clusters_are_those_of_the_rule_taken_step_by_step(people: list[list[Box]]) -> None:
    assert grouped(*people) == brute_force(people)


@given(PEOPLE, st.data())
@settings(max_examples=150, deadline=None)
def test_who_drew_what_does_not_matter_where_no_overlaps_are_equal(
    people: list[list[Box]], data: st.DataObject
) -> None:
    drawn = [(place, it) for place, own in enumerate(people) for it in own]
    overlaps = [
        iou(one, other)
        for (who, one), (whom, other) in combinations(drawn, 2)
        if who != whom and iou(one, other) >= 0.5
    ]
    shuffled = data.draw(st.permutations(people))
    before, after = (decided(*(draws(*own) for own in order)) for order in (people, shuffled))
    if len(set(overlaps)) == len(overlaps):
        assert (before.boxes, before.needed) == (after.boxes, after.needed)
    else:
        assert before.total_votes == after.total_votes


@given(PEOPLE)
@settings(max_examples=150, deadline=None)
def test_every_truth_was_drawn_by_most_and_lies_right_way_round(people: list[list[Box]]) -> None:
    decision = decided(*(draws(*own) for own in people))
    assert all(it.score > 0.5 for it in decision.boxes)
    assert all(it.box.left <= it.box.right for it in decision.boxes)
    assert decision.boxes == () or decision.is_resolved
