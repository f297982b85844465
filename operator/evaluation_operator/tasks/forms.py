"""The forms in which models say labels, and which of them one answer has (spec 10.2).

What a job says of its model (its keys, `classNames`, `positiveLabel`) decides; nothing is guessed.
What fits no form fails its item, with what was seen and the field that would make it readable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from evaluation_operator.api.evaluation_options import ImportKeys
from evaluation_operator.results.errors import InvalidRun
from evaluation_operator.tasks.label_names import DROPPED, LabelNames
from evaluation_operator.tasks.row_json import (
    MAXIMUM_LABELS,
    JsonObject,
    UnknownFormError,
    UnreadableError,
    bounded,
    parsed,
    score_of,
    shown,
)

_PREDICTION: Final = "raw_prediction"
_TRUTH: Final = "groundtruth"
_LABEL_KEYS: Final = ("label", "class", "className", "displayName", "name", "id")
_SCORE_KEYS: Final = ("score", "probability", "confidence")
_TRITON: Final = re.compile(r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?):([0-9]{1,9})(?::(.*))?")
_MOST_WRAPS: Final = 32
MISSING: Final = object()


class Form(StrEnum):
    """What an answer looks like, in words for people."""

    NOTHING = "nothing predicted"
    LABELS_AND_SCORES = "labels with scores"
    OBJECTS = "a list of objects"
    BY_LABEL = "scores by label"
    VECTOR = "a vector of scores"
    PROBABILITY = "one probability"
    TEXTS = "score:index:label texts"
    NO_SCORES = "labels without scores"
    BOXES = "boxes"


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says: places in the label set, in the answer's order. `scores` None: it gives
    none. `differs`: the label beside a vector of scores is not the best of these."""

    form: Form
    labels: tuple[int, ...]
    scores: tuple[float, ...] | None
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """Where labels and scores lie in an answer: keys, or paths of keys with dots between them."""

    label: str
    score: str


@dataclass(frozen=True, slots=True)
class Pair:
    """The two labels of a model that gives one probability: that of the first."""

    positive: str
    negative: str


def keys_of(keys: ImportKeys) -> Keys:
    return Keys(keys.label_json_key or "label", keys.label_score_json_key or "score")


@contextmanager
def answer_problems() -> Iterator[None]:
    """What a job says of its model's answers and cannot mean, as runs speak of it."""
    try:
        yield
    except ValueError as error:
        raise InvalidRun(f"inputConfig: {error}") from error


class LabelForms:
    """Reads one answer of one job's model. ValueError for a pair that is not in the label set."""

    def __init__(
        self, names: LabelNames, keys: Keys, pair: Pair | None = None, *, is_multi_label: bool
    ) -> None:
        self._names = names
        self._keys = keys
        self._is_multi_label = is_multi_label
        self._pair: tuple[int, int] | None = None
        if pair is not None:
            places = names.find(pair.positive), names.find(pair.negative)
            if places[0] is None or places[1] is None or places[0] == places[1]:
                raise ValueError(
                    "positiveLabel, negativeLabel: give two labels of the annotation spec set"
                )
            self._pair = places[0], places[1]

    def read(self, answer: object) -> Said:
        """Raises UnreadableError."""
        return self._plain(answer) or self._read(answer, may_parse=True)

    def read_truth(self, entry: object) -> tuple[int, ...]:
        """The labels of an entry of the ground truth. Raises UnreadableError."""
        value = self._unwrapped(_read_again(entry, _TRUTH))
        if isinstance(value, dict):
            value = look_up(value, self._keys.label)
            if value is MISSING:
                raise _no_key(self._keys.label, _TRUTH)
        values = bounded([alone(it) for it in _array(value)], self._keys.label, _TRUTH)
        places = [self._names.place(it, _TRUTH) for it in values]
        return tuple(place for place in places if place != DROPPED)

    def _plain(self, answer: object) -> Said | None:
        """Of the form that most answers have, without asking for any other: arrays of labels of the
        set, as texts, and of as many scores. None where it is not so plain."""
        if not isinstance(answer, dict):
            return None
        labels, scores = answer.get(self._keys.label), answer.get(self._keys.score)
        if not isinstance(labels, list) or not isinstance(scores, list):
            return None
        if len(labels) != len(scores) or len(labels) > MAXIMUM_LABELS:
            return None
        places = [self._names.find(it) if isinstance(it, str) else None for it in labels]
        known = tuple(place for place in places if place is not None)
        if len(known) < len(places) or not all(isinstance(it, float) for it in scores):
            return None
        read = tuple(score_of(it, self._keys.score) for it in scores)
        return Said(Form.LABELS_AND_SCORES, known, read)

    def _read(self, answer: object, *, may_parse: bool) -> Said:
        if isinstance(answer, dict) and (known := known_as(answer)) and not self._says(answer):
            raise UnknownFormError(f"{_PREDICTION}: {known}")
        value = self._unwrapped(answer)
        match value:
            case dict():
                return self._of_object(value)
            case list():
                return self._of_list(value, may_parse=may_parse)
            case str():
                return self._of_texts([value], may_parse=may_parse)
            case bool():
                return self._without_scores([value])
            case int() | float():
                return self._of_number(value)
            case _:
                raise UnreadableError(f"{_PREDICTION}: {shown(value)} inside of an answer")

    def _unwrapped(self, value: object) -> object:
        return unwrapped(value, self._says)

    def _says(self, fields: JsonObject) -> bool:
        """Whether an object has one of the job's keys, or a label as its first."""
        keys = self._keys.label, self._keys.score
        if any(look_up(fields, key) is not MISSING for key in keys):
            return True
        return self._names.find_key(next(iter(fields))) is not None

    def _of_object(self, fields: JsonObject) -> Said:
        label, score = look_up(fields, self._keys.label), look_up(fields, self._keys.score)
        if label is not MISSING:
            return self._without_key(label) if score is MISSING else self._beside(label, score)
        if score is not MISSING:
            return self._of_scores(score)
        if fields and all(self._names.find_key(key) is not None for key in fields):
            return self._by_label(fields)
        if (said := self._of_objects([fields])) is not None:
            return said
        raise _no_key(self._keys.label, _PREDICTION, seen_as(fields))

    def _without_key(self, label: object) -> Said:
        """The label key alone: its value may be of any form, and numbers in it are labels."""
        values = alone(label)
        if isinstance(values, list) and values and all(map(_is_whole, values)):
            return self._without_scores(values)
        return self._read(values, may_parse=True)

    def _beside(self, label: object, score: object) -> Said:
        """Labels and scores under their keys."""
        if isinstance(label, dict) or not _is_flat(label):
            raise UnreadableError(
                f"{_PREDICTION}: {shown(self._keys.label)} is {seen_as(label)}; give a label or an "
                "array of labels"
            )
        labels, found = _array(alone(label)), _array(alone(score))
        bounded(labels, self._keys.label, _PREDICTION)
        bounded(found, self._keys.score, _PREDICTION)
        if isinstance(score, dict) or score is None or isinstance(score, bool):
            raise UnreadableError(
                f"{_PREDICTION}: {shown(self._keys.score)} is {shown(score)}; give an array"
            )
        scores = [score_of(it, self._keys.score) for it in found]
        if len(labels) == len(scores):
            return self._paired(Form.LABELS_AND_SCORES, map(alone, labels), scores)
        if len(scores) != len(self._names.class_names) or len(labels) != 1:
            raise UnreadableError(
                f"{_PREDICTION}: {len(labels)} labels under {shown(self._keys.label)} but "
                f"{len(scores)} scores under {shown(self._keys.score)}; give one score a label"
                f"{self._cure_of_vector(len(scores)) if len(labels) == 1 else ''}"
            )
        said = self._of_vector(scores)
        pairs = list(zip(said.labels, said.scores or (), strict=True))
        highest = max((score for _, score in pairs), default=0.0)
        best = {place for place, score in pairs if score == highest}
        given = self._names.place(alone(labels[0]), _PREDICTION)
        return Said(said.form, said.labels, said.scores, differs=given not in best)

    def _cure_of_vector(self, count: int) -> str:
        return f", or list the {count} classes of the model in inputConfig.classNames"

    def _of_scores(self, score: object) -> Said:
        """The score key alone."""
        value = self._unwrapped(score)
        if isinstance(value, dict):
            return self._of_object(value)
        values = _array(value)
        if len(values) == 1 and self._pair is None and not self._names.class_names:
            raise UnknownFormError(
                f"{_PREDICTION}: one score under {shown(self._keys.score)} and no key "
                f"{shown(self._keys.label)}; say in inputConfig.positiveLabel and negativeLabel "
                "what it is the probability of, or correct bigqueryImportKeys.label_json_key"
            )
        if len(values) == 1 and self._pair is not None:
            return self._of_number(score_of(values[0], self._keys.score))
        return self._of_vector([score_of(it, self._keys.score) for it in values])

    def _by_label(self, fields: JsonObject) -> Said:
        places = [self._names.find_key(key) for key in fields]
        scores = [score_of(value, key) for key, value in fields.items()]
        return _kept(Form.BY_LABEL, [DROPPED if it is None else it for it in places], scores)

    def _of_list(self, values: list[object], *, may_parse: bool) -> Said:
        bounded(values, self._keys.label, _PREDICTION)
        if not values:
            return Said(Form.NOTHING, (), ())
        if all(map(_is_number, values)):
            return self._of_vector([score_of(it, self._keys.score) for it in values])
        if all(isinstance(it, str) for it in values):
            return self._of_texts([str(it) for it in values], may_parse=may_parse)
        if all(isinstance(it, dict) for it in values):
            said = self._of_objects([it for it in values if isinstance(it, dict)])
            if said is not None:
                return said
        pairs = [values] if _is_pair(values) else values
        if all(map(_is_pair, pairs)):
            found = [it for it in pairs if isinstance(it, list)]
            scores = [score_of(score, self._keys.score) for _, score in found]
            return self._paired(Form.OBJECTS, [label for label, _ in found], scores)
        if all(isinstance(it, str | bool) or _is_whole(it) for it in values):
            return self._without_scores(values)
        raise UnknownFormError(
            f"{_PREDICTION}: {seen_as(values)} is no form that is read; give labels and scores "
            f"under {shown(self._keys.label)} and {shown(self._keys.score)}"
        )

    def _of_objects(self, entries: list[JsonObject]) -> Said | None:
        """Objects that have a label each, and a score; None where they have not."""
        label = _common(entries, (self._keys.label, *_LABEL_KEYS))
        score = _common(entries, (self._keys.score, *_SCORE_KEYS))
        if label is None:
            return None
        labels = [alone(look_up(entry, label)) for entry in entries]
        if score is None:
            return self._without_scores(labels)
        scores = [score_of(alone(look_up(entry, score)), score) for entry in entries]
        return self._paired(Form.OBJECTS, labels, scores)

    def _of_vector(self, scores: Sequence[float]) -> Said:
        names = self._names.class_names
        if not names:
            raise UnknownFormError(
                f"{_PREDICTION}: an array of {len(scores)} numbers looks like the scores of "
                f"{len(scores)} classes; list the model's classes in inputConfig.classNames"
            )
        if len(scores) != len(names):
            raise UnknownFormError(
                f"{_PREDICTION}: an array of {len(scores)} numbers, but inputConfig.classNames has "
                f"{len(names)}; list every class of the model, - for one that is no label"
            )
        return _kept(Form.VECTOR, self._names.classes, scores)

    def _of_number(self, value: float) -> Said:
        if self._pair is not None:
            score = score_of(value, self._keys.score)
            if not 0 <= score <= 1:
                raise UnreadableError(
                    f"{_PREDICTION}: {shown(value)} is no probability of inputConfig.positiveLabel;"
                    " give a number from 0 to 1"
                )
            return Said(Form.PROBABILITY, self._pair, (score, 1 - score))
        if _is_whole(value):
            return self._without_scores([value])
        raise UnknownFormError(
            f"{_PREDICTION}: the number {shown(value)} is no label, and looks like a probability; "
            "say in inputConfig.positiveLabel and negativeLabel what it is the probability of"
        )

    def _of_texts(self, texts: Sequence[str], *, may_parse: bool) -> Said:
        found = [_TRITON.fullmatch(it) for it in texts if self._names.find(it) is None]
        matches = [it for it in found if it is not None]
        if matches and len(matches) == len(texts):
            places = [self._of_class(int(it[2]), it[3]) for it in matches]
            return _kept(Form.TEXTS, places, [score_of(float(it[1]), "score") for it in matches])
        if may_parse and all(it.lstrip()[:1] in ("{", "[") for it in texts):
            values = [parsed(it, _PREDICTION) for it in texts]
            return self._read(values, may_parse=False)
        return self._without_scores(texts)

    def _of_class(self, index: int, label: str | None) -> int:
        if label is not None and self._names.find(label) is not None:
            return self._names.place(label, _PREDICTION)
        if label is None or self._names.class_names:
            return self._names.at(index, _PREDICTION)
        return self._names.place(label, _PREDICTION)

    def _paired(
        self, form: Form, labels: Sequence[object] | map[object], scores: Sequence[float]
    ) -> Said:
        return _kept(form, [self._names.place(it, _PREDICTION) for it in labels], scores)

    def _without_scores(self, labels: Sequence[object]) -> Said:
        places = [self._names.place(alone(it), _PREDICTION) for it in labels]
        kept = tuple(place for place in places if place != DROPPED)
        if not kept:
            return Said(Form.NOTHING, (), ())
        if len(kept) > 1 and not self._is_multi_label:
            raise UnreadableError(
                f"{_PREDICTION}: {len(kept)} labels without scores in a single-label task; give "
                "one label, or a score for each"
            )
        return Said(Form.NO_SCORES, kept, None)


def known_as(fields: JsonObject) -> str | None:
    """What an answer is that tells no labels, and the cure; None for one that may."""
    if isinstance(fields.get("choices"), list):
        return (
            "a chat completion, a form that is not read: have a transformer answer with the label, "
            "and give modelSelector its component (attach.md)"
        )
    if isinstance(error := fields.get("error"), str | dict):
        text = error if isinstance(error, str) else error.get("message")
        return f"an error answer: {shown(text)}; look at the model's server"
    return None


def unwrapped(value: object, says: Callable[[JsonObject], bool]) -> object:
    """Without arrays of one element, and objects of one entry of which `says` is false."""
    for _ in range(_MOST_WRAPS):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif isinstance(value, dict) and len(value) == 1 and not says(value):
            value = next(iter(value.values()))
        else:
            break
    return value


def look_up(fields: JsonObject, path: str) -> object:
    """What lies under a key, else under a path of keys with dots between them; else MISSING."""
    if path in fields:
        return fields[path]
    value: object = fields
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value


def _common(entries: Sequence[JsonObject], keys: Sequence[str]) -> str | None:
    """The first key that all of them have."""
    for key in keys:
        if all(look_up(entry, key) is not MISSING for entry in entries):
            return key
    return None


def _kept(form: Form, places: Sequence[int], scores: Sequence[float]) -> Said:
    pairs = [it for it in zip(places, scores, strict=True) if it[0] != DROPPED]
    if not pairs:
        return Said(Form.NOTHING, (), ())
    return Said(form, tuple(place for place, _ in pairs), tuple(score for _, score in pairs))


def _read_again(value: object, column: str) -> object:
    """A text that is JSON, read."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        return parsed(value, column)
    return value


def alone(value: object) -> object:
    """The element of an array of one array or of one value, however often that is so."""
    for _ in range(_MOST_WRAPS):
        if not isinstance(value, list) or len(value) != 1:
            break
        value = value[0]
    return value


def _array(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _is_flat(value: object) -> bool:
    return not any(isinstance(it, dict) for it in _array(alone(value)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return _is_number(value) and value == value // 1  # type: ignore[operator]


def _is_pair(value: object) -> bool:
    """An array of a text and a number: TensorFlow's label and score."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and _is_number(value[1])
    )


def seen_as(value: object) -> str:
    """What something is, for people: kinds and lengths of arrays, names of keys."""
    if isinstance(value, dict):
        keys = ", ".join(shown(str(key)) for key in list(value)[:4])
        return f"an object with {keys}" if value else "an empty object"
    if not isinstance(value, list):
        return shown(value)
    for what, is_it in (
        ("numbers", _is_number),
        ("texts", lambda it: isinstance(it, str)),
        ("objects", lambda it: isinstance(it, dict)),
        ("arrays", lambda it: isinstance(it, list)),
    ):
        if value and all(map(is_it, value)):
            return f"an array of {len(value)} {what}"
    return f"an array of {len(value)}"


def _no_key(key: str, column: str, seen: str = "") -> UnknownFormError:
    found = f", which is {seen}" if seen else ""
    return UnknownFormError(
        f"{column}: no key {shown(key)} in the entry{found}; add it, or correct "
        "bigqueryImportKeys.label_json_key"
    )
