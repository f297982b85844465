"""Keeping a job small: the cluster's store holds every byte of it in memory, ten thousand times.

What is only told (attempts, messages, warnings) is shortened until the status fits. What runs
depend on (the cover, what waits to be tried again, active runs) is never touched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from evaluation_operator.api.base import RpcStatus
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import Attempt, EvaluationJobStatus
from evaluation_operator.domain.conditions import clip

OBJECT_BYTES = 32 * 1024
MOST_STATUS_BYTES = 24 * 1024
LEAST_STATUS_BYTES = 5 * 1024
SHORT_MESSAGE_BYTES = 128

_Shorten = Callable[[EvaluationJobStatus], EvaluationJobStatus | None]


def json_bytes(value: Mapping[str, object]) -> int:
    """Bytes of the JSON that the API server stores, which escapes what HTML would misread."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode()) + 5 * sum(text.count(character) for character in "<>&")


def fitted(job: EvaluationJob, status: EvaluationJobStatus) -> EvaluationJobStatus:
    """The status, shortened as far as needed for the whole job to stay within its 32 KB.

    A spec that fills them alone (a description of 25,000 characters) still gets 5 KB of status.
    What is kept from turn to turn is shortened first and what is made anew last, so that fitting
    the same status again changes nothing.
    """
    size = json_bytes(status.to_dict())
    if size <= LEAST_STATUS_BYTES:
        return status
    rest = json_bytes(job.changed(status=EvaluationJobStatus()).to_dict())
    budget = min(MOST_STATUS_BYTES, max(LEAST_STATUS_BYTES, OBJECT_BYTES - rest))
    for shorten in _SHORTENINGS:
        while size > budget and (shorter := shorten(status)) is not None:
            status, size = shorter, json_bytes(shorter.to_dict())
    return status


def _shorter_attempts(status: EvaluationJobStatus) -> EvaluationJobStatus | None:
    """The oldest attempt that says much says less; when all say little, the oldest goes."""
    attempts = list(status.attempts)
    for index, attempt in enumerate(attempts):
        short = _short_attempt(attempt)
        if short != attempt:
            attempts[index] = short
            return status.changed(attempts=attempts)
    if len(attempts) <= 1:
        return None
    return status.changed(attempts=attempts[1:])


def _short_attempt(attempt: Attempt) -> Attempt:
    failures = [
        RpcStatus(code=item.code, message=clip(item.message, SHORT_MESSAGE_BYTES))
        for item in attempt.partial_failures[:1]
    ]
    return attempt.changed(partial_failures=failures)


def _fewer_abandoned_windows(status: EvaluationJobStatus) -> EvaluationJobStatus | None:
    if not status.abandoned_windows:
        return None
    return status.changed(abandoned_windows=status.abandoned_windows[1:])


def _fewer_paused_spans(status: EvaluationJobStatus) -> EvaluationJobStatus | None:
    if len(status.paused_spans) <= 1:
        return None
    return status.changed(paused_spans=status.paused_spans[1:])


def _silent_runs(status: EvaluationJobStatus) -> EvaluationJobStatus | None:
    silent = [run.changed(message=None) for run in status.active]
    return status.changed(active=silent) if silent != status.active else None


def _no_schedule_warnings(status: EvaluationJobStatus) -> EvaluationJobStatus | None:
    if not status.schedule_warnings:
        return None
    return status.changed(schedule_warnings=[])


def _short_conditions(status: EvaluationJobStatus) -> EvaluationJobStatus | None:
    short = [
        item.changed(message=clip(item.message, SHORT_MESSAGE_BYTES)) for item in status.conditions
    ]
    return status.changed(conditions=short) if short != status.conditions else None


_SHORTENINGS: tuple[_Shorten, ...] = (
    _shorter_attempts,
    _fewer_abandoned_windows,
    _fewer_paused_spans,
    _silent_runs,
    _no_schedule_warnings,
    _short_conditions,
)
