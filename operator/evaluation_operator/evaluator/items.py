"""What one row of the table says: its items, or what is wrong with it.

The unit of an evaluation is the item: one instance of a prediction request. Instance i of a
row pairs with prediction i and with ground truth i, and is called `<row id>/<i>`. The sampler
writes a row for each item it keeps: there the row's id is the item's. A fault in one instance
fails that item only; texts that cannot be paired fail the row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

# google.rpc.Code.INVALID_ARGUMENT
INVALID_ARGUMENT: Final = 3
MAXIMUM_MESSAGE: Final = 300
_MAXIMUM_SHOWN: Final = 60

JsonObject: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Row:
    """The columns of a row that matter; `p` None (a table without it) means 1.

    `is_item`: the sampler drew it, so that if it has one instance that item has the row's id.
    """

    row_id: str
    raw_data: str | None
    raw_prediction: str | None
    groundtruth: str | None
    p: float | None = None
    is_item: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """An item that can be evaluated. Labels are places in the label set.

    `labels` and `scores` are the prediction, best first: falling score, ties by place in the
    label set. Both are empty where nothing was predicted. `truth` rises, without repeats.
    `is_row`: the row is this item, and they share the id.
    """

    row_id: str
    index: int
    p: float
    truth: tuple[int, ...]
    labels: tuple[int, ...]
    scores: tuple[float, ...]
    is_row: bool = False

    @property
    def item_id(self) -> str:
        return _item_id(self.row_id, self.index, is_row=self.is_row)


class Reason(Enum):
    """Why a sound item is left out of the figures, and only counted."""

    FAILED_PREDICTION = "failed_prediction"
    UNLABELED = "unlabeled"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An item without prediction (labelled or not), or with a prediction but no truth."""

    row_id: str
    index: int
    p: float
    reason: Reason
    is_row: bool = False

    @property
    def item_id(self) -> str:
        return _item_id(self.row_id, self.index, is_row=self.is_row)


@dataclass(frozen=True, slots=True)
class Fault:
    """An item that cannot be read, or a whole row (`index` None), and what would cure it.

    `message` names the item or row and has at most 300 characters of valid Unicode.
    """

    row_id: str
    index: int | None
    message: str
    code: int = INVALID_ARGUMENT
    is_row: bool = False

    @property
    def item_id(self) -> str | None:
        if self.index is None:
            return None
        return _item_id(self.row_id, self.index, is_row=self.is_row)


Outcome: TypeAlias = Item | LeftOut | Fault


class _UnreadableError(Exception):
    """Field, value and cure of what is wrong."""


class RowReader:
    """Reads rows under one job's label set and import keys."""

    def __init__(
        self, labels: Sequence[str], label_key: str, score_key: str, *, is_multi_label: bool
    ) -> None:
        self._places = {label: place for place, label in enumerate(labels)}
        if not labels or len(self._places) != len(labels):
            raise ValueError("labels: a label set needs at least one label, each once")
        self._label_key = label_key
        self._score_key = score_key
        self._is_multi_label = is_multi_label

    def read(self, row: Row) -> tuple[Outcome, ...]:
        """One outcome an instance, in order; or a single fault of the whole row."""
        try:
            p = _probability(row.p)
            predictions = _entries(row.raw_prediction, "raw_prediction", "predictions")
            truths = _entries(row.groundtruth, "groundtruth", "predictions")
            count = _instance_count(row.raw_data, predictions, truths)
        except _UnreadableError as fault:
            return (_fault(row.row_id, None, str(fault)),)
        is_row = row.is_item and count == 1
        return tuple(self._outcomes(row.row_id, is_row, p, count, predictions, truths))

    def _outcomes(
        self,
        row_id: str,
        is_row: bool,
        p: float,
        count: int,
        predictions: list[object] | None,
        truths: list[object] | None,
    ) -> Iterator[Outcome]:
        for index in range(count):
            prediction = None if predictions is None else predictions[index]
            truth = None if truths is None else truths[index]
            try:
                predicted = None if prediction is None else self._prediction(prediction)
                true_labels = None if truth is None else self._truth(truth)
            except _UnreadableError as fault:
                yield _fault(row_id, index, str(fault), is_row=is_row)
                continue
            if predicted is None:
                yield LeftOut(row_id, index, p, Reason.FAILED_PREDICTION, is_row)
            elif true_labels is None:
                yield LeftOut(row_id, index, p, Reason.UNLABELED, is_row)
            else:
                yield Item(row_id, index, p, true_labels, *predicted, is_row)

    def _prediction(self, entry: object) -> tuple[tuple[int, ...], tuple[float, ...]]:
        fields = _object(entry, "raw_prediction")
        labels = self._labels(fields, "raw_prediction")
        scores = [
            _score(value, self._score_key)
            for value in _array(fields, self._score_key, "raw_prediction", "label_score_json_key")
        ]
        if len(labels) != len(scores):
            raise _UnreadableError(
                f"raw_prediction: {len(labels)} labels under {_shown(self._label_key)} but "
                f"{len(scores)} scores under {_shown(self._score_key)}; give one score a label"
            )
        best_first = sorted(zip(labels, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
        return tuple(label for label, _ in best_first), tuple(score for _, score in best_first)

    def _truth(self, entry: object) -> tuple[int, ...]:
        labels = self._labels(_object(entry, "groundtruth"), "groundtruth")
        if not self._is_multi_label and len(labels) != 1:
            raise _UnreadableError(
                f"groundtruth: {len(labels)} labels in a single-label task; give exactly one, "
                "or null for an item that nobody has labelled"
            )
        return tuple(sorted(labels))

    def _labels(self, fields: JsonObject, column: str) -> list[int]:
        labels: list[int] = []
        for value in _array(fields, self._label_key, column, "label_json_key"):
            if not isinstance(value, str):
                raise _UnreadableError(f"{column}: label {_shown(value)} is no string; quote it")
            place = self._places.get(value)
            if place is None:
                raise _UnreadableError(
                    f"{column}: label {_shown(value)} is not in the annotation spec set; "
                    "correct it, or use a set that has it"
                )
            labels.append(place)
        if len(set(labels)) != len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            name = next(name for name, place in self._places.items() if place == twice)
            raise _UnreadableError(f"{column}: label {_shown(name)} is given twice; give it once")
        return labels


def _probability(p: float | None) -> float:
    if p is None:
        return 1.0
    if not 0 < p <= 1:
        raise _UnreadableError(
            f"p: {p} is no inclusion probability; give one above 0 and at most 1"
        )
    return p


def _entries(text: str | None, column: str, key: str) -> list[object] | None:
    """The array under `key`; None if the column, the document or the array is null."""
    document = _json(text, column)
    if document is None:
        return None
    if not isinstance(document, dict) or key not in document:
        raise _UnreadableError(
            f'{column}: no key "{key}"; give {{"{key}": [one entry an instance]}}'
        )
    entries = document[key]
    if entries is not None and not isinstance(entries, list):
        raise _UnreadableError(
            f'{column}: "{key}" is {_shown(entries)}; give an array with one entry an instance'
        )
    return entries


def _instance_count(
    raw_data: str | None, predictions: list[object] | None, truths: list[object] | None
) -> int:
    """How many instances the row has; 1 where none of its columns tells."""
    data = _json(raw_data, "raw_data")
    instances = data.get("instances") if isinstance(data, dict) else None
    if instances is not None and not isinstance(instances, list):
        raise _UnreadableError(
            f'raw_data: "instances" is {_shown(instances)}; give an array of instances'
        )
    counts = {
        name: len(entries)
        for name, entries in (
            ("raw_data", instances),
            ("raw_prediction", predictions),
            ("groundtruth", truths),
        )
        if entries is not None
    }
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{count} in {name}" for name, count in counts.items())
        raise _UnreadableError(
            f"instances: {listed}; give as many entries in each, null for a missing one"
        )
    return next(iter(counts.values()), 1)


def _json(text: str | None, column: str) -> object:
    if text is None:
        return None
    try:
        document: object = json.loads(text)
    except RecursionError:
        raise _UnreadableError(f"{column}: JSON nested too deeply; write it flatter") from None
    except ValueError as error:
        raise _UnreadableError(f"{column}: unreadable JSON ({error}); correct the text") from None
    return document


def _object(entry: object, column: str) -> JsonObject:
    if not isinstance(entry, dict):
        raise _UnreadableError(f"{column}: entry {_shown(entry)} is no object; give one, or null")
    return entry


def _array(fields: JsonObject, key: str, column: str, import_key: str) -> list[object]:
    """The array under `key`; a lone string or number stands for an array of one."""
    if key not in fields:
        raise _UnreadableError(
            f"{column}: no key {_shown(key)} in the entry; add it, or correct "
            f"bigqueryImportKeys.{import_key}"
        )
    value = fields[key]
    if isinstance(value, list):
        return value
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return [value]
    raise _UnreadableError(f"{column}: {_shown(key)} is {_shown(value)}; give an array")


def _score(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _UnreadableError(
            f"raw_prediction: score {_shown(value)} under {_shown(key)} is no number; give a number"
        )
    try:
        score = float(value)
    except OverflowError:
        score = math.inf
    if not math.isfinite(score):
        raise _UnreadableError(
            f"raw_prediction: score {_shown(value)} under {_shown(key)} is not finite; "
            "give a finite number"
        )
    return score + 0.0  # -0.0 and 0.0 are one score


def _shown(value: object) -> str:
    """A value as JSON, short. Arrays and objects, which may be huge, only by kind."""
    if isinstance(value, list):
        return "an array"
    if isinstance(value, dict):
        return "an object"
    text = value[: _MAXIMUM_SHOWN + 1] if isinstance(value, str) else value
    return _shortened(json.dumps(text, ensure_ascii=False), _MAXIMUM_SHOWN)


def _item_id(row_id: str, index: int, *, is_row: bool) -> str:
    return row_id if is_row else f"{row_id}/{index}"


def _fault(row_id: str, index: int | None, message: str, *, is_row: bool = False) -> Fault:
    name = _shortened(row_id, _MAXIMUM_SHOWN)
    subject = f"row {name}" if index is None else f"item {_item_id(name, index, is_row=is_row)}"
    whole = f"{subject}: {message}".encode("utf-8", "backslashreplace").decode("utf-8")
    return Fault(row_id, index, _shortened(whole, MAXIMUM_MESSAGE), is_row=is_row)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
