"""Instruction: what the people who label are told to do."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from .annotation_spec_set import BlockingResources
from .base import LINE, LIST_BY_TYPE, TEXT, Condition, Model, PrinterColumn, Resource, Rule

FILE_URI_PATTERN = r"^(gs|s3|https?)://[A-Za-z0-9][-A-Za-z0-9._]*(:[0-9]{1,5})?(/[!#-;=?-Z_a-~]*)?$"
"""An address that a browser can show or a person can fetch: no script, no password, no quotes."""


class InstructionDataType(StrEnum):
    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    TEXT = "TEXT"
    GENERAL_DATA = "GENERAL_DATA"


class PdfInstruction(Model):
    """A PDF file."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="!self.gcsFileUri.matches('^[a-z0-9]+://169[.]254[.]')",
            message="gcsFileUri must not name a link-local address, where clouds keep the "
            "credentials of machines",
            field_path=".gcsFileUri",
            reason="FieldValueForbidden",
        ),
    )

    gcs_file_uri: str = Field(
        description="Address of the file, like gs://BUCKET/OBJECT.pdf.",
        min_length=1,
        max_length=2000,
        json_schema_extra={"pattern": FILE_URI_PATTERN},
    )


class CsvInstruction(Model):
    """A CSV file; deprecated."""

    gcs_file_uri: str = Field(
        description="Address of the file, like gs://BUCKET/OBJECT.csv.",
        min_length=1,
        max_length=2000,
        json_schema_extra={"pattern": FILE_URI_PATTERN},
    )


class InstructionSpec(Model):
    """What the people who label are told to do."""

    display_name: str = Field(
        description="Title of the instruction, at most 64 characters.",
        min_length=1,
        max_length=64,
        json_schema_extra=LINE,
    )
    description: str | None = Field(
        default=None,
        description="What it is about, at most 10,000 characters.",
        max_length=10_000,
        json_schema_extra=TEXT,
    )
    data_type: InstructionDataType = Field(
        description="Type of the data to label: IMAGE, VIDEO, TEXT or GENERAL_DATA."
    )
    pdf_instruction: PdfInstruction | None = Field(
        default=None, description="The instruction, as a PDF file."
    )
    csv_instruction: CsvInstruction | None = Field(
        default=None, description="Deprecated: use pdfInstruction."
    )
    name: str | None = Field(
        default=None,
        description="Ignored: output of the old service, accepted so that its JSON can be pasted.",
        max_length=1024,
        json_schema_extra=LINE,
    )
    create_time: str | None = Field(
        default=None, description="Ignored, like name.", max_length=64, json_schema_extra=LINE
    )
    update_time: str | None = Field(
        default=None, description="Ignored, like name.", max_length=64, json_schema_extra=LINE
    )
    blocking_resources: BlockingResources = Field(default=None, description="Ignored, like name.")


class InstructionStatus(Model):
    """What the operator reports."""

    conditions: list[Condition] = Field(
        default=[],
        description="What is to be said about the instruction.",
        max_length=16,
        json_schema_extra=LIST_BY_TYPE,
    )


class Instruction(Resource):
    """What the people who label are told to do."""

    KIND: ClassVar[str] = "Instruction"
    PLURAL: ClassVar[str] = "instructions"
    SINGULAR: ClassVar[str] = "instruction"
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Display Name", ".spec.displayName"),
        PrinterColumn("Data Type", ".spec.dataType"),
        PrinterColumn("Age", ".metadata.creationTimestamp", "date"),
    )

    spec: InstructionSpec = Field(description="What the people who label are told to do.")
    status: InstructionStatus = Field(
        default=InstructionStatus(), description="What the operator reports."
    )
