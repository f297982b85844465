"""What one row of the table says: its items, or what is wrong with it.

The unit of an evaluation is the item: one instance of a prediction request. Instance i of a
row pairs with prediction i and with ground truth i, and is called `<row id>/<i>`. The sampler
writes a row for each item it keeps: there the row's id is the item's. A fault in one instance
fails that item only; texts that cannot be paired fail the row.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final, TypeAlias

from evaluation_operator.api.codes import Code
from evaluation_operator.bodies.limits import ASIDE, Bounds
from evaluation_operator.bodies.protocols import read_request_document, read_response_document
from evaluation_operator.bodies.values import Json, NoPrediction, Payload, Unreadable
from evaluation_operator.results.items import FAILED_PREDICTION, UNLABELED, request_of
from evaluation_operator.tables.schema import ID_DIGITS
from evaluation_operator.tasks.row_json import (
    MAXIMUM_SHOWN,
    UnreadableError,
    entries_of,
    parsed,
    shortened,
)

MAXIMUM_MESSAGE: Final = 300


Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Predicted:
    """What an entry of the prediction says; `boxes` in object detection only. `scores` None: it
    gives none, and labels stand in its own order. `differs`, `form`: see Said."""

    labels: tuple[int, ...]
    scores: tuple[float, ...] | None
    boxes: tuple[Box, ...] | None = None
    differs: bool = False
    form: str = ""


@dataclass(frozen=True, slots=True)
class Truth:
    """What an entry of the ground truth says; `boxes` in object detection only."""

    labels: tuple[int, ...]
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """The columns of a row that matter; `p` None (a table without it) means 1. `time` matters to
    no figure, only to those who look at items.

    `is_item`: the sampler drew it, so that if it has one instance that item has the row's id.
    """

    row_id: str
    raw_data: str | None
    raw_prediction: str | None
    groundtruth: str | None
    p: float | None = None
    is_item: bool = False
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an item comes from: what it is known again by in another run. `data`: what the model
    was given, as parsed; None where the row does not tell."""

    request_id: str
    time: datetime | None
    data: object = None

    def data_hash(self) -> str | None:
        """32 hex digits; equal for the same data, in whatever order and with whatever spaces its
        JSON was written. None also where it is nested too deeply to be written again."""
        if self.data is None:
            return None
        try:
            text = json.dumps(self.data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        except RecursionError:
            return None
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:ID_DIGITS]


@dataclass(frozen=True, slots=True)
class Item:
    """An item that can be evaluated. Labels are places in the label set.

    `labels` and `scores` are the prediction, best first: falling score, ties by place in the
    label set. Both are empty where nothing was predicted; `scores` is None where labels come
    without. `truth` rises, without repeats. `is_row`: the row is this item, and they share the id.
    `differs`: the label that is given is not the best of the scores beside it, which count.

    In object detection `boxes` belong to `labels` and `true_boxes` to `truth`: each (left, top,
    right, bottom). Labels repeat, and everything is in the order of the row's arrays.
    """

    row_id: str
    index: int
    p: float
    truth: tuple[int, ...]
    labels: tuple[int, ...]
    scores: tuple[float, ...] | None
    is_row: bool = False
    differs: bool = False
    boxes: tuple[Box, ...] = ()
    true_boxes: tuple[Box, ...] = ()
    origin: Origin | None = field(default=None, compare=False, repr=False)

    @property
    def item_id(self) -> str:
        return _item_id(self.row_id, self.index, is_row=self.is_row)


class Reason(StrEnum):
    """Why a sound item is left out of the figures, and only counted."""

    FAILED_PREDICTION = FAILED_PREDICTION
    UNLABELED = UNLABELED


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An item without prediction (labelled or not), or with a prediction but no truth."""

    row_id: str
    index: int
    p: float
    reason: Reason
    is_row: bool = False
    origin: Origin | None = field(default=None, compare=False, repr=False)

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
    code: Code = Code.INVALID_ARGUMENT
    is_row: bool = False
    origin: Origin | None = field(default=None, compare=False, repr=False)

    @property
    def item_id(self) -> str | None:
        if self.index is None:
            return None
        return _item_id(self.row_id, self.index, is_row=self.is_row)


Outcome: TypeAlias = Item | LeftOut | Fault


class RowReader(ABC):
    """Reads rows of one job; what an entry says is for each kind of task to know.

    `is_one_item`: a request is one item, whatever its first dimensions are. What the sampler drew
    has been split already.
    """

    is_one_item: bool = False

    @abstractmethod
    def read_prediction(self, entry: object) -> Predicted:
        """Raises UnreadableError, as `read_truth` does."""

    @abstractmethod
    def read_truth(self, entry: object) -> Truth:
        """What nobody has labelled, a null, never gets here."""

    def read(self, row: Row) -> tuple[Outcome, ...]:
        """One outcome an instance, in order; or a single fault of the whole row."""
        try:
            p = _probability(row.p)
            is_one_item = self.is_one_item and not row.is_item
            predictions = _predictions(row.raw_prediction, is_one_item)
            # An empty text is none: pandas has no other way to write that.
            truths = entries_of(row.groundtruth or None, "groundtruth", "predictions")
            data = parsed(row.raw_data, "raw_data")
            instances = _instances(data, is_one_item)
            count = _instance_count(instances, predictions, truths)
        except UnreadableError as fault:
            return (_fault(row.row_id, None, str(fault), origin=_origin(row)),)
        is_row = row.is_item and count == 1
        if instances is None:  # One item is all of it.
            instances = [data] if count == 1 else [None] * count
        origins = [_origin(row, it) for it in instances]
        return tuple(self._outcomes(row.row_id, is_row, p, origins, predictions, truths))

    def faults_of(self, row: Row) -> list[str]:
        """What a run would not be able to read of a row, item by item."""
        return [it.message for it in self.read(row) if isinstance(it, Fault)]

    def check_truth(self, text: str) -> None:
        """Raises UnreadableError for ground truth that no run could read."""
        for entry in entries_of(text, "groundtruth", "predictions") or ():
            if entry is not None:
                self.read_truth(entry)

    def _outcomes(
        self,
        row_id: str,
        is_row: bool,
        p: float,
        origins: Sequence[Origin],
        predictions: Sequence[object] | None,
        truths: Sequence[object] | None,
    ) -> Iterator[Outcome]:
        for index, origin in enumerate(origins):
            prediction = None if predictions is None else predictions[index]
            truth = None if truths is None else truths[index]
            try:
                predicted = None if prediction is None else self.read_prediction(prediction)
                true = None if truth is None else self.read_truth(truth)
            except UnreadableError as fault:
                yield _fault(row_id, index, str(fault), is_row=is_row, origin=origin)
                continue
            if predicted is None:
                yield LeftOut(row_id, index, p, Reason.FAILED_PREDICTION, is_row, origin)
            elif true is None:
                yield LeftOut(row_id, index, p, Reason.UNLABELED, is_row, origin)
            else:
                yield Item(
                    *(row_id, index, p, true.labels, predicted.labels, predicted.scores, is_row),
                    differs=predicted.differs,
                    boxes=predicted.boxes or (),
                    true_boxes=true.boxes,
                    origin=origin,
                )


def _probability(p: float | None) -> float:
    if p is None:
        return 1.0
    if not 0 < p <= 1:
        raise UnreadableError(f"p: {p} is no inclusion probability; give one above 0 and at most 1")
    return p


def _predictions(text: str | None, is_one_item: bool) -> Sequence[object] | None:
    """The answers in a body of any protocol; None if the column, the document or what lies in it
    is null."""
    document = parsed(text, "raw_prediction")
    if document is None:
        return None
    if isinstance(document, dict) and "predictions" in document:
        found = document["predictions"]
        if found is None or (isinstance(found, list) and not is_one_item):
            return found
    read = partial(read_response_document, is_one_item=is_one_item)
    return _read(read, document, "raw_prediction")[0]


def _instances(data: object, is_one_item: bool) -> Sequence[object] | None:
    """The instances in a body of any protocol; None where it tells of none."""
    if is_one_item:
        return None if data is None else [data]
    if isinstance(data, dict) and isinstance(found := data.get("instances"), list):
        return found
    if not isinstance(data, dict | list) or data == {}:
        return None
    instances, is_whole_body = _read(read_request_document, data, "raw_data")
    return None if is_whole_body else instances


def _read(
    read: Callable[[Json, Bounds], Payload], document: object, column: str
) -> tuple[Sequence[object], bool]:
    try:
        payload = read(document, ASIDE)  # type: ignore[arg-type]  # It was read as JSON.
    except (NoPrediction, Unreadable) as error:
        raise UnreadableError(f"{column}: {error}") from None
    return tuple(payload.items), payload.is_whole_body


def _instance_count(
    instances: Sequence[object] | None,
    predictions: Sequence[object] | None,
    truths: Sequence[object] | None,
) -> int:
    """How many instances the row has; 1 where none of its columns tells."""
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
        raise UnreadableError(
            f"instances: {listed}; give as many entries in each, null for a missing one"
        )
    return next(iter(counts.values()), 1)


def _origin(row: Row, data: object = None) -> Origin:
    return Origin(request_of(row.row_id) if row.is_item else row.row_id, row.time, data)


def _item_id(row_id: str, index: int, *, is_row: bool) -> str:
    return row_id if is_row else f"{row_id}/{index}"


def _fault(
    row_id: str, index: int | None, message: str, *, is_row: bool = False, origin: Origin
) -> Fault:
    name = shortened(row_id, MAXIMUM_SHOWN)
    subject = f"row {name}" if index is None else f"item {_item_id(name, index, is_row=is_row)}"
    whole = f"{subject}: {message}".encode("utf-8", "backslashreplace").decode("utf-8")
    return Fault(row_id, index, shortened(whole, MAXIMUM_MESSAGE), is_row=is_row, origin=origin)
