"""In whatever form a model says labels: the right value, or a refusal that names the cure."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.tasks.forms import Form, Keys, LabelForms, Pair
from evaluation_operator.tasks.label_names import LabelNames
from evaluation_operator.tasks.row_json import UnreadableError

SET: Final = ("cat", "dog", "fox")
KEYS: Final = Keys("labels", "scores")
CLASSES: Final = ("dog", "-", "cat")
Scores = dict[str, float]


def forms(
    *labels: str,
    keys: Keys = KEYS,
    classes: tuple[str, ...] = (),
    pair: Pair | None = None,
    multi: bool = False,
) -> LabelForms:
    return LabelForms(LabelNames(labels or SET, classes), keys, pair, is_multi_label=multi)


def scored(answer: object, reader: LabelForms, labels: tuple[str, ...] = SET) -> Scores:
    said = reader.read(answer)
    assert said.scores is not None, said
    return {labels[it]: score for it, score in zip(said.labels, said.scores, strict=True)}


BOTH: Final = {"cat": 0.9, "dog": 0.1}


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        ({"labels": ["cat", "dog"], "scores": [0.9, 0.1]}, Form.LABELS_AND_SCORES),
        ({"labels": [["cat", "dog"]], "scores": [[0.9, 0.1]]}, Form.LABELS_AND_SCORES),
        ({"labels": [["cat"], ["dog"]], "scores": [0.9, 0.1]}, Form.LABELS_AND_SCORES),
        ([{"labels": ["cat", "dog"], "scores": [0.9, 0.1]}], Form.LABELS_AND_SCORES),
        ({"result": {"labels": ["cat", "dog"], "scores": [0.9, 0.1]}}, Form.LABELS_AND_SCORES),
        ('{"labels": ["cat", "dog"], "scores": [0.9, 0.1]}', Form.LABELS_AND_SCORES),
        (
            [{"labels": "cat", "scores": 0.9}, {"labels": "dog", "scores": 0.1}],
            Form.OBJECTS,
        ),
        ([{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.1}], Form.OBJECTS),
        ([[{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.1}]], Form.OBJECTS),
        (
            [{"className": "cat", "probability": 0.9}, {"className": "dog", "probability": 0.1}],
            Form.OBJECTS,
        ),
        (
            [{"id": "cat", "x": 1, "confidence": 0.9}, {"id": "dog", "x": 2, "confidence": 0.1}],
            Form.OBJECTS,
        ),
        ([["cat", 0.9], ["dog", 0.1]], Form.OBJECTS),
        ({"cat": 0.9, "dog": 0.1}, Form.BY_LABEL),
        ({"labels": {"cat": 0.9, "dog": 0.1}}, Form.BY_LABEL),
        ({"probabilities": {"cat": 0.9, "dog": 0.1}}, Form.BY_LABEL),
        (["0.900000:0:cat", "0.100000:1:dog"], Form.TEXTS),
        ({"labels": ["0.9:0:cat", "1e-1:1:dog"]}, Form.TEXTS),
    ],
)
def test_labels_with_scores_are_read_in_every_form(answer: object, form: Form) -> None:
    reader = forms()
    assert scored(answer, reader) == BOTH
    assert reader.read(answer).form == form


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        ([0.1, 0.0, 0.9], Form.VECTOR),
        ([[0.1, 0.0, 0.9]], Form.VECTOR),
        ({"scores": [0.1, 0.0, 0.9]}, Form.VECTOR),
        ({"labels": [0.1, 0.0, 0.9]}, Form.VECTOR),
        ({"softmax": [0.1, 0.0, 0.9]}, Form.VECTOR),
        ({"0": 0.1, "1": 0.0, "2": 0.9}, Form.BY_LABEL),
        ({"labels": [2, 0], "scores": [0.9, 0.1]}, Form.LABELS_AND_SCORES),
        ({"labels": [2.0, 1, 0], "scores": [0.9, 0.5, 0.1]}, Form.LABELS_AND_SCORES),
        (["0.9:2", "0.1:0", "0.5:1"], Form.TEXTS),
        ({"labels": "cat", "scores": [0.1, 0.0, 0.9]}, Form.VECTOR),
        ({"labels": 2, "scores": [0.1, 0.0, 0.9]}, Form.VECTOR),
    ],
)
def test_classes_have_the_names_that_the_job_gives_them(answer: object, form: Form) -> None:
    """The class - is no label: its score is dropped."""
    reader = forms(classes=CLASSES)
    assert scored(answer, reader) == BOTH
    assert reader.read(answer).form == form
    assert not reader.read(answer).differs


def test_a_label_that_is_not_the_best_of_its_scores_is_noticed() -> None:
    said = forms(classes=CLASSES).read({"labels": "dog", "scores": [0.1, 0.0, 0.9]})
    assert said.differs
    assert said.scores == (0.1, 0.9)
    for one in ("cat", "dog"):
        even = forms(classes=CLASSES).read({"labels": one, "scores": [0.5, 0.0, 0.5]})
        assert not even.differs, "of two that are the best, either"


@pytest.mark.parametrize("answer", [0.75, [0.75], [[0.75]], {"labels": [0.75]}, {"p": 0.75}])
def test_one_probability_is_that_of_the_positive_label(answer: object) -> None:
    reader = forms(pair=Pair("cat", "dog"))
    assert scored(answer, reader) == {"cat": 0.75, "dog": 0.25}
    assert reader.read(answer).form == Form.PROBABILITY
    assert scored({"scores": 0.75}, reader) == {"cat": 0.75, "dog": 0.25}


@pytest.mark.parametrize("answer", [1.5, -0.1, {"labels": [2]}])
def test_what_is_no_probability_is_refused(answer: object) -> None:
    with pytest.raises(UnreadableError, match=r"is no probability"):
        forms(pair=Pair("cat", "dog")).read(answer)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("cat", "cat"),
        (["cat"], "cat"),
        ({"labels": "cat"}, "cat"),
        ({"labels": ["cat"], "probs": [0.9, 0.1], "index": 0}, "cat"),
        ({"label": "cat"}, "cat"),
        ([{"name": "cat"}], "cat"),
        (7, "7"),
        (7.0, "7"),
        ({"labels": [7]}, "7"),
        (True, "true"),
        (False, "False"),
    ],
)
def test_a_label_without_a_score_has_none(answer: object, label: str) -> None:
    labels = ("cat", "dog", "7", "true", "False")
    said = forms(*labels).read(answer)
    assert (said.form, said.labels, said.scores) == (Form.NO_SCORES, (labels.index(label),), None)


def test_several_labels_without_scores_are_for_multi_label_tasks() -> None:
    answers: list[Any] = [["cat", "dog"], {"labels": ["cat", "dog"]}]
    for answer in answers:
        assert forms(multi=True).read(answer).labels == (0, 1)
        with pytest.raises(UnreadableError, match="2 labels without scores in a single-label"):
            forms().read(answer)
    assert forms("0", "1", multi=True).read({"labels": [1, 0]}).labels == (1, 0)


@pytest.mark.parametrize("answer", [[], {"labels": []}, {"labels": [], "scores": []}, [[]]])
def test_nothing_predicted_is_no_fault(answer: object) -> None:
    said = forms().read(answer)
    assert (said.form in (Form.NOTHING, Form.LABELS_AND_SCORES), said.labels) == (True, ())


def test_keys_may_be_paths_and_a_key_with_a_dot_wins() -> None:
    reader = forms(keys=Keys("output.labels", "output.scores"))
    nested = {"output": {"labels": ["cat"], "scores": [0.9]}, "more": 1}
    assert scored(nested, reader) == {"cat": 0.9}
    literal = {"output.labels": ["dog"], "output.scores": [0.8], **nested}
    assert scored(literal, reader) == {"dog": 0.8}


REFUSED: Final = {
    "vector without names": ([0.9, 0.1], "an array of 2 numbers .*inputConfig.classNames"),
    "probability without labels": (0.93, "the number 0.93 .*inputConfig.positiveLabel"),
    "probability under the label key": ({"labels": [0.93]}, "positiveLabel"),
    "vector beside a label": ({"labels": "cat", "scores": [0.9, 0.1]}, "classNames"),
    "scores alone": ({"scores": [0.9, 0.1]}, "inputConfig.classNames"),
    "score of text": ({"labels": ["cat"], "scores": ["0.9"]}, 'score "0.9" .* no number'),
    "numpy's repr": ("np.str_('cat')", "str\\(\\) of a value of numpy"),
    "another case": ("Cat", 'which has "cat"; write it so'),
    "invisible": ("c\u200bat", "invisible character U\\+200B"),
    "byte order mark": ("\ufeffcat", "invisible character U\\+FEFF"),
    "empty object": ({}, "no key .*an empty object"),
    "unknown keys": ({"a": 1, "b": 2}, 'an object with "a", "b"'),
    "class without names": ("0.9:1", "the index 1 of a class; list .*classNames"),
    "rows of numbers": ([[0.9, 0.1], [0.2, 0.8]], "an array of 2 arrays"),
    "null inside": (["cat", None], "is no form|null among"),
    "JSON in JSON": (json.dumps(json.dumps({"labels": "cat"})), "is not in the annotation spec"),
    "NaN": (float("nan"), "no label|positiveLabel"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_fits_no_form_is_refused_with_what_was_seen_and_the_cure(case: str) -> None:
    answer, message = REFUSED[case]
    with pytest.raises(UnreadableError, match=f"raw_prediction: .*{message}|{message}"):
        forms().read(answer)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([0.9, 0.1], "an array of 2 numbers, but inputConfig.classNames has 3"),
        ({"labels": [3], "scores": [0.5]}, "there is no class 3: inputConfig.classNames has 3"),
        ({"7": 0.5, "0": 0.1}, "no key"),
    ],
)
def test_classes_that_the_job_does_not_know_are_refused(answer: object, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        forms(classes=CLASSES).read(answer)


def test_a_label_with_other_code_points_is_told_from_the_set() -> None:
    with pytest.raises(UnreadableError, match=r"other code points \(NFD\); the set's is NFC"):
        forms("M\u00fcll").read("Mu\u0308ll")


@pytest.mark.parametrize(
    ("entry", "labels"),
    [
        ({"labels": ["cat"]}, (0,)),
        ({"labels": "cat"}, (0,)),
        ("cat", (0,)),
        (["cat"], (0,)),
        ('{"labels": ["cat"]}', (0,)),
        (["cat", "dog"], (0, 1)),
        ({"labels": []}, ()),
        ([{"labels": [["cat"]]}], (0,)),
    ],
)
def test_truth_is_a_label_or_labels_with_no_more_ado(
    entry: object, labels: tuple[int, ...]
) -> None:
    assert forms().read_truth(entry) == labels


def test_numbers_and_booleans_are_true_labels_by_their_texts() -> None:
    reader = forms("1", "true")
    assert reader.read_truth({"labels": 1}) == (0,)
    assert reader.read_truth(True) == (1,)
    assert forms(classes=CLASSES).read_truth({"labels": 2}) == (0,)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"cat": 1.0, "dog": 0.0}, "groundtruth: no key"),
        (float("nan"), "groundtruth: NaN is no label; give a text, or null"),
        ({"labels": [None]}, "groundtruth: null among the labels"),
        ("cow", 'groundtruth: label "cow" is not in the annotation spec set'),
        ({"labels": [{"a": 1}]}, "groundtruth: label an object is no string"),
    ],
)
def test_truth_of_no_such_form_is_refused(entry: object, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        forms().read_truth(entry)


@pytest.mark.parametrize(
    ("labels", "classes", "pair", "message"),
    [
        (SET, ("cat", "cow"), None, "classNames: 'cow' is no label"),
        (SET, ("cat", "cat"), None, "classNames: a label is there twice"),
        (SET, (), Pair("cat", "cow"), "positiveLabel, negativeLabel: give two labels"),
        (SET, (), Pair("cat", "cat"), "positiveLabel, negativeLabel: give two labels"),
    ],
)
def test_names_that_the_set_does_not_have_are_refused_at_once(
    labels: tuple[str, ...], classes: tuple[str, ...], pair: Pair | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        forms(*labels, classes=classes, pair=pair)


ANYTHING: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([*SET, "0.9:1:cat", "[", '{"labels": 1}', "", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["labels", "scores", "label", "cat", "0"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(ANYTHING, st.booleans(), st.booleans(), st.booleans())
def test_no_answer_is_ever_another_exception(
    answer: object, has_classes: bool, has_pair: bool, multi: bool
) -> None:
    reader = forms(
        classes=CLASSES if has_classes else (),
        pair=Pair("cat", "dog") if has_pair else None,
        multi=multi,
    )
    for read in (reader.read, reader.read_truth):
        with suppress(UnreadableError):
            found = read(answer)
            labels = found if isinstance(found, tuple) else found.labels
            assert all(0 <= label < len(SET) for label in labels)
