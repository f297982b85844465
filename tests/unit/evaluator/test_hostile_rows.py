"""Texts of a table that nobody sampled: each is an item or a fault, and costs little.

A table may be filled by others, so a row can hold anything that fits into a text column.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Final

import pytest

from evaluation_operator.tasks.classification.reader import LabelReader
from evaluation_operator.tasks.detection.reader import BoxReader
from evaluation_operator.tasks.forms import Keys
from evaluation_operator.tasks.items import Fault, Item, LeftOut, Row
from evaluation_operator.tasks.label_names import LabelNames
from evaluation_operator.tasks.row_json import MAXIMUM_LABELS

LABELS: Final = [f"label-{number}" for number in range(2_000)]
READERS: Final = (
    LabelReader(LabelNames(LABELS), Keys("labels", "scores"), is_multi_label=True),
    LabelReader(LabelNames(LABELS), Keys("labels", "scores"), is_multi_label=False),
    BoxReader(LabelNames(LABELS), Keys("labels", "scores"), "boxes"),
)
TRUTH: Final = '{"predictions":[{"labels":["label-1"],"boxes":[]}]}'


def predicted(scores: str, labels: str = '"label-1"', boxes: str = "") -> str:
    return f'{{"predictions":[{{"labels":[{labels}],"scores":[{scores}],"boxes":[{boxes}]}}]}}'


def box(low: str, high: str) -> str:
    return f'{{"top_left":{{"x":{low},"y":{low}}},"bottom_right":{{"x":{high},"y":{high}}}}}'


HOSTILE: Final[dict[str, Callable[[], str]]] = {
    "infinity as a number": lambda: predicted("1e999"),
    "NaN": lambda: predicted("NaN"),
    "a number of 5,000 digits": lambda: predicted("9" * 5_000),
    "a number of 400 digits": lambda: predicted("9" * 400),
    "truth as a score": lambda: predicted("true"),
    "deep": lambda: "[" * 200_000 + "]" * 200_000,
    "deep below the key": lambda: '{"predictions":' + "[" * 900 + "]" * 900 + "}",
    "deep objects": lambda: '{"a":' * 100_000,
    "half a surrogate pair": lambda: predicted("1", '"\\ud800"'),
    "a label of 10 MB": lambda: predicted("1", '"' + "x" * 10_000_000 + '"'),
    "a million labels": lambda: predicted(",".join(["1"] * 10**6), ",".join(['"label-1"'] * 10**6)),
    "keys twice": lambda: '{"predictions":[],' + predicted("1")[1:],
    "no text at all": lambda: "",
    "a lone null": lambda: "\x00",
    "infinite boxes": lambda: predicted("1", boxes=box("-1e308", "1e308")),
    "boxes without area": lambda: predicted("1", boxes=box("0", "0")),
    "boxes of NaN": lambda: predicted("1", boxes=box("NaN", "1")),
    "boxes of 500 digits": lambda: predicted("1", boxes=box("0", "9" * 500)),
    "a table of boxes": lambda: predicted("1", boxes="[0,0,1,1]"),
    "five million lists": lambda: '{"predictions":[' + "[]," * 5_000_000 + "[]]}",
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_every_text_ends_in_an_item_or_in_a_fault_that_says_why(make: Callable[[], str]) -> None:
    text = make()
    for reader in READERS:
        for row in (
            Row("id", '{"instances":[1]}', text, TRUTH),
            Row("id", '{"instances":[1]}', TRUTH, text),
            Row("id", text, None, None),
        ):
            outcomes = reader.read(row)
            assert outcomes
            for outcome in outcomes:
                assert isinstance(outcome, Item | LeftOut | Fault)
                if isinstance(outcome, Fault):
                    assert len(outcome.message) <= 300
                    outcome.message.encode()


def test_a_text_that_would_take_gigabytes_is_not_parsed() -> None:
    """Fifteen megabytes of empty lists take a third of a gigabyte, and a text may be longer."""
    text = HOSTILE["five million lists"]()
    tracemalloc.start()
    try:
        [fault] = READERS[0].read(Row("id", None, text, None))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(fault, Fault)
    assert "raw_prediction: 15000020 characters" in fault.message
    assert "make several rows of it" in fault.message
    assert peak < 1_000_000


def test_a_label_that_is_given_twice_is_found_by_looking_once() -> None:
    """Each label was counted in all of them until one was found twice: a row of three megabytes
    with every label once, and one of them 200,000 times, took twenty seconds."""
    labels = [*LABELS[:-1], LABELS[-1], LABELS[-1]]
    entry = {"labels": labels, "scores": [0] * len(labels)}
    [fault] = READERS[0].read(Row("id", None, json.dumps({"predictions": [entry]}), None))
    assert isinstance(fault, Fault)
    assert f'label "{LABELS[-1]}" is given twice' in fault.message


def test_more_labels_than_anything_predicts_are_a_fault() -> None:
    many = MAXIMUM_LABELS + 1
    text = predicted(",".join(["1"] * many), ",".join(['"label-1"'] * many))
    for reader in READERS:
        [fault] = reader.read(Row("id", None, text, None))
        assert isinstance(fault, Fault)
        assert f"give at most {MAXIMUM_LABELS}" in fault.message
