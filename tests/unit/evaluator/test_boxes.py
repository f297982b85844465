"""What the rows of object detection say, and what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evaluation_operator.tasks.detection.reader import BoxReader
from evaluation_operator.tasks.forms import Keys
from evaluation_operator.tasks.items import Fault, Item, LeftOut, Outcome, Reason, Row
from evaluation_operator.tasks.label_names import LabelNames

READER = BoxReader(LabelNames(("cat", "dog")), Keys("names", "scores"), "boxes")
BOX = {"top_left": {"x": 1, "y": 2.5}, "bottom_right": {"x": 3, "y": 4}}


def entry(**changes: Any) -> dict[str, Any]:
    return {"names": ["dog"], "scores": [0.5], "boxes": [BOX]} | changes


def text(*entries: Any) -> str:
    return json.dumps({"predictions": list(entries)})


def read(prediction: str | None, truth: str | None) -> Outcome:
    (outcome,) = READER.read(Row("r", None, prediction, truth))
    return outcome


def test_boxes_stay_in_the_order_of_their_arrays() -> None:
    other = {"top_left": {"x": -5, "y": 0}, "bottom_right": {"x": 1e4, "y": 0, "z": 1}, "more": 1}
    prediction = entry(names=["dog", "cat"], scores=[0.1, 0.9], boxes=[BOX, other])
    item = read(text(prediction), text({"names": ["dog"], "boxes": [BOX]}))
    assert isinstance(item, Item)
    assert (item.labels, item.scores) == ((1, 0), (0.1, 0.9))
    assert item.boxes == ((1.0, 2.5, 3.0, 4.0), (-5.0, 0.0, 1e4, 0.0))
    assert (item.truth, item.true_boxes) == ((1,), ((1.0, 2.5, 3.0, 4.0),))


def test_a_label_may_come_often_and_scores_in_the_truth_are_ignored() -> None:
    twice = entry(names=["cat", "cat"], scores=[0.5, 0.5], boxes=[BOX, BOX])
    item = read(text(twice), text(twice | {"scores": "none of your business"}))
    assert isinstance(item, Item)
    assert item.labels == item.truth == (0, 0)


def test_empty_arrays_are_an_answer_and_null_is_none() -> None:
    nothing: dict[str, list[object]] = {"names": [], "scores": [], "boxes": []}
    item = read(text(nothing), text({"names": [], "boxes": []}))
    assert isinstance(item, Item)
    assert (item.boxes, item.true_boxes) == ((), ())
    unlabeled, failed = read(text(entry()), text(None)), read(text(None), text(entry()))
    assert isinstance(unlabeled, LeftOut)
    assert unlabeled.reason is Reason.UNLABELED
    assert isinstance(failed, LeftOut)
    assert failed.reason is Reason.FAILED_PREDICTION


def box(**corners: Any) -> dict[str, Any]:
    """BOX with a changed coordinate: `left=…`, `top=…`, `right=…`, `bottom=…`."""
    at = {"left": 1, "top": 2.5, "right": 3, "bottom": 4} | corners
    return {
        "top_left": {"x": at["left"], "y": at["top"]},
        "bottom_right": {"x": at["right"], "y": at["bottom"]},
    }


FAULTS: dict[str, tuple[Any, str]] = {
    "fewer boxes": (entry(boxes=[]), '1 labels under "names" but 0 boxes under "boxes"; give one'),
    "fewer scores": (entry(scores=[]), "give one score a label"),
    "no boxes": ({"names": [], "scores": []}, 'no key "boxes"'),
    "wrong key": (entry(boxes={"a": 1}), "give an array"),
    "unknown label": (entry(names=["cow"]), '"cow" is not in the annotation spec set'),
    "box of another shape": (
        entry(boxes=[{"x": 1, "y": 2}]),
        'with "x", "y" without an object "top_left"',
    ),
    "box of numbers": (
        entry(boxes=[[1, 2, 3, 4]]),
        "is an array of 4 numbers; say in inputConfig.b",
    ),
    "box of five": (entry(boxes=[[1, 2, 3, 4, 5]]), "box 0 is an array without an object"),
    "one corner": (entry(boxes=[{"top_left": {"x": 1, "y": 2}}]), '"bottom_right"; write {"top'),
    "inverted": (entry(boxes=[box(left=4)]), "box 0 is inverted: x is 4 at its top_left and 3"),
    "upside down": (entry(boxes=[box(top=5)]), "box 0 is inverted: y is 5"),
    "NaN": (entry(boxes=[box(left=float("nan"))]), "top_left.x of box 0 is NaN; give a finite"),
    "infinite": (entry(boxes=[box(bottom=float("inf"))]), "bottom_right.y of box 0 is Infinity"),
    "huge": (entry(boxes=[box(right=10**400)]), "bottom_right.x of box 0"),
    "text": (entry(boxes=[box(left="1")]), 'top_left.x of box 0 is "1"; give a finite number'),
    "true": (entry(boxes=[box(left=True)]), "top_left.x of box 0 is true"),
    "missing": (entry(boxes=[box(left=None)]), "top_left.x of box 0 is null"),
    "score NaN": (entry(scores=[float("nan")]), "is not finite"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_names_the_box_and_the_cure(case: str) -> None:
    faulty, message = FAULTS[case]
    outcome = read(text(faulty), text(entry()))
    assert isinstance(outcome, Fault)
    assert message in outcome.message
    assert outcome.message.startswith("item r/0: raw_prediction: ")


def test_a_fault_in_the_truth_fails_the_item_and_no_other() -> None:
    row = Row("r", None, text(entry(), entry()), text(entry(boxes=[box(left=9)]), entry()))
    first, second = READER.read(row)
    assert isinstance(first, Fault)
    assert "groundtruth: box 0 is inverted" in first.message
    assert isinstance(second, Item)
