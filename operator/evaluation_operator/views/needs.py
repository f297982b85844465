"""What of a job stands still until somebody does something, and what he is to type.

Everything here stands in the statuses as well; this is the order in which a person should see it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from evaluation_operator.api.base import Condition, ConditionStatus, RpcStatus
from evaluation_operator.api.codes import Code
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import ActiveRun, Attempt
from evaluation_operator.api.evaluation_job_version import (
    FINAL_VERSION_STATES,
    EvaluationJobVersion,
)
from evaluation_operator.api.names import ResourceNameError, parse_model_version
from evaluation_operator.domain.conditions import is_true
from evaluation_operator.domain.explanations import EXPLANATIONS
from evaluation_operator.domain.explanations.explanation import OPERATOR_LOGS
from evaluation_operator.domain.facts.logger import logger_target
from evaluation_operator.domain.flushing import LOST_AFTER, SAMPLER_BEHIND
from evaluation_operator.domain.jobs.logger import LOGGER_MANAGED
from evaluation_operator.domain.reasons import Reason

PATIENCE = timedelta(minutes=1)
"""So long the operator may take to look at what was changed."""
LATEST_START = LOST_AFTER + timedelta(minutes=30)
"""So long after its time a run has begun, whatever it waits for."""
NO_NEWS = "Unattended"

_BAD_ANYWAY = frozenset({Reason.VERSION_UNKNOWN, Reason.STALE, Reason.QUALITY_UNKNOWN})
"""Whatever the status of the condition is."""
_PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b")
_UNATTENDED = (
    "kubectl get pods -n evaluation-operator",
    OPERATOR_LOGS,
)


@dataclass(frozen=True, slots=True)
class Need:
    """`reason` is one of the enum, or what stands for it where nobody could give one; `about` says
    of what. `since`: it has been so from then on, or happened then, as `has_happened` says."""

    reason: str
    about: str
    message: str
    commands: tuple[str, ...]
    since: datetime | None = None
    has_happened: bool = False


def needs_of(
    job: EvaluationJob,
    versions: Sequence[EvaluationJobVersion],
    edited: datetime | None,
    now: datetime,
) -> list[Need]:
    """The most urgent first; empty when all goes well. `edited`: when somebody last changed the
    job, as far as that is known."""
    unattended = list(_unattended(job, edited, now))
    if job.metadata.deletion_timestamp is not None:
        return unattended
    return [
        *unattended,
        *_of_condition(job, "Ready"),
        *(need for run in job.status.active for need in _of_run(job, run)),
        *(need for version in versions for need in _of_version(job, version)),
        *_of_condition(job, LOGGER_MANAGED),
        *_of_condition(job, SAMPLER_BEHIND, bad=ConditionStatus.TRUE),
        *_of_last_attempt(job),
        *_of_condition(job, "QualityAcceptable"),
    ]


def edit_time(body: Mapping[str, Any]) -> datetime | None:
    """When the object was last written, statuses apart."""
    entries = body["metadata"].get("managedFields") or ()
    times = [it.get("time") for it in entries if not it.get("subresource")]
    return max((datetime.fromisoformat(time) for time in times if time), default=None)


def _unattended(job: EvaluationJob, edited: datetime | None, now: datetime) -> Iterator[Need]:
    """What no status says: that nobody works on it."""
    status, deleted = job.status, job.metadata.deletion_timestamp
    changed = max(filter(None, (job.created, edited)))
    if deleted is not None:
        if now - deleted > PATIENCE:
            message = "it is to go, and the operator has not let it: see whether it runs"
            yield Need(NO_NEWS, "deleted", message, _UNATTENDED, deleted, has_happened=True)
    elif (status.observed_generation or 0) < job.metadata.generation and now - changed > PATIENCE:
        message = "the operator has not looked at the job since: see whether it runs"
        yield Need(NO_NEWS, "changed", message, _UNATTENDED, changed, has_happened=True)
    elif (due := status.next_run_time) is not None and _is_overdue(job, due, now):
        message = "the run has not been started: see whether the operator and the sampler run"
        commands = (*_UNATTENDED, f"kubectl evaluations sampling {job.name} -n {job.namespace}")
        yield Need(NO_NEWS, "due", message, commands, due)


def _is_overdue(job: EvaluationJob, due: datetime, now: datetime) -> bool:
    conditions = job.status.conditions
    waits = is_true(conditions, "Waiting") or not is_true(conditions, "Ready")
    return now - due > LATEST_START and not waits


def _of_condition(
    job: EvaluationJob, kind: str, bad: ConditionStatus = ConditionStatus.FALSE
) -> Iterator[Need]:
    """A job that is Stalled says so by Ready too."""
    it = _condition(job.status.conditions, kind)
    if it is None or _passes(it.reason) or (it.status != bad and it.reason not in _BAD_ANYWAY):
        return
    if it.reason == Reason.STALE and job.spec.is_paused:
        return
    yield _need(job, it.reason, "", it.message, since=it.last_transition_time)


def _of_run(job: EvaluationJob, run: ActiveRun) -> Iterator[Need]:
    told, message = _split(run.message or "")
    reason = run.reason or told
    if message and not _passes(reason):
        yield _need(job, reason, f"run {run.name}", message, RUN=run.name)


def _of_version(job: EvaluationJob, version: EvaluationJobVersion) -> Iterator[Need]:
    ready = _condition(version.status.conditions, "Ready")
    if ready is None or version.status.state in FINAL_VERSION_STATES or _passes(ready.reason):
        return
    _, message = _split(ready.message)
    run = version.status.dataset
    names = {"VERSION": version.name} | ({"RUN": run} if run else {})
    yield _need(
        job,
        ready.reason,
        f"version {version.name}",
        message,
        since=ready.last_transition_time,
        **names,
    )


def _of_last_attempt(job: EvaluationJob) -> Iterator[Need]:
    """Unless a run has succeeded since."""
    status = job.status
    last: Attempt | None = status.attempts[-1] if status.attempts else None
    if last is None or (status.last_success_time or last.attempt_time) > last.attempt_time:
        return
    failure = _telling(last)
    reason, message = _split(failure.message if failure else "")
    if not reason:
        was_ended = failure is not None and failure.code == Code.CANCELLED
        reason = Reason.RUN_MISSING if was_ended else Reason.RUN_FAILED
    if _passes(reason):
        return
    need = _need(
        job,
        reason,
        f"run {last.dataset or ''} failed",
        message,
        since=last.attempt_time,
        **({"RUN": last.dataset} if last.dataset else {}),
    )
    yield replace(need, has_happened=True)


def _telling(attempt: Attempt) -> RpcStatus | None:
    """That a deadline has passed says less than what the time was spent on, where that is known."""
    for failure in attempt.partial_failures:
        if _split(failure.message)[0] not in ("", Reason.DEADLINE_EXCEEDED):
            return failure
    return attempt.partial_failures[0] if attempt.partial_failures else None


def _need(
    job: EvaluationJob,
    reason: str,
    about: str,
    message: str,
    *,
    since: datetime | None = None,
    **names: str,
) -> Need:
    """With the commands of the reason, filled in as far as names are known."""
    known = {"NAMESPACE": job.namespace, "JOB": job.name} | _names_of_model(job) | names
    found = EXPLANATIONS[Reason(reason)].commands if reason in EXPLANATIONS else ()
    commands = tuple(
        _PLACEHOLDER.sub(lambda it: shlex.quote(known.get(it[0], it[0])), command)
        for command in found
        if not command.startswith("kubectl evaluations describe")
    )
    return Need(reason or "Held up", about, message, commands, since)


def _names_of_model(job: EvaluationJob) -> dict[str, str]:
    names = {"SERVICE": logger_target(job)}
    try:
        model = parse_model_version(job.spec.model_version, namespace=job.namespace)
        names["MODELVERSION"] = model.version
    except ResourceNameError:
        pass
    return {key: value for key, value in names.items() if value}


def _split(text: str) -> tuple[str, str]:
    """The reason that a message begins with, if it does, and the rest of it."""
    reason, colon, rest = text.partition(": ")
    return (reason, rest) if colon and reason in EXPLANATIONS else ("", text)


def _passes(reason: str) -> bool:
    return reason in EXPLANATIONS and EXPLANATIONS[Reason(reason)].passes


def _condition(conditions: Sequence[Condition], kind: str) -> Condition | None:
    return next((it for it in conditions if it.type == kind), None)
