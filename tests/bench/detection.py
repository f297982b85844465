"""How long the figures of an object detection take, beside COCO's evaluator and a faster one.

All three get the same boxes, in the form that they want, on one core; what is timed is from
there to the figures. pycocotools and faster-coco-eval make COCO's twelve figures, ours those and
everything else that an Evaluation says of boxes.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import faster_coco_eval
import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evaluation_operator.metrics.detection import Detections, detect
from evaluation_operator.metrics.detection_boxes import Boxes
from evaluation_operator.metrics.detection_coco import CocoFigures

IMAGES = 5_000
PREDICTED = 250_000
TRUE = 36_000
LABELS = 80
ROUNDS = 5

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """The best of some rounds; `cpu_seconds` is what the processor worked in that round."""

    name: str
    seconds: float
    cpu_seconds: float
    figures: tuple[float, ...]


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    boxes = make_boxes()
    print(f"{IMAGES:,} images, {LABELS} labels, one core")
    print(f"{TRUE:,} true boxes, {PREDICTED:,} predicted")
    faster, faster_judge = faster_coco_eval.COCO, faster_coco_eval.COCOeval_faster
    truth, found = as_coco(boxes)
    measured = [
        measure("ours, everything", lambda: ours(boxes), ROUNDS),
        measure("faster-coco-eval", prepared(faster, faster_judge, truth, found), ROUNDS),
        measure("pycocotools", prepared(COCO, COCOeval, truth, found), 1),
    ]
    first = measured[0]
    print(f"\n{'':<20}{'seconds':>10}{'of CPU':>10}{'ours is faster by':>20}")
    for one in measured:
        ratio = one.cpu_seconds / first.cpu_seconds
        print(f"{one.name:<20}{one.seconds:>10.2f}{one.cpu_seconds:>10.2f}{ratio:>20.1f}")
    for one in measured[1:]:
        largest = max(abs(a - b) for a, b in zip(first.figures, one.figures, strict=True))
        print(f"largest difference of the twelve figures from {one.name}: {largest:.1e}")


def make_boxes(seed: int = 1) -> Detections:
    """As COCO's validation images have them: 7 true boxes an image, 50 predicted ones.

    Half of the predicted boxes lie somewhere near a true one, mostly with its label, and score
    higher than the others, which lie anywhere.
    """
    chance = np.random.default_rng(seed)
    image = np.sort(chance.integers(0, IMAGES, TRUE))
    label = np.minimum(chance.geometric(0.05, TRUE) - 1, LABELS - 1)
    corners = _anywhere(chance, TRUE)
    half = PREDICTED // 2
    near = chance.integers(0, TRUE, half)
    size = np.tile(corners[near, 2:] - corners[near, :2], 2)
    moved = corners[near] + size * chance.normal(0, 0.12, (half, 4))
    low, high = np.minimum(moved[:, :2], moved[:, 2:]), np.maximum(moved[:, :2], moved[:, 2:])
    same = chance.random(half) < 0.8
    predicted_image = np.concatenate((image[near], chance.integers(0, IMAGES, half)))
    predicted_label = np.concatenate(
        (
            np.where(same, label[near], chance.integers(0, LABELS, half)),
            chance.integers(0, LABELS, half),
        )
    )
    predicted = np.concatenate((np.hstack((low, high)), _anywhere(chance, half)))
    scores = np.concatenate((chance.beta(2, 2, half), chance.beta(1, 5, half)))
    order = np.argsort(predicted_image, kind="stable")
    return Detections(
        Boxes(image, label, corners),
        Boxes(predicted_image[order], predicted_label[order], predicted[order]),
        scores[order],
        np.zeros(IMAGES, dtype=np.int64),
    )


def _anywhere(chance: np.random.Generator, count: int) -> Floats:
    """In an image of 640 × 480, small ones more often."""
    size = np.exp(chance.uniform(np.log(8), np.log(320), (count, 2)))
    start = chance.uniform(0, 1, (count, 2)) * np.maximum(np.array([640, 480]) - size, 1)
    return np.hstack((start, start + size))


def ours(boxes: Detections) -> tuple[float, ...]:
    return in_coco_order(detect(boxes, LABELS, 0.5, by_area=True).plain.coco)


def in_coco_order(figures: CocoFigures) -> tuple[float, ...]:
    """As COCOeval.stats has them."""
    assert None not in astuple(figures)
    ap = ("ap", "ap_50", "ap_75", "ap_small", "ap_medium", "ap_large")
    ar = ("ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large")
    return tuple(float(getattr(figures, name)) for name in (*ap, *ar))


def as_coco(boxes: Detections) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    truth = [
        {"id": number, **place, "area": place["bbox"][2] * place["bbox"][3], "iscrowd": 0}
        for number, place in enumerate(_places(boxes.true), start=1)
    ]
    found = [
        {**place, "score": score}
        for place, score in zip(_places(boxes.predicted), boxes.scores.tolist(), strict=True)
    ]
    dataset = {
        "info": {},
        "images": [{"id": number, "width": 640, "height": 480} for number in range(IMAGES)],
        "categories": [{"id": number, "name": str(number)} for number in range(LABELS)],
        "annotations": truth,
    }
    return dataset, found


def _places(boxes: Boxes) -> list[dict[str, Any]]:
    left, top, right, bottom = boxes.corners.T
    sides = np.stack((left, top, right - left, bottom - top), axis=1)
    return [
        {"image_id": image, "category_id": label, "bbox": box}
        for image, label, box in zip(
            boxes.image.tolist(), boxes.label.tolist(), sides.tolist(), strict=True
        )
    ]


def prepared(
    coco: Any, judge: Any, truth: dict[str, Any], found: Sequence[dict[str, Any]]
) -> Callable[[], tuple[float, ...]]:
    """Evaluation, with its indexes made beforehand."""
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco()
        known.dataset = truth
        known.createIndex()
        results = known.loadRes([dict(box) for box in found])

    def run() -> tuple[float, ...]:
        with contextlib.redirect_stdout(io.StringIO()):
            evaluator = judge(known, results, "bbox")
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()
        return tuple(float(figure) for figure in evaluator.stats[:12])

    return run


def measure(name: str, run: Callable[[], tuple[float, ...]], rounds: int) -> Measured:
    best: Measured | None = None
    for _ in range(rounds):
        began, began_cpu = time.perf_counter(), time.process_time()
        figures = run()
        seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        if best is None or cpu < best.cpu_seconds:
            best = Measured(name, seconds, cpu, figures)
    assert best is not None
    return best


if __name__ == "__main__":
    main()
