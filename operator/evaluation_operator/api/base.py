"""What all kinds are built of: the model settings, times, durations, metadata and conditions.

Reading is tolerant: fields that a newer version of a kind has are ignored. Refusing unknown
fields is the API server's business (and the offline validator's, which judges like it).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

GROUP = "evaluations.dev"
VERSION = "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "evaluations"

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_SUBDOMAIN_TEXT = f"{_LABEL}([.]{_LABEL})*"
"""What the names of most objects are made of (RFC 1123): never `..`, a way up in a path."""
DNS_SUBDOMAIN = f"^{DNS_SUBDOMAIN_TEXT}$"

# Texts are shown in terminals, pages and mails. Control characters move a terminal's cursor, and
# what turns the direction of text makes it read as something else than it is; the marks that only
# say which direction a neighbour has (U+200E, U+200F) do not, and are needed in some languages.
_TURNING = "\u202a-\u202e\u2066-\u2069"
LINE: JsonDict = {"pattern": rf"^[^\x00-\x1f\x7f-\x9f{_TURNING}]*$"}
"""Schema of a text of one line. The schema alone: what is stored already is still read."""
TEXT: JsonDict = {"pattern": rf"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{_TURNING}]*$"}
"""Schema of a text of several lines."""


LIST_BY_TYPE: JsonDict = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}
"""Schema of a list of conditions, of which there is one of a type."""


def keys_of(max_length: int) -> JsonDict:
    """Schema of a map whose keys have at most so many characters, which no other bound limits."""
    return {"propertyNames": {"maxLength": max_length}}


def format_time(value: datetime) -> str:
    """RFC 3339 in UTC with `Z`; microseconds only when there are any."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


# Up to nanoseconds are read; what lies below a microsecond is cut off. The pattern keeps the
# API server from admitting times that a Python datetime cannot hold (the year 0000).
Timestamp = Annotated[
    AwareDatetime,
    AfterValidator(lambda value: value.astimezone(UTC)),
    PlainSerializer(format_time, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "maxLength": 30,
            "pattern": r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{1,9})?Z$",
            # The API server takes a list for any text that has a format, but a rule cannot.
            "x-kubernetes-validations": [
                {
                    "rule": "self >= timestamp('1000-01-01T00:00:00Z')",
                    "message": "must be a time in UTC, like 2026-01-31T10:00:00Z",
                }
            ],
        }
    ),
]

DURATION_PATTERN = (
    r"^([0-9]{1,5}h([0-9]{1,6}m)?([0-9]{1,8}(\.[0-9]{1,9})?s)?"
    r"|[0-9]{1,6}m([0-9]{1,8}(\.[0-9]{1,9})?s)?"
    r"|[0-9]{1,8}(\.[0-9]{1,9})?s)$"
)
_DURATION_PART = re.compile(r"([0-9.]+)([hms])")
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}

# `1h30m`, `36h`, `90s`, `3600s`, `1.5s`: hours, minutes and seconds, in this order.
Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]


@dataclass(frozen=True, slots=True)
class Ignored:
    """A field that nobody reads, so any value is read; the schema is that of `type`.

    What is stored from before the schema was narrowed must not make its object unreadable.
    """

    type: Any

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.any_schema()

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(TypeAdapter(self.type).core_schema)


def parse_duration(text: str) -> float:
    """Seconds of `1h30m`, `36h`, `90s` or `3600s`.

    Raises ValueError, with the forms that are allowed, for any other text.
    """
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(
            f"{text!r} is not a duration: write hours, minutes and seconds, like 36h, 1h30m or 90s"
        )
    parts = _DURATION_PART.findall(text)
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule of the CRD, declared beside the model whose object is `self` in it.

    `message` must name the field and the cure. `message_expression` is CEL for the same
    message with the offending value in it; the API server falls back to `message`.
    """

    rule: str
    message: str
    field_path: str | None = None
    reason: Literal[
        "FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"
    ] = "FieldValueInvalid"
    message_expression: str | None = None

    def to_dict(self) -> dict[str, str]:
        """The rule as an entry of `x-kubernetes-validations`."""
        entry = {"rule": self.rule, "message": self.message, "reason": self.reason}
        if self.field_path is not None:
            entry["fieldPath"] = self.field_path
        if self.message_expression is not None:
            entry["messageExpression"] = self.message_expression
        return entry


def immutable(field: str, *, optional: bool = False, what: str | None = None) -> Rule:
    """A rule for an object whose `field` must stay as it was created.

    `optional` fields may be absent on both sides; `what` is the kind to delete and recreate.
    """
    same = f"self.{field} == oldSelf.{field}"
    if optional:
        present = f"has(self.{field})"
        same = f"{present} == has(oldSelf.{field}) && (!{present} || {same})"
    return Rule(
        rule=same,
        message=f"{field} is immutable: delete and recreate the {what or 'EvaluationJob'}",
        field_path=f".{field}",
        reason="FieldValueForbidden",
    )


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """A column of `kubectl get`; `wide` ones appear with `-o wide` only."""

    name: str
    json_path: str
    type: Literal["string", "integer", "number", "boolean", "date"] = "string"
    description: str = ""
    wide: bool = False


class Model(BaseModel):
    """Immutable; snake_case here, camelCase in manifests; unknown fields are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The rules travel with the schema of their model, wherever that is used."""
        schema = handler(core_schema)
        if cls.RULES:
            rules = [rule.to_dict() for rule in cls.RULES]
            handler.resolve_ref_schema(schema)["x-kubernetes-validations"] = rules
        return schema

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: camelCase, without anything that is absent or empty.

        Every default is None or empty, so that what is left out reads back the same.
        """
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def changed(self, **changes: object) -> Self:
        """The same with other values in the named fields, which are not validated: mypy knows the
        fields and their types (tests/mypy_changed.py)."""
        return self.model_copy(update=changes)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Reads what the API server stores; pydantic's ValidationError if it does not fit."""
        return cls.model_validate(data)


def whole_spec_immutable(what: str) -> Rule:
    """A rule for the spec of a kind that never changes."""
    return Rule(
        rule="self == oldSelf",
        message=f"spec is immutable: delete and recreate the {what}",
        reason="FieldValueForbidden",
    )


def name_rule(length: int, names: str) -> Rule:
    """A rule for the root of a kind: `names` that are derived from its own must fit into 63."""
    return Rule(
        rule=f"size(self.metadata.name) <= {length}",
        message=f"metadata.name has more than {length} characters, so {names} would be too long: "
        "choose a shorter one",
    )


class OwnerReference(Model):
    """An object that this one is deleted with."""

    api_version: str = Field(description="API group and version of the owner.")
    kind: str = Field(description="Kind of the owner.")
    name: str = Field(description="Name of the owner.")
    uid: str = Field(description="UID of the owner.")
    controller: bool | None = Field(default=None, description="Whether the owner manages it.")
    block_owner_deletion: bool | None = Field(
        default=None, description="Whether foreground deletion of the owner waits for this object."
    )


class ObjectMeta(Model):
    """The part of Kubernetes' object metadata that the programs read or write."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})
    owner_references: list[OwnerReference] = Field(default=[])
    finalizers: list[str] = Field(default=[])

    def controller_uid(self) -> str | None:
        """UID of the owner that manages this object, if one does."""
        return next((owner.uid for owner in self.owner_references if owner.controller), None)


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """One aspect of the object's state, as `kubectl wait --for=condition=…` reads it."""

    type: str = Field(
        description="Aspect that the condition speaks of, like Ready.",
        max_length=64,
        pattern=r"^[A-Z][A-Za-z0-9]*$",
    )
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: str = Field(
        description="Why, in one word for programs.",
        max_length=128,
        pattern=r"^[A-Z][A-Za-z0-9]*$",
    )
    message: str = Field(default="", description="Why, in a sentence for people.", max_length=2048)
    last_transition_time: Timestamp = Field(description="When the status last changed.")
    observed_generation: int | None = Field(
        default=None, description="Generation of the object that the condition speaks of.", ge=0
    )


class ErrorDetail(Model):
    """More about an error, of which only the type is kept."""

    type_url: str | None = Field(
        default=None,
        alias="@type",
        description="Type of the detail, as google.protobuf.Any names it.",
        max_length=1024,
        json_schema_extra=LINE,
    )


class RpcStatus(Model):
    """An error in the form of google.rpc.Status."""

    code: int = Field(
        description="Canonical gRPC code, for example 3 for INVALID_ARGUMENT.", ge=0, le=16
    )
    message: str = Field(
        default="",
        description="What went wrong, with the field or row, the value and the cure.",
        max_length=2048,
    )
    details: list[ErrorDetail] = Field(
        default=[], description="More about the error: what type of detail.", max_length=10
    )


class TimeSpan(Model):
    """A half-open span of time: startTime belongs to it, endTime does not."""

    start_time: Timestamp = Field(description="First instant of the span.")
    end_time: Timestamp = Field(description="First instant after the span.")


class Resource(Model):
    """An object of one of the kinds; `spec` and `status` are declared by each."""

    KIND: ClassVar[str]
    PLURAL: ClassVar[str]
    SINGULAR: ClassVar[str]
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ()
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = ()

    metadata: ObjectMeta = Field(default=ObjectMeta())

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    @property
    def uid(self) -> str:
        return self.metadata.uid

    @property
    def created(self) -> datetime:
        """When the API server stored the object; ValueError for one that never was."""
        if self.metadata.creation_timestamp is None:
            raise ValueError(f"{self.KIND} {self.name!r} has no metadata.creationTimestamp")
        return self.metadata.creation_timestamp

    def to_dict(self) -> dict[str, Any]:
        return {"apiVersion": API_VERSION, "kind": self.KIND, **super().to_dict()}
