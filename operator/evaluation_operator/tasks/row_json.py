"""Reading the JSON of a row: what lies where, and what is wrong with it in words for people."""

from __future__ import annotations

import json
import math
from typing import Final, TypeAlias

from evaluation_operator.bodies.parsed_size import parsed_bytes

MAXIMUM_SHOWN: Final = 60
MAXIMUM_PARSED_BYTES: Final = 256 * 2**20
"""What one text of a row may take in memory; the table may hold what nobody sampled."""
MAXIMUM_LABELS: Final = 10_000
"""Of one item, and boxes: each of a prediction is compared with each of the ground truth."""

JsonObject: TypeAlias = dict[str, object]


class UnreadableError(Exception):
    """Field, value and cure of what is wrong."""


class UnknownFormError(UnreadableError):
    """Of an answer that no form fits, as far as the job says how its model answers."""


def entries_of(text: str | None, column: str, key: str) -> list[object] | None:
    """The array under `key`; None if the column, the document or the array is null."""
    document = parsed(text, column)
    if document is None:
        return None
    if not isinstance(document, dict) or key not in document:
        raise UnreadableError(
            f'{column}: no key "{key}"; give {{"{key}": [one entry an instance]}}'
        )
    entries = document[key]
    if entries is not None and not isinstance(entries, list):
        raise UnreadableError(
            f'{column}: "{key}" is {shown(entries)}; give an array with one entry an instance'
        )
    return entries


def parsed(text: str | None, column: str) -> object:
    """JSON; where that is a text which is JSON itself, as after two json.dumps, what is in it."""
    found = _parsed(text, column)
    if isinstance(found, str) and found.lstrip()[:1] in ("{", "["):
        return _parsed(found, column)
    return found


def _parsed(text: str | None, column: str) -> object:
    if text is None:
        return None
    size = parsed_bytes(text)
    if size > MAXIMUM_PARSED_BYTES:
        raise UnreadableError(
            f"{column}: {len(text)} characters, which would take about {size >> 20} MiB of memory; "
            f"at most {MAXIMUM_PARSED_BYTES >> 20} are read: make several rows of it"
        )
    try:
        document: object = json.loads(text)
    except RecursionError:
        raise UnreadableError(f"{column}: JSON nested too deeply; write it flatter") from None
    except ValueError as error:
        raise UnreadableError(f"{column}: unreadable JSON ({error}); correct the text") from None
    return document


def array_under(fields: JsonObject, key: str, column: str, import_key: str) -> list[object]:
    """The array under `key`; a lone string or number stands for an array of one."""
    if key not in fields:
        raise UnreadableError(
            f"{column}: no key {shown(key)} in the entry; add it, or correct "
            f"bigqueryImportKeys.{import_key}"
        )
    value = fields[key]
    if isinstance(value, list):
        return bounded(value, key, column)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return [value]
    raise UnreadableError(f"{column}: {shown(key)} is {shown(value)}; give an array")


def bounded(values: list[object], key: str, column: str) -> list[object]:
    """The same values; UnreadableError for more than one item may have."""
    if len(values) > MAXIMUM_LABELS:
        raise UnreadableError(
            f"{column}: {len(values)} entries under {shown(key)}; give at most {MAXIMUM_LABELS}"
        )
    return values


def score_of(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableError(
            f"raw_prediction: score {shown(value)} under {shown(key)} is no number; give a number"
        )
    try:
        score = float(value)
    except OverflowError:
        score = math.inf
    if not math.isfinite(score):
        raise UnreadableError(
            f"raw_prediction: score {shown(value)} under {shown(key)} is not finite; "
            "give a finite number"
        )
    return score + 0.0  # -0.0 and 0.0 are one score


def shown(value: object) -> str:
    """A value as JSON, short. Arrays and objects, which may be huge, only by kind."""
    if isinstance(value, list):
        return "an array"
    if isinstance(value, dict):
        return "an object"
    text = value[: MAXIMUM_SHOWN + 1] if isinstance(value, str) else value
    return shortened(json.dumps(text, ensure_ascii=False), MAXIMUM_SHOWN)


def shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
