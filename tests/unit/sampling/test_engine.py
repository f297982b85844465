"""What a replica keeps of what it is offered, and what it tells."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.api.evaluation_options import ImportKeys
from evaluation_operator.api.input_config import InputConfig
from evaluation_operator.bodies.values import Json
from evaluation_operator.domain.answer_spec import AnswerSpec
from evaluation_operator.sampling import counts as counting
from evaluation_operator.sampling.engine import Full
from evaluation_operator.sampling.records import Half, Reason
from tests.builders import make_dataset
from tests.unit.sampling.virtual import (
    BORDER,
    START,
    Replica,
    VirtualTime,
    drawn_from,
    expected_sample,
    make_job,
    request,
    response,
    running,
    whole,
    written_by,
)


async def give_until_full(replica: Replica, instance: Json) -> int:
    """How many whole predictions it takes."""
    for taken in range(100):
        try:
            await replica.give(whole(f"e{taken}", instances=(instance,)))
        except Full:
            return taken
    raise AssertionError("it took all of them")


@settings(max_examples=25, deadline=None)
@given(
    cap=st.integers(1, 6),
    fraction=st.sampled_from([0.3, 1.0]),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=12),
    copies=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 2)), max_size=15),
    order=st.randoms(use_true_random=False),
)
async def test_the_candidates_of_all_replicas_hold_the_sample_of_all_items(
    tmp_path_factory: pytest.TempPathFactory,
    cap: int,
    fraction: float,
    sizes: list[int],
    copies: list[tuple[int, int]],
    order: st.DataObject,
) -> None:
    """Whatever replica each comes to, in whatever order, however often."""
    folder = tmp_path_factory.mktemp("sample")
    job = make_job(folder, cap=cap, fraction=fraction)
    deliveries = [(number, number % 3) for number in range(len(sizes))]
    deliveries += [(number % len(sizes), at) for number, at in copies]
    order.shuffle(deliveries)  # type: ignore[attr-defined]
    for at in range(3):
        async with running(folder / f"wal{at}", [job]) as replica:
            mine = [number for number, where in deliveries if where == at]
            await replica.give(*(whole(f"e{number}", sizes[number]) for number in mine))
            assert await replica.sampler.drain()
    items = [f"e{number}/{item}" for number, size in enumerate(sizes) for item in range(size)]
    rows = written_by(job)
    assert drawn_from(job, rows) == expected_sample(job, items) if rows else True
    assert expected_sample(job, items) <= {row["id"] for row in rows}


async def test_a_replica_writes_little_more_than_the_sample(tmp_path: Path) -> None:
    job = make_job(tmp_path, cap=20)
    items = 4000
    async with running(tmp_path / "wal", [job]) as replica:
        for number in range(items // 20):
            await replica.give(whole(f"e{number}", 20))
        assert await replica.sampler.drain()
    expected = 21 * (1 + math.log(items / 21))
    # The items of one event are judged together, before any of them advances the bound.
    assert 21 <= len(written_by(job)) < 1.5 * expected


ANSWERS = AnswerSpec(
    ("rose", "lily"),
    InputConfig.from_dict(make_dataset()["spec"]["inputConfigs"][0]),
    ImportKeys(label_json_key="labels", label_score_json_key="scores"),
)


async def test_items_that_no_run_can_read_are_written_and_counted(tmp_path: Path) -> None:
    """The sender did nothing wrong; but the run that reads them is a day away."""
    job = make_job(tmp_path, answers=ANSWERS)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(whole("sound"), whole("vector", predictions=([0.9, 0.1],)))
        await replica.give(
            whole("odd", 2, predictions=({"labels": ["tulip"], "scores": [1]}, None))
        )
        assert await replica.sampler.drain()
        counts = replica.sampler.counts.of(job.name)
    assert {row["id"] for row in written_by(job)} == {"sound/0", "vector/0", "odd/0", "odd/1"}
    told = {reason: (it.count, it.message) for reason, it in counts.unreadable.items()}
    assert told["UnknownForm"][0] == told["Unreadable"][0] == 1
    assert "inputConfig.classNames" in told["UnknownForm"][1]
    assert 'label "tulip" is not in' in told["Unreadable"][1]
    assert counts.reasons == {}


async def test_without_labels_nothing_is_judged(tmp_path: Path) -> None:
    job = make_job(tmp_path, answers=replace(ANSWERS, labels=()))
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(whole("vector", predictions=([0.9, 0.1],)))
        assert await replica.sampler.drain()
        assert replica.sampler.counts.of(job.name).unreadable == {}


async def test_the_sender_s_draw_is_part_of_priority_and_probability(tmp_path: Path) -> None:
    job = make_job(tmp_path, fraction=0.5)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(*(whole(f"e{n}", source_fraction=0.1) for n in range(20)))
        assert await replica.sampler.drain()
    rows = written_by(job)
    assert len(rows) == 20
    assert all(row["priority"] < 0.1 for row in rows)  # type: ignore[operator]
    assert {row["p"] for row in rows} == {0.1}


async def test_a_paused_job_takes_nothing_and_what_it_has_is_written(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(whole("before"))
        replica.sampler.set_jobs([replace(job, is_sampling=False)])
        assert replica.sampler.offer(whole("paused"), [job]) is None
        replica.sampler.set_jobs([])
        assert replica.sampler.offer(whole("gone"), [job]) is None
        assert replica.sampler.counts.reasons[Reason.NOT_SAMPLING] == 2
        replica.sampler.set_jobs([job])
        await replica.give(whole("after"))
        assert await replica.sampler.drain()
    assert sorted(row["id"] for row in written_by(job)) == ["after/0", "before/0"]  # type: ignore[type-var]


async def test_stricter_settings_hold_at_once_and_looser_ones_from_the_next_interval(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path, fraction=0.5, cap=50)
    async with running(tmp_path / "wal", [job]) as replica:
        replica.sampler.set_jobs([replace(job, fraction=0.2, cap=40)])
        await replica.give(whole("strict", 200))
        replica.sampler.set_jobs([replace(job, fraction=0.8, cap=900)])
        await replica.give(whole("same", 200))
        await replica.sampler.flush()
        await replica.go_on(hours=24)
        await replica.give(whole("next", 200))
        assert await replica.sampler.drain()
    rows = written_by(job)
    told = {
        str(row["id"]).split("/")[0]: (row["example_sample_percentage"], row["example_count"])
        for row in rows
    }
    assert told == {"strict": (0.2, 40), "same": (0.2, 40), "next": (0.8, 900)}
    assert all(row["priority"] < row["p"] for row in rows)  # type: ignore[operator]


async def test_intervals_are_judged_apart(tmp_path: Path) -> None:
    job = make_job(tmp_path, cap=2)
    async with running(tmp_path / "wal", [job]) as replica:
        for day in range(3):
            await replica.give(whole(f"day{day}", 50))
            await replica.sampler.flush()
            await replica.go_on(days=1)
        assert await replica.sampler.drain()
    for day in range(3):
        start = BORDER + timedelta(day - 1)
        rows = [row for row in written_by(job) if row["interval_start"] == start]
        expected = expected_sample(job, [f"day{day}/{item}" for item in range(50)])
        assert drawn_from(job, rows) == expected


async def test_the_first_interval_begins_with_the_job(tmp_path: Path) -> None:
    job = make_job(tmp_path, created=START - timedelta(minutes=5))
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(whole("e"))
        assert await replica.sampler.drain()
    assert written_by(job)[0]["interval_start"] == job.created


async def test_stamps_rise_after_the_floor_and_the_mark_even_if_the_clock_is_set_back(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path)
    floor = START + timedelta(minutes=1)
    async with running(tmp_path / "wal", [job], floor=floor) as replica:
        await replica.give(whole("a"), whole("b"))
        await replica.sampler.flush()
        replica.time.pass_by(minutes=2)
        mark = replica.sampler.flushed_through()
        replica.time.pass_by(minutes=-90)
        await replica.give(whole("c"))
        assert replica.sampler.flushed_through() > mark
        await replica.sampler.flush()
        stamps = [row["sampled_at"] for row in sorted(written_by(job), key=lambda r: str(r["id"]))]
    assert floor < stamps[0] < stamps[1] < mark < stamps[2]  # type: ignore[operator]


async def test_without_room_it_refuses_counts_and_says_when_to_come_back(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job], max_unflushed_bytes=20_000) as replica:
        replica.faults.away.add(job.table_uri)
        taken = await give_until_full(replica, {"text": "x"})
        with pytest.raises(Full) as full:
            replica.sampler.offer(whole("more"), [job])
        assert full.value.retry_after_seconds >= 1
        assert replica.sampler.counts.full == 2
        replica.faults.away.clear()
        await replica.go_on(minutes=2)
        await replica.give(whole("again"))
        assert await replica.sampler.drain()
    assert len(written_by(job)) == taken + 1


async def test_what_memory_cannot_hold_is_read_back_from_the_volume(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    big = ({"text": "x" * 20_000},)
    async with running(tmp_path / "wal", [job], max_unflushed_bytes=200_000) as replica:
        replica.faults.away.add(job.table_uri)
        for number in range(80):
            await replica.give(whole(f"e{number}", instances=big))
        await replica.give(request("half", instances=big), response("half"))
        assert orjson.loads(replica.sampler.report())["unflushedBytes"] <= 200_000
        replica.faults.away.clear()
        assert await replica.sampler.drain()
    rows = written_by(job)
    assert len(rows) == 81
    assert {len(str(row["raw_data"])) for row in rows} == {
        len('{"instances":[{"text":""}]}') + 20_000
    }


async def test_the_volume_s_bound_holds(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job], max_wal_bytes=50_000) as replica:
        replica.faults.away.add(job.table_uri)
        await give_until_full(replica, {"text": "x" * 2000})
        assert sum(path.stat().st_size for path in replica.volume.iterdir()) <= 50_000
        assert "no room" in str(replica.sampler.ready_problem())


async def test_memory_does_not_grow_with_what_is_not_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "REMEMBERED", 4_000)
    job = make_job(tmp_path, fraction=0.001, cap=10)
    body = whole("e")
    async with running(tmp_path / "wal", [job]) as replica:

        async def offer(first: int, last: int) -> int:
            for number in range(first, last):
                half = Half(f"k{number}", f"e{number}", body.instances, None)
                replica.sampler.offer(half, replica.jobs)
                half = Half(f"k{number}", f"e{number}", None, body.predictions)
                replica.sampler.offer(half, replica.jobs)
            await replica.go_on(seconds=60)
            await replica.go_on(seconds=60)
            return sys.getallocatedblocks()

        before = await offer(0, 5_000)
        after = await offer(5_000, 50_000)
        assert replica.sampler.counts.jobs["roses"].predictions == 50_000
    assert after - before < 10_000


async def test_an_id_that_no_database_takes_is_counted(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        assert replica.sampler.offer(whole("a\x00b"), [job]) is None
        assert replica.sampler.offer(whole("a\ud800"), [job]) is None
        assert replica.sampler.counts.reasons[Reason.ID_INVALID] == 2


async def test_what_it_tells_fits_into_an_annotation(tmp_path: Path) -> None:
    jobs = [make_job(tmp_path, f"job-{number:04}-{'x' * 50}") for number in range(600)]
    async with running(tmp_path / "wal", jobs) as replica:
        counts = replica.sampler.counts
        await replica.give(whole("e"), jobs=jobs[:1])
        counts.refuse_for(jobs[5:6], "e", Reason.UNREADABLE, "why " * 1000)
        for number in range(5000):
            counts.unmatched(Reason.UNKNOWN_MODEL, f"model-{number}", "\x01" * 500)
            counts.unmatched(Reason.UNKNOWN_VERSION, "flowers", "v9")
        text = replica.sampler.report()
    told = orjson.loads(text)
    assert len(text.encode()) <= 32 * 1024
    assert told["omitted"] > 0
    assert told["jobs"][jobs[0].name] == {"predictions": 1, "offered": 1, "items": 1}
    assert len(told["jobReasons"][jobs[5].name]["Unreadable"]["message"]) == 200
    assert told["reasons"]["UnknownModel"] == 5000
    assert len(told["unmatched"]) == 20
    assert told["unmatched"][0] == {
        "model": "flowers",
        "version": "v9",
        "reason": "UnknownVersion",
        "count": 5000,
    }


async def test_it_is_not_ready_before_it_has_begun_nor_after_its_end(tmp_path: Path) -> None:
    async with running(tmp_path / "wal", [make_job(tmp_path)], VirtualTime()) as replica:
        assert replica.sampler.ready_problem() is None
        await replica.sampler.drain()
        assert replica.sampler.ready_problem() == "the replica stops"
        with pytest.raises(Full):
            replica.sampler.offer(whole("late"), replica.jobs)
