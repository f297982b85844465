"""Folders of a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.tables.files.days import by_day, is_wanted
from evaluation_operator.tables.protocol import Window
from tests.unit.tables.making import at, make_row, row_batch

HOURS = st.floats(-60, 60)


@settings(max_examples=60, deadline=None)
@given(HOURS, HOURS, st.none() | st.floats(0, 60), st.integers(-1, 1))
def test_a_row_that_is_asked_for_is_never_in_a_folder_that_is_not(
    moment: float, start: float, length: float | None, microseconds: int
) -> None:
    sampled_at = at(moment) + timedelta(microseconds=microseconds)
    ((folder, _),) = by_day(pa.Table.from_batches([row_batch(make_row(0, sampled_at=sampled_at))]))
    asked = Window(at(start), None if length is None else at(start + length))
    if asked.start <= sampled_at and (asked.end is None or sampled_at < asked.end):
        assert is_wanted(str(folder), [Window(at(-500), at(-400)), asked])


@pytest.mark.parametrize(
    ("folder", "wanted"),
    [
        ("sampled_on=2026-03-01", False),
        ("sampled_on=2026-03-02", True),
        ("sampled_on=2026-03-03", True),
        ("sampled_on=2026-03-04", False),
        ("sampled_on=2026-02-30", True),
        ("sampled_on=today", True),
        ("day=2026-03-01", True),
    ],
)
def test_a_day_is_wanted_if_a_span_has_a_part_of_it(folder: str, wanted: bool) -> None:
    """The last microsecond of one day and the first of the next count; an end does not."""
    first = datetime(2026, 3, 3, tzinfo=UTC) - timedelta(microseconds=1)
    assert is_wanted(folder, [Window(first, datetime(2026, 3, 4, tzinfo=UTC))]) is wanted
    assert is_wanted("sampled_on=2026-03-02", []) is False
