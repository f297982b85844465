"""What one row of the table says of boxes.

An entry has three arrays of equal length: labels, scores (ground truth needs none) and boxes,
each {"top_left": {"x", "y"}, "bottom_right": {"x", "y"}}. Whether coordinates are pixels or
fractions is declared once a job, and changes nothing here: boxes may lie outside the image, and
have no area. A box that is inverted or has a coordinate that is no number fails its item.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from evaluation_operator.tasks.items import Box, Predicted, RowReader, Truth
from evaluation_operator.tasks.row_json import (
    JsonObject,
    UnreadableError,
    array_under,
    object_of,
    shown,
)

_CORNERS = ("top_left", "bottom_right")
_SHAPE = '{"top_left": {"x": 1, "y": 2}, "bottom_right": {"x": 3, "y": 4}}'


class BoxReader(RowReader):
    """Reads rows of object detection; everything stays in the order of the row's arrays."""

    def __init__(self, labels: Sequence[str], label_key: str, score_key: str, box_key: str) -> None:
        super().__init__(labels, label_key, score_key)
        self._box_key = box_key

    def read_prediction(self, entry: object) -> Predicted:
        fields = object_of(entry, "raw_prediction")
        labels = self.labels_of(fields, "raw_prediction")
        scores = self.scores_of(fields, len(labels))
        boxes = self._boxes(fields, len(labels), "raw_prediction")
        return Predicted(tuple(labels), tuple(scores), tuple(boxes))

    def read_truth(self, entry: object) -> Truth:
        fields = object_of(entry, "groundtruth")
        labels = self.labels_of(fields, "groundtruth")
        return Truth(tuple(labels), tuple(self._boxes(fields, len(labels), "groundtruth")))

    def _boxes(self, fields: JsonObject, label_count: int, column: str) -> list[Box]:
        values = array_under(fields, self._box_key, column, "bounding_box_json_key")
        boxes = [_box(value, place, column) for place, value in enumerate(values)]
        if len(boxes) != label_count:
            raise UnreadableError(
                f"{column}: {label_count} labels under {shown(self.label_key)} but {len(boxes)} "
                f"boxes under {shown(self._box_key)}; give one box a label"
            )
        return boxes


def _box(value: object, place: int, column: str) -> Box:
    (left, top), (right, bottom) = (_corner(value, name, place, column) for name in _CORNERS)
    for low, high, axis, first, last in (
        (left, right, "x", "left", "right"),
        (top, bottom, "y", "top", "bottom"),
    ):
        if low > high:
            raise UnreadableError(
                f"{column}: box {place} is inverted: {axis} is {low:g} at its top_left and "
                f"{high:g} at its bottom_right; give the {first} before the {last} "
                "(y grows downwards)"
            )
    return left, top, right, bottom


def _corner(value: object, name: str, place: int, column: str) -> tuple[float, float]:
    corner = value.get(name) if isinstance(value, dict) else None
    if not isinstance(corner, dict):
        raise UnreadableError(
            f"{column}: box {place} is {shown(value)} without an object {shown(name)}; "
            f"write {_SHAPE}"
        )
    return _coordinate(corner, "x", name, place, column), _coordinate(
        corner, "y", name, place, column
    )


def _coordinate(corner: JsonObject, axis: str, name: str, place: int, column: str) -> float:
    value = corner.get(axis)
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not math.isfinite(number):
        raise UnreadableError(
            f"{column}: {name}.{axis} of box {place} is {shown(value)}; give a finite number"
        )
    return number
