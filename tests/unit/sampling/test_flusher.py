"""When rows are written, what happens when they cannot be, and how far the mark may go."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import orjson

from evaluation_operator.domain.flushing import LOST_AFTER, RESTAMP_AFTER
from evaluation_operator.sampling.records import Reason
from tests.unit.sampling.virtual import (
    BORDER,
    START,
    Faults,
    VirtualTime,
    drawn_from,
    expected_sample,
    ids_of,
    make_job,
    request,
    response,
    rows_of,
    running,
    whole,
    written_by,
)

SECOND = timedelta(seconds=1)


async def test_rows_are_written_when_they_are_old_enough_and_the_mark_follows(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(whole("e"))
        await replica.go_on(seconds=29)
        assert written_by(job) == []
        assert replica.sampler.flushed_through() == START
        await replica.go_on(seconds=1)
        assert len(written_by(job)) == 1
        assert replica.sampler.flushed_through() >= START + timedelta(seconds=30)
        assert list(replica.volume.iterdir()) == []


async def test_rows_are_written_when_they_are_many(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job], flush_bytes=10_000) as replica:
        await replica.give(*(whole(f"e{number}") for number in range(5)))
        await replica.go_on(seconds=0)
        assert written_by(job) == []
        await replica.give(*(whole(f"f{number}") for number in range(5)))
        await replica.go_on(seconds=0)
        assert len(written_by(job)) == 10


async def test_at_a_border_everything_before_it_is_written_within_the_time_to_spill(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path)
    time = VirtualTime(BORDER - 2 * SECOND)
    async with running(tmp_path / "wal", [job], time, flush_age=timedelta(hours=1)) as replica:
        await replica.give(whole("whole"), request("half"))
        await replica.go_on(seconds=3)
        assert [row["id"] for row in written_by(job)] == ["whole/0"]
        assert replica.sampler.flushed_through() < BORDER
        await replica.go_on(seconds=8)
        assert replica.sampler.flushed_through() >= BORDER


async def test_an_idle_replica_holds_nobody_up(tmp_path: Path) -> None:
    async with running(tmp_path / "wal", [make_job(tmp_path)]) as replica:
        for _ in range(3):
            replica.time.pass_by(minutes=1)
            assert replica.sampler.flushed_through() >= replica.time.now


async def test_a_table_that_is_away_is_tried_again_ever_more_rarely_until_it_is_back(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        replica.faults.away.add(job.table_uri)
        await replica.give(whole("e"))
        for _ in range(600):
            await replica.go_on(seconds=1)
        assert 12 <= replica.faults.appends <= 40
        assert replica.sampler.flushed_through() == START
        told = orjson.loads(replica.sampler.report())
        assert told["tableErrors"] == {"roses": f"{job.table_uri} does not answer"}
        assert replica.sampler.ready_problem() == f"{job.table_uri} does not answer"
        replica.faults.away.clear()
        await replica.go_on(seconds=60)
        assert replica.sampler.ready_problem() is None
        assert replica.sampler.flushed_through() > START + timedelta(minutes=10)
    assert [row["sampled_at"] for row in written_by(job)] == [START]


async def test_one_table_that_is_away_stops_no_other(tmp_path: Path) -> None:
    away, there = make_job(tmp_path, "away"), make_job(tmp_path, "there")
    async with running(tmp_path / "wal", [away, there]) as replica:
        replica.faults.away.add(away.table_uri)
        await replica.give(whole("e"))
        await replica.go_on(seconds=31)
        assert len(written_by(there)) == 1
        assert replica.sampler.flushed_through() == START
        assert replica.sampler.ready_problem() is None


async def test_rows_wait_for_the_secret_that_lets_them_in(tmp_path: Path) -> None:
    """What is wrong with credentials is nothing that is wrong with predictions: after an upgrade,
    a Secret that did not name its server must not cost any."""
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        replica.faults.closed.add(job.table_uri)
        await replica.give(whole("e"))
        await replica.go_on(seconds=31)
        told = orjson.loads(replica.sampler.report())
        assert told["tableErrors"] == {"roses": f"no Secret is for {job.table_uri}"}
        replica.faults.closed.clear()
        await replica.go_on(seconds=60)
    assert [row["id"] for row in written_by(job)] == ["e/0"]


async def test_a_table_that_others_fill_loses_its_rows_and_holds_nobody_up(tmp_path: Path) -> None:
    theirs, ours = make_job(tmp_path, "theirs"), make_job(tmp_path, "ours")
    async with running(tmp_path / "wal", [theirs, ours]) as replica:
        replica.faults.invalid.add(theirs.table_uri)
        await replica.give(whole("e"))
        await replica.go_on(seconds=31)
        assert len(written_by(ours)) == 1
        assert replica.sampler.flushed_through() >= replica.time.now
        await replica.give(whole("f"))
        counts = replica.sampler.counts.jobs
        assert counts["theirs"].reasons[Reason.TABLE_INVALID].count == 2
        assert "others fill it" in counts["theirs"].reasons[Reason.TABLE_INVALID].message
        assert Reason.TABLE_INVALID not in counts["ours"].reasons
        replica.faults.invalid.clear()
        await replica.go_on(seconds=59)
        assert replica.sampler.offer(whole("g"), [theirs]) is None
        await replica.go_on(seconds=2)
        await replica.give(whole("h"))
        assert await replica.sampler.drain()
    assert [row["id"] for row in written_by(theirs)] == ["h/0"]


async def test_a_row_that_the_table_does_not_take_is_lost_alone(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        replica.faults.poison.add("e3/0")
        await replica.give(*(whole(f"e{number}") for number in range(8)))
        assert await replica.sampler.drain()
        assert replica.sampler.counts.jobs["roses"].reasons[Reason.TABLE_INVALID].count == 1
        assert replica.sampler.counts.jobs["roses"].sampled == 7
    assert {row["id"] for row in written_by(job)} == {f"e{n}/0" for n in range(8) if n != 3}


async def test_what_has_waited_too_long_gets_a_new_stamp_that_no_run_has_read(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        replica.faults.away.add(job.table_uri)
        await replica.give(whole("old"))
        await replica.go_on(minutes=30)
        await replica.give(whole("young"))
        replica.faults.away.clear()
        await replica.go_on(minutes=16)
    stamps = {row["id"]: row["sampled_at"] for row in written_by(job)}
    assert stamps["old/0"] >= START + timedelta(minutes=46)  # type: ignore[operator]
    assert stamps["young/0"] == START + timedelta(minutes=30)


async def test_rows_that_move_into_another_interval_are_a_sample_with_its_probability(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path, cap=5)
    time = VirtualTime(BORDER - timedelta(minutes=30))
    items = [f"e{number}/{item}" for number in range(50) for item in range(2)]
    async with running(tmp_path / "wal", [job], time) as replica:
        replica.faults.away.add(job.table_uri)
        await replica.give(*(whole(f"e{number}", 2) for number in range(50)))
        await replica.go_on(minutes=60)
        replica.faults.away.clear()
        await replica.go_on(minutes=2)
    rows = written_by(job)
    assert {row["id"] for row in rows} == expected_sample(job, items)
    ordered = sorted(row["priority"] for row in rows)  # type: ignore[type-var]
    (p,) = {row["p"] for row in rows}
    assert ordered[-1] < p < 1  # type: ignore[operator]
    assert {row["interval_start"] for row in rows} == {BORDER}


async def test_what_was_written_although_it_failed_is_not_written_under_a_new_stamp(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        replica.faults.forgetful.add(job.table_uri)
        await replica.give(whole("e", 3))
        await replica.go_on(seconds=31)
        assert replica.sampler.flushed_through() == START
        replica.faults.forgetful.clear()
        await replica.go_on(hours=1)
        assert replica.sampler.flushed_through() > START + timedelta(hours=1)
    assert [row["sampled_at"] for row in written_by(job)] == [START] * 3


async def test_nothing_is_written_while_runs_may_hold_the_replica_for_dead(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        replica.time.pass_by(minutes=44)
        await replica.give(whole("before"))
        await replica.sampler.flush()
        replica.time.pass_by(minutes=1)
        await replica.give(whole("e"))
        await replica.sampler.flush()
        replica.time.pass_by(minutes=1)
        await replica.step()
        assert [row["id"] for row in written_by(job)] == ["before/0"]
        assert replica.sampler.ready_problem() is not None
        replica.time.pass_by(minutes=16)
        await replica.give(whole("f"))
        renewed = replica.time.now
        assert renewed - START > LOST_AFTER
        replica.sampler.lease_renewed(renewed)
        await replica.sampler.flush()
    stamps = {row["id"]: row["sampled_at"] for row in written_by(job)}
    # A run of a time in between may have gone on without this replica.
    assert stamps["e/0"] > renewed  # type: ignore[operator]
    assert stamps["f/0"] > renewed  # type: ignore[operator]


async def test_nothing_is_written_before_the_lease_is_there(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job], is_new=True) as replica:
        await replica.give(whole("e"))
        replica.time.pass_by(minutes=1)
        await replica.step()
        assert written_by(job) == []
        await replica.go_on(minutes=0)
        assert len(written_by(job)) == 1


async def test_draining_writes_everything_or_says_what_is_left(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    faults = Faults(away={job.table_uri})
    async with running(tmp_path / "wal", [job], faults=faults, drain_seconds=0.05) as replica:
        await replica.give(whole("e"), request("f"))
        assert not await replica.sampler.drain()
        assert replica.sampler.flushed_through() == START
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(response("f"))
        assert await replica.sampler.drain()
        assert replica.sampler.flushed_through() > START
        assert list(replica.volume.iterdir()) == []
    assert ids_of(job) == ["e/0", "f/0"]


async def test_a_restamp_keeps_a_half_joinable(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    time = VirtualTime()
    async with (
        running(tmp_path / "1", [job], time) as one,
        running(tmp_path / "2", [job], time) as two,
    ):
        one.faults.away.add(job.table_uri)
        await one.give(request("e"))
        await two.give(response("e"))
        await two.go_on(minutes=1)
        await two.go_on(minutes=1)
        await one.go_on(minutes=1)
        time.pass_by(seconds=RESTAMP_AFTER.total_seconds())
        one.faults.away.clear()
        await one.go_on(minutes=2)
        mark = time.now - timedelta(minutes=2)
    (row,) = rows_of(job)
    assert row["sampled_at"] >= mark  # type: ignore[operator]


async def test_a_reader_never_finds_a_row_before_the_mark_that_was_not_there(
    tmp_path: Path,
) -> None:
    """Outages, spills and borders in turn: what the mark promised stays true."""
    jobs = [make_job(tmp_path, "roses", cap=3), make_job(tmp_path, "tulips")]
    time = VirtualTime(BORDER - timedelta(minutes=3))
    async with running(tmp_path / "wal", jobs, time) as replica:
        promises: list[tuple[datetime, list[set[object]]]] = []
        for step in range(40):
            if step % 20 == 5:
                replica.faults.away.add(jobs[step // 20 % 2].table_uri)
            if step % 20 == 15:
                replica.faults.away.clear()
            halves = [whole(f"w{step}"), request(f"h{step}"), response(f"h{step - 1}")]
            await replica.give(*halves)
            await replica.go_on(seconds=7)
            if step % 4:
                continue
            mark = replica.sampler.flushed_through()
            assert not promises or mark >= promises[-1][0]
            before = [
                {row["id"] for row in written_by(job) if row["sampled_at"] < mark}  # type: ignore[operator]
                for job in jobs
            ]
            promises.append((mark, before))
        assert await replica.sampler.drain()
    for mark, before in promises:
        for job, known in zip(jobs, before, strict=True):
            assert {r["id"] for r in written_by(job) if r["sampled_at"] < mark} == known  # type: ignore[operator]
    first = [row for row in written_by(jobs[0]) if row["interval_start"] == BORDER]
    assert len(drawn_from(jobs[0], first)) == 3
