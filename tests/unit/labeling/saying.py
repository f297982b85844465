"""Answers in short form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from evaluation_operator.api.evaluation_options import AnnotationType
from evaluation_operator.tasks.answers import Answer, Box, ItemAnswers, Sentiment
from evaluation_operator.tasks.votes import Rules

MORNING = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
LABELS = ("bird", "cat", "dog")


def at(minute: int) -> datetime:
    return MORNING + timedelta(minutes=minute)


def says(
    *labels: str,
    who: str = "",
    minute: int = 0,
    sentiment: Sentiment | None = None,
    comment: str | None = None,
) -> Answer:
    return Answer(who, at(minute), labels=labels, sentiment=sentiment, comment=comment)


def draws(
    *boxes: Box, who: str = "", minute: int = 0, size: tuple[int, int] | None = None
) -> Answer:
    return Answer(who, at(minute), boxes=boxes, image_size=size)


def box(left: float, right: float, label: str = "cat") -> Box:
    """Over the image's whole height, so that overlaps are those of intervals."""
    return Box(label, left, 0.0, right, 1.0)


def item(*answers: Answer) -> ItemAnswers:
    """One after the other, by persons of their own, unless the answers say otherwise."""
    named = [
        Answer(
            it.annotator or f"person-{number}",
            it.time + timedelta(seconds=number),
            it.labels,
            it.boxes,
            it.sentiment,
            it.comment,
            it.image_size,
        )
        for number, it in enumerate(answers)
    ]
    return ItemAnswers("item", tuple(named))


def votes(words: str) -> ItemAnswers:
    """ "cat dog cat": one label each. "cat+dog -": several, or none."""
    given = [() if word == "-" else tuple(word.split("+")) for word in words.split()]
    return item(*(says(*labels) for labels in given))


def images(replica_count: int = 3, *, is_multi_label: bool = False) -> Rules:
    kind = AnnotationType.IMAGE_CLASSIFICATION
    return Rules(kind, LABELS, is_multi_label, replica_count=replica_count)


def boxes(replica_count: int = 3, labels: Sequence[str] = LABELS) -> Rules:
    kind = AnnotationType.IMAGE_BOUNDING_BOX
    return Rules(kind, tuple(labels), replica_count=replica_count)
