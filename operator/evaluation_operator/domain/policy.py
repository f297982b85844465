"""What the operator's own configuration lets jobs do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from evaluation_operator.domain.stalled import Limits


@dataclass(frozen=True, slots=True)
class Policy:
    """`image` is that of run pods; `limits` say what a runTemplate may ask for instead."""

    image: str = "evaluation-evaluator:dev"
    image_pull_policy: str = "IfNotPresent"
    service_account: str = "evaluation-runner"
    limits: Limits = field(default_factory=Limits)
    allow_terminate_running: bool = False
    retry: timedelta = timedelta(seconds=15)
    table_check_retry: timedelta = timedelta(seconds=60)
    create_deadline: timedelta = timedelta(minutes=10)
    namespace_component: str = "manifests/namespace"
