"""The plan for an EvaluationJob while it is being made."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import EvaluationJobStatus
from evaluation_operator.domain.conditions import Judgement
from evaluation_operator.domain.plan import Action, EventRecord, Plan
from evaluation_operator.domain.sizes import fitted


@dataclass
class JobDraft:
    """The plan while it is being made. `free_places` is how many more Jobs it may create."""

    status: EvaluationJobStatus
    free_places: int | None = None
    actions: list[Action] = field(default_factory=list)
    final_actions: list[Action] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    wake_times: list[datetime] = field(default_factory=list)
    told: dict[str, Judgement | None] = field(default_factory=dict)
    """Conditions that this turn has looked into, by type; None: there is no such one any more.
    Those that it has not looked into stay as they are."""

    waits_since: datetime | None = None

    def take_place(self, due: datetime) -> bool:
        """Whether there is one for a Job that has been due since then; if not, it is waited for."""
        if self.free_places == 0:
            self.waits_since = min(self.waits_since or due, due)
            return False
        if self.free_places is not None:
            self.free_places -= 1
        return True

    def plan(self, job: EvaluationJob) -> Plan:
        status = fitted(job, self.status)
        return Plan(
            actions=tuple(self.actions),
            status=status if status.to_dict() != job.status.to_dict() else None,
            final_actions=tuple(self.final_actions),
            events=tuple(self.events),
            wake_at=min(self.wake_times, default=None),
            waits_since=self.waits_since,
        )
