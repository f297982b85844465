"""What two halves of a prediction make of their probabilities, caps and items."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from evaluation_operator.sampling.sample.record import Content, Record
from evaluation_operator.sampling.sample.threshold import Threshold
from evaluation_operator.sampling.store.table_rows import row_of_two, to_batches
from tests.unit.sampling.virtual import START, make_job

PRIORITIES = (0.01, 0.02, 0.03)


def half(folder: Path, *items: int, p: float, cap: int, is_request: bool) -> Record:
    """`p` is also the fraction that it was drawn with."""
    return Record(
        job=make_job(folder),
        key="key",
        event_id="e",
        stamp=START + timedelta(seconds=0 if is_request else 3),
        has_request=is_request,
        has_response=not is_request,
        item_count=len(PRIORITIES),
        items=tuple((index, PRIORITIES[index]) for index in items),
        p=p,
        fraction=p,
        cap=cap,
        threshold=Threshold(p, cap),
        body=b"{}",
    )


@pytest.mark.parametrize(("asked", "answered"), [(0.5, 0.25), (0.25, 0.5)])
def test_an_item_of_two_halves_was_drawn_by_the_smaller_probability(
    tmp_path: Path, asked: float, answered: float
) -> None:
    """An item is there only where both draws let it through, and they draw by one priority: so the
    stricter one alone decides. With the larger p it would stand for too few others."""
    earlier = half(tmp_path, 0, 1, p=asked, cap=7, is_request=True)
    later = half(tmp_path, 1, 2, p=answered, cap=9, is_request=False)
    entry = row_of_two(earlier, later)
    assert entry.p == 0.25
    assert [index for index, _ in entry.items] == [1], "what both have kept"
    assert entry.stamp == later.stamp
    assert entry.threshold is later.threshold

    contents = [
        Content(START, ["asked 0", "asked 1"], None, []),
        Content(START, None, ["answered 1", "answered 2"], []),
    ]
    [row] = [
        row
        for batch in to_batches([(entry, contents)], with_counts=False)
        for row in batch.to_pylist()
    ]
    assert (row["id"], row["p"], row["priority"]) == ("e/1", 0.25, 0.02)
    assert (row["example_count"], row["example_sample_percentage"]) == (7, 0.25)
    assert (row["raw_data"], row["raw_prediction"]) == ("asked 1", "answered 1")
