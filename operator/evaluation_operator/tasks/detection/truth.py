"""Boxes that people drew, as the table's ground truth has them."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation_operator.api.evaluation_options import BoundingBoxUnits, ImportKeys
from evaluation_operator.tasks.answers import Box
from evaluation_operator.tasks.votes import BoxTruth


def entry_of(
    boxes: Sequence[BoxTruth],
    keys: ImportKeys,
    units: BoundingBoxUnits | None,
    image_size: tuple[int, int] | None,
) -> dict[str, object]:
    """ValueError without a key for boxes, or without the image's size for pixels."""
    if keys.bounding_box_json_key is None:
        raise ValueError("bounding_box_json_key: None; name the key that holds boxes")
    scale = (1.0, 1.0)
    if units is BoundingBoxUnits.PIXELS and boxes:
        if image_size is None:
            raise ValueError("image_size: None; pixels need the image's width and height")
        scale = (float(image_size[0]), float(image_size[1]))
    return {
        keys.bounding_box_json_key: [_corners(it.box, scale) for it in boxes],
        keys.label_json_key: [it.box.label for it in boxes],
    }


def _corners(box: Box, scale: tuple[float, float]) -> dict[str, dict[str, float]]:
    """Rounded only as far as arithmetic has made digits that nobody drew."""

    def corner(x: float, y: float) -> dict[str, float]:
        return {"x": round(x * scale[0], 9), "y": round(y * scale[1], 9)}

    return {
        "top_left": corner(box.left, box.top),
        "bottom_right": corner(box.right, box.bottom),
    }
