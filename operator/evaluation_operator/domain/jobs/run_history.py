"""A run and its revisions: one in the history of a job, and gone together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from evaluation_operator.api.dataset import RunResult
from evaluation_operator.domain.facts.dataset import DatasetFacts


@dataclass(frozen=True, slots=True)
class Family:
    """A run and its revisions, by their number; `root` is None if somebody has deleted it."""

    root: DatasetFacts | None
    revisions: tuple[DatasetFacts, ...]

    @property
    def members(self) -> tuple[DatasetFacts, ...]:
        """The run first: what is left of a family that goes must not look as if it were due."""
        return (self.root, *self.revisions) if self.root is not None else self.revisions

    @property
    def evaluation(self) -> str | None:
        """The newest Evaluation, by which the others are superseded."""
        done = [
            item.outcome.evaluation or item.name
            for item in self.members
            if item.outcome is not None and item.outcome.result is RunResult.SUCCEEDED
        ]
        return done[-1] if done else None

    @property
    def scheduled_time(self) -> datetime:
        return self.members[0].scheduled_time


def families(datasets: Iterable[DatasetFacts]) -> list[Family]:
    """By the time of their runs."""
    roots: dict[str, DatasetFacts] = {}
    revisions: dict[str, list[DatasetFacts]] = {}
    for dataset in datasets:
        if dataset.revision is None:
            roots[dataset.name] = dataset
        else:
            revisions.setdefault(dataset.revision.run, []).append(dataset)
    found = [
        Family(roots.get(name), tuple(sorted(revisions.get(name, ()), key=number_of)))
        for name in roots.keys() | revisions.keys()
    ]
    return sorted(found, key=lambda family: family.scheduled_time)


def number_of(dataset: DatasetFacts) -> int:
    """0 for a run, then counting up."""
    return dataset.revision.number if dataset.revision is not None else 0
