"""What `sampling` tells of a run that is due and waits for the sampler."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.cli.showing_sampling import print_sampling
from evaluation_operator.domain.facts.replica import Replica
from evaluation_operator.domain.flushing import LOST_AFTER
from evaluation_operator.views.sampling import ReplicaView, SamplingView
from tests.builders import make_evaluation_job, stored

DUE = datetime(2026, 3, 3, 10, tzinfo=UTC)
JOB = EvaluationJob.from_dict(stored(make_evaluation_job()))


def replica(name: str, flushed_through: datetime) -> ReplicaView:
    told = Replica(name, f"lease-{name}", flushed_through, DUE + timedelta(minutes=5))
    return ReplicaView(told, None)


def view(due: datetime | None, now: datetime) -> SamplingView:
    replicas = (replica("sampler-0", DUE), replica("sampler-1", DUE - timedelta(minutes=2)))
    return SamplingView(JOB, "", replicas, due, now)


def test_a_run_that_is_due_says_whose_rows_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = view(DUE, DUE + timedelta(minutes=5))
    print_sampling(waiting)
    said = capsys.readouterr().out
    assert "of 2026-03-03T10:00:00Z: until sampler-1 has written its rows" in said
    assert "at most until 2026-03-03T11:00:00Z" in said
    found = waiting.to_dict()
    assert (found["dueRun"], found["waitsFor"]) == ("2026-03-03T10:00:00Z", ["sampler-1"])


@pytest.mark.parametrize("due", [None, DUE])
def test_without_a_due_run_or_after_an_hour_nobody_is_waited_for(
    due: datetime | None, capsys: pytest.CaptureFixture[str]
) -> None:
    idle = view(due, DUE + LOST_AFTER)
    print_sampling(idle)
    assert "Due run" not in capsys.readouterr().out
    assert idle.to_dict()["waitsFor"] == []
