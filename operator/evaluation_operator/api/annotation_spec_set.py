"""AnnotationSpecSet: the labels that a model can give."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from .base import (
    LINE,
    LIST_BY_TYPE,
    TEXT,
    Condition,
    Ignored,
    Model,
    PrinterColumn,
    Resource,
    Rule,
    whole_spec_immutable,
)

_Path = Annotated[str, Field(max_length=1024, json_schema_extra=LINE)]
BlockingResources = Annotated[Any, Ignored(Annotated[list[_Path], Field(max_length=100)])]


class AnnotationSpec(Model):
    """One label."""

    display_name: str = Field(
        description="The label, as the model gives it, at most 64 characters.",
        min_length=1,
        max_length=64,
        json_schema_extra=LINE,
    )
    description: str | None = Field(
        default=None,
        description="What the label means, at most 10,000 characters.",
        max_length=10_000,
        json_schema_extra=TEXT,
    )


class AnnotationSpecSetSpec(Model):
    """The labels; immutable."""

    RULES: ClassVar[tuple[Rule, ...]] = (whole_spec_immutable("AnnotationSpecSet"),)

    display_name: str = Field(
        description="Title of the set, at most 64 characters.",
        min_length=1,
        max_length=64,
        json_schema_extra=LINE,
    )
    description: str | None = Field(
        default=None,
        description="What the set is for, at most 10,000 characters.",
        max_length=10_000,
        json_schema_extra=TEXT,
    )
    annotation_specs: list[AnnotationSpec] = Field(
        description="The labels: 1 to 1,000, no two with the same displayName.",
        min_length=1,
        max_length=1000,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["displayName"],
        },
    )
    name: str | None = Field(
        default=None,
        description="Ignored: output of the old service, accepted so that its JSON can be pasted.",
        max_length=1024,
        json_schema_extra=LINE,
    )
    blocking_resources: BlockingResources = Field(default=None, description="Ignored, like name.")


class AnnotationSpecSetStatus(Model):
    """What the operator reports."""

    conditions: list[Condition] = Field(
        default=[],
        description="What is to be said about the set.",
        max_length=16,
        json_schema_extra=LIST_BY_TYPE,
    )


class AnnotationSpecSet(Resource):
    """The labels that a model can give, in the order in which results show them."""

    KIND: ClassVar[str] = "AnnotationSpecSet"
    PLURAL: ClassVar[str] = "annotationspecsets"
    SINGULAR: ClassVar[str] = "annotationspecset"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("specset",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Display Name", ".spec.displayName"),
        PrinterColumn("Age", ".metadata.creationTimestamp", "date"),
    )

    spec: AnnotationSpecSetSpec = Field(description="The labels; immutable.")
    status: AnnotationSpecSetStatus = Field(
        default=AnnotationSpecSetStatus(), description="What the operator reports."
    )

    def labels(self) -> list[str]:
        """The labels in their order."""
        return [spec.display_name for spec in self.spec.annotation_specs]
