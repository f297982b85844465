"""What one prediction becomes: read as the sampler and a run would read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from evaluation_operator.bodies.values import Json, NoPrediction, Payload, Unreadable, counts_differ
from evaluation_operator.bodies.wire import read_request, read_response
from evaluation_operator.tasks.items import Box, Predicted, RowReader
from evaluation_operator.tasks.row_json import UnknownFormError, UnreadableError


class Problem(StrEnum):
    """Why a prediction cannot be read."""

    NO_PREDICTION = "NoPrediction"
    UNREADABLE = "Unreadable"
    COUNTS_DIFFER = "CountsDiffer"
    UNKNOWN_FORM = "UnknownForm"


_OF_ONE_VALUE: Final = (
    "the request's tensors have one dimension: it is read as items of one value each; if it is one "
    "item of many, say so in inputConfig.itemsPerRequest: ONE"
)


@dataclass(frozen=True, slots=True)
class TriedItem:
    """`labels` best first, with a score each; `scores` None: none were given. `boxes` (left, top,
    right, bottom) in object detection only. `fault`: why the item cannot be read."""

    labels: tuple[str, ...] = ()
    scores: tuple[float, ...] | None = None
    boxes: tuple[Box, ...] | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """`form`: that of the first item that has one. `reason` None: every item could be read;
    `message` says what is wrong, and the cure."""

    form: str | None = None
    reason: Problem | None = None
    message: str = ""
    warnings: tuple[str, ...] = ()
    items: tuple[TriedItem, ...] = ()


def problem_of(error: UnreadableError) -> Problem:
    """Of one answer."""
    return Problem.UNKNOWN_FORM if isinstance(error, UnknownFormError) else Problem.UNREADABLE


def try_prediction(
    reader: RowReader, labels: Sequence[str], request: bytes | None, response: bytes
) -> Trial:
    """Of two bodies as a server took and gave them; without a request the answer alone."""
    try:
        is_one = reader.is_one_item
        answers = tuple(read_response(response, is_one_item=is_one).items)
        asked = None if request is None else read_request(request, is_one_item=is_one)
    except NoPrediction as error:
        return Trial(reason=Problem.NO_PREDICTION, message=str(error))
    except Unreadable as error:
        return Trial(reason=Problem.UNREADABLE, message=str(error))
    if asked is not None and len(asked.items) != len(answers):
        message = counts_differ(len(asked.items), len(answers))
        return Trial(reason=Problem.COUNTS_DIFFER, message=message)
    trial = _of_answers(reader, labels, answers)
    if asked is not None and _may_be_one(asked):
        return replace(trial, warnings=(*trial.warnings, _OF_ONE_VALUE))
    return trial


def _may_be_one(asked: Payload) -> bool:
    """Whether its tensors have one dimension: that of the batch, or of the one item's features."""
    items = tuple(asked.items)
    return asked.is_v2 and len(items) > 1 and all(_is_flat(item) for item in items)


def _is_flat(item: Json) -> bool:
    return isinstance(item, dict) and not any(isinstance(it, list) for it in item.values())


def _of_answers(reader: RowReader, labels: Sequence[str], answers: Sequence[object]) -> Trial:
    items: list[TriedItem] = []
    found: list[Predicted] = []
    reason, message = None, ""
    for answer in answers:
        if answer is None:
            items.append(TriedItem())
            continue
        try:
            predicted = reader.read_prediction(answer)
        except UnreadableError as error:
            reason, message = reason or problem_of(error), message or str(error)
            items.append(TriedItem(fault=str(error)))
            continue
        found.append(predicted)
        items.append(_item(predicted, labels))
    form = found[0].form if found else None
    return Trial(form, reason, message, tuple(_warnings(answers, found)), tuple(items))


def _item(predicted: Predicted, labels: Sequence[str]) -> TriedItem:
    return TriedItem(
        tuple(labels[place] for place in predicted.labels),
        predicted.scores,
        predicted.boxes,
    )


def _warnings(answers: Sequence[object], found: Sequence[Predicted]) -> list[str]:
    warnings = []
    if missing := sum(answer is None for answer in answers):
        warnings.append(f"{missing} of {len(answers)} items have no prediction: it is null")
    if unscored := sum(it.scores is None for it in found):
        warnings.append(
            f"{unscored} of {len(answers)} items have labels without scores: their run has no "
            "curve and no mean average precision"
        )
    if differing := sum(it.differs for it in found):
        warnings.append(
            f"{differing} of {len(answers)} items have a label that is not the best of the scores "
            "beside it: the scores count"
        )
    return warnings
