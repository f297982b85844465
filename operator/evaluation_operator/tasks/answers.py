"""What people answer, whatever tool they use for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Sentiment(StrEnum):
    NEGATIVE = "NEGATIVE"
    POSITIVE = "POSITIVE"


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled rectangle; coordinates are fractions of the image's width and height, 0 to 1."""

    label: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What one person said of one item at last. Either `labels` or `boxes` is given; empty means
    that there is none in it, which is an answer as well. Skipped items have no answer.

    `annotator` tells people apart. `image_size` is (width, height) in pixels where the tool tells.
    """

    annotator: str
    time: datetime
    labels: tuple[str, ...] | None = None
    boxes: tuple[Box, ...] | None = None
    sentiment: Sentiment | None = None
    comment: str | None = None
    image_size: tuple[int, int] | None = None


MOST_BOXES: Final = 1000
"""Of one answer. Bringing boxes together takes memory by the square of their number."""
NOBODY: Final = "nobody"
"""The annotator of a BadAnswer that says why an item cannot be shown to anybody."""


@dataclass(frozen=True, slots=True)
class BadAnswer:
    """An answer that cannot be counted, and why, in words for the people who run the task."""

    annotator: str
    message: str


@dataclass(frozen=True, slots=True)
class ItemAnswers:
    """The answers to one item, by rising time, the latest of each person only."""

    item_id: str
    answers: tuple[Answer, ...]
    bad: tuple[BadAnswer, ...] = ()
