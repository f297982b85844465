"""What a decision may ask for. Every action is idempotent, and nothing here does I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evaluation_operator.api.base import OwnerReference
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation_job_status import EvaluationJobStatus
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersionStatus
from evaluation_operator.api.kubernetes import Logger, NewJob, NewLease
from evaluation_operator.domain.facts.dataset import DatasetFacts, Outcome, RevisionFacts
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Mark the job, so that its deletion waits for its active runs to be stopped."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Let a deleted job go."""


@dataclass(frozen=True, slots=True)
class TakeClaim:
    """Create the model version's Lease, or take it from a holder that is gone."""

    lease: NewLease


@dataclass(frozen=True, slots=True)
class OwnVersion:
    """Make the job, `owner`, an owner of its version, so that deleting the job takes it along."""

    owner: OwnerReference


@dataclass(frozen=True, slots=True)
class CreateRun:
    """Create the Dataset, then the Job that it owns. The Dataset's name is the lock."""

    dataset: Dataset
    job: NewJob


@dataclass(frozen=True, slots=True)
class CreateRevision:
    """Create the Dataset of a revision from that of its run, `root`, as it stands. Its Job comes
    once the job's status lists it."""

    root: DatasetFacts
    revision: RevisionFacts


@dataclass(frozen=True, slots=True)
class CreateRunJob:
    """Create the Job of a Dataset that exists."""

    dataset: DatasetFacts
    job: NewJob


@dataclass(frozen=True, slots=True)
class CreateTableCheck:
    job: NewJob


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """Fail a run: one conditional write of its Dataset's status, which the run may have won."""

    dataset: DatasetFacts
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class DeleteJob:
    job: JobFacts


@dataclass(frozen=True, slots=True)
class StopRun:
    """Delete the Job of a run whose owner is being deleted, unless the run was left without an
    owner meanwhile: that is how `--cascade=orphan` shows once its finalizer is gone."""

    dataset: DatasetFacts
    job: JobFacts


@dataclass(frozen=True, slots=True)
class DeleteDataset:
    dataset: DatasetFacts


@dataclass(frozen=True, slots=True)
class ApplyLogger:
    """Set the logger of an InferenceService by server-side apply; None gives it back."""

    service: str
    uid: str
    logger: Logger | None


Action = (
    AddFinalizer
    | RemoveFinalizer
    | TakeClaim
    | OwnVersion
    | CreateRun
    | CreateRevision
    | CreateRunJob
    | CreateTableCheck
    | WriteOutcome
    | DeleteJob
    | StopRun
    | DeleteDataset
    | ApplyLogger
)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An Event to publish once the status that it speaks of has been written."""

    reason: Reason
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """`actions` come before the status, `final_actions` after it; then the key sleeps.

    A status of None is not written. A plan without `wake_at` waits for an event. `waits_since`: it
    would have created a Job, which has been due since then, but for want of a place.
    """

    actions: tuple[Action, ...] = ()
    status: EvaluationJobStatus | EvaluationJobVersionStatus | None = None
    final_actions: tuple[Action, ...] = ()
    events: tuple[EventRecord, ...] = ()
    wake_at: datetime | None = None
    waits_since: datetime | None = None
