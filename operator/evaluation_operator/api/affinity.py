"""Where run pods may or must go, as in a pod's spec, but for what reaches into other namespaces.

Of Kubernetes' own fields `namespaces` and `namespaceSelector` are not here, since nothing of a job
looks beyond its namespace, and `matchFields`, which would name a node.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .base import Model, keys_of

LABEL_KEY_LENGTH = 317
"""A prefix of at most 253 characters, a slash, and a name of at most 63."""

LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"

LabelKey = Annotated[
    str, Field(max_length=LABEL_KEY_LENGTH, json_schema_extra={"pattern": LABEL_KEY})
]
LabelValue = Annotated[str, Field(max_length=63, json_schema_extra={"pattern": LABEL_VALUE})]


class NodeSelectorOperator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"


class NodeSelectorRequirement(Model):
    """What a label of the node must be."""

    key: LabelKey = Field(description="Key of the node's label.")
    operator: NodeSelectorOperator = Field(description="How it is compared with values.")
    values: list[LabelValue] = Field(
        default=[], description="Values to compare with; none for Exists.", max_length=32
    )


class NodeSelectorTerm(Model):
    """Nodes that meet all of the requirements."""

    match_expressions: list[NodeSelectorRequirement] = Field(
        default=[], description="Requirements, all of which must be met.", max_length=8
    )


class NodeSelector(Model):
    """Nodes of any of the terms."""

    node_selector_terms: list[NodeSelectorTerm] = Field(
        description="Terms, one of which must be met.", min_length=1, max_length=4
    )


class PreferredSchedulingTerm(Model):
    """Nodes that are liked better."""

    weight: int = Field(description="How much they are liked, 1 to 100.", ge=1, le=100)
    preference: NodeSelectorTerm = Field(description="Which nodes these are.")


class NodeAffinity(Model):
    """Which nodes runs go to."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None, description="Nodes that a run may go to."
    )
    preferred_during_scheduling_ignored_during_execution: list[PreferredSchedulingTerm] = Field(
        default=[], description="Nodes that it goes to if it can.", max_length=4
    )


class LabelSelectorOperator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelSelectorRequirement(Model):
    """What a label of the pod must be."""

    key: LabelKey = Field(description="Key of the pod's label.")
    operator: LabelSelectorOperator = Field(description="How it is compared with values.")
    values: list[LabelValue] = Field(
        default=[], description="Values to compare with; none for Exists.", max_length=32
    )


class LabelSelector(Model):
    """Pods of this namespace, by their labels."""

    match_labels: dict[str, LabelValue] = Field(
        default={},
        description="Labels that the pods must have.",
        max_length=16,
        json_schema_extra=keys_of(LABEL_KEY_LENGTH),
    )
    match_expressions: list[LabelSelectorRequirement] = Field(
        default=[], description="Requirements, all of which must be met.", max_length=8
    )


class PodAffinityTerm(Model):
    """Pods of this namespace, and how near to them is meant."""

    label_selector: LabelSelector | None = Field(
        default=None, description="Which pods of this namespace are meant."
    )
    topology_key: LabelKey = Field(
        description="Label of nodes whose equal values mean the same place, like "
        "topology.kubernetes.io/zone."
    )


class WeightedPodAffinityTerm(Model):
    """A place that is liked better."""

    weight: int = Field(description="How much it is liked, 1 to 100.", ge=1, le=100)
    pod_affinity_term: PodAffinityTerm = Field(description="Which pods, and how near.")


class PodAffinity(Model):
    """Beside which pods of this namespace runs go."""

    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm] = Field(
        default=[], description="Pods that a run must be beside.", max_length=4
    )
    preferred_during_scheduling_ignored_during_execution: list[WeightedPodAffinityTerm] = Field(
        default=[], description="Pods that it is beside if it can.", max_length=4
    )


class PodAntiAffinity(Model):
    """Away from which pods of this namespace runs go."""

    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm] = Field(
        default=[], description="Pods that a run must not be beside.", max_length=4
    )
    preferred_during_scheduling_ignored_during_execution: list[WeightedPodAffinityTerm] = Field(
        default=[], description="Pods that it is not beside if it can.", max_length=4
    )


class Affinity(Model):
    """Where run pods go."""

    node_affinity: NodeAffinity | None = Field(
        default=None, description="Which nodes runs go to, by labels that the operator allows."
    )
    pod_affinity: PodAffinity | None = Field(
        default=None, description="Beside which pods of this namespace runs go."
    )
    pod_anti_affinity: PodAntiAffinity | None = Field(
        default=None, description="Away from which pods of this namespace runs go."
    )

    @property
    def node_requirements(self) -> list[NodeSelectorRequirement]:
        """Everything that is asked of nodes' labels."""
        affinity = self.node_affinity
        if affinity is None:
            return []
        required = affinity.required_during_scheduling_ignored_during_execution
        terms = [*required.node_selector_terms] if required is not None else []
        preferred = affinity.preferred_during_scheduling_ignored_during_execution
        terms += [item.preference for item in preferred]
        return [one for term in terms for one in term.match_expressions]
