"""All that a decision looks at, gathered once and then never read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersion
from evaluation_operator.api.instruction import InstructionSpec
from evaluation_operator.domain.facts.claim import Claim
from evaluation_operator.domain.facts.dataset import DatasetFacts
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.facts.logger import LoggerRefusal, LoggerSlot
from evaluation_operator.domain.facts.obstacle import Obstacle
from evaluation_operator.domain.facts.pod import PodFacts
from evaluation_operator.domain.facts.replica import Replica
from evaluation_operator.domain.facts.troubles import WarningFacts
from evaluation_operator.domain.readable import Answers


@dataclass(frozen=True, slots=True)
class Run:
    """A run is a Dataset, the Job of the step that it is in, and that Job's pods.

    `warnings`: Events about what stands still, asked for only where something does.
    """

    dataset: DatasetFacts
    job: JobFacts | None = None
    pods: tuple[PodFacts, ...] = ()
    warnings: tuple[WarningFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class TableCheck:
    """`warnings` as those of a Run."""

    job: JobFacts
    pods: tuple[PodFacts, ...] = ()
    warnings: tuple[WarningFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """An EvaluationJob and what it stands on; None means: does not exist.

    `claim_is_for_tables`: the job's volume claim, where it has one, may be had by jobs.
    `labels` are the display names of its AnnotationSpecSet, in order. `replicas` are those of the
    namespace's sampler; they are looked at only when runs are due. `loggers` are those of the
    InferenceServices, by name, that the job manages or has to give back. `has_labeler`: somebody
    in the namespace brings its tasks to people; looked at only where a job needs that.
    `free_places`: how many Jobs may be created for it now; None: any number. `answers`: what the
    samplers say of the newest responses; None: nothing.
    """

    job: EvaluationJob
    runs: tuple[Run, ...] = ()
    claim: Claim | None = None
    labels: tuple[str, ...] | None = None
    instruction: InstructionSpec | None = None
    has_labeler: bool = False
    namespace_lacks: tuple[str, ...] = ()
    claim_is_for_tables: bool = True
    table_check: TableCheck | None = None
    obstacle: Obstacle | None = None
    replicas: tuple[Replica, ...] = ()
    loggers: Mapping[str, LoggerSlot] = field(default_factory=dict)
    logger_refusals: tuple[LoggerRefusal, ...] = ()
    free_places: int | None = None
    answers: Answers | None = None


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another version of the same job."""

    name: str
    create_time: datetime
    number: int | None


@dataclass(frozen=True, slots=True)
class VersionSnapshot:
    """An EvaluationJobVersion, its job and its only run. `free_places` as in JobSnapshot.

    Of the `siblings` the oldest without a number is there, and the one with the highest; others
    need not be.
    """

    version: EvaluationJobVersion
    job: EvaluationJob | None = None
    siblings: tuple[Sibling, ...] = ()
    run: Run | None = None
    labels: tuple[str, ...] | None = None
    source_dataset_found: bool = False
    obstacle: Obstacle | None = None
    free_places: int | None = None
