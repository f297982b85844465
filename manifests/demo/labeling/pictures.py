"""What the demo's models were asked: real digits, and scenes that are drawn of them.

The digits are scans of handwriting, 8 by 8 pixels each, that scikit-learn brings; they are enlarged
so that people can read them. The scenes are no photographs: several of those digits, at places that
a random number generator chose, so that every box is known. All of it is the same each time.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from manifests.demo.model.digits import LABELS, SIDE, Greys, Images

SCENE_SIZE: Final = (240, 160)
"""Width and height in pixels."""
INK: Final = 50
"""From this grey on, of 255, a pixel is part of a digit."""
_READABLE: Final = 12 * SIDE
_DIGITS_A_SCENE: Final = (2, 5)
_DIGIT_SIDES: Final = (36, 64)
_TRIES: Final = 200


@dataclass(frozen=True)
class Box:
    """In pixels; right and bottom lie outside of it."""

    label: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Digit:
    """A picture, and the label of what it shows."""

    png: bytes
    label: str
    greys: Greys


@dataclass(frozen=True)
class Scene:
    png: bytes
    boxes: tuple[Box, ...]
    greys: Greys


def make_digits(images: Images, count: int) -> list[Digit]:
    """The first `count` of them."""
    return [
        Digit(_png(enlarged(greys, (_READABLE, _READABLE))), LABELS[truth], greys)
        for greys, truth in zip(images.greys[:count], images.truth[:count], strict=True)
    ]


def draw_scenes(images: Images, count: int, seed: int = 0) -> list[Scene]:
    chance = np.random.default_rng(seed)
    return [_draw(images, chance) for _ in range(count)]


def data_uri(png: bytes) -> str:
    """As pages of people show it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def enlarged(greys: Greys, size: tuple[int, int]) -> Greys:
    picture = Image.fromarray(greys.reshape(SIDE, SIDE) if greys.ndim == 1 else greys)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))


def _draw(images: Images, chance: np.random.Generator) -> Scene:
    """Boxes do not meet, but may lie side by side."""
    width, height = SCENE_SIZE
    greys: Greys = np.zeros((height, width), np.uint8)
    boxes: list[Box] = []
    wanted = chance.integers(*_DIGITS_A_SCENE, endpoint=True)
    for _ in range(_TRIES):
        if len(boxes) == wanted:
            break
        number = chance.integers(len(images.truth))
        side = int(chance.integers(*_DIGIT_SIDES, endpoint=True))
        left, top = (int(chance.integers(0, room - side)) for room in SCENE_SIZE)
        drawn = enlarged(images.greys[number], (side, side))
        box = _around(drawn, LABELS[images.truth[number]], left, top)
        if not any(_meet(box, other) for other in boxes):
            place = greys[top : top + side, left : left + side]
            np.maximum(place, drawn, out=place)
            boxes.append(box)
    return Scene(_png(greys), tuple(boxes), greys)


def _around(drawn: Greys, label: str, left: int, top: int) -> Box:
    """Of what is seen, not of the paper that it was written on."""
    rows, columns = np.nonzero(drawn >= INK)
    return Box(
        label,
        left + float(columns.min()),
        top + float(rows.min()),
        left + float(columns.max()) + 1,
        top + float(rows.max()) + 1,
    )


def _meet(one: Box, other: Box) -> bool:
    return (
        one.left < other.right
        and other.left < one.right
        and one.top < other.bottom
        and other.top < one.bottom
    )


def _png(greys: npt.NDArray[np.uint8]) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(greys).save(sink, "PNG")
    return sink.getvalue()


def known_labels(pictures: Sequence[Digit]) -> dict[str, str]:
    return {data_uri(it.png): it.label for it in pictures}


def known_boxes(pictures: Sequence[Scene]) -> dict[str, tuple[Box, ...]]:
    return {data_uri(it.png): it.boxes for it in pictures}
