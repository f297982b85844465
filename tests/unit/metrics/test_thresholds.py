from __future__ import annotations

import math

import pytest

from evaluation_operator.metrics import THRESHOLDS, checked_thresholds, reported_thresholds


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


@pytest.mark.parametrize(
    ("lowest", "highest", "want"),
    [
        (None, None, THRESHOLDS),
        (0.0, 1.0, THRESHOLDS),
        (0.3, 0.4, THRESHOLDS),
        (-4.0, 9.0, THRESHOLDS),
        (-4.0, 0.1, (0.0, 0.05, 0.1)),
        (0.96, 30.0, (0.96, 0.97, 0.98, 0.99)),
        (12.0, 99.0, ()),
    ],
)
def test_the_grid_is_cut_to_the_scores_only_where_they_are_no_probabilities(
    lowest: float | None, highest: float | None, want: tuple[float, ...]
) -> None:
    assert reported_thresholds(lowest, highest) == want


def test_thresholds_that_were_asked_for_are_all_reported() -> None:
    assert reported_thresholds(12.0, 99.0, [0.5, 50]) == (0.5, 50.0)
