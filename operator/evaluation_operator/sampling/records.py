"""What the parts of the sampler hand to each other.

What is made for every event is a tuple with names: a frozen dataclass takes four times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from evaluation_operator.bodies.values import Items, counts_differ


class Side(StrEnum):
    """Which half of a prediction an event is."""

    REQUEST = "request"
    RESPONSE = "response"


class Reason(StrEnum):
    """Why what was sent gave no row; a label of a metric, so the list is short and closed."""

    NOT_AN_EVENT = "NotAnEvent"
    UNKNOWN_TYPE = "UnknownType"
    ID_INVALID = "IdInvalid"
    FRACTION_INVALID = "FractionInvalid"
    OTHER_NAMESPACE = "OtherNamespace"
    OTHER_COMPONENT = "OtherComponent"  # a transformer's or explainer's traffic
    NO_PREDICTION = "NoPrediction"  # health, metadata: nothing went wrong
    UNREADABLE = "Unreadable"
    UNKNOWN_MODEL = "UnknownModel"
    UNKNOWN_VERSION = "UnknownVersion"
    NOT_SAMPLING = "NotSampling"
    COUNTS_DIFFER = "CountsDiffer"
    TABLE_INVALID = "TableInvalid"


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that was understood as one, but cannot be taken; `message` is for its sender."""

    reason: Reason
    message: str

    @property
    def told(self) -> tuple[Reason, str]:
        return self.reason, self.message


class Event(NamedTuple):
    """A CloudEvent that carries one half of a prediction.

    `attributes`: every other attribute by its lower-case name, without `ce-`. `time`: when it
    happened, as the sender says. `source_fraction`: the fraction at which the sender has drawn
    this event already; 1 for one who sends everything.
    """

    id: str
    side: Side
    content_type: str
    data: bytes
    attributes: Mapping[str, str] = MappingProxyType({})
    time: datetime | None = None
    source_fraction: float = 1.0


class Half(NamedTuple):
    """One half of a prediction as the engine takes it in, for one job or several.

    A whole prediction (the plain JSON endpoint) has both. `key` tells predictions of different
    servers with the same event id apart; `event_id` makes the item ids.
    """

    key: str
    event_id: str
    instances: Items | None = None
    predictions: Items | None = None
    time: datetime | None = None
    source_fraction: float = 1.0

    @property
    def is_whole(self) -> bool:
        return self.instances is not None and self.predictions is not None

    @property
    def counts_problem(self) -> str | None:
        """What is wrong where both halves are there, but not with as many items."""
        if self.instances is None or self.predictions is None:
            return None
        if len(self.instances) == len(self.predictions):
            return None
        return counts_differ(len(self.instances), len(self.predictions))


class Place(NamedTuple):
    """Where a record's bytes lie."""

    segment: int
    offset: int
    length: int
