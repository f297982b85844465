"""What the demo's two models answered, as rows of their tables: without any ground truth."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from scipy import ndimage

from manifests.demo.labeling.pictures import INK, Box, Digit, Scene, enlarged
from manifests.demo.model.digits import LABELS, SIDE, Classifier, Greys, split_images, train

_GAP: Final = 3
"""Strokes that are this many pixels apart belong to one digit."""
_SMALLEST: Final = 80
"""Ink of fewer pixels is no digit."""

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    box: Box
    score: float


def classify(pictures: Sequence[Digit]) -> list[list[float]]:
    """The score of each label, by `make demo`'s second version."""
    scores = train("v2").predict_proba(np.array([it.greys for it in pictures]) / 255)
    return [[float(score) for score in line] for line in scores]


def share_of_right(pictures: Sequence[Digit]) -> float:
    """Of those predictions, against what was really written."""
    best = [LABELS[int(np.argmax(scores))] for scores in classify(pictures)]
    return sum(it == picture.label for it, picture in zip(best, pictures, strict=True)) / len(best)


class Detector:
    """Finds ink that hangs together, and reads it with a classifier that has seen digits as close
    as they are cut out here."""

    def __init__(self) -> None:
        seen, _ = split_images()
        close = np.array([_cut_out(enlarged(it, (64, 64))) for it in seen.greys])
        self._classifier: Classifier = train("v2")
        self._classifier.fit(close / 255, seen.truth)

    def find(self, scene: Scene) -> list[Found]:
        ink = scene.greys >= INK
        near = ndimage.binary_dilation(ink, iterations=_GAP)
        places, count = ndimage.label(near)
        return [
            found
            for number in range(1, count + 1)
            if (found := self._read(scene.greys, ink & (places == number))) is not None
        ]

    def _read(self, greys: Greys, ink: np.ndarray[Any, np.dtype[np.bool_]]) -> Found | None:
        if ink.sum() < _SMALLEST:
            return None
        rows, columns = np.nonzero(ink)
        left, right = float(columns.min()), float(columns.max()) + 1
        top, bottom = float(rows.min()), float(rows.max()) + 1
        scores = self._classifier.predict_proba(_cut_out(np.where(ink, greys, 0))[None] / 255)[0]
        best = int(scores.argmax())
        return Found(Box(LABELS[best], left, top, right, bottom), float(scores[best]))


def _cut_out(greys: Greys) -> Greys:
    """What is seen in a picture, as a classifier's 64 greys."""
    rows, columns = np.nonzero(greys >= INK)
    close = greys[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return enlarged(close.astype(np.uint8), (SIDE, SIDE)).reshape(-1)


def digit_rows(pictures: Sequence[Digit], since: datetime) -> str:
    """JSON lines for `kubectl evaluations rows import`."""
    answers = [{"labels": LABELS, "scores": scores} for scores in classify(pictures)]
    return _lines("digits", "v2", [it.png for it in pictures], answers, since)


def digit_labels(pictures: Sequence[Digit]) -> str:
    """What was really written, as JSON lines for `kubectl evaluations labels import`."""
    return "".join(
        json.dumps(
            {
                "id": _row_id("digits", number),
                "groundtruth": {"predictions": [{"labels": [it.label]}]},
                "labeler": "who wrote them",
            }
        )
        + "\n"
        for number, it in enumerate(pictures)
    )


def scene_rows(pictures: Sequence[Scene], since: datetime) -> str:
    detector = Detector()
    answers = []
    for scene in pictures:
        found = detector.find(scene)
        answers.append(
            {
                "boxes": [_corners(it.box) for it in found],
                "labels": [it.box.label for it in found],
                "scores": [it.score for it in found],
            }
        )
    return _lines("scenes", "v1", [it.png for it in pictures], answers, since)


def _lines(
    model: str, version: str, pictures: Sequence[bytes], answers: Sequence[Json], since: datetime
) -> str:
    rows = [
        {
            "id": _row_id(model, number),
            "model": model,
            "model_version": version,
            "time": (since + timedelta(milliseconds=10 * number)).isoformat(),
            "raw_data": {"instances": [{"image": {"b64": base64.b64encode(png).decode()}}]},
            "raw_prediction": {"predictions": [answer]},
        }
        for number, (png, answer) in enumerate(zip(pictures, answers, strict=True))
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def _row_id(model: str, number: int) -> str:
    return f"{model}-{number:04d}"


def _corners(box: Box) -> Json:
    return {
        "top_left": {"x": box.left, "y": box.top},
        "bottom_right": {"x": box.right, "y": box.bottom},
    }
