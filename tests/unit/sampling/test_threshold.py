"""What one replica throws away can never be in the sample."""

from __future__ import annotations

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.sampling.sample.threshold import LARGEST_HEAP, Threshold

priorities = st.lists(st.floats(0, 1, exclude_max=True), max_size=60)


def limit_of(values: list[float], fraction: float, cap: int) -> float:
    ordered = sorted(set(values))
    return min(fraction, ordered[cap] if len(ordered) > cap else fraction)


@settings(max_examples=200)
@given(priorities, st.floats(0.01, 1), st.integers(1, 8))
def test_after_any_items_the_limit_is_that_of_all_of_them(
    values: list[float], fraction: float, cap: int
) -> None:
    threshold = Threshold(fraction, cap)
    for value in values:
        threshold.offer(value)
    assert threshold.limit == limit_of(values, fraction, cap)


@settings(max_examples=200)
@given(priorities, st.floats(0.01, 1), st.integers(1, 8), st.data())
def test_the_sample_and_the_item_that_bounds_it_are_always_admitted(
    values: list[float], fraction: float, cap: int, data: st.DataObject
) -> None:
    wanted = sorted({value for value in values if value < fraction})[: cap + 1]
    threshold = Threshold(fraction, cap)
    for value in data.draw(st.permutations(values)):
        assert threshold.admits(value) or value not in wanted
        threshold.offer(value)
    assert all(threshold.admits(value) for value in wanted)


def test_an_item_that_comes_twice_counts_once_and_is_not_new() -> None:
    threshold = Threshold(1.0, 1)
    assert [threshold.offer(value) for value in (0.5, 0.5, 0.25, 0.5)] == [True, False, True, False]
    assert threshold.limit == 0.5
    assert threshold.knows(0.25)


def test_without_a_full_heap_the_fraction_alone_bounds() -> None:
    threshold = Threshold(0.5, 10)
    assert threshold.offer(0.49)
    assert not threshold.offer(0.5)
    assert threshold.limit == 0.5


def test_stricter_settings_hold_at_once_and_looser_ones_do_not() -> None:
    threshold = Threshold(0.9, 3)
    for value in (0.1, 0.2, 0.3, 0.4, 0.5):
        threshold.offer(value)
    assert threshold.limit == 0.4
    threshold.tighten(1.0, 1)
    assert threshold.limit == 0.2
    assert not threshold.admits(0.3)
    threshold.tighten(0.15, 100)
    assert threshold.limit == 0.15
    assert not threshold.admits(0.2)


def test_the_number_of_candidates_is_about_k_times_one_plus_the_logarithm() -> None:
    cap, items = 100, 20_000
    draw = random.Random(7)
    threshold = Threshold(1.0, cap)
    kept = sum(threshold.offer(draw.random()) for _ in range(items))
    expected = (cap + 1) * (1 + math.log(items / (cap + 1)))
    assert abs(kept - expected) < 4 * math.sqrt(expected)


def test_a_cap_too_large_to_count_costs_no_memory() -> None:
    threshold = Threshold(0.5, LARGEST_HEAP + 1)
    assert threshold.offer(0.1)
    assert threshold.offer(0.1)
    assert not threshold.knows(0.1)
    assert threshold.limit == 0.5
