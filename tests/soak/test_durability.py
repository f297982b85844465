"""What was accepted is in the table at last, whenever the process is killed."""

from __future__ import annotations

import errno
import os
import random
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.domain.flushing import RESTAMP_AFTER
from evaluation_operator.sampling.sample.options import Mode
from tests.unit.sampling.virtual import (
    BORDER,
    START,
    Faults,
    VirtualTime,
    ids_of,
    killed,
    make_job,
    request,
    response,
    rows_of,
    running,
    whole,
    written_by,
)


def content(rows: list[dict[str, object]]) -> list[tuple[object, ...]]:
    """Rows, each once, in an order."""
    return sorted({tuple(row.values()) for row in rows}, key=str)


async def test_what_is_not_in_the_table_yet_gives_the_same_rows_after_a_kill(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(whole("a", 2), request("b"), whole("c"))
        replica.time.pass_by(seconds=3)
        await replica.give(response("b"))
        left = killed(replica, tmp_path / "left")
        assert await replica.sampler.drain()
    expected = content(written_by(job))
    shutil.rmtree(tmp_path / "roses")
    time = VirtualTime(START + timedelta(seconds=20))
    async with running(left, [job], time) as again:
        assert again.sampler.flushed_through() == START
        assert await again.sampler.drain()
        assert list(left.iterdir()) == []
    assert content(written_by(job)) == expected
    assert len(expected) == 4


async def test_the_answer_comes_after_the_volume_has_it(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        future = replica.sampler.offer(whole("e"), [job])
        assert future is not None
        assert not future.done()
        await future
        left = killed(replica, tmp_path / "left")
    async with running(left, [job]) as again:
        assert await again.sampler.drain()
    assert [row["id"] for row in written_by(job)] == ["e/0"]


async def test_in_fast_mode_nobody_waits_and_the_volume_has_it_soon(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job], mode=Mode.FAST) as replica:
        assert replica.sampler.offer(request("e"), [job]) is None
        assert replica.sampler.offer(response("e"), [job]) is None
        await replica.sampler.settled()
        left = killed(replica, tmp_path / "left")
    async with running(left, [job]) as again:
        assert await again.sampler.drain()
    assert [row["id"] for row in written_by(job)] == ["e/0"]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), tear=st.integers(0, 30), mode=st.sampled_from(["mid", "end"]))
async def test_a_kill_at_any_moment_loses_nothing_that_was_answered(
    tmp_path_factory: pytest.TempPathFactory, seed: int, tear: int, mode: str
) -> None:
    """With whatever was being written at that moment torn behind the last good record."""
    folder = tmp_path_factory.mktemp("kill")
    draw = random.Random(seed)
    job = make_job(folder)
    answered: set[str] = set()
    volume, time = folder / "wal0", VirtualTime()
    for life in range(3):
        async with running(volume, [job], time, segment_bytes=2000, flush_bytes=5000) as replica:
            if draw.random() < 0.5:
                replica.faults.away.add(job.table_uri)
            for number in range(draw.randrange(12)):
                event = f"life{life}-{number}"
                await replica.give(request(event))
                if draw.random() < 0.8:
                    await replica.give(response(event))
                    answered.add(f"{event}/0")
                await replica.go_on(seconds=draw.choice([0, 1, 15]))
            if mode == "mid":
                replica.sampler.offer(whole("unanswered"), [job])
            volume = killed(replica, folder / f"wal{life + 1}")
        segments = sorted(volume.glob("*.wal"))
        if segments and tear:
            with segments[-1].open("ab") as file:
                file.write(draw.randbytes(tear))
    async with running(volume, [job], time) as last:
        assert await last.sampler.drain()
    ids = [row["id"] for row in rows_of(job)]
    assert answered <= set(ids)
    assert len(ids) == len(set(ids))


async def test_what_was_left_for_too_long_gets_new_stamps_and_is_not_doubled(
    tmp_path: Path,
) -> None:
    """The process was killed after it had written some rows, before it could note that."""
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(whole("written"))
        left = killed(replica, tmp_path / "left")
        await replica.sampler.flush()
    async with running(left, [job]) as replica:
        await replica.give(whole("not yet"))
        left = killed(replica, tmp_path / "left later")
    time = VirtualTime(START + RESTAMP_AFTER + timedelta(minutes=5))
    async with running(left, [job], time, renewed=START) as again:
        assert await again.sampler.drain()
    stamps = {row["id"]: row["sampled_at"] for row in written_by(job)}
    assert len(written_by(job)) == 2
    assert stamps["written/0"] == START
    assert stamps["not yet/0"] >= time.now  # type: ignore[operator]


async def test_without_a_lease_nobody_has_waited_for_what_was_left(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(whole("e"))
    time = VirtualTime(START + timedelta(minutes=1))
    async with running(tmp_path / "wal", [job], time, is_new=True) as again:
        again.sampler.lease_renewed(time.now)
        assert await again.sampler.drain()
    assert written_by(job)[0]["sampled_at"] > time.now  # type: ignore[operator]


async def test_a_job_that_is_gone_still_gets_the_rows_that_were_accepted(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(whole("e"))
    async with running(tmp_path / "wal", []) as again:
        assert await again.sampler.drain()
    assert [row["id"] for row in written_by(job)] == ["e/0"]


async def test_halves_that_were_left_meet_in_the_next_process(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(request("e"))
    time = VirtualTime(START + timedelta(seconds=5))
    async with running(tmp_path / "wal", [job], time) as again:
        await again.give(response("e"))
        assert await again.sampler.drain()
    assert [row["sampled_at"] for row in written_by(job)] == [time.now]


async def test_a_full_volume_is_told_to_the_sender_and_nothing_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tmp_path, cap=1)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with running(tmp_path / "wal", [job]) as replica:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", full)
            with pytest.raises(OSError, match="No space"):
                await replica.give(whole("e", 5))
        assert replica.sampler.counts.full == 1
        assert "No space" in str(replica.sampler.ready_problem())
        assert '"unflushedBytes"' not in replica.sampler.report()
        await replica.give(whole("e", 5))  # sent again: it does not count as known
        assert replica.sampler.ready_problem() is None
        left = killed(replica, tmp_path / "left")
    async with running(left, [job]) as again:
        assert await again.sampler.drain()
    assert len(written_by(job)) >= 2


async def test_a_full_volume_in_fast_mode_loses_nothing_while_the_process_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tmp_path)

    def full(handle: int, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with running(tmp_path / "wal", [job], mode=Mode.FAST) as replica:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            replica.sampler.offer(whole("e"), [job])
            await replica.sampler.settled()
        assert "No space" in str(replica.sampler.ready_problem())
        await replica.give(whole("f"))
        await replica.sampler.settled()
        assert replica.sampler.ready_problem() is None
        assert await replica.sampler.drain()
    assert sorted(ids_of(job)) == ["e/0", "f/0"]


async def test_a_sender_that_hangs_up_disturbs_nobody(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        futures = [replica.sampler.offer(whole(event), [job]) for event in ("gone", "here")]
        assert futures[0] is not None
        futures[0].cancel()
        assert futures[1] is not None
        await futures[1]
        assert await replica.sampler.drain()
    assert sorted(row["id"] for row in written_by(job)) == ["gone/0", "here/0"]  # type: ignore[type-var]


async def test_the_bound_of_an_interval_survives_with_what_is_left(tmp_path: Path) -> None:
    """A replica that starts anew does not write every item again until it has seen enough."""
    job = make_job(tmp_path, cap=2)
    faults = Faults(away={job.table_uri})
    async with running(tmp_path / "wal", [job], faults=faults) as replica:
        await replica.give(whole("e", 100))
    async with running(tmp_path / "wal", [job]) as again:
        for number in range(10):
            await again.give(whole(f"f{number}", 10))
        assert await again.sampler.drain()
    assert len(written_by(job)) < 100 + 40
    assert {row["interval_start"] for row in written_by(job)} == {BORDER - timedelta(days=1)}
