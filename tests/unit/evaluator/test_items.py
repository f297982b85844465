"""What rows say, and what they are told when they cannot be read."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.api.codes import Code
from evaluation_operator.tasks.classification.reader import LabelReader
from evaluation_operator.tasks.forms import Keys
from evaluation_operator.tasks.items import (
    MAXIMUM_MESSAGE,
    Fault,
    Item,
    LeftOut,
    Outcome,
    Reason,
    Row,
    RowReader,
)
from evaluation_operator.tasks.label_names import LabelNames

LABELS = ("cat", "dog", "fish")
SINGLE = LabelReader(LabelNames(LABELS), Keys("label", "score"), is_multi_label=False)
MULTI = LabelReader(LabelNames(LABELS), Keys("label", "score"), is_multi_label=True)


def make_row(
    predictions: object = ...,
    truths: object = ...,
    *,
    raw_data: str | None = None,
    p: float | None = None,
) -> Row:
    """A sound row of one item, but for what is given."""
    if predictions is ...:
        predictions = [{"label": ["cat", "dog"], "score": [0.9, 0.1]}]
    if truths is ...:
        truths = [{"label": ["cat"]}]
    return Row(
        "r",
        raw_data,
        None if predictions is None else json.dumps({"predictions": predictions}),
        None if truths is None else json.dumps({"predictions": truths}),
        p,
    )


def predicting(**entry: object) -> Row:
    return make_row([{"label": ["cat"], "score": [0.9], **entry}])


def the_outcome(row: Row, reader: RowReader = SINGLE) -> Outcome:
    (outcome,) = reader.read(row)
    return outcome


def test_a_row_with_one_instance_is_one_item() -> None:
    item = the_outcome(make_row())
    assert item == Item("r", 0, 1.0, truth=(0,), labels=(0, 1), scores=(0.9, 0.1))
    assert item.item_id == "r/0"


def test_an_item_that_the_sampler_drew_has_the_id_of_its_row() -> None:
    prediction = '{"predictions": [{"label": ["cat"], "score": [1]}]}'
    rows = [
        Row("event/3", None, prediction, '{"predictions": [{"label": ["cat"]}]}', is_item=True),
        Row("event/3", None, prediction, None, is_item=True),
        Row("event/3", None, '{"predictions": [null]}', None, is_item=True),
        Row("event/3", None, '{"predictions": [7]}', None, is_item=True),
    ]
    outcomes = [the_outcome(row) for row in rows]
    assert [outcome.item_id for outcome in outcomes] == ["event/3"] * 4
    assert isinstance(outcomes[3], Fault)
    assert outcomes[3].message.startswith("item event/3: ")


def test_of_several_instances_in_a_row_each_has_its_own_id() -> None:
    row = Row("event", '{"instances": [1, 2]}', None, None, is_item=True)
    assert [outcome.item_id for outcome in SINGLE.read(row)] == ["event/0", "event/1"]


def test_instance_i_pairs_with_prediction_i_and_truth_i() -> None:
    row = make_row(
        [{"label": ["cat"], "score": [0.5]}, {"label": ["dog"], "score": [0.6]}],
        [{"label": ["fish"]}, {"label": ["dog"]}],
        raw_data='{"instances": [1, 2]}',
        p=0.25,
    )
    assert SINGLE.read(row) == (
        Item("r", 0, 0.25, truth=(2,), labels=(0,), scores=(0.5,)),
        Item("r", 1, 0.25, truth=(1,), labels=(1,), scores=(0.6,)),
    )


def test_labels_come_best_first_and_ties_in_label_order() -> None:
    item = the_outcome(predicting(label=["fish", "dog", "cat"], score=[0.4, 0.7, 0.4]))
    assert isinstance(item, Item)
    assert (item.labels, item.scores) == ((1, 0, 2), (0.7, 0.4, 0.4))


def test_a_lone_label_and_score_stand_for_arrays_of_one() -> None:
    row = make_row([{"label": "dog", "score": 1}], [{"label": "cat"}])
    assert the_outcome(row) == Item("r", 0, 1.0, truth=(0,), labels=(1,), scores=(1.0,))


def test_other_fields_and_scores_of_the_truth_are_ignored() -> None:
    row = make_row(
        [{"label": ["cat"], "score": [0.9], "embedding": [[]], "x": None}],
        [{"label": ["cat"], "score": ["certain", None]}],
    )
    assert isinstance(the_outcome(row), Item)


def test_keys_are_the_users_own() -> None:
    reader = LabelReader(LabelNames(LABELS), Keys("klasse", "güte"), is_multi_label=False)
    row = make_row([{"klasse": ["dog"], "güte": [0.5]}], [{"klasse": ["dog"]}])
    assert isinstance(the_outcome(row, reader), Item)


def test_logits_are_scores() -> None:
    item = the_outcome(predicting(label=["cat", "dog"], score=[-7.5, 12]))
    assert isinstance(item, Item)
    assert item.scores == (12.0, -7.5)


def test_minus_zero_is_zero() -> None:
    item = the_outcome(predicting(score=[-0.0]))
    assert isinstance(item, Item)
    assert item.scores is not None
    assert math.copysign(1, item.scores[0]) == 1


def test_nothing_predicted_is_evaluated() -> None:
    item = the_outcome(predicting(label=[], score=[]))
    assert item == Item("r", 0, 1.0, truth=(0,), labels=(), scores=())


def test_an_empty_truth_is_a_truth_in_multi_label() -> None:
    item = the_outcome(make_row(truths=[{"label": []}]), MULTI)
    assert isinstance(item, Item)
    assert item.truth == ()


def test_multi_label_truth_is_sorted() -> None:
    item = the_outcome(make_row(truths=[{"label": ["fish", "cat"]}]), MULTI)
    assert isinstance(item, Item)
    assert item.truth == (0, 2)


@pytest.mark.parametrize("truths", [None, [None]])
def test_no_truth_leaves_the_item_out_as_unlabeled(truths: object) -> None:
    assert the_outcome(make_row(truths=truths)) == LeftOut("r", 0, 1.0, Reason.UNLABELED)


@pytest.mark.parametrize("predictions", [None, [None]])
@pytest.mark.parametrize("truths", [..., None])
def test_no_prediction_is_a_failed_one_labelled_or_not(predictions: object, truths: object) -> None:
    outcome = the_outcome(make_row(predictions, truths))
    assert outcome == LeftOut("r", 0, 1.0, Reason.FAILED_PREDICTION)


@pytest.mark.parametrize("text", ["null", '{"predictions": null}'])
def test_a_document_of_null_is_a_column_of_null(text: str) -> None:
    assert the_outcome(Row("r", None, text, text)) == LeftOut("r", 0, 1.0, Reason.FAILED_PREDICTION)


def test_a_failed_prediction_has_as_many_items_as_its_request() -> None:
    outcomes = SINGLE.read(make_row(None, None, raw_data='{"instances": ["a", "b", "c"]}'))
    assert [outcome.item_id for outcome in outcomes] == ["r/0", "r/1", "r/2"]


def test_a_fault_in_one_instance_fails_that_item_only() -> None:
    row = make_row(
        [{"label": ["cat"], "score": [0.5]}, {"label": ["cow"], "score": [0.6]}],
        [{"label": ["cat"]}, {"label": ["cat"]}],
    )
    sound, faulty = SINGLE.read(row)
    assert isinstance(sound, Item)
    assert isinstance(faulty, Fault)
    assert faulty.item_id == "r/1"
    assert faulty.message.startswith("item r/1: ")


FAULTY_ITEMS: dict[str, tuple[Row, str]] = {
    "unknown label predicted": (predicting(label=["cow"]), 'raw_prediction: label "cow" is not in'),
    "unknown label true": (make_row(truths=[{"label": ["Cat"]}]), 'groundtruth: label "Cat"'),
    "label predicted twice": (
        predicting(label=["cat", "cat"], score=[0.9, 0.1]),
        'label "cat" is given twice',
    ),
    "fewer scores than labels": (predicting(label=["cat", "dog"]), "2 labels under"),
    "score not a number": (predicting(score=[math.nan]), "score NaN"),
    "infinite score": (predicting(score=[-math.inf]), "score -Infinity"),
    "score too large for a float": (predicting(score=[10**400]), "is not finite"),
    "score as text": (predicting(score=["0.9"]), 'score "0.9" under "score" is no number'),
    "score of true": (predicting(score=[True]), "score true"),
    "score of null": (predicting(score=[None]), "score null"),
    "label as number": (predicting(label=[3]), 'label "3" is not in'),
    "label of null": (predicting(label=None), "null among the labels; give a label"),
    "scores as object": (predicting(score={}), '"score" is an object'),
    "no label key": (make_row([{"score": [1, 2]}]), "inputConfig.classNames"),
    "one score without a label": (make_row([{"score": [0.5]}]), "inputConfig.positiveLabel"),
    "score that may be a label": (make_row([{"score": [1]}]), "inputConfig.positiveLabel"),
    "no key of the job": (make_row([{"a": 1, "b": 2}]), "bigqueryImportKeys.label_json_key"),
    "two true labels": (make_row(truths=[{"label": ["cat", "dog"]}]), "2 labels in a single-label"),
    "no true label": (make_row(truths=[{"label": []}]), "0 labels in a single-label"),
    "unlabelled and unreadable": (make_row([{"label": ["cow"], "score": [1]}], None), "cow"),
}


@pytest.mark.parametrize("case", FAULTY_ITEMS)
def test_a_faulty_item_is_told_field_value_and_cure(case: str) -> None:
    row, message = FAULTY_ITEMS[case]
    fault = the_outcome(row)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.item_id) == (Code.INVALID_ARGUMENT, "r/0")
    assert message in fault.message


def test_a_true_label_given_twice_fails_a_multi_label_item() -> None:
    fault = the_outcome(make_row(truths=[{"label": ["dog", "dog"]}]), MULTI)
    assert isinstance(fault, Fault)
    assert 'groundtruth: label "dog" is given twice' in fault.message


TOO_DEEP = "[" * 200_000 + "]" * 200_000
SOUND = make_row()
FAULTY_ROWS: dict[str, tuple[Row, str]] = {
    "unreadable prediction": (
        Row("r", None, '{"predictions": [', SOUND.groundtruth),
        "raw_prediction: unreadable JSON",
    ),
    "unreadable truth": (Row("r", None, SOUND.raw_prediction, "cat"), "groundtruth: unreadable"),
    "unreadable request": (make_row(raw_data="{'a': 1}"), "raw_data: unreadable JSON"),
    "empty text": (Row("r", None, "", SOUND.groundtruth), "raw_prediction: unreadable"),
    "nested too deeply": (Row("r", None, TOO_DEEP, SOUND.groundtruth), "nested too deeply"),
    "number of too many digits": (Row("r", None, "9" * 5_000, None), "unreadable JSON"),
    "no predictions": (Row("r", None, '{"outputs": []}', None), "raw_prediction: no items"),
    "a bare array": (Row("r", None, "[]", None), "raw_prediction: no items"),
    "a server's health": (Row("r", None, '{"ready": true}', None), "of a server's health"),
    "instances no array": (
        make_row(raw_data='{"instances": "x"}'),
        "raw_data: instances: no array",
    ),
    "more truths than predictions": (
        make_row(truths=[{"label": ["cat"]}] * 2),
        "1 in raw_prediction, 2 in groundtruth",
    ),
    "more instances than predictions": (
        make_row(raw_data='{"instances": [1, 2]}'),
        "2 in raw_data, 1 in raw_prediction",
    ),
    "p of zero": (make_row(p=0.0), "p: 0.0 is no inclusion probability"),
    "p above one": (make_row(p=1.5), "p: 1.5"),
    "p not a number": (make_row(p=math.nan), "p: nan"),
}


@pytest.mark.parametrize("case", FAULTY_ROWS)
def test_what_cannot_be_paired_fails_the_row(case: str) -> None:
    row, message = FAULTY_ROWS[case]
    fault = the_outcome(row)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.row_id, fault.item_id) == (Code.INVALID_ARGUMENT, "r", None)
    assert fault.message.startswith("row r: ")
    assert message in fault.message


def test_a_message_is_short_and_can_be_stored_whatever_the_row_holds() -> None:
    row = Row(
        "i" * 5_000,
        None,
        json.dumps({"predictions": [{"label": ["\ud800" * 1_000], "score": [1]}]}),
        None,
    )
    fault = the_outcome(row)
    assert isinstance(fault, Fault)
    assert len(fault.message) <= MAXIMUM_MESSAGE
    assert fault.message.encode()
    assert fault.row_id == row.row_id


V2_REQUEST = {"inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [1, 2]}]}
V2_ANSWER = {
    "outputs": [
        {"name": "label", "shape": [2, 1], "datatype": "BYTES", "data": ["cat", "dog"]},
        {"name": "score", "shape": [2, 1], "datatype": "FP32", "data": [0.5, 0.25]},
    ]
}


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (V2_REQUEST, V2_ANSWER),
        ({"inputs": ["a", "b"]}, [{"label": "cat", "score": 0.5}, {"label": "dog", "score": 0.25}]),
        (
            {"dataframe_split": {"columns": ["x"], "data": [[1], [2]]}},
            {"predictions": [{"cat": 0.5}, {"dog": 0.25}]},
        ),
        ({"examples": [{}, {}]}, {"results": [[["cat", 0.5]], [["dog", 0.25]]]}),
        ({"text": "one of no form"}, V2_ANSWER),
        (None, V2_ANSWER),
    ],
)
def test_a_row_may_hold_the_bodies_of_any_server(request_: object, answer: object) -> None:
    truth = json.dumps({"predictions": ["cat", "dog"]})
    data = None if request_ is None else json.dumps(request_)
    outcomes = SINGLE.read(Row("r", data, json.dumps(answer), truth))
    assert [(it.labels, it.scores) for it in outcomes if isinstance(it, Item)] == [
        ((0,), (0.5,)),
        ((1,), (0.25,)),
    ]


def test_an_answer_without_scores_has_none() -> None:
    item = the_outcome(make_row(["cat"], ["cat"]))
    assert item == Item("r", 0, 1.0, truth=(0,), labels=(0,), scores=None)


def test_a_label_set_with_a_label_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="each once"):
        LabelReader(LabelNames(["cat", "cat"]), Keys("label", "score"), is_multi_label=False)


anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["cat", "dog", "\ud800", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["label", "score", "predictions"]), inner, max_size=3)
    ),
    max_leaves=12,
)
document = st.none() | st.text(max_size=5) | anything.map(json.dumps)
entries = anything.map(lambda value: json.dumps({"predictions": [value]}))


@settings(max_examples=100, deadline=None)
@given(document | entries, document | entries, document, st.booleans())
def test_no_row_is_ever_an_exception(
    prediction: str | None, truth: str | None, data: str | None, multi_label: bool
) -> None:
    reader = MULTI if multi_label else SINGLE
    for outcome in reader.read(Row("r", data, prediction, truth)):
        if isinstance(outcome, Fault):
            assert len(outcome.message.encode()) > len("row r: ")
        if isinstance(outcome, Item):
            assert len(outcome.labels) == len(set(outcome.labels))
            scores = outcome.scores if outcome.scores is not None else [0.0] * len(outcome.labels)
            assert len(scores) == len(outcome.labels)
            assert list(scores) == sorted(scores, reverse=True)
            assert all(map(math.isfinite, scores))
            assert multi_label or len(outcome.truth) == 1
