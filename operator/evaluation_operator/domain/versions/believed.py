"""What a version's status says, as far as its run bears it out.

A state in which nothing more is done about a version is written by the operator after the run's
outcome is in its Dataset. One that was written by a hand would leave the run's Job to itself, and
its outcome unread.
"""

from __future__ import annotations

from datetime import datetime

from evaluation_operator.api.base import format_time
from evaluation_operator.api.dataset import RunResult
from evaluation_operator.api.evaluation_job_version import (
    FINAL_VERSION_STATES,
    EvaluationJobVersion,
    EvaluationJobVersionStatus,
    VersionState,
)
from evaluation_operator.domain.flushing import is_ahead
from evaluation_operator.domain.plan import EventRecord
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.snapshot import Run


def believed_version_status(
    version: EvaluationJobVersion, run: Run | None, now: datetime
) -> tuple[EvaluationJobVersionStatus, list[EventRecord]]:
    """The status without what is not believed, and what to say of that.

    Of a version whose run is gone, or never was, nothing else is known.
    """
    status, events = version.status, []
    if run is not None and _is_contradicted(status.state, run):
        events.append(EventRecord(Reason.STATE_NOT_BELIEVED, _of_state(version, run), warning=True))
        status = status.changed(
            state=None,
            completion_time=None,
            evaluation=None,
            mean_average_precision=None,
            evaluated_item_count=None,
            partial_failures=[],
        )
    outcome = run.dataset.outcome if run is not None else None
    begun, ended = status.start_time, status.completion_time
    if begun is not None and is_ahead(begun, now):
        taken = min(version.created, now)
        events.append(_of_future(version, "startTime", begun, taken))
        status = status.changed(start_time=taken)
    if ended is not None and is_ahead(ended, now):
        taken = min(outcome.time if outcome else now, now)
        events.append(_of_future(version, "completionTime", ended, taken))
        status = status.changed(completion_time=taken)
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
        f"status.{field}: {format_time(told)} lies in the future, and "
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
