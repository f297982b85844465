"""Ids of rows that have none."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.tables.schema import row_digest, row_ids, to_microseconds
from tests.unit.tables.making import at, foreign_table, make_foreign_row

TEXTS = st.none() | st.text(alphabet="1:~ab", max_size=4)
CONTENTS = st.tuples(TEXTS, TEXTS, st.none() | st.integers(0, 12).map(at), TEXTS, TEXTS)


def test_an_id_is_a_digest_of_the_content_and_stays_what_it_was() -> None:
    """Labels that lie somewhere name rows by it: it must never change."""
    text = "7:flowers2:v116:177235920000000115:{}\n\0é".replace("15:", "5:", 1)
    time = datetime(2026, 3, 1, 10, 0, 0, 1, tzinfo=UTC)
    assert to_microseconds(time) == 1772359200000001
    assert (
        row_digest("flowers", "v1", time, "{}\n\0é", None)
        == hashlib.sha256((text + "~").encode()).hexdigest()[:32]
    )


@settings(max_examples=300)
@given(CONTENTS, CONTENTS)
def test_other_content_is_another_id(
    one: tuple[str | None, str | None, datetime | None, str | None, str | None],
    other: tuple[str | None, str | None, datetime | None, str | None, str | None],
) -> None:
    """Also where parts run into each other, look like lengths, or are null."""
    assert (row_digest(*one) == row_digest(*other)) == (one == other)


def test_equal_rows_are_numbered_whatever_their_ground_truth() -> None:
    row = make_foreign_row(0)
    rows = [row, row | {"groundtruth": "a"}, make_foreign_row(1), row]
    first, second, other, third = row_ids(foreign_table(*rows))
    assert (second, third) == (f"{first}-1", f"{first}-2")
    assert other not in (first, second, third)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-840, 840))
@settings(max_examples=50)
def test_microseconds_are_exact_and_know_no_zone(time: datetime, minutes: int) -> None:
    local = time.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    exact = to_microseconds(local)
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=exact) == local


def test_a_window_without_a_zone_is_refused() -> None:
    from evaluation_operator.tables.protocol import Window

    with pytest.raises(ValueError, match="start: 2026-03-01 00:00:00 has no time zone; give one"):
        Window(datetime(2026, 3, 1))
