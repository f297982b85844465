"""What became of each prediction: the places of the ledger add up to what was seen."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.sampling.ledger import Entry, Fate, Ledger, Moved
from evaluation_operator.sampling.records import Half, Reason
from tests.unit.sampling.virtual import Replica, make_job, request, response, running, whole

NOBODY = 1e-12
"""A fraction that draws nothing."""


def ledger_of(replica: Replica, job: str = "roses") -> dict[str, int]:
    counts = replica.sampler.counts.jobs[job]
    found = {entry.value: count for entry, count in counts.ledger.items() if count}
    assert sum(found.values()) == counts.predictions
    return found


async def test_halves_that_meet_are_one_prediction_however_often_they_come(tmp_path: Path) -> None:
    async with running(tmp_path / "wal", [make_job(tmp_path)]) as replica:
        await replica.give(request("e", 2))
        assert ledger_of(replica) == {"Waiting": 1}
        await replica.give(response("e", 2))
        assert ledger_of(replica) == {"Offered": 1}
        await replica.give(response("e", 2), request("e", 2), whole("w", 3), whole("w", 3))
        assert ledger_of(replica) == {"Offered": 2}
        assert replica.sampler.counts.jobs["roses"].items == 5


async def test_a_half_that_waits_too_long_is_spilled_and_so_is_its_other_half(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "wal", [make_job(tmp_path)]) as replica:
        await replica.give(request("e"))
        await replica.go_on(seconds=11)
        assert ledger_of(replica) == {"Spilled": 1}
        await replica.give(response("e"))
        await replica.go_on(seconds=11)
        assert ledger_of(replica) == {"Spilled": 1}


async def test_what_is_not_drawn_is_seen_by_its_response(tmp_path: Path) -> None:
    async with running(tmp_path / "wal", [make_job(tmp_path, fraction=NOBODY)]) as replica:
        await replica.give(request("e"))
        assert ledger_of(replica) == {}
        await replica.give(response("e"), response("e"))
        assert ledger_of(replica) == {"NotSampled": 1}


@pytest.mark.parametrize("first", ["request", "response"])
async def test_counts_that_differ_are_one_refusal(tmp_path: Path, first: str) -> None:
    halves = [request("e", 2), response("e", 3)]
    if first == "response":
        halves.reverse()
    async with running(tmp_path / "wal", [make_job(tmp_path)]) as replica:
        await replica.give(*halves)
        assert ledger_of(replica) == {"CountsDiffer": 1}
        assert "2 instances and 3" in counted_message(replica, Reason.COUNTS_DIFFER)


def counted_message(replica: Replica, reason: Reason) -> str:
    return replica.sampler.counts.jobs["roses"].reasons[reason].message


async def test_what_waits_for_a_half_that_cannot_be_read_waits_no_more(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        half = request("e")
        await replica.give(half)
        replica.sampler.refuse(half.key, [job], Reason.UNREADABLE, "no JSON")
        assert ledger_of(replica) == {"Unreadable": 1}
        await replica.go_on(seconds=11)
        assert ledger_of(replica) == {"Unreadable": 1}
        await replica.give(request("e"), response("e"))
        assert ledger_of(replica) == {"Offered": 1}


async def test_a_request_that_was_another_jobs_is_not_seen_here(tmp_path: Path) -> None:
    """V2's request tells no version: it waits for the jobs of all versions."""
    mine, other = make_job(tmp_path), make_job(tmp_path, "lilies")
    async with running(tmp_path / "wal", [mine, other]) as replica:
        await replica.give(request("e"), jobs=[mine, other])
        assert ledger_of(replica, "lilies") == {"Waiting": 1}
        await replica.give(response("e"), jobs=[mine])
        assert ledger_of(replica) == {"Offered": 1}
        assert ledger_of(replica, "lilies") == {}
        assert replica.sampler.counts.jobs["lilies"].items == 0


async def test_what_a_counter_tells_never_falls(tmp_path: Path) -> None:
    """Else a rate over it would show traffic that there was not."""
    mine, other = make_job(tmp_path), make_job(tmp_path, "lilies")
    told: list[dict[str, float]] = []
    async with running(tmp_path / "wal", [mine, other]) as replica:
        for number in range(3):
            await replica.give(request(f"e{number}"), jobs=[mine, other])
            told.append(counters(replica))
            await replica.give(response(f"e{number}"), jobs=[mine])
            told.append(counters(replica))
    for before, after in pairwise(told):
        assert all(after[name] >= value for name, value in before.items()), (before, after)
    assert told[-1]["evaluation_sampler_predictions_total roses"] == 3
    assert told[-1]["evaluation_sampler_predictions_total lilies"] == 0


def counters(replica: Replica) -> dict[str, float]:
    """Those that have a job, by name and job."""
    return {
        f"{sample.name} {sample.labels['job']}": sample.value
        for family in replica.sampler.counts.metrics()
        for sample in family.samples
        if sample.name.endswith("_total") and "job" in sample.labels
    }


async def test_a_job_that_was_gone_begins_anew_and_has_no_debts(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    async with running(tmp_path / "wal", [job]) as replica:
        await replica.give(request("e"))
        replica.sampler.set_jobs([])
        replica.sampler.set_jobs([job])
        await replica.give(response("e"))
        assert ledger_of(replica) == {"Offered": 1}


_HALVES = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["request", "response", "whole", "odd", "bad"])),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(halves=_HALVES, fraction=st.sampled_from([1.0, 0.5, NOBODY]))
async def test_each_prediction_stands_in_one_place_whatever_comes(
    tmp_path_factory: pytest.TempPathFactory, halves: list[tuple[int, str]], fraction: float
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    job = make_job(folder, fraction=fraction)
    async with running(folder / "wal", [job]) as replica:
        for number, kind in halves:
            await offer(replica, f"e{number}", kind)
            replica.time.pass_by(seconds=1)
            replica.sampler.tick()
        answered = {number for number, kind in halves if kind not in ("request", "bad")}
        refused = {number for number, kind in halves if kind == "bad"}
        asked = {number for number, kind in halves if kind == "request"}
        found = ledger_of(replica)
        drawn = len(answered | refused), len(answered | refused | asked)
        assert drawn[0] <= sum(found.values()) <= drawn[1]
        if fraction == 1.0:
            assert sum(found.values()) == drawn[1]
        await replica.go_on(seconds=20)
        assert "Waiting" not in ledger_of(replica)
        assert sum(ledger_of(replica).values()) == sum(found.values())


async def offer(replica: Replica, event_id: str, kind: str) -> None:
    # A whole prediction has the key of its halves here, as two ways to send the same one.
    made: dict[str, Half] = {
        "request": request(event_id),
        "response": response(event_id),
        "whole": whole(event_id),
        "odd": response(event_id, 2),
    }
    if kind == "bad":
        half = request(event_id)
        replica.sampler.refuse(half.key, replica.jobs, Reason.UNREADABLE, "no JSON")
    else:
        await replica.give(made[kind])


def test_the_newest_are_known_again_and_the_others_are_given_up() -> None:
    ledger = Ledger(10)
    for number in range(100):
        assert ledger.enter("uid", f"e{number}", Fate.NOT_SAMPLED) == Moved(None, Fate.NOT_SAMPLED)
    assert all(ledger.knows("uid", f"e{number}") for number in range(95, 100))
    assert not any(ledger.knows("uid", f"e{number}") for number in range(90))
    assert not ledger.knows("another", "e99")


@given(st.lists(st.sampled_from([*Fate, *Reason]), min_size=1))
def test_nothing_goes_back(entries: list[Entry]) -> None:
    ledger, counts = Ledger(10), Counter[Entry]()
    for entry in entries:
        before, after = ledger.enter("uid", "e", entry)
        if after is not None:
            counts[after] += 1
            if before is not None:
                counts[before] -= 1
    assert counts.total() == 1
    assert Reason.TABLE_INVALID not in entries or counts[Reason.TABLE_INVALID] == 1
