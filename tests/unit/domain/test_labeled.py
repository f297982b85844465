"""The condition Labeled is set beside others, and read by whoever waits for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.bodies.parsed_size import parsed_bytes
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.labeled import (
    deadline_of,
    is_labeled,
    labeled_of,
    labeling_of,
    with_labeled,
)
from evaluation_operator.domain.reasons import Reason
from tests.builders import Manifest
from tests.unit.domain.stories import STORIES, Worlds
from tests.unit.domain.world import JobWorld, VersionWorld

NOW = datetime(2026, 3, 2, 10, 0, 0, 123456, tzinfo=UTC)
OTHER = {"type": "Other", "status": "True", "reason": "Odd"}


def test_it_is_added_behind_the_others() -> None:
    status = with_labeled(
        {"totalCount": 3, "conditions": [OTHER]}, Reason.LABELING, "1 of 3", generation=2, now=NOW
    )
    assert status == {
        "totalCount": 3,
        "conditions": [
            OTHER,
            {
                "type": "Labeled",
                "status": "False",
                "reason": "Labeling",
                "message": "1 of 3",
                "observedGeneration": 2,
                "lastTransitionTime": "2026-03-02T10:00:00Z",
            },
        ],
    }
    assert not is_labeled(status)


def test_it_is_changed_where_it_stands_and_its_time_moves_with_its_status_alone() -> None:
    status = with_labeled({}, Reason.LABELING, "1 of 3", generation=1, now=NOW)
    status = {"conditions": [*status["conditions"], OTHER]}  # type: ignore[misc]
    later = NOW + timedelta(hours=1)
    more = with_labeled(status, Reason.LABELING, "2 of 3", generation=1, now=later)
    done = with_labeled(more, Reason.ALL_LABELED, "", generation=1, now=later)
    told, at_last = labeled_of(more), labeled_of(done)
    assert told is not None
    assert at_last is not None
    assert (told.message, told.last_transition_time) == ("2 of 3", NOW.replace(microsecond=0))
    assert at_last.last_transition_time == later.replace(microsecond=0)
    for status in (more, done):
        conditions = status["conditions"]
        assert isinstance(conditions, list)
        assert [item["type"] for item in conditions] == ["Labeled", "Other"]
    assert is_labeled(done)
    assert not is_labeled(more)


@pytest.mark.parametrize("status", [{}, {"conditions": None}, {"conditions": [OTHER]}])
def test_before_anybody_has_set_it_there_is_none(status: Manifest) -> None:
    assert labeled_of(status) is None
    assert not is_labeled(status)


def dataset_of_people(**labeling: str) -> Dataset:
    world, steps = STORIES["a run that people label"](Worlds(JobWorld, VersionWorld))
    for step in steps[:2]:
        step()
        world.settle()
    [body] = world.datasets.values()
    body["spec"]["labeling"] |= labeling
    body["status"]["cut"]["time"] = "2026-03-02T10:00:00Z"
    return Dataset.from_dict(body)


def test_people_have_until_so_long_after_the_rows_were_cut() -> None:
    dataset = dataset_of_people(deadline="36h")
    assert labeling_of(dataset).deadline == "36h"
    assert deadline_of(dataset) == datetime(2026, 3, 3, 22, tzinfo=UTC)


def test_or_all_the_time_that_they_need() -> None:
    dataset = dataset_of_people()
    without = labeling_of(dataset).changed(deadline=None)
    spec = dataset.spec.changed(labeling=without)
    assert deadline_of(dataset.changed(spec=spec)) is None


@pytest.mark.parametrize(
    ("document", "want"),
    [
        ("", 0),
        ("12", 2),
        ("[]", 2 + 64 + 34),
        ("[1,2]", 5 + 64 + 2 * 34),
        ('{"a":"b"}', 9 + 64 + 34 + 2 * 50 + 40),
        ('{"a":[1,{}]}', 12 + 3 * 64 + 4 * 34 + 50 + 40),
    ],
)
def test_the_size_of_a_parsed_document_is_counted_by_its_marks(document: str, want: int) -> None:
    assert parsed_bytes(document) == parsed_bytes(document.encode()) == want


def test_three_finalizers_of_others_are_remembered() -> None:
    """They are told to whoever wonders why an object does not go; a list may be long."""
    names = ["foregroundDeletion", *(f"example.com/{letter}" for letter in "abcd")]
    meta = {
        "name": "run",
        "namespace": "fruit",
        "uid": "u",
        "resourceVersion": "1",
        "creationTimestamp": "2026-03-02T10:00:00Z",
        "finalizers": names,
    }
    assert JobFacts.from_body({"metadata": meta}).finalizers == tuple(names[1:4])
