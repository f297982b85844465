"""How objects are read and written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from evaluation_operator.api.base import Condition, format_time
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import ConfidenceMetricsEntry, Evaluation
from evaluation_operator.api.evaluation_job import EvaluationJob
from tests.builders import make_dataset, make_evaluation, make_evaluation_job, merged, stored


def make_condition(time: str) -> Condition:
    return Condition.from_dict(
        {"type": "Ready", "status": "True", "reason": "Ready", "lastTransitionTime": time}
    )


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("2026-03-02T08:00:00Z", "2026-03-02T08:00:00Z"),
        ("2026-03-02T08:00:00.5Z", "2026-03-02T08:00:00.500000Z"),
        ("2026-03-02T08:00:00.123456789Z", "2026-03-02T08:00:00.123456Z"),
        ("2026-03-02T10:00:00+02:00", "2026-03-02T08:00:00Z"),
    ],
)
def test_times_are_written_in_utc_with_z(text: str, want: str) -> None:
    assert make_condition(text).to_dict()["lastTransitionTime"] == want


def test_times_are_aware_and_in_utc() -> None:
    assert make_condition("2026-03-02T10:00:00+02:00").last_transition_time == datetime(
        2026, 3, 2, 8, tzinfo=UTC
    )
    assert make_condition("2026-03-02T10:00:00+02:00").last_transition_time.tzinfo is UTC


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        make_condition("2026-03-02T08:00:00")


def test_any_zone_can_be_written() -> None:
    time = datetime(2026, 3, 2, 10, tzinfo=timezone(timedelta(hours=2)))

    assert format_time(time) == "2026-03-02T08:00:00Z"


def test_fields_of_a_newer_version_are_ignored_when_reading() -> None:
    newer = merged(make_evaluation_job(), {"spec": {"later": 1}, "metadata": {"managedFields": []}})

    job = EvaluationJob.from_dict(newer)

    assert job == EvaluationJob.from_dict(make_evaluation_job())


def test_nothing_absent_or_empty_is_written() -> None:
    job = EvaluationJob.from_dict(make_evaluation_job(status={"attempts": [], "active": []}))

    written = job.to_dict()

    assert written == make_evaluation_job()


def test_false_zero_and_required_empty_objects_are_written() -> None:
    manifest = make_evaluation_job(spec={"paused": False}, status={"failedRuns": 0})

    written = EvaluationJob.from_dict(manifest).to_dict()

    assert written["spec"]["paused"] is False
    assert written["status"] == {"failedRuns": 0}
    assert written["spec"]["evaluationJobConfig"]["evaluationConfig"] == {}


def test_defaults_are_in_code_and_not_in_the_object() -> None:
    spec = EvaluationJob.from_dict(make_evaluation_job()).spec

    assert (spec.is_paused, spec.label_delay_seconds, spec.history_limit) == (False, 0, 10)
    assert "paused" not in spec.to_dict()


def test_delays_are_given_in_seconds() -> None:
    job = EvaluationJob.from_dict(make_evaluation_job(spec={"labelDelay": "1h30m"}))

    assert job.spec.label_delay_seconds == 5_400


def test_metrics_at_one_and_five_have_the_names_of_the_source() -> None:
    names = ("recallAt1", "precisionAt1", "f1ScoreAt1", "recallAt5", "precisionAt5", "f1ScoreAt5")
    entry = ConfidenceMetricsEntry.from_dict(dict.fromkeys(names, 0.5))

    assert entry.f1_score_at1 == 0.5
    assert entry.to_dict() == dict.fromkeys(names, 0.5)


@pytest.mark.parametrize("value", [float("nan"), 1.5, -0.1])
def test_a_figure_outside_0_to_1_is_never_written(value: float) -> None:
    with pytest.raises(ValidationError):
        ConfidenceMetricsEntry(recall=value)


def test_the_operator_is_told_apart_from_other_owners() -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "other"}
    owners = [owner, owner | {"uid": "j", "controller": True}]
    dataset = Dataset.from_dict(stored(make_dataset(), ownerReferences=owners))

    assert dataset.metadata.controller_uid() == "j"
    assert Dataset.from_dict(make_dataset()).metadata.controller_uid() is None


@pytest.mark.parametrize(
    "model",
    [
        EvaluationJob.from_dict(stored(make_evaluation_job())),
        Dataset.from_dict(stored(make_dataset())),
        Evaluation.from_dict(stored(make_evaluation())),
    ],
    ids=lambda model: model.KIND,
)
def test_json_from_the_wire_reads_like_a_dict(
    model: EvaluationJob | Dataset | Evaluation,
) -> None:
    assert type(model).model_validate_json(json.dumps(model.to_dict())) == model


def test_objects_cannot_be_changed_in_place() -> None:
    job = EvaluationJob.from_dict(make_evaluation_job())

    with pytest.raises(ValidationError, match="frozen"):
        job.spec.schedule = "every 3 days"  # type: ignore[misc]
