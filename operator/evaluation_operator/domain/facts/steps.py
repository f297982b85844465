"""The steps of a run, which its Dataset alone tells.

Most runs have one: their only Job cuts, evaluates and publishes. Where people label, a first Job
cuts, no Job is there while they do, and a second one evaluates. A step is never gone back to, so
that a Job which belongs to it may be made anew at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from evaluation_operator.domain import naming
from evaluation_operator.domain.facts.dataset import DatasetFacts
from evaluation_operator.domain.facts.job import JobFacts


class Step(StrEnum):
    """What a run is about; as the argument of its program, where it has a Job."""

    RUN = "run"
    CUT = "cut"
    LABEL = "label"
    EVALUATE = "evaluate"


@dataclass(frozen=True, slots=True)
class StepJob:
    """The Job of a step: `label` is the value of its step label, None for none."""

    name: str
    argument: str
    label: str | None


def step_of(dataset: DatasetFacts) -> Step:
    """Where the run is, whether or not it has ended."""
    labeling = dataset.labeling
    if labeling is None:
        return Step.RUN
    if labeling.is_labeled:
        return Step.EVALUATE
    return Step.LABEL if labeling.is_cut else Step.CUT


def step_job(run: str, step: Step) -> StepJob | None:
    """None while people label: nothing waits in a pod for them."""
    match step:
        case Step.LABEL:
            return None
        case Step.RUN:
            return StepJob(run, str(step), None)
        case Step.CUT:
            return StepJob(run, str(step), str(step))
        case Step.EVALUATE:
            return StepJob(naming.evaluate_job_name(run), str(step), str(step))


def current_job(dataset: DatasetFacts, jobs: Iterable[JobFacts]) -> JobFacts | None:
    """Of a Dataset's Jobs the one that its step wants, if it is there."""
    wanted = step_job(dataset.name, step_of(dataset))
    if wanted is None:
        return None
    return next((job for job in jobs if job.name == wanted.name), None)


def begun_at(dataset: DatasetFacts) -> datetime:
    """Since when the step's Job may be there: the run's start, or when the labels were in."""
    begun = max(dataset.scheduled_time, dataset.create_time)
    labeling = dataset.labeling
    if labeling is None or not labeling.is_labeled or labeling.since is None:
        return begun
    return max(begun, labeling.since)
