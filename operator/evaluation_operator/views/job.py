"""An EvaluationJob with what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersion
from evaluation_operator.views.needs import Need, edit_time, needs_of

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobView:
    """A job with what belongs to it, as the API server gives it; versions by their number."""

    job: Body
    versions: Sequence[Body]
    evaluation: Body | None

    @property
    def of_job(self) -> EvaluationJob:
        return EvaluationJob.from_dict(self.job)

    @property
    def of_versions(self) -> list[EvaluationJobVersion]:
        return [EvaluationJobVersion.from_dict(body) for body in self.versions]

    def needs(self, now: datetime) -> list[Need]:
        """What stands still until somebody does something, the most urgent first."""
        return needs_of(self.of_job, self.of_versions, edit_time(self.job), now)

    def to_dict(self) -> dict[str, object]:
        return {
            "evaluationJob": self.job,
            "evaluationJobVersions": list(self.versions),
            "latestEvaluation": self.evaluation,
        }


def state_of(job: EvaluationJob) -> str:
    """The state; a stalled job has none."""
    stalled = any(it.type == "Stalled" and it.status == "True" for it in job.status.conditions)
    return "Stalled" if stalled else str(job.status.state or "-")
