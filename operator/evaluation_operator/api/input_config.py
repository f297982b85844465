"""Where predictions lie and what they are about."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .address_rules import TABLE_MOUNT
from .base import LINE, Model
from .evaluation_options import AnnotationType, BoxFormat, DataType, ItemsPerRequest, Label
from .run_template import ObjectName


class ClassificationMetadata(Model):
    """What kind of classification it is."""

    is_multi_label: bool = Field(description="Whether one item can have several labels at once.")


class TextMetadata(Model):
    """About texts."""

    language_code: str | None = Field(
        default=None,
        description="BCP-47 code of the texts' language. Default: en-US.",
        pattern=r"^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$",
        max_length=64,
    )


BIGQUERY_PATTERN = r"^bq://[A-Za-z0-9][-A-Za-z0-9._:]*/[A-Za-z0-9_]+/[-A-Za-z0-9_$]+$"


class BigQuerySource(Model):
    """A table in BigQuery."""

    input_uri: str = Field(
        description="bq://PROJECT/DATASET/TABLE, at most 2,000 characters.",
        max_length=2000,
        json_schema_extra={"pattern": BIGQUERY_PATTERN},
    )


class GcsSource(Model):
    """Files in Cloud Storage; evaluation jobs do not take this source."""

    input_uri: str = Field(
        description="gs://BUCKET/OBJECT.", max_length=2000, json_schema_extra=LINE
    )
    mime_type: str = Field(
        description="Format of the file, like text/csv.", max_length=128, json_schema_extra=LINE
    )


class TableSource(Model):
    """A table that is not in BigQuery."""

    input_uri: str = Field(
        description="Address of the table, at most 2,000 characters: "
        f"file://{TABLE_MOUNT}[/FOLDER] on the volume claim, s3://BUCKET/FOLDER, "
        "gs://BUCKET/FOLDER, postgresql://HOST:PORT/DATABASE/SCHEMA.TABLE or clickhouse://…; "
        "never with a password, which belongs into a Secret of runTemplate.envFrom.",
        max_length=2000,
    )
    persistent_volume_claim_name: ObjectName | None = Field(
        default=None,
        description="PersistentVolumeClaim of this namespace with the table's files, mounted at "
        f"{TABLE_MOUNT} in runs. Required for file:// addresses, and for no other.",
    )


ClassName = Annotated[str, Field(min_length=1, max_length=64, json_schema_extra=LINE)]


class InputConfig(Model):
    """What is evaluated: the type of the data, the type of the predictions, and their table."""

    data_type: DataType = Field(
        description="Type of the data: IMAGE, TEXT, or GENERAL_DATA for rows of a table."
    )
    annotation_type: AnnotationType = Field(
        description="Type of the predictions. Of images: IMAGE_CLASSIFICATION_ANNOTATION and "
        "IMAGE_BOUNDING_BOX_ANNOTATION; of texts: TEXT_CLASSIFICATION_ANNOTATION; of general data: "
        "GENERAL_CLASSIFICATION_ANNOTATION."
    )
    classification_metadata: ClassificationMetadata | None = Field(
        default=None,
        description="Whether items have one label or several. Required for classification, not "
        "used for other types.",
    )
    bigquery_source: BigQuerySource | None = Field(
        default=None,
        description="The table of predictions, in BigQuery. Either this or tableSource.",
    )
    gcs_source: GcsSource | None = Field(
        default=None,
        description="Not for evaluation jobs: use bigquerySource or tableSource.",
    )
    table_source: TableSource | None = Field(
        default=None,
        description="The table of predictions, anywhere but in BigQuery. "
        "Either this or bigquerySource.",
    )
    text_metadata: TextMetadata | None = Field(default=None, description="About texts.")
    class_names: list[ClassName] = Field(
        default=[],
        description="The label at each place of an array of scores, or behind the index of a "
        "class; - for a class that is no label, such as the background. May be added to an "
        "existing job, and never changed.",
        max_length=1024,
    )
    positive_label: Label | None = Field(
        default=None,
        description="The label whose probability the model gives, where it answers with one "
        "number from 0 to 1. Goes with negativeLabel. May be added to an existing job, and never "
        "changed.",
    )
    negative_label: Label | None = Field(
        default=None,
        description="The label that has the rest of positiveLabel's probability. May be added to "
        "an existing job, and never changed.",
    )
    items_per_request: ItemsPerRequest | None = Field(
        default=None,
        description="MANY: a request has as many items as its protocol says, one by one answered. "
        "ONE: a request and its answer are one item, whatever their first dimensions are. May be "
        "added to an existing job, and never changed. Default: MANY.",
    )
    box_format: BoxFormat | None = Field(
        default=None,
        description="What the numbers of a box are that is an array of four: XYXY and YXYX are "
        "left, top, right, bottom and top, left, bottom, right; XYWH the left top corner, width "
        "and height (COCO); CXCYWH the centre, width and height (YOLO); XXYY left, right, top, "
        "bottom (Vertex AI). May be added to an existing job, and never changed.",
    )

    @property
    def is_multi_label(self) -> bool:
        return self.classification_metadata is not None and (
            self.classification_metadata.is_multi_label
        )

    @property
    def is_one_item(self) -> bool:
        """Whether a request is one item, whatever its first dimensions are."""
        return self.items_per_request is ItemsPerRequest.ONE

    @property
    def input_uri(self) -> str:
        """Address of the table, whichever source names it; empty when none does."""
        source = self.table_source or self.bigquery_source
        return source.input_uri if source else ""
