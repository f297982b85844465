"""Options of an evaluation, shared by jobs, versions, Datasets and Evaluations."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from .base import LINE, Model, Rule


class DataType(StrEnum):
    IMAGE = "IMAGE"
    TEXT = "TEXT"
    GENERAL_DATA = "GENERAL_DATA"


class AnnotationType(StrEnum):
    IMAGE_CLASSIFICATION = "IMAGE_CLASSIFICATION_ANNOTATION"
    IMAGE_BOUNDING_BOX = "IMAGE_BOUNDING_BOX_ANNOTATION"
    TEXT_CLASSIFICATION = "TEXT_CLASSIFICATION_ANNOTATION"
    GENERAL_CLASSIFICATION = "GENERAL_CLASSIFICATION_ANNOTATION"

    @property
    def is_of_images(self) -> bool:
        return self in (AnnotationType.IMAGE_CLASSIFICATION, AnnotationType.IMAGE_BOUNDING_BOX)


class BoxFormat(StrEnum):
    """What the four numbers of a box are: corners, a corner and the size, or the centre and it."""

    XYXY = "XYXY"
    YXYX = "YXYX"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XXYY = "XXYY"


class ItemsPerRequest(StrEnum):
    MANY = "MANY"
    ONE = "ONE"


class BoundingBoxUnits(StrEnum):
    PIXELS = "PIXELS"
    NORMALIZED = "NORMALIZED"


Label = Annotated[str, Field(min_length=1, max_length=64, json_schema_extra=LINE)]
KEY_PATTERN = r"^[^/]+$"
ScoreThreshold = Annotated[float, Field(allow_inf_nan=False)]


class BoundingBoxEvaluationOptions(Model):
    """How boxes are compared."""

    iou_threshold: float = Field(
        description="Least intersection-over-union at which a predicted box matches a true one; "
        "above 0, at most 1.",
        gt=0,
        le=1,
    )


class EvaluationConfig(Model):
    """Options of the metrics; an empty object for classification."""

    bounding_box_evaluation_options: BoundingBoxEvaluationOptions | None = Field(
        default=None,
        description="Required for IMAGE_BOUNDING_BOX_ANNOTATION, and for no other type.",
    )


class ImportKeys(Model):
    """Which keys of the requests' and responses' JSON hold what. No key may contain `/`."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="has(self.data_json_key) || has(self.reference_json_key)",
            message="bigqueryImportKeys has neither data_json_key nor reference_json_key: name the "
            "key of the data, or of the pointer to it",
            reason="FieldValueRequired",
        ),
    )

    data_json_key: str | None = Field(
        default=None,
        alias="data_json_key",
        description="Key of the data in a request. This or reference_json_key is required.",
        pattern=KEY_PATTERN,
        max_length=256,
    )
    reference_json_key: str | None = Field(
        default=None,
        alias="reference_json_key",
        description="Key of a pointer to the data in a request, for example an image's path. "
        "This or data_json_key is required.",
        pattern=KEY_PATTERN,
        max_length=256,
    )
    label_json_key: str = Field(
        alias="label_json_key",
        description="Key of the predicted labels in a response; or a path of keys with dots "
        "between them.",
        pattern=KEY_PATTERN,
        max_length=256,
    )
    label_score_json_key: str = Field(
        alias="label_score_json_key",
        description="Key of the labels' scores in a response.",
        pattern=KEY_PATTERN,
        max_length=256,
    )
    bounding_box_json_key: str | None = Field(
        default=None,
        alias="bounding_box_json_key",
        description="Key of the predicted boxes in a response. Required for "
        "IMAGE_BOUNDING_BOX_ANNOTATION, not used for other types.",
        pattern=KEY_PATTERN,
        max_length=256,
    )
    bounding_box_count_json_key: str | None = Field(
        default=None,
        alias="bounding_box_count_json_key",
        description="Key of how many of the boxes in a response count, for detectors that always "
        "answer with as many. May be added to an existing job, and never changed. Default: all "
        "count.",
        pattern=KEY_PATTERN,
        max_length=256,
    )
