"""What people answered, out of Label Studio's annotations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evaluation_operator.api.faults import first_fault
from evaluation_operator.labeling.backends.label_studio.config import (
    BOX,
    COMMENT,
    LABEL,
    SENTIMENT,
    answer_of,
)
from evaluation_operator.tasks.answers import (
    MOST_BOXES,
    Answer,
    BadAnswer,
    Box,
    ItemAnswers,
    Sentiment,
)
from evaluation_operator.tasks.kind import Control

# Percent: what is lost when pixels become percents and come back.
_ROUNDING: Final = 1e-3


class _Value(BaseModel):
    choices: list[str] = Field(default_factory=list)
    text: list[str] | str = Field(default_factory=list)
    rectanglelabels: list[str] = Field(default_factory=list)
    x: float | None = Field(default=None, allow_inf_nan=False)
    y: float | None = Field(default=None, allow_inf_nan=False)
    width: float | None = Field(default=None, allow_inf_nan=False)
    height: float | None = Field(default=None, allow_inf_nan=False)
    rotation: float = Field(default=0, allow_inf_nan=False)


class _Result(BaseModel):
    from_name: str
    value: _Value
    original_width: int | None = None
    original_height: int | None = None


class _Person(BaseModel):
    id: int


class Annotation(BaseModel):
    """One answer as the API gives it; `result` is read later, since it may be anything."""

    model_config = ConfigDict(frozen=True)

    id: int
    completed_by: int | _Person | None
    was_cancelled: bool
    updated_at: datetime
    result: list[dict[str, object]] | None

    @property
    def annotator(self) -> str:
        """The number of the user; an annotation whose user is deleted is nobody else's."""
        who = self.completed_by
        if who is None:
            return f"annotation-{self.id}"
        return str(who.id if isinstance(who, _Person) else who)


@dataclass(frozen=True, slots=True)
class Question:
    """What may be answered: boxes, or one of `labels`, or any of them."""

    labels: tuple[str, ...]
    is_multi_label: bool
    control: Control

    def label_of(self, answer: str) -> str:
        """The label that an answer means; what is none of them stays as it is."""
        if answer in self.labels:
            return answer
        return next((it for it in self.labels if answer_of(it) == answer), answer)


class _Bad(ValueError):
    pass


def answers_of(
    item_id: str, annotations: Iterable[Annotation], question: Question
) -> ItemAnswers | None:
    """The latest answer of each person to an item; None if there is none but skipped ones."""
    latest: dict[str, Annotation] = {}
    for found in sorted(annotations, key=lambda it: (it.updated_at, it.id)):
        if not found.was_cancelled:
            latest[found.annotator] = found
    good: list[Answer] = []
    bad: list[BadAnswer] = []
    for found in sorted(latest.values(), key=lambda it: (it.updated_at, it.id)):
        try:
            good.append(_answer(found, question))
        except _Bad as error:
            bad.append(BadAnswer(found.annotator, str(error)))
    return ItemAnswers(item_id, tuple(good), tuple(bad)) if latest else None


def _answer(found: Annotation, question: Question) -> Answer:
    try:
        results = [_Result.model_validate(it) for it in found.result or ()]
    except ValidationError as error:
        raise _Bad(f"annotation {found.id}: {first_fault(error)}") from None
    sizes = {(it.original_width, it.original_height) for it in results if it.from_name == BOX}
    width, height = next(iter(sizes), (None, None))
    return Answer(
        annotator=found.annotator,
        time=found.updated_at,
        labels=_labels(results, question) if question.control is Control.LABELS else None,
        boxes=_boxes(results, question) if question.control is Control.BOXES else None,
        sentiment=_sentiment(results),
        comment=_comment(results),
        image_size=(width, height) if width and height else None,
    )


def _labels(results: Sequence[_Result], question: Question) -> tuple[str, ...]:
    choices = (it for found in results if found.from_name == LABEL for it in found.value.choices)
    chosen = {question.label_of(it) for it in choices}
    _require_known(chosen, question)
    if not question.is_multi_label and len(chosen) != 1:
        told = ", ".join(sorted(chosen)) or "none"
        raise _Bad(f"one label is asked for, and {len(chosen)} are given: {told}")
    return tuple(label for label in question.labels if label in chosen)


def _boxes(results: Sequence[_Result], question: Question) -> tuple[Box, ...]:
    found = [it.value for it in results if it.from_name == BOX]
    if len(found) > MOST_BOXES:
        raise _Bad(f"{len(found)} boxes: draw at most {MOST_BOXES}")
    return tuple(_box(value, question) for value in found)


def _box(value: _Value, question: Question) -> Box:
    if len(value.rectanglelabels) != 1:
        raise _Bad(f"a box has {len(value.rectanglelabels)} labels: give it one")
    label = question.label_of(value.rectanglelabels[0])
    _require_known({label}, question)
    if value.x is None or value.y is None or value.width is None or value.height is None:
        raise _Bad(f"the box of {label!r} lacks x, y, width or height")
    turned = value.rotation % 360
    if min(turned, 360 - turned) > _ROUNDING:
        raise _Bad(f"the box of {label!r} is rotated by {value.rotation:g}°: draw it upright")
    if value.width < 0 or value.height < 0:
        raise _Bad(f"the box of {label!r} is inverted: {value.width:g} x {value.height:g} percent")
    left, right = _within(value.x), _within(value.x + value.width)
    top, bottom = _within(value.y), _within(value.y + value.height)
    if right <= left or bottom <= top:
        raise _Bad(
            f"the box of {label!r} has no area in the image: {value.width:g} x {value.height:g} "
            f"percent at {value.x:g}, {value.y:g}"
        )
    return Box(label=label, left=left, top=top, right=right, bottom=bottom)


def _within(percent: float) -> float:
    """The fraction; what was drawn over the edge ends there."""
    return min(max(percent / 100, 0.0), 1.0)


def _require_known(labels: Iterable[str], question: Question) -> None:
    if unknown := sorted(set(labels) - set(question.labels)):
        raise _Bad(f"{', '.join(map(repr, unknown))}: not among the labels of the job")


def _sentiment(results: Sequence[_Result]) -> Sentiment | None:
    for it in results:
        if it.from_name == SENTIMENT and it.value.choices:
            try:
                return Sentiment(it.value.choices[0])
            except ValueError:
                raise _Bad(f"sentiment: {it.value.choices[0]!r}: is no such one") from None
    return None


def _comment(results: Sequence[_Result]) -> str | None:
    texts: list[str] = []
    for it in results:
        if it.from_name == COMMENT:
            texts += [it.value.text] if isinstance(it.value.text, str) else it.value.text
    return "\n".join(text.strip() for text in texts if text.strip()) or None
