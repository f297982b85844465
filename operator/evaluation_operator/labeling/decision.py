"""What is to be decided of an item's answers, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from evaluation_operator.api.evaluation_job_config import AnswerAggregationType
from evaluation_operator.api.evaluation_options import (
    AnnotationType,
    BoundingBoxUnits,
    ImportKeys,
)
from evaluation_operator.labeling.answers import Answer, Box, ItemAnswers, Sentiment

MOST_FURTHER: Final = 2
"""How many people are asked beyond the first `replica_count`, at most."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How answers become one truth. `labels` is the whole set, `replica_count` at least 1.

    `units` None: no coordinates are wanted, or fractions do. ValueError for an impossible count.
    """

    annotation_type: AnnotationType
    labels: tuple[str, ...]
    is_multi_label: bool = False
    aggregation: AnswerAggregationType | None = None
    replica_count: int = 1
    units: BoundingBoxUnits | None = None

    def __post_init__(self) -> None:
        if self.replica_count < 1:
            raise ValueError(f"replica_count: {self.replica_count}; ask at least 1 person")

    @property
    def has_boxes(self) -> bool:
        return self.annotation_type is AnnotationType.IMAGE_BOUNDING_BOX

    @property
    def way(self) -> AnswerAggregationType:
        """Only classification of images has a choice; everything else goes by majority."""
        if self.annotation_type is AnnotationType.IMAGE_CLASSIFICATION and self.aggregation:
            return self.aggregation
        return AnswerAggregationType.MAJORITY_VOTE

    def missing(self, answered: int) -> int:
        """How many of the first opinions are still to come."""
        return max(self.replica_count - answered, 0)

    def may_ask_again(self, answered: int) -> bool:
        return answered < self.replica_count + MOST_FURTHER


@dataclass(frozen=True, slots=True)
class BoxTruth:
    """A box that most people drew; `score` is the share of them among all who answered."""

    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the votes say. `needed` more people are to be asked; all else holds if nobody is.

    `label_votes` of the answers agree with the verdict, and `reason` says why there is none.
    """

    needed: int
    label_votes: int
    labels: tuple[str, ...] = ()
    boxes: tuple[BoxTruth, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is known of one item by its answers so far.

    `needed` people more are to be asked, one after the other once `replica_count` have answered.
    Everything else is what holds if nobody is asked any more, as at a deadline: the same rules, on
    the answers that are there. `labels` and `boxes` are empty unless `is_resolved`; `reason` is,
    if it is. `score` is `label_votes / total_votes`, None without an answer.

    `answers` are those that count: by rising time, the latest of each person, without those that
    name unknown labels. `image_size` is (width, height) in pixels, if they agree on it.
    """

    needed: int
    is_resolved: bool
    labels: tuple[str, ...]
    boxes: tuple[BoxTruth, ...]
    score: float | None
    total_votes: int
    label_votes: int
    comments: tuple[str, ...]
    sentiment: Sentiment | None
    answers: tuple[Answer, ...]
    image_size: tuple[int, int] | None
    reason: str


def counted_answers(item: ItemAnswers, rules: Rules) -> tuple[Answer, ...]:
    """The latest of each person, by rising time, if it is one that the rules can count."""
    latest: dict[str, Answer] = {}
    for answer in sorted(item.answers, key=lambda it: it.time):
        latest[answer.annotator] = answer
    in_time = sorted(latest.values(), key=lambda it: (it.time, it.annotator))
    return tuple(it for it in in_time if _is_countable(it, rules))


def groundtruth_of(
    decision: Decision,
    keys: ImportKeys,
    units: BoundingBoxUnits | None,
    image_size: tuple[int, int] | None,
) -> str:
    """JSON of the one entry that the table's ground truth gets. `image_size` in pixels.

    ValueError when there is nothing to write: an unresolved item, boxes without a key for them, or
    pixels without the image's size (which `decide` calls unresolved).
    """
    if not decision.is_resolved:
        raise ValueError(f"decision: unresolved ({decision.reason}); leave the item out")
    if not _has_boxes(decision):
        return json.dumps({keys.label_json_key: list(decision.labels)}, ensure_ascii=False)
    if keys.bounding_box_json_key is None:
        raise ValueError("bounding_box_json_key: None; name the key that holds boxes")
    scale = (1.0, 1.0)
    if units is BoundingBoxUnits.PIXELS and decision.boxes:
        if image_size is None:
            raise ValueError("image_size: None; pixels need the image's width and height")
        scale = (float(image_size[0]), float(image_size[1]))
    entry = {
        keys.bounding_box_json_key: [_corners(it.box, scale) for it in decision.boxes],
        keys.label_json_key: [it.box.label for it in decision.boxes],
    }
    return json.dumps(entry, ensure_ascii=False)


def common_size(answers: Sequence[Answer]) -> tuple[int, int] | None:
    """The image's size, if anybody's tool tells it and nobody's another one."""
    sizes = {it.image_size for it in answers if it.image_size is not None}
    return sizes.pop() if len(sizes) == 1 else None


def _is_countable(answer: Answer, rules: Rules) -> bool:
    given = answer.labels
    if rules.has_boxes:
        given = None if answer.boxes is None else tuple(it.label for it in answer.boxes)
    if given is None or not set(given) <= set(rules.labels):
        return False
    return rules.has_boxes or rules.is_multi_label or len(set(given)) <= 1


def _has_boxes(decision: Decision) -> bool:
    return all(it.boxes is not None for it in decision.answers)


def _corners(box: Box, scale: tuple[float, float]) -> dict[str, dict[str, float]]:
    """Rounded only as far as arithmetic has made digits that nobody drew."""

    def corner(x: float, y: float) -> dict[str, float]:
        return {"x": round(x * scale[0], 9), "y": round(y * scale[1], 9)}

    return {
        "top_left": corner(box.left, box.top),
        "bottom_right": corner(box.right, box.bottom),
    }
