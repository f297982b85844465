"""Two halves of a prediction become a row, whatever way they come."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from evaluation_operator.sampling.records import Reason
from tests.unit.sampling.virtual import (
    BORDER,
    NEVER,
    START,
    VirtualTime,
    expected_sample,
    ids_of,
    make_job,
    request,
    response,
    rows_of,
    running,
    text_of,
    whole,
)


@pytest.mark.parametrize("first", ["request", "response"])
async def test_the_halves_give_one_row_an_item_stamped_by_the_later(
    tmp_path: Path, first: str
) -> None:
    job = make_job(tmp_path)
    asked = START - timedelta(seconds=5)
    halves = [request("e", 2, time=asked), response("e", 2, time=asked + timedelta(seconds=1))]
    if first == "response":
        halves.reverse()
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(halves[0])
        replica.time.pass_by(seconds=2)
        await replica.give(halves[1])
        assert await replica.sampler.drain()
    rows = rows_of(job)
    assert [row["id"] for row in rows] == ["e/0", "e/1"]
    assert [text_of(row, "raw_data") for row in rows] == [
        {"instances": [{"text": "petal 0"}]},
        {"instances": [{"text": "petal 1"}]},
    ]
    assert text_of(rows[1], "raw_prediction") == {
        "predictions": [{"labels": ["rose"], "scores": [0.1]}]
    }
    for row in rows:
        assert row["sampled_at"] == START + timedelta(seconds=2)
        assert row["time"] == asked
        assert row["interval_start"] == BORDER - timedelta(days=1)
        assert (row["p"], row["example_count"], row["example_sample_percentage"]) == (1, 1000, 1)


async def test_halves_at_two_replicas_are_spilled_and_meet_when_they_are_read(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path)
    time = VirtualTime()
    async with (
        running(tmp_path / "1", [job], time) as one,
        running(tmp_path / "2", [job], time) as two,
    ):
        await one.give(request("e", 2))
        time.pass_by(seconds=3)
        await two.give(response("e", 2))
        assert await one.sampler.drain()
        assert ids_of(job) == []
        assert await two.sampler.drain()
    assert ids_of(job) == ["e/0", "e/1"]
    assert {row["sampled_at"] for row in rows_of(job)} == {START + timedelta(seconds=3)}


async def test_a_half_that_waits_too_long_is_written_as_a_half_row(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(request("e"))
        await replica.go_on(seconds=9)
        assert replica.sampler.report().count('"pending":1') == 1
        await replica.go_on(seconds=2)
        assert '"pending"' not in replica.sampler.report()
        await replica.give(response("e"))
        await replica.go_on(seconds=11)
        await replica.go_on(seconds=31)
    assert ids_of(job) == ["e/0"]


async def test_halves_that_differ_in_their_items_give_no_row_and_are_counted(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(request("e", 2), response("e", 3))
        torn = whole("f", 2, predictions=())
        assert replica.sampler.offer(torn, [job]) is None
        assert await replica.sampler.drain()
        assert replica.sampler.counts.reasons[Reason.COUNTS_DIFFER] == 2
    assert ids_of(job) == []


async def test_copies_of_halves_change_nothing(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(request("e"), request("e"), response("e"), response("e"), request("e"))
        assert await replica.sampler.drain()
        assert replica.sampler.counts.jobs["roses"].sampled == 1
    assert ids_of(job) == ["e/0"]


async def test_a_response_decides_whose_a_request_was(tmp_path: Path) -> None:
    jobs = [make_job(tmp_path, "roses"), make_job(tmp_path, "tulips")]
    async with running(tmp_path / "wal", jobs) as replica:
        await replica.give(request("e"))
        await replica.give(response("e"), jobs=jobs[:1])
        assert '"pending"' not in replica.sampler.report()
        assert await replica.sampler.drain()
    assert [ids_of(job) for job in jobs] == [["e/0"], []]


async def test_two_jobs_draw_independently_from_the_same_halves(tmp_path: Path) -> None:
    jobs = [make_job(tmp_path, name, fraction=0.5) for name in ("roses", "tulips")]
    items = [f"e/{number}" for number in range(20)]
    async with running(tmp_path / "wal", jobs) as replica:
        await replica.give(request("e", 20), response("e", 20))
        assert await replica.sampler.drain()
    for job in jobs:
        assert set(ids_of(job)) == expected_sample(job, items)
    assert ids_of(jobs[0]) != ids_of(jobs[1])


async def test_nothing_is_held_of_a_half_without_a_candidate(tmp_path: Path) -> None:
    job = make_job(tmp_path, fraction=1e-9)
    async with running(tmp_path / "wal", [job]) as replica:
        for number in range(50):
            assert replica.sampler.offer(request(f"e{number}"), [job]) is None
        assert '"unflushedBytes"' not in replica.sampler.report()
        assert list((tmp_path / "wal").iterdir()) == []


async def test_too_many_waiting_halves_spill_the_oldest(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job], max_waiting_bytes=10_000) as replica:
        await replica.give(*(request(f"e{number}") for number in range(100)))
        assert replica.sampler.counts.full == 0
        await replica.sampler.flush()
        await replica.give(response("e0"))
        assert await replica.sampler.drain()
    assert ids_of(job) == ["e0/0"]


async def test_near_a_border_a_half_is_kept_for_the_next_interval_too(tmp_path: Path) -> None:
    """Of which nothing is known but the fraction."""
    job = make_job(tmp_path, cap=1)
    ids = [f"e{number}" for number in range(30)]
    time = VirtualTime(BORDER - timedelta(minutes=11))
    async with running(tmp_path / "wal", [job], time, spill_after=NEVER) as replica:
        await replica.give(*(whole(event) for event in ids))
        await replica.give(*(request(f"far{number}") for number in range(30)))
        far = replica.sampler.report()
        time.now = BORDER - timedelta(seconds=1)
        await replica.give(*(request(f"near{number}") for number in range(30)))
        near = replica.sampler.report()
        time.now = BORDER + timedelta(seconds=1)
        replica.sampler.lease_renewed(time.now)
        await replica.give(*(response(f"near{number}") for number in range(30)))
        assert await replica.sampler.drain()
    assert '"pending":30' not in far
    assert int(near.split('"pending":')[1].split(",")[0]) >= 30
    after = [row for row in rows_of(job) if row["interval_start"] == BORDER]
    sample = expected_sample(job, [f"near{number}/0" for number in range(30)])
    assert sample <= {row["id"] for row in after}
