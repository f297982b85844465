"""COCO's figures are those of COCO's own evaluator, on many random and of nasty scenes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evaluation_operator.metrics.detection import detect
from evaluation_operator.metrics.detection_coco import CocoFigures
from tests.unit.metrics.scenes import (
    Corners,
    Image,
    PredictedBox,
    TrueBox,
    detections_of,
    draw_scene,
)

RANDOM_SCENES: Final = 150
TOLERANCE: Final = 1e-6

# In the order of COCOeval.stats.
NAMES: Final = (
    *("ap", "ap_50", "ap_75", "ap_small", "ap_medium", "ap_large"),
    *("ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"),
)


def ours(images: Sequence[Image], labels: int) -> CocoFigures:
    return detect(detections_of(images), labels, 0.5, by_area=True).plain.coco


def theirs(images: Sequence[Image], labels: int) -> list[float | None]:
    """COCOeval.stats; −1, its word for "no truth", as None."""
    truth: dict[str, Any] = {
        "info": {},
        "images": [{"id": at} for at in range(1, len(images) + 1)],
        "categories": [{"id": label + 1, "name": str(label)} for label in range(labels)],
        "annotations": [],
    }
    for at, image in enumerate(images, start=1):
        for box in image.true:
            place = as_coco(at, box.label, box.corners)
            area = place["bbox"][2] * place["bbox"][3]
            known = {"id": len(truth["annotations"]) + 1, "area": area, "iscrowd": 0}
            truth["annotations"].append(place | known)
    found = [
        as_coco(at, box.label, box.corners) | {"score": box.score}
        for at, image in enumerate(images, start=1)
        for box in image.predicted
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        judge = COCOeval(coco, results_of(coco, found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return [None if value == -1 else float(value) for value in judge.stats]


def results_of(coco: COCO, found: list[dict[str, Any]]) -> COCO:
    """COCO.loadRes, which cannot read an empty list."""
    if found:
        return coco.loadRes(found)
    empty = COCO()
    empty.dataset = coco.dataset | {"annotations": []}
    empty.createIndex()
    return empty


def as_coco(at: int, label: int, corners: Corners) -> dict[str, Any]:
    left, top, right, bottom = corners
    return {
        "image_id": at,
        "category_id": label + 1,
        "bbox": [left, top, right - left, bottom - top],
    }


def largest_difference(images: Sequence[Image], labels: int) -> float:
    """Between the twelve figures; asserts that the same ones are there at all."""
    mine = ours(images, labels)
    largest = 0.0
    for name, want in zip(NAMES, theirs(images, labels), strict=True):
        got: float | None = getattr(mine, name)
        assert (got is None) == (want is None), name
        if got is not None and want is not None:
            largest = max(largest, abs(got - want))
    return largest


def check(images: Sequence[Image], labels: int, record: Callable[[str, object], None]) -> None:
    difference = largest_difference(images, labels)
    record("difference from pycocotools", difference)
    assert difference <= TOLERANCE


@pytest.mark.parametrize("seed", range(RANDOM_SCENES), ids="scene-{}".format)
def test_random_scenes_have_the_same_twelve_figures(
    seed: int, record_property: Callable[[str, object], None]
) -> None:
    # Ever larger boxes, so that each range of areas has its share.
    scene = draw_scene(seed, images=4, grid=(4.0, 12.0, 16.0, 40.0)[seed % 4])
    check(scene, 3, record_property)


UNIT = (0.0, 0.0, 64.0, 64.0)
NASTY: Final[dict[str, tuple[list[Image], int]]] = {
    "nothing at all": ([Image()], 1),
    "no truth": ([Image(predicted=(PredictedBox(0, UNIT, 0.5),))], 1),
    "no prediction": ([Image(true=(TrueBox(0, UNIT),))], 1),
    "truth and prediction in different images": (
        [Image(true=(TrueBox(0, UNIT),)), Image(predicted=(PredictedBox(0, UNIT, 0.5),))],
        1,
    ),
    "truth and prediction of different labels": (
        [Image((TrueBox(0, UNIT),), (PredictedBox(1, UNIT, 0.5),))],
        2,
    ),
    "a crowd of equal scores": (draw_scene(1, scores=1, most_predicted=60, most_true=20), 3),
    "a crowd of equal boxes": (
        [Image((TrueBox(0, UNIT),) * 20, (PredictedBox(0, UNIT, 0.5),) * 30)] * 3,
        1,
    ),
    "more boxes than count": (
        draw_scene(2, images=2, labels=2, most_true=80, most_predicted=400, scores=50, size=30),
        2,
    ),
    "boxes outside the image": (
        [
            Image(
                (TrueBox(0, (-500.0, -500.0, -400.0, -400.0)), TrueBox(0, (-10.0, 0.0, 50.0, 9e3))),
                (
                    PredictedBox(0, (-500.0, -480.0, -400.0, -400.0), 0.9),
                    PredictedBox(0, (-10.0, 0.0, 50.0, 9e3), 0.8),
                ),
            )
        ],
        1,
    ),
    "boxes of no area": (
        [
            Image(
                (TrueBox(0, (5.0, 5.0, 5.0, 5.0)), TrueBox(0, (0.0, 0.0, 9.0, 0.0))),
                (
                    PredictedBox(0, (5.0, 5.0, 5.0, 5.0), 0.9),
                    PredictedBox(0, (0.0, 0.0, 9.0, 0.0), 0.8),
                ),
            )
        ],
        1,
    ),
    "boxes just as large as a range's border": (
        [
            Image(
                tuple(TrueBox(0, (0.0, 0.0, side, side)) for side in (32.0, 96.0, 1e5)),
                tuple(PredictedBox(0, (0.0, 0.0, s, s), s / 1e6) for s in (32.0, 96.0, 1e5)),
            )
        ],
        1,
    ),
    "boxes beyond every range": (
        [
            Image(
                (TrueBox(0, (0.0, 0.0, 2e5, 2e5)), TrueBox(0, UNIT)),
                (PredictedBox(0, (0.0, 0.0, 2e5, 2e5), 0.9), PredictedBox(0, UNIT, 0.1)),
            )
        ],
        1,
    ),
    "just at the thresholds": (
        [
            Image(
                (TrueBox(0, (0.0, 0.0, 20.0, 20.0)),),
                (PredictedBox(0, (0.0, 0.0, 20.0, float(height)), 0.5),),
            )
            for height in range(1, 21)
        ],
        1,
    ),
    "scores below 0 and above 1": (
        [Image((TrueBox(0, UNIT),) * 2, (PredictedBox(0, UNIT, 7.5), PredictedBox(0, UNIT, -3.0)))],
        1,
    ),
    "one hundred labels": (draw_scene(3, labels=100, most_true=40, most_predicted=80), 100),
}


@pytest.mark.parametrize("case", NASTY)
def test_nasty_scenes_have_the_same_twelve_figures(
    case: str, record_property: Callable[[str, object], None]
) -> None:
    check(*NASTY[case], record_property)
