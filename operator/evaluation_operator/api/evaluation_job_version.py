"""EvaluationJobVersion: one run of an EvaluationJob, at once, with options of its own."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from .base import (
    DNS_SUBDOMAIN,
    LIST_BY_TYPE,
    TEXT,
    Condition,
    Model,
    PrinterColumn,
    Resource,
    RpcStatus,
    Rule,
    TimeSpan,
    Timestamp,
    immutable,
    name_rule,
)
from .evaluation_job import MAX_NAME_LENGTH
from .evaluation_options import EvaluationConfig, Label, ScoreThreshold
from .run_template import ObjectName, RunTemplate

MAX_VERSION_NAME_LENGTH = 53


class EvaluationJobVersionSpec(Model):
    """What to run; immutable, but for terminate."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        immutable("evaluationJob", what="EvaluationJobVersion"),
        *(
            immutable(field, optional=True, what="EvaluationJobVersion")
            for field in (
                "description",
                "evaluationConfig",
                "scoreThresholds",
                "window",
                "dataset",
                "labels",
                "runTemplate",
            )
        ),
        Rule(
            rule="!has(oldSelf.terminate) || !oldSelf.terminate || "
            "(has(self.terminate) && self.terminate)",
            message="terminate cannot be taken back: create another EvaluationJobVersion",
            reason="FieldValueForbidden",
        ),
        # Not a list of type set: the API server compares those as unequal to themselves when a
        # whole number, like 0, is among them, and then every write would break immutability.
        Rule(
            rule="!has(self.scoreThresholds) || self.scoreThresholds.all(one, "
            "self.scoreThresholds.exists_one(other, other == one))",
            message="scoreThresholds has a value twice: leave one of them out",
            field_path=".scoreThresholds",
        ),
        Rule(
            rule="!has(self.window) || !has(self.dataset)",
            message="window and dataset exclude each other: leave one of them out",
        ),
        Rule(
            rule="!has(self.window) || self.window.startTime < self.window.endTime",
            message="window.startTime must be before window.endTime",
            field_path=".window",
        ),
    )

    evaluation_job: str = Field(
        description="Name of the EvaluationJob, in this namespace, whose data is evaluated.",
        min_length=1,
        max_length=MAX_NAME_LENGTH,
        json_schema_extra={"pattern": DNS_SUBDOMAIN},
    )
    description: str | None = Field(
        default=None,
        description="What the version is for, at most 25,000 characters.",
        max_length=25_000,
        json_schema_extra=TEXT,
    )
    evaluation_config: EvaluationConfig | None = Field(
        default=None, description="Options of the metrics. Default: those of the job."
    )
    score_thresholds: list[ScoreThreshold] = Field(
        default=[],
        description="Score thresholds at which the curve is given. "
        "Default: 0.00 to 0.95 by 0.05, then 0.96 to 0.99; where a score lies outside 0..1, 24 "
        "quantiles of the scores.",
        max_length=101,
    )
    window: TimeSpan | None = Field(
        default=None,
        description="Which rows are read, by their time. Either this or dataset; "
        "default: all rows of the model version.",
    )
    dataset: ObjectName | None = Field(
        default=None,
        description="An existing Dataset of the job whose rows are read again. "
        "Either this or window.",
    )
    labels: list[Label] = Field(
        default=[],
        description="Labels to slice by: metrics are given for these alone. Default: every label.",
        max_length=1000,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    run_template: RunTemplate | None = Field(
        default=None, description="How the run's pod looks. Default: as in the job."
    )
    terminate: bool | None = Field(
        default=None,
        description="true: stop the version while it is Creating or Queuing; in Running it is "
        "refused unless the operator allows it. It cannot be taken back. Default: false.",
    )


class VersionState(StrEnum):
    CREATING = "Creating"
    QUEUING = "Queuing"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TERMINATED = "Terminated"


FINAL_VERSION_STATES = frozenset(
    {VersionState.COMPLETED, VersionState.FAILED, VersionState.TERMINATED}
)


class EvaluationJobVersionStatus(Model):
    """What the operator reports."""

    number: int | None = Field(
        default=None,
        description="Number of the version within its job, in the order of creation, from 1.",
        ge=1,
    )
    state: VersionState | None = Field(
        default=None,
        description="Creating, Queuing (waits for a queue or a node), Running, Completed, Failed "
        "or Terminated.",
    )
    create_time: Timestamp | None = Field(default=None, description="When the version was created.")
    start_time: Timestamp | None = Field(default=None, description="When its pod started.")
    completion_time: Timestamp | None = Field(default=None, description="When it ended.")
    dataset: str | None = Field(default=None, description="Dataset of the run.", max_length=253)
    evaluation: str | None = Field(
        default=None, description="Evaluation that came out.", max_length=253
    )
    mean_average_precision: float | None = Field(
        default=None, description="Mean average precision over all labels, 0 to 1."
    )
    evaluated_item_count: int | None = Field(
        default=None, description="Items that were compared with ground truth.", ge=0
    )
    conditions: list[Condition] = Field(
        default=[],
        description="Ready, Reconciling, Stalled, and what became of terminate.",
        max_length=16,
        json_schema_extra=LIST_BY_TYPE,
    )
    observed_generation: int | None = Field(
        default=None, description="Generation of the spec that the status speaks of.", ge=0
    )
    partial_failures: list[RpcStatus] = Field(
        default=[], description="What went wrong, of a version that failed.", max_length=10
    )
    message: str | None = Field(
        default=None, description="What the version waits for, or why it ended.", max_length=2048
    )


class EvaluationJobVersion(Resource):
    """Runs an EvaluationJob once, at once, with options, rows and resources of its own. It never
    asks people to label: the labels that are there count."""

    KIND: ClassVar[str] = "EvaluationJobVersion"
    PLURAL: ClassVar[str] = "evaluationjobversions"
    SINGULAR: ClassVar[str] = "evaluationjobversion"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("evjv",)
    RULES: ClassVar[tuple[Rule, ...]] = (
        name_rule(MAX_VERSION_NAME_LENGTH, "the names of its run (evjv-NAME-eval)"),
    )
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Job", ".spec.evaluationJob"),
        PrinterColumn("Number", ".status.number", "integer"),
        PrinterColumn("State", ".status.state"),
        PrinterColumn(
            "Reason",
            ".status.conditions[?(@.type=='Ready')].reason",
            description="What the version waits for, or how it ended.",
        ),
        PrinterColumn("mAP", ".status.meanAveragePrecision", "number", "Mean average precision."),
        PrinterColumn("Age", ".metadata.creationTimestamp", "date"),
        PrinterColumn("Items", ".status.evaluatedItemCount", "integer", wide=True),
        PrinterColumn("Started", ".status.startTime", wide=True),
        PrinterColumn("Completed", ".status.completionTime", wide=True),
        PrinterColumn("Message", ".status.message", wide=True),
    )

    spec: EvaluationJobVersionSpec = Field(description="What to run; immutable, but for terminate.")
    status: EvaluationJobVersionStatus = Field(
        default=EvaluationJobVersionStatus(), description="What the operator reports."
    )
