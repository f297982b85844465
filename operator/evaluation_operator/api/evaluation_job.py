"""EvaluationJob: evaluates one model version again and again, by a schedule."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from .base import (
    LINE,
    TEXT,
    Duration,
    Ignored,
    Model,
    PrinterColumn,
    Resource,
    Rule,
    keys_of,
    name_rule,
    parse_duration,
)
from .evaluation_job_config import EvaluationJobConfig
from .evaluation_job_rules import SPEC_RULES
from .evaluation_job_status import Attempt, EvaluationJobStatus
from .evaluation_options import BoundingBoxUnits
from .names import ANNOTATION_SPEC_SET_PATTERN, MODEL_VERSION_PATTERN
from .run_template import RunTemplate

DEFAULT_HISTORY_LIMIT = 10
MAX_NAME_LENGTH = 45

ATTRIBUTE_LENGTH = 1024
SelectorValue = Annotated[str, Field(max_length=ATTRIBUTE_LENGTH, json_schema_extra=LINE)]


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
        PrinterColumn("State", ".status['state','stalled']"),
        PrinterColumn("Ready", ".status.conditions[?(@.type=='Ready')].status"),
        PrinterColumn(
            "Reason",
            ".status.conditions[?(@.type=='Ready')].reason",
            description="Why it is ready, or what is in the way.",
        ),
        PrinterColumn(
            "Held Up",
            ".status.active[*].reason",
            description="Why a run is held up; `status.active` says more.",
        ),
        PrinterColumn("Next Run", ".status.nextRunTime", "string"),
        PrinterColumn(
            "mAP",
            ".status.latestEvaluation.meanAveragePrecision",
            "number",
            "Mean average precision of the newest Evaluation.",
        ),
        PrinterColumn("Age", ".metadata.creationTimestamp", "date"),
        PrinterColumn(
            "Interval", ".status.intervalDays", "integer", "Days between two runs.", True
        ),
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
