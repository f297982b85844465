"""Many records that are written at once are accepted one by one, and the mark waits for each."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from evaluation_operator.sampling import pacing
from evaluation_operator.sampling.sample.record import Record
from evaluation_operator.sampling.store.journal import Journal
from evaluation_operator.sampling.store.wal import WriteAhead

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_others_have_turns_between_records_and_no_mark_passes_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One write may bring a thousand records to the disk. They were accepted in one go."""
    monkeypatch.setattr(pacing, "TURN_SECONDS", -1.0)
    stamps = [NOON + timedelta(seconds=number) for number in range(5)]
    records = [cast(Record, SimpleNamespace(body=b"x", place=None, stamp=at)) for at in stamps]
    accepted: list[datetime] = []
    journal = Journal(
        WriteAhead(tmp_path / "wal", segment_bytes=2**20),
        sync=True,
        written=lambda group: accepted.extend(kept.stamp for kept in group),
        lost=lambda _: None,
    )
    await journal.replay()
    futures = [journal.append([kept], wait=True) for kept in records]
    marks: list[tuple[int, datetime | None]] = []
    while journal.oldest() is not None:
        marks.append((len(accepted), journal.oldest()))
        await asyncio.sleep(0)

    assert accepted == stamps
    assert {count for count, _ in marks} >= {1, 2, 3, 4}
    assert all(oldest == stamps[count] for count, oldest in marks)
    await asyncio.gather(*filter(None, futures))
    assert journal.size > 0
    await journal.close()
