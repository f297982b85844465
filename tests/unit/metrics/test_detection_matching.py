"""The rounds over whole arrays give what the slow loop over boxes gives."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation_operator.metrics.detection_boxes import Pairs, falling_ranks, stable_order
from evaluation_operator.metrics.detection_matching import FREE, Matcher


def slow(pairs: Pairs, true_count: int, ignored: list[bool], threshold: float) -> list[int]:
    """Box by box, as the rule is written."""
    takers = [FREE] * true_count
    lines = list(
        zip(pairs.predicted.tolist(), pairs.true.tolist(), pairs.iou.tolist(), strict=True)
    )
    for box in sorted(set(pairs.predicted.tolist())):
        free = [
            (not ignored[true], iou, true)
            for predicted, true, iou in lines
            if predicted == box and takers[true] == FREE and iou >= threshold
        ]
        if free:
            takers[max(free)[2]] = box
    return takers


def crowd(seed: int) -> tuple[Pairs, int, list[bool]]:
    """Dense pairs of a crowd with few different overlaps."""
    chance = np.random.default_rng(seed)
    boxes, true = (int(count) for count in chance.integers(1, 40, 2))
    there = chance.random((boxes, true)) < chance.choice((0.1, 0.5, 1.0))
    predicted, of_true = (axis.astype(np.int64) for axis in np.nonzero(there))
    iou = chance.integers(5, 11, len(predicted)) / 10
    ignored = chance.random(true) < chance.choice((0.0, 0.4))
    return Pairs(predicted, of_true, iou), true, ignored.tolist()


@pytest.mark.parametrize("hundred", range(3))
def test_crowds_are_matched_as_by_the_slow_loop(hundred: int) -> None:
    for seed in range(100 * hundred, 100 * (hundred + 1)):
        pairs, true_count, ignored = crowd(seed)
        matcher = Matcher(pairs, true_count)
        ignoring = matcher.ignoring(np.array(ignored))
        for threshold in (0.5, 0.8):
            want = slow(pairs, true_count, [False] * true_count, threshold)
            assert matcher.match([threshold, 0.6])[threshold].tolist() == want
            want = slow(pairs, true_count, ignored, threshold)
            assert ignoring.match([0.5, threshold])[threshold].tolist() == want


@pytest.mark.parametrize("most", [1, 70_000, 2**40])
def test_numbers_are_ordered_as_by_lexsort(most: int) -> None:
    chance = np.random.default_rng(most)
    minor, major = chance.integers(0, most, 500), chance.integers(0, 4, 500)
    assert stable_order(minor, major).tolist() == np.lexsort((minor, major)).tolist()


def test_equal_scores_share_their_rank() -> None:
    assert falling_ranks(np.array([0.5, 0.9, 0.5, -1.0])).tolist() == [1, 0, 1, 2]
    assert falling_ranks(np.array([])).tolist() == []
