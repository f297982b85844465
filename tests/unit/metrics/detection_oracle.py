"""Object detection by brute force: the rules read aloud, one box after the other, in fractions.

Box coordinates must be whole multiples of a power of two, so that every fraction is exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.unit.metrics.scenes import Corners, Image

Weigh = Callable[[Image], float]


def once(_: Image) -> float:
    return 1.0


def by_inverse_p(image: Image) -> float:
    return 1.0 / image.p


@dataclass(frozen=True, slots=True)
class Judged:
    """A predicted box: `match` is the place of the true box that it takes."""

    label: int
    score: float
    weight: float
    match: int | None


def iou(one: Corners, other: Corners) -> Fraction:
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[2], other[2]), min(one[3], other[3])
    shared = Fraction(max(right - left, 0)) * Fraction(max(bottom - top, 0))
    union = area(one) + area(other) - shared
    return Fraction(0) if union == 0 else shared / union


def area(box: Corners) -> Fraction:
    return Fraction(box[2] - box[0]) * Fraction(box[3] - box[1])


def matches(image: Image, threshold: float) -> list[int | None]:
    """For each predicted box, in its order, the true box that it takes."""
    found: list[int | None] = [None] * len(image.predicted)
    taken: set[int] = set()
    least = min(threshold, 1 - 1e-10)
    for at in sorted(range(len(found)), key=lambda place: -image.predicted[place].score):
        box = image.predicted[at]
        best, best_iou = None, Fraction(0)
        for place, true in enumerate(image.true):
            overlap = iou(box.corners, true.corners)
            if place in taken or true.label != box.label or float(overlap) < least:
                continue
            if overlap > 0 and overlap >= best_iou:
                best, best_iou = place, overlap
        found[at] = best
        if best is not None:
            taken.add(best)
    return found


def judge(images: Sequence[Image], threshold: float, weigh: Weigh = once) -> list[Judged]:
    return [
        Judged(box.label, box.score, weigh(image), match)
        for image in images
        for box, match in zip(image.predicted, matches(image, threshold), strict=True)
    ]


def truths(images: Sequence[Image], labels: Sequence[int], weigh: Weigh = once) -> float:
    return sum(weigh(image) for image in images for box in image.true if box.label in labels)


def average_precision(
    images: Sequence[Image], labels: Sequence[int], threshold: float, weigh: Weigh = once
) -> float | None:
    """The sum over distinct scores, falling, of recall gained times best precision from there."""
    total = truths(images, labels, weigh)
    if total == 0:
        return None
    boxes = [box for box in judge(images, threshold, weigh) if box.label in labels]
    points = []
    for score in sorted({box.score for box in boxes}, reverse=True):
        true, positive = positives(boxes, score)
        points.append((true / total, true / positive))
    area_so_far, recall_before = 0.0, 0.0
    for place, (recall, _) in enumerate(points):
        best = max(precision for _, precision in points[place:])
        area_so_far += (recall - recall_before) * best
        recall_before = recall
    return area_so_far


def positives(boxes: Sequence[Judged], score: float) -> tuple[float, float]:
    """True ones and all, from a score on."""
    kept = [box for box in boxes if box.score >= score]
    return (
        sum(box.weight for box in kept if box.match is not None),
        sum(box.weight for box in kept),
    )


def tally(
    images: Sequence[Image], threshold: float, score: float, weigh: Weigh = once
) -> tuple[float, float, float]:
    """True positives, false positives and false negatives of all labels together."""
    true, positive = positives(judge(images, threshold, weigh), score)
    every = truths(images, range(1000), weigh)
    return true, positive - true, every - true


def best_f1(images: Sequence[Image], threshold: float, weigh: Weigh = once) -> tuple[float, float]:
    """(F1, score) of the best score that occurs; of equals the highest."""
    scored = []
    for score in {box.score for image in images for box in image.predicted}:
        true, false, missed = tally(images, threshold, score, weigh)
        scored.append((2 * true / (2 * true + false + missed), score))
    return max(scored)


def errors(images: Sequence[Image], threshold: float) -> Counter[str]:
    """Every predicted box by its kind, and the missed ones."""
    counted: Counter[str] = Counter()
    near, least = min(0.1, threshold), min(threshold, 1 - 1e-10)
    for image in images:
        found = matches(image, threshold)
        meant = {place for place in found if place is not None}
        for box, match in zip(image.predicted, found, strict=True):
            own: list[tuple[float, int]] = []
            other: list[tuple[float, int]] = []
            for place, true in enumerate(image.true):
                pair = (float(iou(box.corners, true.corners)), -place)
                (own if true.label == box.label else other).append(pair)
            best_own, best_other = max(own, default=(0.0, 0)), max(other, default=(0.0, 0))
            if match is not None:
                counted["true_positives"] += 1
            elif near <= best_own[0] < least:
                counted["poor_place"] += 1
                meant.add(-best_own[1])
            elif best_other[0] >= least:
                counted["wrong_class"] += 1
                meant.add(-best_other[1])
            elif best_own[0] >= least:
                counted["duplicate"] += 1
            elif max(best_own[0], best_other[0]) < near:
                counted["background"] += 1
            else:
                counted["both"] += 1
        counted["missed"] += len(image.true) - len(meant)
    return counted
