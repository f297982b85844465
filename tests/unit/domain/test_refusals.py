"""What the API server says of an object that it does not take, and what to do about it."""

from __future__ import annotations

import pytest

from evaluation_operator.domain.facts.troubles import TOLD_BYTES, of_refusal


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ('jobs.batch "run" is forbidden: exceeded quota: small', "raise the ResourceQuota"),
        ('Internal error: failed calling webhook "guard": no such host', "does not answer: repair"),
        ('admission webhook "guard" denied the request: no', "that rule admit Jobs with the label"),
    ],
)
def test_a_refusal_names_the_cure(said: str, cure: str) -> None:
    told = of_refusal("Job", "run", said)
    assert told.startswith(f"Job 'run' was refused: {said}; ")
    assert cure in told


def test_a_refusal_that_nobody_knows_is_told_as_it_is() -> None:
    assert of_refusal("Job", "run", "no.") == "Job 'run' was refused: no"


def test_a_long_refusal_leaves_room_for_the_cure() -> None:
    told = of_refusal("Job", "run", f"exceeded quota: {'x' * 4096}")
    assert told.endswith("raise the ResourceQuota, or delete Jobs that have ended")
    assert len(told.encode()) <= TOLD_BYTES
