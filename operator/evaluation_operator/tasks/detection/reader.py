"""What one row of the table says of boxes.

An entry has three arrays of equal length: labels, scores (ground truth needs none) and boxes. A box
is an object {"top_left": {"x", "y"}, "bottom_right": {"x", "y"}}, or with the job's `boxFormat` an
array of four numbers. Where the three keys are one, each row of six numbers is box, score, class.
Whether coordinates are pixels or fractions is declared once a job, and changes nothing here: boxes
may lie outside the image, and have no area. A box that is inverted or has a coordinate that is no
number fails its item.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from evaluation_operator.api.evaluation_options import BoxFormat
from evaluation_operator.tasks.forms import (
    MISSING,
    Form,
    Keys,
    alone,
    known_as,
    look_up,
    seen_as,
    unwrapped,
)
from evaluation_operator.tasks.items import Box, Predicted, RowReader, Truth
from evaluation_operator.tasks.label_names import DROPPED, LabelNames
from evaluation_operator.tasks.row_json import (
    JsonObject,
    UnknownFormError,
    UnreadableError,
    array_under,
    score_of,
    shown,
)

_CORNERS: Final = ("top_left", "bottom_right")
_SHAPE: Final = '{"top_left": {"x": 1, "y": 2}, "bottom_right": {"x": 3, "y": 4}}'
_SIDES: Final = 4

Columns: TypeAlias = tuple[list[object], list[object], list[object]]
"""Labels, scores and boxes, as they are written, one a box."""

_FORMATS: Final[Mapping[BoxFormat, Callable[[float, float, float, float], Box]]] = MappingProxyType(
    {
        BoxFormat.XYXY: lambda a, b, c, d: (a, b, c, d),
        BoxFormat.YXYX: lambda a, b, c, d: (b, a, d, c),
        BoxFormat.XYWH: lambda a, b, c, d: (a, b, a + c, b + d),
        BoxFormat.CXCYWH: lambda a, b, c, d: (a - c / 2, b - d / 2, a + c / 2, b + d / 2),
        BoxFormat.XXYY: lambda a, b, c, d: (a, c, b, d),
    }
)
"""Four numbers to left, top, right, bottom."""


class BoxReader(RowReader):
    """Reads rows of object detection; everything stays in the order of the row's arrays.

    `count_key`: where a detector of fixed size says how many of its boxes count.
    """

    def __init__(
        self,
        names: LabelNames,
        keys: Keys,
        box_key: str,
        *,
        box_format: BoxFormat | None = None,
        count_key: str | None = None,
        is_one_item: bool = False,
    ) -> None:
        self.is_one_item = is_one_item
        self._names = names
        self._keys = keys
        self._box_key = box_key
        self._format = box_format
        self._count_key = count_key

    def read_prediction(self, entry: object) -> Predicted:
        fields = self._object(entry, "raw_prediction")
        is_one = self._keys.label == self._keys.score == self._box_key
        columns = self._of_rows(fields) if is_one else self._of_keys(fields)
        columns = self._counted(fields, *columns)
        labels = [self._names.place(alone(it), "raw_prediction") for it in columns[0]]
        kept = [place for place, label in enumerate(labels) if label != DROPPED]
        return Predicted(
            tuple(labels[place] for place in kept),
            tuple(score_of(alone(columns[1][place]), self._keys.score) for place in kept),
            tuple(self._box(columns[2][place], place, "raw_prediction") for place in kept),
            form=Form.BOXES,
        )

    def read_truth(self, entry: object) -> Truth:
        fields = self._object(entry, "groundtruth")
        labels = self._column(fields, self._keys.label, "groundtruth", "label_json_key")
        boxes = self._boxes(fields, "groundtruth")
        self._check_one_each(labels, boxes, "groundtruth")
        places = [self._names.place(alone(it), "groundtruth") for it in labels]
        read = (self._box(value, place, "groundtruth") for place, value in enumerate(boxes))
        return Truth(tuple(places), tuple(read))

    def _object(self, entry: object, column: str) -> JsonObject:
        keys = (self._keys.label, self._keys.score, self._box_key)

        def says(fields: JsonObject) -> bool:
            return any(look_up(fields, key) is not MISSING for key in keys)

        if isinstance(entry, dict) and (known := known_as(entry)) and not says(entry):
            raise UnknownFormError(f"{column}: {known}")
        fields = unwrapped(entry, says)
        if not isinstance(fields, dict) or not says(fields):
            named = ", ".join(shown(key) for key in dict.fromkeys(keys))
            raise UnknownFormError(
                f"{column}: {seen_as(entry)} has none of the keys {named}; correct "
                "bigqueryImportKeys, whose three keys may be one where rows are box, score, class"
            )
        return fields

    def _of_keys(self, fields: JsonObject) -> Columns:
        labels = self._column(fields, self._keys.label, "raw_prediction", "label_json_key")
        scores = self._column(fields, self._keys.score, "raw_prediction", "label_score_json_key")
        boxes = self._boxes(fields, "raw_prediction")
        if len(scores) != len(labels):
            raise UnreadableError(
                f"raw_prediction: {len(labels)} labels under {shown(self._keys.label)} but "
                f"{len(scores)} scores under {shown(self._keys.score)}; give one score a label"
            )
        self._check_one_each(labels, boxes, "raw_prediction")
        return labels, scores, boxes

    def _of_rows(self, fields: JsonObject) -> Columns:
        """Of one tensor of six numbers a row."""
        rows = self._boxes(fields, "raw_prediction")
        for place, row in enumerate(rows):
            if not isinstance(row, list) or len(row) != _SIDES + 2:
                raise UnreadableError(
                    f"raw_prediction: row {place} under {shown(self._box_key)} is no array of six "
                    "numbers; give box, score and class in each, or name three keys"
                )
        found = [row for row in rows if isinstance(row, list)]
        return [row[5] for row in found], [row[4] for row in found], [row[:4] for row in found]

    def _counted(
        self, fields: JsonObject, labels: list[object], scores: list[object], boxes: list[object]
    ) -> Columns:
        """As many as the detector says that there are."""
        if self._count_key is None:
            return labels, scores, boxes
        count = alone(look_up(fields, self._count_key))
        is_whole = isinstance(count, int | float) and not isinstance(count, bool)
        if not is_whole or count not in range(len(boxes) + 1):
            what = "missing" if count is MISSING else shown(count)
            raise UnreadableError(
                f"raw_prediction: {shown(self._count_key)} is {what} with {len(boxes)} boxes; give "
                "how many of them count, or correct bigqueryImportKeys.bounding_box_count_json_key"
            )
        most = int(count)  # type: ignore[call-overload]  # a number, as was looked
        return labels[:most], scores[:most], boxes[:most]

    def _column(self, fields: JsonObject, key: str, column: str, import_key: str) -> list[object]:
        value = look_up(fields, key)
        while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
            value = value[0]  # a batch of one image
        return array_under({} if value is MISSING else {key: value}, key, column, import_key)

    def _boxes(self, fields: JsonObject, column: str) -> list[object]:
        value = look_up(fields, self._box_key)
        while _is_batch_of_one(value):
            value = value[0]  # type: ignore[index]  # an array, as was looked
        known = {} if value is MISSING else {self._box_key: value}
        return array_under(known, self._box_key, column, "bounding_box_json_key")

    def _check_one_each(self, labels: list[object], boxes: list[object], column: str) -> None:
        if len(boxes) != len(labels):
            raise UnreadableError(
                f"{column}: {len(labels)} labels under {shown(self._keys.label)} but {len(boxes)} "
                f"boxes under {shown(self._box_key)}; give one box a label"
            )

    def _box(self, value: object, place: int, column: str) -> Box:
        if isinstance(value, list) and len(value) == _SIDES:
            box = self._of_array(value, place, column)
        else:
            corners = (_corner(value, name, place, column) for name in _CORNERS)
            (left, top), (right, bottom) = corners
            box = left, top, right, bottom
        for low, high, axis, first, last in (
            (box[0], box[2], "x", "left", "right"),
            (box[1], box[3], "y", "top", "bottom"),
        ):
            if low > high:
                raise UnreadableError(
                    f"{column}: box {place} is inverted: {axis} is {low:g} at its top_left and "
                    f"{high:g} at its bottom_right; give the {first} before the {last} "
                    "(y grows downwards)"
                )
        return box

    def _of_array(self, value: list[object], place: int, column: str) -> Box:
        if self._format is None:
            raise UnknownFormError(
                f"{column}: box {place} is an array of 4 numbers; say in inputConfig.boxFormat "
                f"what they are ({', '.join(BoxFormat)}), or write {_SHAPE}"
            )
        a, b, c, d = (
            _number(it, f"number {i} of box {place}", column) for i, it in enumerate(value)
        )
        box = _FORMATS[self._format](a, b, c, d)
        if not all(map(math.isfinite, box)):
            raise UnreadableError(f"{column}: box {place} is too large; give finite numbers")
        return box


def _is_batch_of_one(value: object) -> bool:
    """Whether it is an array around the array of an image's boxes."""
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], list):
        return False
    return not value[0] or isinstance(value[0][0], list | dict)


def _corner(value: object, name: str, place: int, column: str) -> tuple[float, float]:
    corner = value.get(name) if isinstance(value, dict) else None
    if not isinstance(corner, dict):
        seen = seen_as(value) if isinstance(value, dict) else shown(value)
        raise UnreadableError(
            f"{column}: box {place} is {seen} without an object {shown(name)}; write {_SHAPE}, or "
            "an array of four numbers and their inputConfig.boxFormat"
        )
    x, y = (
        _number(corner.get(axis), f"{name}.{axis} of box {place}", column) for axis in ("x", "y")
    )
    return x, y


def _number(value: object, what: str, column: str) -> float:
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not math.isfinite(number):
        raise UnreadableError(f"{column}: {what} is {shown(value)}; give a finite number")
    return number
