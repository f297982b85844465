"""How the answers of people become one truth: the rules, and what a vote says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from evaluation_operator.api.evaluation_job_config import AnswerAggregationType
from evaluation_operator.api.evaluation_options import AnnotationType, BoundingBoxUnits
from evaluation_operator.tasks.answers import Box

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
