"""A job stays within its bytes, and what runs depend on is never shortened."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evaluation_operator.api.base import Condition, ConditionStatus, RpcStatus, TimeSpan
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import (
    AbandonedWindow,
    ActiveRun,
    Attempt,
    EvaluationJobStatus,
    PausedSpan,
    RetryWindow,
    RunPhase,
)
from evaluation_operator.domain.conditions import clip
from evaluation_operator.domain.sizes import (
    LEAST_STATUS_BYTES,
    MOST_STATUS_BYTES,
    OBJECT_BYTES,
    fitted,
    json_bytes,
)
from tests.unit.domain.world import CREATED, DAY, JobWorld

NAME = "evj-" + "n" * 45 + "-29540760"


def fat_status(letter: str) -> EvaluationJobStatus:
    """Every list as long, and every text as wordy, as decisions can make them."""
    hours = [CREATED + timedelta(hours=hour) for hour in range(60)]
    failure = RpcStatus(code=14, message=clip(letter * 300, 256))
    return EvaluationJobStatus(
        attempts=[
            Attempt(attempt_time=hour, partial_failures=[failure] * 5, dataset=NAME)
            for hour in hours[:10]
        ],
        conditions=[
            Condition(
                type=kind,
                status=ConditionStatus.TRUE,
                reason="Reason",
                message=clip(letter * 2000, 1024),
                last_transition_time=CREATED,
            )
            for kind in ("Ready", "Reconciling", "Stalled", "QualityAcceptable")
        ],
        schedule_warnings=[clip(letter * 600, 512)] * 10,
        schedule_explanation=clip(letter * 600, 512),
        active=[
            ActiveRun(
                name=NAME,
                scheduled_time=hour,
                phase=RunPhase.QUEUING,
                message=clip(letter * 600, 512),
            )
            for hour in hours[:20]
        ],
        cover=[TimeSpan(start_time=hour, end_time=hour + DAY) for hour in hours[:20]],
        retry_windows=[
            RetryWindow(start_time=hour, end_time=hour + DAY, failures=2) for hour in hours[:20]
        ],
        abandoned_windows=[
            AbandonedWindow(start_time=hour, end_time=hour + DAY, failures=5, dataset=NAME)
            for hour in hours[:10]
        ],
        paused_spans=[PausedSpan(start_time=hour, end_time=hour + DAY) for hour in hours[:50]],
    )


@pytest.mark.parametrize("letter", ["x", "ü", "<", "\u0001", '"', "🍎"])
def test_the_fattest_status_fits(letter: str) -> None:
    job = JobWorld(checked=False).job
    status = fat_status(letter)
    assert json_bytes(status.to_dict()) > MOST_STATUS_BYTES, "the test's own status is fat"

    fit = fitted(job, status)

    assert json_bytes(fit.to_dict()) <= MOST_STATUS_BYTES
    assert fit.cover == status.cover
    assert fit.retry_windows == status.retry_windows
    assert [run.name for run in fit.active] == [run.name for run in status.active]
    assert fit.attempts[-1].attempt_time == status.attempts[-1].attempt_time
    assert fitted(job, fit) == fit


@pytest.mark.parametrize("length", [8_000, 15_000, 25_000])
def test_a_long_description_leaves_less_for_the_status(length: int) -> None:
    job = JobWorld(checked=False, description="d" * length).job
    status = fat_status("x").model_copy(update={"active": [], "cover": [], "retry_windows": []})

    fit = fitted(job, status)

    assert json_bytes(job.model_copy(update={"status": fit}).to_dict()) <= OBJECT_BYTES


def test_a_small_status_is_left_alone() -> None:
    world = JobWorld()
    assert json_bytes(world.status) < LEAST_STATUS_BYTES
    assert fitted(world.job, world.job.status) is not None
    assert fitted(world.job, world.job.status) == EvaluationJob.from_dict(world.own).status


def test_a_year_of_daily_runs_leaves_a_job_small() -> None:
    world = JobWorld(description="A job of an ordinary size")
    for day in range(365):
        world.at_slot(day)
        for name in world.active:
            if day % 9 == 0:
                world.fail(name, "the database was restarted")
            else:
                world.succeed(name)
        world.turn()

    assert len(world.status["cover"]) <= 2
    assert world.status["totalAttempts"] == 41
    assert json_bytes(world.job.to_dict()) < 6 * 1024
