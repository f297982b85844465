"""`spec.evaluationJobConfig`: what an EvaluationJob does, field by field as in the old service."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from .base import LINE, TEXT, Duration, Model, Rule
from .email_address import EMAIL_MAX_LENGTH, EMAIL_PATTERN
from .evaluation_job_rules import CONFIG_RULES
from .evaluation_options import EvaluationConfig, ImportKeys
from .input_config import InputConfig
from .names import ANNOTATION_SPEC_SET_PATTERN, INSTRUCTION_PATTERN

Email = Annotated[
    str, Field(max_length=EMAIL_MAX_LENGTH, json_schema_extra={"pattern": EMAIL_PATTERN})
]


class AnswerAggregationType(StrEnum):
    MAJORITY_VOTE = "MAJORITY_VOTE"
    UNANIMOUS_VOTE = "UNANIMOUS_VOTE"
    NO_AGGREGATION = "NO_AGGREGATION"


class HumanAnnotationConfig(Model):
    """How people label; required if, and only if, labelMissingGroundTruth is true."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="!has(self.questionDuration) || duration(self.questionDuration) <= duration('1h')",
            message="questionDuration is at most 3600s (one hour)",
            message_expression="'questionDuration ' + self.questionDuration + "
            "' is more than 3600s (one hour)'",
            field_path=".questionDuration",
        ),
    )

    instruction: str = Field(
        description="Instruction for the people who label: NAME or "
        "projects/NAMESPACE/instructions/NAME.",
        json_schema_extra={"pattern": INSTRUCTION_PATTERN},
        max_length=512,
    )
    annotated_dataset_display_name: str = Field(
        description="Title of the labelled data, at most 64 characters.",
        min_length=1,
        max_length=64,
        json_schema_extra=LINE,
    )
    annotated_dataset_description: str | None = Field(
        default=None,
        description="Description of the labelled data, at most 10,000 characters.",
        max_length=10_000,
        json_schema_extra=TEXT,
    )
    label_group: str | None = Field(
        default=None,
        description="Group of labelling tasks: letters, digits, `_` and `-`, at most 128.",
        pattern=r"^[A-Za-z0-9_-]*$",
        max_length=128,
    )
    language_code: str | None = Field(
        default=None,
        description="BCP-47 code of the language of the questions. Default: en-US.",
        pattern=r"^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$",
        max_length=64,
    )
    replica_count: int | None = Field(
        default=None,
        description="How many people label each item; 1, 3 or 5 for images. Default: 1.",
        ge=1,
        le=100,
    )
    question_duration: Duration | None = Field(
        default=None,
        description="Most time for one answer, at most one hour. Default: 3600s.",
    )
    contributor_emails: list[Email] = Field(
        default=[],
        description="The people who label, by their addresses in the labelling tool.",
        max_length=100,
    )
    user_email_address: Email | None = Field(
        default=None, description="Who is told when a labelling task ends. Default: nobody."
    )


class ImageClassificationConfig(Model):
    """For IMAGE_CLASSIFICATION_ANNOTATION and GENERAL_CLASSIFICATION_ANNOTATION."""

    annotation_spec_set: str = Field(
        description="Same as the job's annotationSpecSet.",
        json_schema_extra={"pattern": ANNOTATION_SPEC_SET_PATTERN},
        max_length=512,
    )
    allow_multi_label: bool | None = Field(
        default=None,
        description="Same as inputConfig.classificationMetadata.isMultiLabel. Default: false.",
    )
    answer_aggregation_type: AnswerAggregationType | None = Field(
        default=None,
        description="How the answers of several people become one label. Default: MAJORITY_VOTE.",
    )


class BoundingPolyConfig(Model):
    """For IMAGE_BOUNDING_BOX_ANNOTATION."""

    annotation_spec_set: str = Field(
        description="Same as the job's annotationSpecSet.",
        json_schema_extra={"pattern": ANNOTATION_SPEC_SET_PATTERN},
        max_length=512,
    )
    instruction_message: str | None = Field(
        default=None,
        description="Shown to the people who label.",
        max_length=10_000,
        json_schema_extra=TEXT,
    )


class SentimentConfig(Model):
    """Whether people say how positive a label is."""

    enable_label_sentiment_selection: bool | None = Field(
        default=None,
        description="Whether a label may be marked as positive or negative. Default: false.",
    )


class TextClassificationConfig(Model):
    """For TEXT_CLASSIFICATION_ANNOTATION."""

    allow_multi_label: bool | None = Field(
        default=None,
        description="Same as inputConfig.classificationMetadata.isMultiLabel. Default: false.",
    )
    annotation_spec_set: str = Field(
        description="Same as the job's annotationSpecSet.",
        json_schema_extra={"pattern": ANNOTATION_SPEC_SET_PATTERN},
        max_length=512,
    )
    sentiment_config: SentimentConfig | None = Field(
        default=None, description="Whether people say how positive a label is."
    )


class EvaluationJobAlertConfig(Model):
    """When to send an alert, and where to."""

    email: Email = Field(description="Address that alerts go to.")
    min_acceptable_mean_average_precision: float = Field(
        description="An alert is sent when a run's mean average precision is below this, "
        "from 0 to 1.",
        ge=0,
        le=1,
    )


class EvaluationJobConfig(Model):
    """What the job evaluates, how much of it, and against which labels."""

    RULES: ClassVar[tuple[Rule, ...]] = CONFIG_RULES

    input_config: InputConfig = Field(
        description="What is evaluated: the type of the data, the type of the predictions, and "
        "their table. Immutable."
    )
    evaluation_config: EvaluationConfig = Field(
        description="Options of the metrics; an empty object for classification."
    )
    human_annotation_config: HumanAnnotationConfig | None = Field(
        default=None,
        description="How people label; required if, and only if, labelMissingGroundTruth is true.",
    )
    image_classification_config: ImageClassificationConfig | None = Field(
        default=None,
        description="For IMAGE_CLASSIFICATION_ANNOTATION and GENERAL_CLASSIFICATION_ANNOTATION. "
        "Exactly one of imageClassificationConfig, boundingPolyConfig and "
        "textClassificationConfig is required.",
    )
    bounding_poly_config: BoundingPolyConfig | None = Field(
        default=None, description="For IMAGE_BOUNDING_BOX_ANNOTATION."
    )
    text_classification_config: TextClassificationConfig | None = Field(
        default=None, description="For TEXT_CLASSIFICATION_ANNOTATION."
    )
    bigquery_import_keys: ImportKeys = Field(
        description="Which keys of the requests' and responses' JSON hold what, in a table of any "
        "source. Immutable."
    )
    example_count: int = Field(
        description="Most predictions that are sampled in an interval; it wins over "
        "exampleSamplePercentage. At least 1.",
        ge=1,
        le=2_147_483_647,
    )
    example_sample_percentage: float = Field(
        description="Fraction of the predictions that is sampled, in spite of its name: 0.1 is "
        "10 %. Above 0, at most 1.",
        gt=0,
        le=1,
    )
    evaluation_job_alert_config: EvaluationJobAlertConfig | None = Field(
        default=None, description="When to send an alert, and where to. Default: never."
    )
