"""The sample favours no time of the interval and no size of a request."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from scipy.stats import chisquare

from tests.unit.sampling.virtual import (
    START,
    VirtualTime,
    drawn_from,
    make_job,
    running,
    whole,
    written_by,
)

CAP = 1500
REQUESTS = 4000
HOURS = 22
SIGNIFICANT = 1e-3


@dataclass(frozen=True)
class Request:
    """Traffic of an unsteady day: most of it in the afternoon, some requests large."""

    event_id: str
    hour: float
    size: int

    @property
    def items(self) -> list[str]:
        return [f"{self.event_id}/{n}" for n in range(self.size)]


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    chance = random.Random(11)
    hours = sorted(min(abs(chance.gauss(14, 5)), HOURS - 0.01) for _ in range(REQUESTS))
    sizes = [chance.choice((1, 1, 1, 2, 5, 20)) for _ in hours]
    return [Request(f"event-{n}", *pair) for n, pair in enumerate(zip(hours, sizes, strict=True))]


async def test_each_hour_and_each_size_has_its_share_of_the_sample(
    tmp_path: Path, requests: list[Request]
) -> None:
    job, time = make_job(tmp_path, cap=CAP), VirtualTime()
    async with running(tmp_path / "wal", [job], time) as replica:
        for number, request in enumerate(requests):
            time.now = START + timedelta(hours=request.hour)
            replica.sampler.lease_renewed(time.now)
            await replica.give(whole(request.event_id, request.size))
            if number % 100 == 0:
                await replica.step()
        assert await replica.sampler.drain()
    sample = drawn_from(job, written_by(job))

    assert len(sample) == CAP
    assert p_value(sample, shares(requests, by_hour)) > SIGNIFICANT
    assert p_value(sample, shares(requests, by_size)) > SIGNIFICANT
    assert p_value(sample, shares(requests, by_place)) > SIGNIFICANT


def test_a_sample_of_the_first_ones_would_be_found_out(requests: list[Request]) -> None:
    first = [item for request in requests for item in request.items][:CAP]
    assert p_value(first, shares(requests, by_hour)) < SIGNIFICANT


def test_a_sample_of_one_item_a_request_would_be_found_out(requests: list[Request]) -> None:
    chosen = [request.items[0] for request in random.Random(3).sample(requests, CAP)]
    assert p_value(chosen, shares(requests, by_size)) < SIGNIFICANT
    assert p_value(chosen, shares(requests, by_place)) < SIGNIFICANT


def by_hour(request: Request, place: int) -> int:
    return int(request.hour) // 2


def by_size(request: Request, place: int) -> int:
    return request.size


def by_place(request: Request, place: int) -> int:
    return min(place, 5)


def shares(requests: list[Request], bin_of: Callable[[Request, int], int]) -> dict[str, int]:
    """The bin of each item."""
    return {
        item: bin_of(request, place)
        for request in requests
        for place, item in enumerate(request.items)
    }


def p_value(sample: Iterable[str], bins: Mapping[str, int]) -> float:
    """How likely a uniform sample strays at least so far from the shares of all items."""
    seen = Counter(bins[item] for item in sample)
    whole_of = Counter(bins.values())
    count = seen.total()
    # Bins in which less than five are expected say nothing, by the usual rule.
    usual = [key for key in whole_of if whole_of[key] * count >= 5 * len(bins)]
    rest = set(whole_of) - set(usual)
    observed = [seen[key] for key in usual] + [sum(seen[key] for key in rest)] * bool(rest)
    expected = [whole_of[key] * count / len(bins) for key in usual]
    expected += [sum(whole_of[key] for key in rest) * count / len(bins)] * bool(rest)
    return float(chisquare(observed, expected).pvalue)
