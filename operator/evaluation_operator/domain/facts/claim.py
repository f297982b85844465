"""Who evaluates a model version."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """The Lease that says which EvaluationJob evaluates a model version. `holder_goes`: that job
    was deleted, and is held by `holder_finalizers`."""

    name: str
    holder_uid: str
    holder_name: str
    holder_exists: bool
    resource_version: str
    holder_goes: bool = False
    holder_finalizers: tuple[str, ...] = ()
