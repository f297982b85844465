"""What the queue works on: one EvaluationJob or one EvaluationJobVersion at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Key:
    kind: Literal["EvaluationJob", "EvaluationJobVersion"]
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def job_key(namespace: str, name: str) -> Key:
    return Key("EvaluationJob", namespace, name)


def version_key(namespace: str, name: str) -> Key:
    return Key("EvaluationJobVersion", namespace, name)
