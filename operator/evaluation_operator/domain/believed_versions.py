"""What a version's status says, as far as its run bears it out.

A state in which nothing more is done about a version is written by the operator after the run's
outcome is in its Dataset. One that was written by a hand would leave the run's Job to itself, and
its outcome unread.
"""

from __future__ import annotations

from datetime import datetime

from pydantic.alias_generators import to_camel

from evaluation_operator.api.base import format_time
from evaluation_operator.api.dataset import RunResult
from evaluation_operator.api.evaluation_job_version import (
    FINAL_VERSION_STATES,
    EvaluationJobVersion,
    EvaluationJobVersionStatus,
    VersionState,
)
from evaluation_operator.domain.future import is_ahead
from evaluation_operator.domain.plan import EventRecord
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.snapshot import Run

_OF_THE_END = (
    "state",
    "completion_time",
    "evaluation",
    "mean_average_precision",
    "evaluated_item_count",
)


def believed_version_status(
    version: EvaluationJobVersion, run: Run | None, now: datetime
) -> tuple[EvaluationJobVersionStatus, list[EventRecord]]:
    """The status without what is not believed, and what to say of that.

    Of a version whose run is gone, or never was, nothing else is known.
    """
    status, events = version.status, []
    if run is not None and _is_contradicted(status.state, run):
        events.append(EventRecord(Reason.STATE_NOT_BELIEVED, _of_state(version, run), warning=True))
        status = status.model_copy(update=dict.fromkeys(_OF_THE_END) | {"partial_failures": []})
    outcome = run.dataset.outcome if run is not None else None
    instead = {"start_time": version.created, "completion_time": outcome.time if outcome else now}
    for field, taken in instead.items():
        told: datetime | None = getattr(status, field)
        if told is not None and is_ahead(told, now):
            events.append(_of_future(version, field, told, min(taken, now)))
            status = status.model_copy(update={field: min(taken, now)})
    return status, events


def _is_contradicted(state: VersionState | None, run: Run) -> bool:
    if state not in FINAL_VERSION_STATES:
        return False
    outcome = run.dataset.outcome
    if outcome is None:
        # Without a Job nothing goes on that anybody would have to see to.
        return run.job is not None or bool(run.pods)
    return (outcome.result is RunResult.FAILED) is (state is VersionState.COMPLETED)


def _of_future(
    version: EvaluationJobVersion, field: str, told: datetime, taken: datetime
) -> EventRecord:
    text = (
        f"status.{to_camel(field)}: {format_time(told)} lies in the future, and "
        f"{format_time(taken)} is taken; {_who(version)}"
    )
    return EventRecord(Reason.FUTURE_NOT_BELIEVED, text, warning=True)


def _of_state(version: EvaluationJobVersion, run: Run) -> str:
    outcome = run.dataset.outcome
    found = f"came out as {outcome.result}" if outcome is not None else "has not ended"
    return f"status.state: {version.status.state}, but {run.dataset.name} {found}; {_who(version)}"


def _who(version: EvaluationJobVersion) -> str:
    metadata = version.metadata
    return (
        f"who wrote it: kubectl get evjv {metadata.name} -n {metadata.namespace} -o yaml "
        "--show-managed-fields"
    )
