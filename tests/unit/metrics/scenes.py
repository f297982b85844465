"""Scenes of boxes for tests: drawn at random on a coarse grid, so that ties are everywhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from evaluation_operator.metrics.detection import Detections
from evaluation_operator.metrics.detection_boxes import Boxes

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class TrueBox:
    label: int
    corners: Corners


@dataclass(frozen=True, slots=True)
class PredictedBox:
    label: int
    corners: Corners
    score: float


@dataclass(frozen=True, slots=True)
class Image:
    true: tuple[TrueBox, ...] = ()
    predicted: tuple[PredictedBox, ...] = ()
    p: float = field(default=1.0)


def detections_of(images: Sequence[Image], ps: Sequence[float] = (1.0,)) -> Detections:
    """The scene as arrays; `ps` are the pieces' probabilities, rising."""
    true = [(at, box) for at, image in enumerate(images) for box in image.true]
    predicted = [(at, box) for at, image in enumerate(images) for box in image.predicted]
    return Detections(
        _boxes([(at, box.label, box.corners) for at, box in true]),
        _boxes([(at, box.label, box.corners) for at, box in predicted]),
        np.array([box.score for _, box in predicted], dtype=np.float64),
        np.array([ps.index(image.p) for image in images], dtype=np.int64),
    )


def _boxes(lines: Sequence[tuple[int, int, Corners]]) -> Boxes:
    return Boxes(
        np.array([line[0] for line in lines], dtype=np.int64),
        np.array([line[1] for line in lines], dtype=np.int64),
        np.array([line[2] for line in lines], dtype=np.float64).reshape(-1, 4),
    )


def draw_scene(
    seed: int,
    *,
    images: int = 6,
    labels: int = 3,
    most_true: int = 6,
    most_predicted: int = 14,
    grid: float = 16.0,
    scores: int = 8,
    size: int = 12,
    ps: Sequence[float] = (1.0,),
) -> list[Image]:
    """Boxes with corners on a grid, partly outside the image, some of no area, few scores.

    About half of the predictions are true boxes moved by a step or not at all. The last label is
    never true.
    """
    chance = random.Random(seed)

    def corners() -> Corners:
        left, top = (grid * chance.randint(-2, size) for _ in range(2))
        width, height = (grid * chance.choice((0, 1, 2, 3, 4, 6, 8)) for _ in range(2))
        return left, top, left + width, top + height

    def moved(box: TrueBox) -> Corners:
        dx, dy = (grid * chance.choice((0, 0, 0, 0.5, 1, -0.25)) for _ in range(2))
        left, top, right, bottom = box.corners
        return left + dx, top + dy, right + dx, bottom + dy

    scene = []
    for _ in range(images):
        true = tuple(
            TrueBox(chance.randrange(max(labels - 1, 1)), corners())
            for _ in range(chance.randint(0, most_true))
        )
        predicted = []
        for _ in range(chance.randint(0, most_predicted)):
            score = chance.randint(0, scores) / scores
            if true and chance.random() < 0.6:
                box = chance.choice(true)
                label = box.label if chance.random() < 0.8 else chance.randrange(labels)
                predicted.append(PredictedBox(label, moved(box), score))
            else:
                predicted.append(PredictedBox(chance.randrange(labels), corners(), score))
        scene.append(Image(true, tuple(predicted), chance.choice(ps)))
    return scene
