"""Which jobs an event belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evaluation_operator.sampling.records import Event, Payload, Reason, SampledJob


@dataclass(frozen=True, slots=True)
class Match:
    """The jobs that take an event, or why there is none (`reason`; None iff there are jobs)."""

    jobs: tuple[SampledJob, ...]
    reason: Reason | None
    model: str | None
    version: str | None


class Matcher:
    def __init__(self, jobs: Iterable[SampledJob], namespace: str) -> None:
        raise NotImplementedError

    def match(self, event: Event, told: Payload | None = None) -> Match:
        """`told` None: the body was not read yet; then every job it could still lead to."""
        raise NotImplementedError
