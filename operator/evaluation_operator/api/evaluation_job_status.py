"""`status` of an EvaluationJob: what the operator reports."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .base import LIST_BY_TYPE, Condition, Model, RpcStatus, TimeSpan, Timestamp

MAX_ATTEMPTS = 10

Warning_ = Annotated[str, Field(max_length=512)]


class JobState(StrEnum):
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"


class Attempt(Model):
    """A run that failed."""

    attempt_time: Timestamp = Field(description="When the run failed.")
    partial_failures: list[RpcStatus] = Field(
        default=[], description="What went wrong.", max_length=10
    )
    dataset: str | None = Field(default=None, description="Dataset of the run.", max_length=253)


class RunPhase(StrEnum):
    CREATING = "Creating"
    QUEUING = "Queuing"
    RUNNING = "Running"


class ActiveRun(Model):
    """A run that has not ended."""

    name: str = Field(description="Name of the run: of its Dataset and Job.", max_length=253)
    scheduled_time: Timestamp = Field(description="When the run was due.")
    phase: RunPhase | None = Field(
        default=None, description="Creating, Queuing (waits for a queue or a node) or Running."
    )
    reason: str | None = Field(
        default=None,
        description="Why the run is held up, in one word; absent while it goes on.",
        max_length=128,
    )
    message: str | None = Field(
        default=None,
        description="What the run waits for: the reason, what it is about, and what to do.",
        max_length=1024,
    )


class LatestEvaluation(Model):
    """The newest Evaluation of the schedule, in short."""

    name: str = Field(description="Name of the Evaluation.", max_length=253)
    dataset: str | None = Field(default=None, description="Dataset of the run.", max_length=253)
    evaluation_job_run_time: Timestamp | None = Field(
        default=None, description="When the run was due."
    )
    create_time: Timestamp | None = Field(default=None, description="When the Evaluation was made.")
    mean_average_precision: float | None = Field(
        default=None, description="Mean average precision over all labels, 0 to 1."
    )
    evaluated_item_count: int | None = Field(
        default=None, description="Items that were compared with ground truth.", ge=0
    )
    unscored_item_count: int | None = Field(
        default=None,
        description="Evaluated items whose prediction has labels without scores. With any of them "
        "there is no curve and no mean average precision.",
        ge=0,
    )


class RetryWindow(TimeSpan):
    """Rows of a failed run that wait for the next one."""

    failures: int = Field(description="How many runs over these rows have failed.", ge=0)


class AbandonedWindow(RetryWindow):
    """Rows that were given up after too many failed runs."""

    dataset: str | None = Field(
        default=None, description="Dataset of the last run over them.", max_length=253
    )


class PausedSpan(Model):
    """A time in which the job was paused."""

    start_time: Timestamp = Field(description="When the pause began.")
    end_time: Timestamp | None = Field(
        default=None, description="When it ended; absent while it lasts."
    )


class EvaluationJobStatus(Model):
    """What the operator reports."""

    state: JobState | None = Field(
        default=None,
        description="SCHEDULED, RUNNING (a run is active), PAUSED or STOPPED (being deleted); "
        "absent while Stalled.",
    )
    stalled: str | None = Field(
        default=None,
        description="`Stalled` while the condition of that name is True, so that `kubectl get` has "
        "a word to show where there is no state; else absent.",
        max_length=64,
    )
    create_time: Timestamp | None = Field(default=None, description="When the job was created.")
    attempts: list[Attempt] = Field(
        default=[], description="Runs that failed: the newest 10, newest last.", max_length=10
    )
    total_attempts: int | None = Field(
        default=None, description="How many attempts there have been.", ge=0
    )
    failed_runs: int | None = Field(default=None, description="How many runs have failed.", ge=0)
    conditions: list[Condition] = Field(
        default=[],
        description="Ready (sampling and schedule work), Reconciling, Stalled (the spec must "
        "change), QualityAcceptable (the last Evaluation against the alert threshold), "
        "SamplerBehind (the last run went on without a replica of the sampler) and LoggerManaged "
        "(spec.manageLogger).",
        max_length=16,
        json_schema_extra=LIST_BY_TYPE,
    )
    observed_generation: int | None = Field(
        default=None, description="Generation of the spec that the status speaks of.", ge=0
    )
    interval_days: int | None = Field(
        default=None, description="Days between two runs, derived from the schedule.", ge=1
    )
    schedule_explanation: str | None = Field(
        default=None, description="What the schedule means, in words.", max_length=512
    )
    schedule_warnings: list[Warning_] = Field(
        default=[],
        description="What is odd about the schedule, like gaps of different length.",
        max_length=10,
    )
    next_run_time: Timestamp | None = Field(
        default=None, description="When the next run is due; absent while paused."
    )
    last_run_time: Timestamp | None = Field(
        default=None, description="When the newest run was due."
    )
    last_success_time: Timestamp | None = Field(
        default=None, description="When a run last succeeded."
    )
    active: list[ActiveRun] = Field(
        default=[], description="Runs that have not ended.", max_length=100
    )
    sampled_in_interval: int | None = Field(
        default=None, description="Items sampled in the interval of the last recorded run.", ge=0
    )
    latest_evaluation: LatestEvaluation | None = Field(
        default=None, description="The newest Evaluation of the schedule, in short."
    )
    cover: list[TimeSpan] = Field(
        default=[],
        description="Times whose rows have been evaluated, or given up.",
        max_length=1000,
    )
    retry_windows: list[RetryWindow] = Field(
        default=[],
        description="Rows of failed runs that wait for the next one.",
        max_length=1000,
    )
    abandoned_windows: list[AbandonedWindow] = Field(
        default=[],
        description="Rows given up after too many failed runs: the newest 10.",
        max_length=10,
    )
    total_abandoned_windows: int | None = Field(
        default=None, description="How many windows have been given up.", ge=0
    )
    paused_spans: list[PausedSpan] = Field(
        default=[],
        description="Times in which the job was paused and that no run has passed yet.",
        max_length=1000,
    )
    late_rows: int | None = Field(
        default=None,
        description="Rows that turned up in windows after they had been evaluated.",
        ge=0,
    )
    managed_logger: str | None = Field(
        default=None,
        description="InferenceService whose request logger the operator has set for this job.",
        max_length=253,
    )
    managed_logger_opted_in: bool | None = Field(
        default=None,
        description="Whether that InferenceService's owner has asked for it, by its annotation "
        "evaluations.dev/logger-for. Unset for a logger from before that was asked for, which "
        "stays; one whose annotation is withdrawn is removed.",
    )
    table_digest: str | None = Field(
        default=None,
        description="Digest of the table's definition when it was last found good.",
        max_length=128,
    )
    sampled_table_digest: str | None = Field(
        default=None,
        description="Digest of the table that samplers write to, since a check found it good. "
        "Later outages of the table leave it, so that predictions are still taken in.",
        max_length=128,
    )
    model_version_lease: str | None = Field(
        default=None, description="Lease that says who evaluates the model version.", max_length=253
    )
