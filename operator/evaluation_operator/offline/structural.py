"""Structural schemas, judged as the API server does with strict field validation.

Only what the generated schemas use is known here. A property that is null counts as absent, as
in the API server; a null anywhere else is a value of the wrong type.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from evaluation_operator.domain.faults import Fault

Schema = Mapping[str, Any]

PRESERVES_UNKNOWN = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"

_SHOWN_CHARACTERS = 80


def structural_faults(value: object, schema: Schema, path: str) -> Iterator[Fault]:
    """What of `schema` the JSON `value` at `path` breaks, in the order of the schema."""
    if schema.get(INT_OR_STRING):
        yield from _int_or_string_faults(value, schema, path)
    elif not _has_type(value, schema):
        yield _fault(path, value, f"must be of type {schema['type']}{_cure_of_type(value, schema)}")
    elif "enum" in schema and value not in schema["enum"]:
        yield _fault(path, value, f"must be one of {', '.join(schema['enum'])}")
    elif "type" not in schema:
        return
    elif isinstance(value, dict):
        yield from _object_faults(value, schema, path)
    elif isinstance(value, list):
        yield from _list_faults(value, schema, path)
    elif isinstance(value, str):
        yield from _string_faults(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number_faults(value, schema, path)


def unknown_field_faults(value: object, schema: Schema, path: str) -> Iterator[Fault]:
    """The unknown fields alone, for parts whose values the API server does not look at."""
    return (fault for fault in structural_faults(value, schema, path) if _is_unknown(fault))


def present(value: Mapping[str, object]) -> dict[str, object]:
    """The properties that are not null."""
    return {name: part for name, part in value.items() if part is not None}


def without_nulls(value: object) -> object:
    """`value` as the API server stores it: no property is null."""
    match value:
        case dict():
            return {name: without_nulls(part) for name, part in present(value).items()}
        case list():
            return [without_nulls(item) for item in value]
        case _:
            return value


# Whatever stands in a password, also what ends an address: up to the last `@` it is one.
_PASSWORDS = re.compile(r"(?i)(//[^:\s]*:)\S*(?=@)|([?&][a-z]+=)[^&\s\"']*")


def redacted(text: str) -> str:
    """`text` without the passwords of addresses in it: error lines end up in logs."""
    return _PASSWORDS.sub(lambda match: f"{match[1] or match[2]}…", text)


def shown(value: object) -> str:
    """`value` for an error line: JSON without passwords, cut to a readable length."""
    text = redacted(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _fault(path: str, value: object, message: str) -> Fault:
    return Fault(path, shown(value), message, "Schema")


_UNKNOWN = "unknown field"


def _is_unknown(fault: Fault) -> bool:
    return fault.message.startswith(_UNKNOWN)


def _has_type(value: object, schema: Schema) -> bool:
    match schema.get("type"):
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return True


def _cure_of_type(value: object, schema: Schema) -> str:
    """YAML reads NO, off and the like as false, and 007 as 7."""
    if schema["type"] != "string" or isinstance(value, dict | list) or value is None:
        return ""
    written = "NO, off or false" if value is False else "yes, on or true" if value is True else ""
    return f": put {written or 'the number'} into quotes, as it is to be read"


def _int_or_string_faults(value: object, schema: Schema, path: str) -> Iterator[Fault]:
    if isinstance(value, bool) or not isinstance(value, int | str):
        yield _fault(path, value, "must be of type string or integer: put it into quotes")
    elif isinstance(value, str):
        yield from _string_faults(value, schema, path)


def _object_faults(value: Mapping[str, object], schema: Schema, path: str) -> Iterator[Fault]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    values: Schema | None = schema.get("additionalProperties")
    given = present(value)
    for name in schema.get("required", ()):
        if name not in given:
            meaning = properties[name].get("description", "")
            yield Fault(f"{path}.{name}", "", f"required: {meaning}", "Schema")
    if len(given) > schema.get("maxProperties", len(given)):
        yield _fault(path, f"{len(given)} entries", f"at most {schema['maxProperties']} entries")
    for name in value:
        if name in properties:
            if name in given:
                yield from structural_faults(given[name], properties[name], f"{path}.{name}")
        elif values is not None:
            if name in given:
                yield from structural_faults(given[name], values, f"{path}.{name}")
        elif not schema.get(PRESERVES_UNKNOWN):
            yield _fault(f"{path}.{name}", value[name], _unknown(name, properties))


def _unknown(name: str, properties: Mapping[str, Schema]) -> str:
    close = difflib.get_close_matches(name, properties, n=1)
    cure = f"did you mean {close[0]}?" if close else "remove it"
    return f"{_UNKNOWN}: {cure}"


def _list_faults(value: list[object], schema: Schema, path: str) -> Iterator[Fault]:
    if len(value) > schema["maxItems"]:
        yield _fault(path, f"{len(value)} items", f"must have at most {schema['maxItems']} items")
    if len(value) < schema.get("minItems", 0):
        yield _fault(path, value, f"must have at least {schema['minItems']} items")
    for index, item in enumerate(value):
        yield from structural_faults(item, schema["items"], f"{path}[{index}]")
    list_type = schema.get("x-kubernetes-list-type")
    if list_type not in ("set", "map"):
        return
    keys = schema.get("x-kubernetes-list-map-keys", ())
    seen: set[str] = set()
    for index, item in enumerate(value):
        if list_type == "map":
            if not isinstance(item, dict):
                continue
            item = {key: item.get(key) for key in keys}
        identity = json.dumps(item, sort_keys=True)
        if identity in seen:
            yield _fault(f"{path}[{index}]", item, "is there twice: remove one")
        seen.add(identity)


def _string_faults(value: str, schema: Schema, path: str) -> Iterator[Fault]:
    if len(value) > schema.get("maxLength", len(value)):
        yield _fault(
            path, value, f"has {len(value)} characters, at most {schema['maxLength']} are allowed"
        )
    if len(value) < schema.get("minLength", 0):
        yield _fault(path, value, f"must have at least {schema['minLength']} characters")
    pattern = schema.get("pattern")
    if pattern is not None and not _pattern(pattern).search(value):
        meaning = schema.get("description")
        yield _fault(path, value, f"must match {pattern}" + (f": {meaning}" if meaning else ""))
    elif schema.get("format") == "date-time" and not _is_time(value):
        yield _fault(path, value, "must be a time, like 2026-01-31T10:00:00Z")


@lru_cache
def _pattern(pattern: str) -> re.Pattern[str]:
    """In the API server `$` is the end of the text; in Python a line feed may follow."""
    return re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _number_faults(value: float, schema: Schema, path: str) -> Iterator[Fault]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None:
        if schema.get("exclusiveMinimum") and value <= low:
            yield _fault(path, value, f"must be greater than {low}")
        elif value < low:
            yield _fault(path, value, f"must be at least {low}")
    if high is not None:
        if schema.get("exclusiveMaximum") and value >= high:
            yield _fault(path, value, f"must be less than {high}")
        elif value > high:
            yield _fault(path, value, f"must be at most {high}")
