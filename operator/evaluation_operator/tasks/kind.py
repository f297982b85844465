"""What differs between kinds of task, and nothing else does: how an item is read and judged, what
is written and told of it, and what people are asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from evaluation_operator.api.dataset import DatasetSpec
from evaluation_operator.api.evaluation import (
    ConfidenceMetricsEntry,
    EvaluationMetrics,
    EvaluationSpec,
    WeightedMetrics,
    WeightedPiece,
)
from evaluation_operator.api.evaluation_options import ImportKeys
from evaluation_operator.domain.answer_spec import AnswerSpec
from evaluation_operator.metrics import ClassificationResult, Piece
from evaluation_operator.tasks.answers import Answer
from evaluation_operator.tasks.item_files import ItemCounts
from evaluation_operator.tasks.items import Outcome, RowReader
from evaluation_operator.tasks.votes import Rules, Verdict

PIECES_KEPT = 20


class Control(StrEnum):
    """What people answer with, in whatever tool they use."""

    LABELS = "labels"
    BOXES = "boxes"


@dataclass(frozen=True, slots=True)
class Limits:
    """What judging may use. `scratch` takes its files, and what does not fit into memory;
    `memory_limit` as DuckDB spells it."""

    scratch: Path
    memory_limit: str = "256MB"
    threads: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Judged(ABC):
    """All that a run found out of its items, before anything is cut to size. `result` is over the
    score, of everything and by label."""

    counts: ItemCounts
    pieces: tuple[Piece, ...]
    result: ClassificationResult

    @abstractmethod
    def write(self, labels: Sequence[str], scratch: Path) -> list[str]:
        """The files of the full result, all of which lie in `scratch` then; their names."""

    @abstractmethod
    def metrics(
        self, labels: Sequence[str], kept_cells: int | None
    ) -> tuple[EvaluationMetrics, int | None]:
        """Of a confusion matrix the largest `kept_cells`, None: all; and how many are not zero,
        where some are left out."""

    @abstractmethod
    def predicted_counts(self) -> Sequence[int | None]:
        """How often each label was predicted; None where that means nothing."""

    def weighted(self) -> WeightedMetrics | None:
        """Every ratio by 1/p; None where all items weigh the same."""
        figures = self.result.weighted
        if figures is None:
            return None
        return WeightedMetrics(
            mean_average_precision=figures.mean_average_precision,
            area_under_curve=figures.aggregate.area,
            accuracy=figures.accuracy,
            pieces=[WeightedPiece(n=it.items, p=it.p) for it in self.pieces[:PIECES_KEPT]],
        )


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve of an Evaluation. `over`: what its thresholds are of. `is_ranked`: its entries also
    tell of each item's first prediction alone."""

    title: str
    over: str
    entries: tuple[ConfidenceMetricsEntry, ...]
    is_ranked: bool = False


@dataclass(frozen=True, slots=True)
class Highlights:
    """What an Evaluation tells that others of another kind do not. `facts`: a name and a text
    each; `counted`: what truths of a label are. `confusions` are (truth, predicted, items) off the
    diagonal, largest first; `errors` (kind, boxes), most frequent first."""

    counted: str
    area_under_curve: float | None = None
    mean_average_precision: float | None = None
    facts: tuple[tuple[str, str], ...] = ()
    curves: tuple[Curve, ...] = ()
    confusions: tuple[tuple[str, str, int], ...] = ()
    errors: tuple[tuple[str, int], ...] = ()


class TaskKind(Protocol):
    """One kind of task. Methods that take a spec raise InvalidRun for what it cannot mean."""

    control: Control

    def check(self, spec: DatasetSpec) -> None:
        """The options that this kind alone has."""

    def reader(self, answers: AnswerSpec) -> RowReader:
        """How rows and answers are read. Raises InvalidRun for what they cannot mean."""

    def dependencies(self, spec: DatasetSpec) -> Mapping[str, object]:
        """What the figures depend on beyond what every kind's do, for the digest."""

    def judge(self, spec: DatasetSpec, outcomes: Iterable[Outcome], limits: Limits) -> Judged:
        """Raises NothingUsable where no item can be evaluated."""

    def tell(self, spec: EvaluationSpec) -> Highlights:
        """Total over whatever is missing."""

    def is_countable(self, answer: Answer, rules: Rules) -> bool:
        """Whether an answer of somebody can be counted at all."""

    def vote(self, answers: Sequence[Answer], rules: Rules) -> Verdict:
        """At least one answer, one of each person."""

    def agreement(self, first: Sequence[Sequence[Answer]], rules: Rules) -> float | None:
        """Of the first answers to each item; see labeling/people/agreement.py."""

    def entry_of(
        self,
        truth: Verdict,
        rules: Rules,
        keys: ImportKeys,
        image_size: tuple[int, int] | None,
    ) -> dict[str, object]:
        """The entry of the table's ground truth. ValueError where it cannot be written."""
