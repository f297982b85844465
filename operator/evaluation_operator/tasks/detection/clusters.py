"""Which boxes of several people are one and the same thing in the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from evaluation_operator.tasks.answers import Box

LEAST_IOU: Final = 0.5
"""Boxes of two people that overlap less are of two things."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A box and who drew it; `place` is its place in that person's answer."""

    annotator: str
    place: int
    box: Box


def iou(one: Box, other: Box) -> float:
    """Intersection over union; 0 where the union has no area."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(width, 0.0) * max(height, 0.0)
    union = _area(one) + _area(other) - shared
    return shared / union if union > 0 else 0.0


def clusters(boxes: Mapping[str, Sequence[Box]]) -> list[tuple[Drawn, ...]]:
    """Every box, by annotator, in exactly one cluster; a box that nobody else drew is alone.

    Pairs by different people that overlap enough are taken in turn: those of one label first, then
    by falling overlap, then by annotator and place. A pair joins its clusters, unless somebody
    would be in the joint one twice, or any two boxes in it overlap too little.
    """
    drawn = [
        Drawn(annotator, place, box)
        for annotator in sorted(boxes)
        for place, box in enumerate(boxes[annotator])
    ]
    overlap = {(i, j): value for i, j, value in _overlapping(drawn)}
    cluster_of = [[i] for i in range(len(drawn))]

    def rank(pair: tuple[int, int]) -> tuple[bool, float, int, int]:
        # `drawn` is in order of annotators and places, so its indices break ties.
        i, j = pair
        return drawn[i].box.label != drawn[j].box.label, -overlap[pair], i, j

    for i, j in sorted(overlap, key=rank):
        one, other = cluster_of[i], cluster_of[j]
        if one is other or not all((min(a, b), max(a, b)) in overlap for a in one for b in other):
            continue
        one.extend(other)
        for member in other:
            cluster_of[member] = one
    found = {id(members): sorted(members) for members in cluster_of}
    return [tuple(drawn[i] for i in members) for members in sorted(found.values())]


def _overlapping(drawn: Sequence[Drawn]) -> Iterator[tuple[int, int, float]]:
    """Pairs that one cluster may hold, as indices i < j. Two boxes of one person are no pair, so
    that nobody is in a cluster twice."""
    for (i, one), (j, other) in combinations(enumerate(drawn), 2):
        if one.annotator != other.annotator:
            value = iou(one.box, other.box)
            if value >= LEAST_IOU:
                yield i, j, value


def _area(box: Box) -> float:
    return (box.right - box.left) * (box.bottom - box.top)
