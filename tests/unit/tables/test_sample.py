"""The exact sample of an interval."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.tables.sample import BottomK, hashed_priority, item_priority

PRIORITIES = st.floats(0, 1, exclude_max=True)
UNITS = st.lists(st.tuples(st.sampled_from("abc"), PRIORITIES), max_size=60)


def draw(
    units: list[tuple[str, str, float | None]], cap: int | None, fraction: float = 1.0
) -> dict[str, float]:
    """The probability of each unit that is drawn."""
    sample = BottomK(cap, fraction)
    for unit_id, interval, priority in units:
        sample.see(unit_id, interval, priority)
    judged = {unit_id: sample.inclusion(unit_id, *rest) for unit_id, *rest in units}  # type: ignore[arg-type]
    return {unit_id: p for unit_id, p in judged.items() if p is not None}


def drawn_by_sorting(
    units: list[tuple[str, str, float | None]], cap: int | None, fraction: float
) -> dict[str, float]:
    """The definition: below the smaller of the fraction and the (cap + 1)-th smallest."""
    drawn = {}
    for unit_id, interval, priority in units:
        ordered = sorted(p for _, other, p in units if other == interval and p is not None)
        bound = fraction if cap is None or len(ordered) <= cap else min(fraction, ordered[cap])
        assert priority is not None
        if priority < bound:
            drawn[unit_id] = bound
    return drawn


@settings(max_examples=150)
@given(UNITS, st.none() | st.integers(1, 20), st.floats(0.01, 1))
def test_the_sample_is_that_of_the_definition_in_any_order(
    given_units: list[tuple[str, float]], cap: int | None, fraction: float
) -> None:
    units: list[tuple[str, str, float | None]] = [
        (f"u{i}", interval, priority) for i, (interval, priority) in enumerate(given_units)
    ]
    drawn = draw(units, cap, fraction)
    assert drawn == drawn_by_sorting(units, cap, fraction)
    random.Random(1).shuffle(units)
    assert draw(units, cap, fraction) == drawn


def test_the_cap_is_exact_in_each_interval() -> None:
    units: list[tuple[str, str, float | None]] = [
        (f"{interval}{i}", interval, None) for interval in "ab" for i in range(1000)
    ]
    drawn = draw(units, 100)
    assert Counter(unit_id[0] for unit_id in drawn) == {"a": 100, "b": 100}
    assert len(set(drawn.values())) == 2
    assert all(0.05 < p < 0.2 for p in drawn.values())


def test_rows_of_others_count_as_sampled_already() -> None:
    """The fraction does not apply to what has no priority of its own; the cap does."""
    foreign: list[tuple[str, str, float | None]] = [(f"u{i}", "a", None) for i in range(50)]
    assert draw(foreign, None, 0.1) == {f"u{i}": 1.0 for i in range(50)}
    assert draw(foreign, 50, 0.1) == {f"u{i}": 1.0 for i in range(50)}
    assert len(draw(foreign, 49, 0.1)) == 49


def test_the_least_cap_and_fraction_of_an_interval_count_for_all_of_it() -> None:
    sample = BottomK(None)
    for cap, fraction in ((9, None), (3, 0.5), (5, 0.8), (None, None)):
        sample.limit("a", cap, fraction)
    for fraction in (0.25, 0.75):
        sample.limit("b", None, fraction)
    units = [(f"{interval}{i}", interval, i / 10) for interval in "abc" for i in range(10)]
    for unit in units:
        sample.see(*unit)
    judged = {unit_id: sample.inclusion(unit_id, *rest) for unit_id, *rest in units}  # type: ignore[arg-type]
    drawn = {unit_id: p for unit_id, p in judged.items() if p is not None}
    assert {n: p for n, p in drawn.items() if n[0] == "a"} == {f"a{i}": 0.3 for i in range(3)}
    assert {n: p for n, p in drawn.items() if n[0] == "b"} == {f"b{i}": 0.25 for i in range(3)}
    assert {n: p for n, p in drawn.items() if n[0] == "c"} == {f"c{i}": 1.0 for i in range(10)}


def test_jobs_draw_the_same_items_independently_and_always_alike() -> None:
    """Replicas and runs must agree: the number must never change."""
    assert item_priority("uid-1", "event/0") == hashed_priority("uid-1/event/0")
    assert item_priority("uid-1", "event/0") == pytest.approx(0.8515747451246362, abs=1e-15)
    one, other = ([item_priority(uid, f"e{i}/0") < 0.5 for i in range(4000)] for uid in "ab")
    both = sum(x and y for x, y in zip(one, other, strict=True))
    assert 0.22 < both / 4000 < 0.28


def test_a_hashed_priority_depends_on_the_id_alone_and_spreads_evenly() -> None:
    assert hashed_priority("row/0") == hashed_priority("row/0") == pytest.approx(0.8498, abs=1)
    values = sorted(hashed_priority(f"row-{i}/0") for i in range(4000))
    assert values[0] >= 0
    assert values[-1] < 1
    assert all(abs(value - i / 4000) < 0.03 for i, value in enumerate(values))


def test_weights_by_p_count_the_interval_without_bias() -> None:
    """Each drawn unit stands for 1/p: over many intervals that sums to how many there were."""
    units: list[tuple[str, str, float | None]] = [
        (f"{interval}/{i}", str(interval), None) for interval in range(200) for i in range(40)
    ]
    total = sum(1 / p for p in draw(units, 10).values())
    assert total == pytest.approx(8000, rel=0.06)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"fraction: .* must be above 0 and at most 1"):
        BottomK(1, fraction)


def test_a_cap_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cap: 0 .* give at least 1"):
        BottomK(0)
