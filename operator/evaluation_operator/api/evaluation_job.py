"""EvaluationJob: evaluates one model version again and again, by a schedule."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from .base import (
    LINE,
    TEXT,
    Condition,
    Duration,
    Ignored,
    Model,
    PrinterColumn,
    Resource,
    RpcStatus,
    Rule,
    TimeSpan,
    Timestamp,
    keys_of,
    name_rule,
    parse_duration,
)
from .evaluation_job_config import EvaluationJobConfig
from .evaluation_job_rules import SPEC_RULES
from .evaluation_options import BoundingBoxUnits
from .names import ANNOTATION_SPEC_SET_PATTERN, MODEL_VERSION_PATTERN
from .run_template import RunTemplate

DEFAULT_HISTORY_LIMIT = 10
MAX_ATTEMPTS = 10
MAX_NAME_LENGTH = 45

ATTRIBUTE_LENGTH = 1024
SelectorValue = Annotated[str, Field(max_length=ATTRIBUTE_LENGTH, json_schema_extra=LINE)]
Warning_ = Annotated[str, Field(max_length=512)]


class OnDelete(StrEnum):
    ARCHIVE = "Archive"
    DELETE = "Delete"
    KEEP = "Keep"


class Labeling(Model):
    """How long labelling tasks stay open, and what becomes of them."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="!has(self.deadline) || duration(self.deadline) <= duration('2160h')",
            message="labeling.deadline is at most 2160h (90 days)",
            message_expression="'labeling.deadline ' + self.deadline + "
            "' is more than 2160h (90 days)'",
            field_path=".deadline",
        ),
    )

    deadline: Duration | None = Field(
        default=None,
        description="How long people have; then the run goes on with the labels that are there. "
        "At most 2160h (90 days). Default: until every item is labelled.",
    )
    on_delete: OnDelete | None = Field(
        default=None,
        description="What becomes of open labelling tasks when the job is deleted. "
        "Default: Archive.",
    )
    minimum_new_labels: int | None = Field(
        default=None,
        description="How many labels that come after an Evaluation make a new one in its place. "
        "Default: never.",
        ge=1,
        le=2_147_483_647,
    )
    backend: str | None = Field(
        default=None,
        description="Which labelling tool of the namespace to use. Default: the only one.",
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
    )


class Attempt(Model):
    """A run that failed."""

    attempt_time: Timestamp = Field(description="When the run failed.")
    partial_failures: list[RpcStatus] = Field(
        default=[], description="What went wrong.", max_length=10
    )
    dataset: str | None = Field(default=None, description="Dataset of the run.", max_length=253)


_Attempts = Annotated[list[Attempt], Field(max_length=100)]


class EvaluationJobSpec(Model):
    """What a user asks for."""

    RULES: ClassVar[tuple[Rule, ...]] = SPEC_RULES

    description: str = Field(
        description="What the job is for, at most 25,000 characters.",
        max_length=25_000,
        json_schema_extra=TEXT,
    )
    schedule: str = Field(
        description="How often the job runs: a crontab line (`0 10 * * 1`) or English "
        "(`every 2 days`, `1st monday of month 10:00`). Only the interval counts, rounded to days "
        "and at least one day; runs start at 10:00 UTC whatever the text says. "
        "`kubectl evaluations schedule explain` tells what a text means.",
        min_length=1,
        max_length=256,
        json_schema_extra=LINE,
    )
    model_version: str = Field(
        description="Model version that is evaluated: models/M/versions/V or "
        "projects/NAMESPACE/models/M/versions/V. One job per model version. Immutable.",
        pattern=MODEL_VERSION_PATTERN,
        max_length=512,
    )
    evaluation_job_config: EvaluationJobConfig = Field(
        description="What the job evaluates, how much of it, and against which labels."
    )
    annotation_spec_set: str = Field(
        description="AnnotationSpecSet with all labels that the model can give: NAME or "
        "projects/NAMESPACE/annotationSpecSets/NAME. Immutable.",
        json_schema_extra={"pattern": ANNOTATION_SPEC_SET_PATTERN},
        max_length=512,
    )
    label_missing_ground_truth: bool = Field(
        description="true: people label the sampled predictions, by humanAnnotationConfig. "
        "false: you put the ground truth into the table. Immutable."
    )

    paused: bool | None = Field(
        default=None,
        description="true: nothing is sampled and no run starts; active runs finish. "
        "Default: false.",
    )
    results_uri: str | None = Field(
        default=None,
        description="Where runs write the rows they cut, full results and comparisons: a file://, "
        "s3:// or gs:// address. Required where the table is a database. "
        "Default: the folder _results beside a table of files.",
        max_length=2000,
    )
    label_delay: Duration | None = Field(
        default=None,
        description="How long ground truth takes to arrive: a run covers rows up to its time less "
        "this. Like 36h or 1h30m, at most 2160h (90 days). Default: 0s.",
    )
    model_selector: dict[str, SelectorValue] = Field(
        default={},
        description="Attributes of prediction events that belong to this model version, when "
        "their source does not say it.",
        max_length=32,
        json_schema_extra=keys_of(ATTRIBUTE_LENGTH),
    )
    manage_logger: bool | None = Field(
        default=None,
        description="Whether the operator may set the request logger of a KServe "
        "InferenceService, whose owner must ask for it too, by its annotation "
        "evaluations.dev/logger-for. Default: false.",
    )
    labeling: Labeling | None = Field(
        default=None, description="How long labelling tasks stay open, and what becomes of them."
    )
    bounding_box_units: BoundingBoxUnits | None = Field(
        default=None,
        description="Units of box coordinates, of predictions and ground truth alike: PIXELS, or "
        "NORMALIZED for 0 to 1. Default: PIXELS. Immutable.",
    )
    run_template: RunTemplate | None = Field(default=None, description="How the pods of runs look.")
    evaluations_history_limit: int | None = Field(
        default=None,
        description="How many finished, scheduled runs are kept in the cluster; results stay at "
        "resultsUri. From 1 to 100. Default: 10.",
        ge=1,
        le=100,
    )

    name: str | None = Field(
        default=None,
        description="Ignored: output of the old service, accepted so that its JSON can be pasted.",
        max_length=1024,
        json_schema_extra=LINE,
    )
    state: str | None = Field(
        default=None,
        description="Ignored: see status.state.",
        max_length=64,
        json_schema_extra=LINE,
    )
    attempts: Annotated[Any, Ignored(_Attempts)] = Field(
        default=None, description="Ignored: see status.attempts."
    )
    create_time: str | None = Field(
        default=None,
        description="Ignored: see status.createTime.",
        max_length=64,
        json_schema_extra=LINE,
    )

    @property
    def label_delay_seconds(self) -> float:
        return parse_duration(self.label_delay) if self.label_delay else 0.0

    @property
    def history_limit(self) -> int:
        return self.evaluations_history_limit or DEFAULT_HISTORY_LIMIT

    @property
    def is_paused(self) -> bool:
        return self.paused or False


class JobState(StrEnum):
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"


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
    message: str | None = Field(
        default=None, description="What the run waits for.", max_length=1024
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
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
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


class EvaluationJob(Resource):
    """Evaluates one model version again and again: samples its predictions, gets ground truth,
    and publishes precision-recall curves, mean average precision and confusion matrices."""

    KIND: ClassVar[str] = "EvaluationJob"
    PLURAL: ClassVar[str] = "evaluationjobs"
    SINGULAR: ClassVar[str] = "evaluationjob"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("evj",)
    RULES: ClassVar[tuple[Rule, ...]] = (
        name_rule(MAX_NAME_LENGTH, "the names of its runs (evj-NAME-TIME)"),
    )
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("State", ".status.state"),
        PrinterColumn("Interval", ".status.intervalDays", "integer", "Days between two runs."),
        PrinterColumn("Next Run", ".status.nextRunTime", "string"),
        PrinterColumn(
            "mAP",
            ".status.latestEvaluation.meanAveragePrecision",
            "number",
            "Mean average precision of the newest Evaluation.",
        ),
        PrinterColumn("Age", ".metadata.creationTimestamp", "date"),
        PrinterColumn("Ready", ".status.conditions[?(@.type=='Ready')].status", wide=True),
        PrinterColumn(
            "Quality",
            ".status.conditions[?(@.type=='QualityAcceptable')].status",
            description="Whether the newest Evaluation reaches the alert threshold.",
            wide=True,
        ),
        PrinterColumn("Last Run", ".status.lastRunTime", wide=True),
        PrinterColumn("Failed Runs", ".status.failedRuns", "integer", wide=True),
        PrinterColumn("Model Version", ".spec.modelVersion", wide=True),
        PrinterColumn("Schedule", ".spec.schedule", wide=True),
    )

    spec: EvaluationJobSpec = Field(description="What a user asks for.")
    status: EvaluationJobStatus = Field(
        default=EvaluationJobStatus(), description="What the operator reports."
    )
