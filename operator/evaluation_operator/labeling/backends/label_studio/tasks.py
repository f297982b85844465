"""A task's data: the item as people see it, and which item it is. Never what the model said."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection
from typing import Final

from pydantic import JsonValue

from evaluation_operator.labeling.backend import ProjectSpec, Task
from evaluation_operator.labeling.backends.label_studio.config import IMAGE_KEY, TEXT_KEY
from evaluation_operator.labeling.backends.label_studio.web import Origin, is_web_address, origin_of
from evaluation_operator.visible import visible

ITEM: Final = "evaluation_item"
"""Key of our own id in a task's data: Label Studio's are given out again after deletions."""

_SIGNATURES: Final = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


class CannotBeShown(ValueError):
    """Why nobody can be asked about an item, and what would cure it."""


def item_key(dataset: str, item_id: str) -> str:
    return f"{dataset}|{item_id}"


def item_of(key: str, dataset: str) -> str | None:
    """The item id if the task is of this Dataset."""
    prefix = item_key(dataset, "")
    return key.removeprefix(prefix) if key.startswith(prefix) else None


def task_data(
    spec: ProjectSpec, dataset: str, task: Task, tool: Collection[Origin] = ()
) -> dict[str, JsonValue]:
    """What is imported as the task; raises CannotBeShown. `tool`: where Label Studio itself is."""
    instance: JsonValue = json.loads(task.instance)
    value = _value(spec, instance)
    key = item_key(dataset, task.item_id)
    if spec.annotation_type.is_of_images:
        return {IMAGE_KEY: _image(value, tool), ITEM: key}
    return {TEXT_KEY: _text(value), ITEM: key}


def _value(spec: ProjectSpec, instance: JsonValue) -> JsonValue:
    """The data, or else the pointer to them; an instance without keys is the data itself."""
    if not isinstance(instance, dict):
        return instance
    for key in (spec.data_key, spec.reference_key):
        if key is not None and instance.get(key) is not None:
            return instance[key]
    if set(instance) == {"b64"}:
        return instance
    keys = " or ".join(repr(key) for key in (spec.data_key, spec.reference_key) if key)
    raise CannotBeShown(
        f"the instance has no {keys}: set data_json_key or reference_json_key of "
        "bigqueryImportKeys to a key that requests have"
    )


def _unwrapped(value: JsonValue) -> JsonValue:
    """Servers take bytes as {"b64": …}, and some want each value as a list of one."""
    if isinstance(value, list) and len(value) == 1:
        return _unwrapped(value[0])
    if isinstance(value, dict) and set(value) == {"b64"}:
        return value["b64"]
    return value


def _text(value: JsonValue) -> str:
    value = _unwrapped(value)
    if not isinstance(value, str):
        raise CannotBeShown(
            f"{json.dumps(value):.60} is no text: let data_json_key name the request's text"
        )
    if not value.strip():
        raise CannotBeShown("the text is empty")
    return value.replace("\0", "")


def _image(value: JsonValue, tool: Collection[Origin]) -> str:
    """A data URI, or an address that the browser of whoever labels loads it from.

    Not one of the tool itself: the browser would ask that with the person's own session, and the
    data are of anybody who sends requests to the model.
    """
    value = _unwrapped(value)
    if not isinstance(value, str):
        raise CannotBeShown(
            f"{json.dumps(value):.60} is no image: let data_json_key name its base64, or "
            "reference_json_key its http(s) address"
        )
    scheme, colon, rest = value.partition(":")
    if not colon or scheme == "data":
        return _data_uri(rest.partition(",")[2] if colon else value)
    if not is_web_address(value):
        raise CannotBeShown(
            f"a browser cannot load {visible(scheme):.20}: addresses, nor one without a host or "
            "with a user: send an http(s) address, say a presigned one, or the image in base64"
        )
    if origin_of(value) in tool:
        raise CannotBeShown(
            "its address is one of the labelling tool itself: send one of the store that it lies in"
        )
    return value


def _data_uri(text: str) -> str:
    compact = "".join(text.split()).translate(str.maketrans("-_", "+/"))
    compact += "=" * (-len(compact) % 4)
    try:
        content = base64.b64decode(compact, validate=True)
    except binascii.Error:
        raise CannotBeShown(
            f"{text[:40]!r}… is neither base64 nor an http(s) address: send one of the two"
        ) from None
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return f"data:image/webp;base64,{compact}"
    for signature, kind in _SIGNATURES.items():
        if content.startswith(signature):
            return f"data:{kind};base64,{compact}"
    raise CannotBeShown(
        f"its {len(content)} bytes are no JPEG, PNG, GIF or WebP image: a browser shows no other"
    )
