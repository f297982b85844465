"""Dataset: one run of an EvaluationJob or EvaluationJobVersion, and the rows it covers.

Its name is the lock of the run, its spec holds all that the run needs (a run's pod reads nothing
else), and one write of `status.outcome` commits the run.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from .base import (
    LIST_BY_TYPE,
    Condition,
    Duration,
    Model,
    PrinterColumn,
    Resource,
    RpcStatus,
    Rule,
    TimeSpan,
    Timestamp,
    whole_spec_immutable,
)
from .evaluation_job import OnDelete
from .evaluation_job_config import AnswerAggregationType
from .evaluation_job_status import PausedSpan
from .evaluation_options import (
    BoundingBoxUnits,
    EvaluationConfig,
    ImportKeys,
    ScoreThreshold,
)
from .input_config import InputConfig
from .instruction import InstructionDataType
from .names import ModelVersion

# As they were when the run began, perhaps before the schema of jobs and labels was as strict as it
# is: the run goes on. Who sends mail looks again whether an address is one.
StoredLabel = Annotated[str, Field(min_length=1, max_length=64)]
StoredEmail = Annotated[str, Field(max_length=320)]


class JobReference(Model):
    """The EvaluationJob whose rows these are."""

    name: str = Field(description="Name of the EvaluationJob.", max_length=253)
    uid: str = Field(description="UID of the EvaluationJob.", max_length=64)
    create_time: Timestamp | None = Field(
        default=None, description="When the EvaluationJob was created."
    )


class VersionReference(Model):
    """The EvaluationJobVersion that asked for the run."""

    name: str = Field(description="Name of the EvaluationJobVersion.", max_length=253)
    uid: str = Field(description="UID of the EvaluationJobVersion.", max_length=64)
    number: int | None = Field(default=None, description="Its number within the job, from 1.", ge=1)


class RunWindow(TimeSpan):
    """Rows of this time are covered by the run."""

    failures: int | None = Field(
        default=None, description="How many runs over these rows have failed before.", ge=0
    )


class Revision(Model):
    """A run that is evaluated again, with the labels that have come since."""

    run: str = Field(
        description="Dataset of the run, the first one; sourceDataset names it too.", max_length=253
    )
    number: int = Field(description="1 for the first time that the run is revised.", ge=1)
    supersedes: str = Field(description="Evaluation that the new one replaces.", max_length=253)
    new_label_count: int = Field(
        default=0,
        description="status.newLabelCount of the run when this was asked for.",
        ge=0,
    )
    request: str | None = Field(
        default=None,
        description="The annotation evaluations.dev/reevaluate of the job that asked for this; "
        "absent where the number of new labels did.",
        max_length=512,
    )


class DatasetAlert(Model):
    """When the result is too low."""

    min_acceptable_mean_average_precision: float = Field(
        description="Mean average precision below which the result is not acceptable, 0 to 1.",
        ge=0,
        le=1,
    )


class LabelingInstruction(Model):
    """What the people who label are told to do: the Instruction, as it was when the run began."""

    display_name: str = Field(description="Title of the instruction.", max_length=64)
    description: str | None = Field(
        default=None, description="What is to be done.", max_length=10_000
    )
    data_type: InstructionDataType = Field(description="Type of the data to label.")
    pdf_uri: str | None = Field(
        default=None, description="Address of the instruction as a PDF file.", max_length=2000
    )


class DatasetLabeling(Model):
    """Who labels what is without ground truth, and how: all that the labeler needs.

    The condition Labeled of the status says how far they are. False: people label (reason
    Labeling), or something is in their way (BackendUnavailable, BackendNotFound, BackendRefused).
    True: the run goes on with the labels that are there (AllLabeled, DeadlineReached, or
    NothingToLabel when no item was without ground truth).
    """

    backend: str | None = Field(
        default=None,
        description="Which labelling tool of the namespace to use. Default: the only one.",
        max_length=63,
    )
    instruction: LabelingInstruction = Field(
        description="What the people who label are told to do."
    )
    instruction_message: str | None = Field(
        default=None, description="Shown to them beside the instruction.", max_length=10_000
    )
    answer_aggregation_type: AnswerAggregationType = Field(
        default=AnswerAggregationType.MAJORITY_VOTE,
        description="How the answers of several people become one label. Default: MAJORITY_VOTE.",
    )
    allow_multi_label: bool = Field(
        default=False, description="Whether an item may have several labels. Default: false."
    )
    enable_label_sentiment_selection: bool = Field(
        default=False,
        description="Whether a label may be marked as positive or negative. Default: false.",
    )
    replica_count: int = Field(
        default=1, description="How many people label each item. Default: 1.", ge=1, le=100
    )
    question_duration: Duration | None = Field(
        default=None, description="Most time for one answer. Default: 3600s."
    )
    language_code: str = Field(
        default="en-US",
        description="BCP-47 code of the language of the questions. Default: en-US.",
        max_length=64,
    )
    contributor_emails: list[StoredEmail] = Field(
        default=[], description="The people who label.", max_length=100
    )
    user_email_address: StoredEmail | None = Field(
        default=None, description="Who is told when the task ends. Default: nobody."
    )
    deadline: Duration | None = Field(
        default=None,
        description="How long people have from status.cut.time on. Default: until every item is "
        "labelled.",
    )
    on_delete: OnDelete = Field(
        default=OnDelete.ARCHIVE,
        description="What becomes of the open task when the job is deleted. Default: Archive.",
    )
    label_group: str | None = Field(
        default=None, description="Group of labelling tasks.", max_length=128
    )
    annotated_dataset_display_name: str = Field(
        description="Title of the labelled data.", max_length=64
    )


class DatasetSpec(Model):
    """What the run covers and all that it needs; immutable."""

    RULES: ClassVar[tuple[Rule, ...]] = (whole_spec_immutable("Dataset"),)

    display_name: str | None = Field(
        default=None, description="Title of the Dataset, at most 64 characters.", max_length=64
    )
    description: str | None = Field(
        default=None,
        description="What the Dataset is, at most 10,000 characters.",
        max_length=10_000,
    )
    input_configs: list[InputConfig] = Field(
        description="Where the rows lie: the job's inputConfig.", min_length=1, max_length=1
    )
    evaluation_job: JobReference = Field(description="The EvaluationJob whose rows these are.")
    evaluation_job_version: VersionReference | None = Field(
        default=None,
        description="The EvaluationJobVersion that asked for the run; absent for scheduled runs.",
    )
    scheduled_time: Timestamp = Field(description="When the run was due.")
    model_version: ModelVersion = Field(description="The model version that is evaluated.")
    windows: list[RunWindow] = Field(
        default=[],
        description="Times whose rows the run covers; empty with allRows or sourceDataset.",
        max_length=1000,
    )
    all_rows: bool | None = Field(
        default=None, description="Whether the run reads all rows of the model version."
    )
    paused_spans: list[PausedSpan] = Field(
        default=[],
        description="Times within the windows whose rows are left out, in tables that others "
        "fill: the job was paused.",
        max_length=1000,
    )
    source_dataset: str | None = Field(
        default=None, description="Dataset whose rows are read again.", max_length=253
    )
    revision: Revision | None = Field(
        default=None,
        description="Which run this one evaluates again because labels came late; absent for all "
        "others.",
    )
    minimum_new_labels: int | None = Field(
        default=None,
        description="How many labels that come after an Evaluation make a new one in its place. "
        "Default: never.",
        ge=1,
    )
    label_delay: Duration | None = Field(
        default=None, description="How long ground truth takes to arrive. Default: 0s."
    )
    interval_days: int | None = Field(
        default=None,
        description="Days of a sampling interval, to which exampleCount applies. Default: 1.",
        ge=1,
    )
    example_count: int | None = Field(
        default=None, description="Most predictions that are sampled in an interval.", ge=1
    )
    example_sample_percentage: float | None = Field(
        default=None, description="Fraction of the predictions that is sampled.", gt=0, le=1
    )
    bigquery_import_keys: ImportKeys = Field(
        description="Which keys of the requests' and responses' JSON hold what."
    )
    evaluation_config: EvaluationConfig = Field(
        default=EvaluationConfig(), description="Options of the metrics."
    )
    score_thresholds: list[ScoreThreshold] = Field(
        default=[],
        description="Score thresholds at which the curve is given. "
        "Default: 0.00 to 0.95 by 0.05, then 0.96 to 0.99; where a score lies outside 0..1, 24 "
        "quantiles of the scores.",
        max_length=101,
    )
    slice_labels: list[StoredLabel] = Field(
        default=[], description="Labels to slice by. Default: every label.", max_length=1000
    )
    bounding_box_units: BoundingBoxUnits | None = Field(
        default=None, description="Units of box coordinates. Default: PIXELS."
    )
    alert: DatasetAlert | None = Field(default=None, description="When the result is too low.")
    labeling: DatasetLabeling | None = Field(
        default=None,
        description="How people label what is without ground truth; absent where they are not "
        "asked.",
    )
    annotation_spec_set: str = Field(description="Name of the AnnotationSpecSet.", max_length=253)
    annotation_specs: list[StoredLabel] = Field(
        description="The labels that the model can give, in the order of the AnnotationSpecSet.",
        min_length=1,
        max_length=1000,
    )
    results_uri: str = Field(
        description="Where the run writes the rows it cut and its full results.",
        min_length=1,
        max_length=2000,
    )


class Cut(Model):
    """The rows that the run copied, so that it can be computed again."""

    uri: str = Field(description="Folder that the rows lie in.", max_length=4096)
    row_count: int = Field(description="Rows in the cut.", ge=0)
    item_count: int | None = Field(default=None, description="Items in these rows.", ge=0)
    digest: str | None = Field(default=None, description="Digest of the rows' ids.", max_length=128)
    time: Timestamp | None = Field(
        default=None, description="When the rows were cut; later labels do not count."
    )


class RunResult(StrEnum):
    SUCCEEDED = "Succeeded"
    NO_DATA = "NoData"
    FAILED = "Failed"


class Writer(StrEnum):
    RUN = "Run"
    OPERATOR = "Operator"


class Outcome(Model):
    """How the run ended. Written once: whoever comes second yields."""

    result: RunResult = Field(
        description="Succeeded, NoData (no rows, so no Evaluation) or Failed."
    )
    time: Timestamp = Field(description="When the run ended.")
    evaluation: str | None = Field(
        default=None, description="Evaluation that came out.", max_length=253
    )
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
    message: str | None = Field(
        default=None, description="How the run ended, in a sentence.", max_length=2048
    )
    partial_failures: list[RpcStatus] = Field(
        default=[], description="What went wrong.", max_length=10
    )
    late_rows: int | None = Field(
        default=None,
        description="Rows found in windows that earlier runs had covered.",
        ge=0,
    )
    written_by: Writer | None = Field(
        default=None, description="Run, or Operator (which alone writes Failed)."
    )


class DatasetStatus(Model):
    """What the run and the labelling report."""

    data_item_count: int | None = Field(default=None, description="Items in the Dataset.", ge=0)
    labeled_item_count: int | None = Field(
        default=None, description="Items that have ground truth.", ge=0
    )
    create_time: Timestamp | None = Field(default=None, description="When the Dataset was created.")
    cut: Cut | None = Field(
        default=None, description="The rows that the run copied, so that it can be computed again."
    )
    outcome: Outcome | None = Field(
        default=None, description="How the run ended; absent while it has not."
    )
    progress_percent: int | None = Field(
        default=None, description="How much has been labelled, 0 to 100.", ge=0, le=100
    )
    partial_failures: list[RpcStatus] = Field(
        default=[], description="What went wrong while labelling.", max_length=10
    )
    completed_count: int | None = Field(
        default=None, description="Items that people have labelled.", ge=0
    )
    total_count: int | None = Field(
        default=None, description="Items that people are asked to label.", ge=0
    )
    new_label_count: int | None = Field(
        default=None,
        description="Items whose ground truth is new, or another one, since the run's first "
        "Evaluation; counted where minimumNewLabels is set.",
        ge=0,
    )
    conditions: list[Condition] = Field(
        default=[],
        description="What is to be said about the Dataset. Labeled: whether people have labelled "
        "what they were asked; the run goes on once it is True.",
        max_length=16,
        json_schema_extra=LIST_BY_TYPE,
    )


class Dataset(Resource):
    """One run: the rows it covers, all that it needs, and how it ended. The operator writes it."""

    KIND: ClassVar[str] = "Dataset"
    PLURAL: ClassVar[str] = "datasets"
    SINGULAR: ClassVar[str] = "dataset"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("evds",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Job", ".spec.evaluationJob.name"),
        PrinterColumn("Scheduled", ".spec.scheduledTime"),
        PrinterColumn("Outcome", ".status.outcome.result"),
        PrinterColumn("Items", ".status.dataItemCount", "integer"),
        PrinterColumn("Labeled", ".status.labeledItemCount", "integer"),
        PrinterColumn("Progress", ".status.progressPercent", "integer", wide=True),
        PrinterColumn("Age", ".metadata.creationTimestamp", "date"),
        PrinterColumn("Version", ".spec.evaluationJobVersion.name", wide=True),
        PrinterColumn("Message", ".status.outcome.message", wide=True),
    )

    spec: DatasetSpec = Field(description="What the run covers and all that it needs; immutable.")
    status: DatasetStatus = Field(
        default=DatasetStatus(), description="What the run and the labelling report."
    )
