"""How run pods look: a narrow list of what a user may set.

A user must not gain, through the operator, a pod that they could not create themselves; so there
are no volumes, security contexts, commands or host settings here, Secrets are bound by name, and
image and service account are checked against the operator's allow-lists.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, WithJsonSchema

from .affinity import LABEL_KEY, LABEL_KEY_LENGTH, LABEL_VALUE, Affinity, LabelValue
from .base import DNS_SUBDOMAIN, DNS_SUBDOMAIN_TEXT, Model, Rule, keys_of

QUANTITY_PATTERN = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"

ObjectName = Annotated[
    str, Field(min_length=1, max_length=253, json_schema_extra={"pattern": DNS_SUBDOMAIN})
]
IMAGE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$"
Quantity = Annotated[
    int | str,
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": QUANTITY_PATTERN,
            "maxLength": 32,
        }
    ),
]

PARTS = ("alerts", "dashboard", "gateway", "labeler", "operator", "results", "sampler")
"""Parts of the project, there or to come, whose Secrets are named `evaluation-PART…`: no job may
ask for those."""
RESERVED_SECRET_PATTERN = f"^evaluation-({'|'.join(PARTS)})([-.]|$)"


class Resources(Model):
    """What the run's container asks of its node."""

    requests: dict[str, Quantity] = Field(
        default={},
        description="Least amounts that are set aside, like cpu: 500m or memory: 1Gi.",
        max_length=16,
        json_schema_extra=keys_of(LABEL_KEY_LENGTH),
    )
    limits: dict[str, Quantity] = Field(
        default={},
        description="Most that may be used, like memory: 2Gi. At most what the operator allows.",
        max_length=16,
        json_schema_extra=keys_of(LABEL_KEY_LENGTH),
    )


class TolerationOperator(StrEnum):
    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Model):
    """A taint of nodes that run pods put up with."""

    key: str | None = Field(
        default=None,
        description="Key of the taint; absent: every taint.",
        max_length=LABEL_KEY_LENGTH,
        json_schema_extra={"pattern": LABEL_KEY},
    )
    operator: TolerationOperator | None = Field(
        default=None, description="Exists, or Equal (the default), which compares the value too."
    )
    value: str | None = Field(
        default=None,
        description="Value of the taint.",
        max_length=63,
        json_schema_extra={"pattern": LABEL_VALUE},
    )
    effect: TaintEffect | None = Field(
        default=None, description="Effect of the taint; absent: every effect."
    )
    toleration_seconds: int | None = Field(
        default=None,
        description="With NoExecute: seconds until the pod is evicted; absent: never.",
    )


class LocalObjectReference(Model):
    """An object of the same namespace."""

    name: ObjectName = Field(description="Name of the object.")


class EvaluationSecretReference(Model):
    """A Secret that was made for evaluations."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule=f"!self.name.matches('{RESERVED_SECRET_PATTERN}')",
            message="envFrom names a Secret of a part of the operator itself, which runs may not "
            "have: make one of another name for your table",
            message_expression="'envFrom: Secret ' + self.name + ' belongs to a part of the "
            "operator itself, so runs may not have it: make one of another name for your table'",
            field_path=".name",
            reason="FieldValueForbidden",
        ),
    )

    name: str = Field(
        description="Name of the Secret; it must begin with `evaluation-`, and not with the name "
        f"of a part of the operator ({', '.join(PARTS)}).",
        max_length=253,
        json_schema_extra={"pattern": f"^evaluation-{DNS_SUBDOMAIN_TEXT}$"},
    )


class EnvFromSource(Model):
    """A Secret that the run's pod has as a folder, a file for each key."""

    secret_ref: EvaluationSecretReference = Field(
        description="The Secret, with the table's address and credentials."
    )


class RunTemplate(Model):
    """How the pods of runs look."""

    image: str | None = Field(
        default=None,
        description="Image of the evaluator. It must match the operator's allow-list. "
        "Default: the evaluator that belongs to the operator.",
        min_length=1,
        max_length=1024,
        json_schema_extra={"pattern": IMAGE_PATTERN},
    )
    resources: Resources | None = Field(
        default=None, description="CPU, memory and devices of the run's container."
    )
    node_selector: dict[str, LabelValue] = Field(
        default={},
        description="Labels that a run's node must have, of those that the operator allows.",
        max_length=64,
        json_schema_extra=keys_of(LABEL_KEY_LENGTH),
    )
    tolerations: list[Toleration] = Field(
        default=[],
        description="Taints of nodes that runs put up with, of those that the operator allows.",
        max_length=32,
    )
    affinity: Affinity | None = Field(
        default=None, description="Scheduling affinity, as in a pod's spec."
    )
    priority_class_name: ObjectName | None = Field(
        default=None, description="PriorityClass of run pods, one that the operator allows."
    )
    image_pull_secrets: list[LocalObjectReference] = Field(
        default=[],
        description="Secrets of this namespace to pull the image with, of names that the operator "
        "allows. Default of those: evaluation-*.",
        max_length=16,
    )
    service_account_name: ObjectName | None = Field(
        default=None,
        description="Service account of run pods; one that the operator allows. "
        "Default: evaluation-runner.",
    )
    env_from: list[EnvFromSource] = Field(
        default=[],
        description="Secrets of this namespace, named `evaluation-…`, each mounted apart: a "
        "database's address and credentials, or those of an object store. What a Secret holds "
        "goes only to the server, service and buckets that the same Secret names.",
        max_length=16,
    )
    active_deadline_seconds: int | None = Field(
        default=None,
        description="Seconds after which a run is stopped and counts as failed; at most what the "
        "operator allows. Default: 21600 (6 hours).",
        ge=1,
        le=2_592_000,
    )
    backoff_limit: int | None = Field(
        default=None,
        description="How often a pod that failed for a temporary reason is tried again. "
        "Default: 2.",
        ge=0,
        le=10,
    )
    queue_name: str | None = Field(
        default=None,
        description="Kueue LocalQueue of this namespace that admits the runs. "
        "Default: none, runs start at once.",
        max_length=63,
        json_schema_extra={"pattern": DNS_SUBDOMAIN},
    )
