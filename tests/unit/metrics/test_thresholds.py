from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation_operator.metrics import (
    THRESHOLDS,
    checked_thresholds,
    nearest_ranks,
    reported_thresholds,
)


def test_the_grid_is_the_decimal_literals() -> None:
    assert (
        *(0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7),
        *(0.75, 0.8, 0.85, 0.9, 0.95, 0.96, 0.97, 0.98, 0.99),
    ) == THRESHOLDS


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ((), "0 given"),
        (tuple(k / 200 for k in range(102)), "102 given"),
        ((0.1, math.nan), "nan"),
        ((0.1, math.inf), "inf"),
        ((0.5, 0.1), r"0\.1 follows 0\.5"),
        ((0.5, 0.5), "give each once"),
    ],
)
def test_thresholds_that_make_no_curve_are_refused(
    thresholds: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        checked_thresholds(thresholds)


def quantiles_of(scores: Sequence[float]) -> Callable[[Sequence[float]], Sequence[float]]:
    """By numpy: its inverted distribution function is the nearest rank."""
    return lambda shares: np.quantile(scores, shares, method="inverted_cdf").tolist()


@pytest.mark.parametrize(
    "scores", [[0.0, 1.0], [0.3, 0.4], [-5e-7, 0.5, 1 + 5e-7]], ids=["all", "few", "rounded"]
)
def test_probabilities_have_the_literal_grid(scores: list[float]) -> None:
    found = reported_thresholds(min(scores), max(scores), None, quantiles_of(scores))
    assert found == THRESHOLDS
    assert reported_thresholds(None, None, None, quantiles_of([])) == THRESHOLDS


@pytest.mark.parametrize(
    "scores",
    [[97.5, 2.5, 60.2, 39.8], [-4.0, 9.0], [12.0], [float(it) for it in range(-300, 700)]],
    ids=["percent", "logits", "one", "many"],
)
def test_other_scores_have_quantiles_from_the_lowest_to_the_highest(scores: list[float]) -> None:
    found = reported_thresholds(min(scores), max(scores), None, quantiles_of(scores))
    assert found == tuple(sorted(set(found)))
    assert (found[0], found[-1], len(found)) == (min(scores), max(scores), min(24, len(scores)))


@given(st.integers(1, 400), st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_ranks_are_those_of_numpy(count: int, shares: list[float]) -> None:
    want = np.quantile(np.arange(count), shares, method="inverted_cdf").tolist()
    assert nearest_ranks(shares, count) == want


def test_thresholds_that_were_asked_for_are_all_reported() -> None:
    assert reported_thresholds(12.0, 99.0, [0.5, 50], quantiles_of([])) == (0.5, 50.0)
