"""One thing that is wrong with an object, whoever judges it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

FaultReason = Literal["Schema", "Rule", "Immutable", "Schedule", "Name", "NotAllowed"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where, what stands there, and what to do about it."""

    field: str
    value: str
    message: str
    reason: FaultReason

    def __str__(self) -> str:
        parts = (self.field, "" if self.value in self.message else self.value, self.message)
        return ": ".join(part for part in parts if part)


def listed(faults: Iterable[Fault]) -> str:
    """All of them in one line, for a condition."""
    return "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
