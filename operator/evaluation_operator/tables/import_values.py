"""The values of one line of a file to import: read strictly, each fault with its cure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, TypeAlias

from evaluation_operator.tables.import_files import Fault, Line
from evaluation_operator.tables.schema import LABEL_COLUMNS, ROW_COLUMNS, Column, ColumnKind

# What of a column may be given as JSON in place of a text that holds JSON.
_DOCUMENTS: Final = ("raw_data", "raw_prediction", "groundtruth")
_TRUTH: Final = "groundtruth"
"""An empty one is none: pandas and spreadsheets have no other way to say so."""
_MAXIMUM_SHOWN: Final = 60
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?"
    r" ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)?)?",
    re.IGNORECASE,
)
"""And what BigQuery writes: a blank, and UTC. Nothing else is a time: digits alone may be many."""
_UTC: Final = re.compile(r" ?UTC$", re.IGNORECASE)
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 2200
Values: TypeAlias = dict[str, str | float | datetime | None]


def parse_row(line: Line, defaults: Mapping[str, str | None]) -> Values:
    """`defaults` stand for columns in which the line has no value."""
    values = _parse(line, ROW_COLUMNS, optional=("id",), defaults=defaults)
    _check_between(values, "priority", "at least 0 and below 1", lambda x: 0 <= x < 1)
    for name in ("p", "example_sample_percentage"):
        _check_between(values, name, "above 0 and at most 1", lambda x: 0 < x <= 1)
    _check_between(values, "example_count", "a number of items from 1", lambda x: 1 <= x < math.inf)
    return values


def parse_label(line: Line, labeled_at: datetime, model_version: tuple[str, str] | None) -> Values:
    """`model_version`: what all labels of the file are of, also those that do not say so."""
    values = _parse(line, LABEL_COLUMNS, optional=("labeled_at",))
    if values["labeled_at"] is None:
        values["labeled_at"] = labeled_at
    said = values["model"], values["model_version"]
    if None in said and said != (None, None):
        raise Fault('columns "model", "model_version": give both, or neither')
    if model_version is not None:
        if said not in ((None, None), model_version):
            raise Fault(
                f'columns "model", "model_version": {said[0]!r}, {said[1]!r} is another model '
                f"version than {model_version[0]!r}, {model_version[1]!r}; import it by itself"
            )
        values["model"], values["model_version"] = model_version
    return values


def _parse(
    line: Line,
    columns: tuple[Column, ...],
    *,
    optional: tuple[str, ...],
    defaults: Mapping[str, str | None] = MappingProxyType({}),
) -> Values:
    names = [column.name for column in columns]
    given_values = line.values
    unknown = [name for name in given_values if name not in names]
    if unknown:
        raise Fault(
            f'column "{unknown[0]}" is unknown; remove it, or rename it to one of '
            + ", ".join(names)
        )
    values: Values = {}
    for column in columns:
        given = given_values.get(column.name)
        if given is None or (given == "" and (not column.is_nullable or column.name == _TRUTH)):
            given = defaults.get(column.name)
        is_missing = given is None
        if is_missing and not column.is_nullable and column.name not in optional:
            raise Fault(f'column "{column.name}": no value; give one')
        values[column.name] = None if is_missing else _value(column, given)
    return values


def _value(column: Column, given: object) -> str | float | datetime:
    match column.kind:
        case ColumnKind.TEXT:
            return _text(column.name, given)
        case ColumnKind.NUMBER:
            return _number(column.name, given)
        case ColumnKind.TIME:
            return _time(column.name, given)


def _text(name: str, given: object) -> str:
    if name in _DOCUMENTS and isinstance(given, dict | list):
        # Keys in order, so that the same document is the same text and the same row id.
        try:
            text = json.dumps(given, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        except TypeError as error:
            what = str(error).removesuffix(" is not JSON serializable").removeprefix("Object of ")
            raise Fault(
                f'column "{name}": it holds a value of {what}, which JSON does not have; write a '
                "text of JSON, with bytes as base64 and times as texts"
            ) from None
    elif isinstance(given, str):
        text = given
    elif isinstance(given, float) and math.isnan(given):
        raise Fault(f'column "{name}": NaN is no text; give null')
    else:
        raise Fault(f'column "{name}": {_shown(given)} is no text; quote it')
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Fault(
            f'column "{name}": half of a surrogate pair is no character; remove it'
        ) from None
    if name in _DOCUMENTS and text is given:
        _check_document(name, text)
    return text


def _check_document(name: str, text: str) -> None:
    """No run could read it; better to hear so now."""
    try:
        json.loads(text)
    except RecursionError:
        raise Fault(f'column "{name}": JSON nested too deeply; write it flatter') from None
    except ValueError as error:
        cure = "give JSON"
        if text.lstrip()[:2] in ("{'", "['") or text.lstrip()[:3] in ("[{'", '{"', "('"):
            cure = "it looks like str() of Python's: write it with json.dumps"
        raise Fault(f'column "{name}": {_shown(text)} is no JSON ({error}); {cure}') from None


def _number(name: str, given: object) -> float:
    if isinstance(given, int | float | str) and not isinstance(given, bool):
        with suppress(ValueError, OverflowError):
            return float(given)
    raise Fault(f'column "{name}": {_shown(given)} is no number; give one, such as 0.5')


def _time(name: str, given: object) -> datetime:
    """Without a zone it is UTC. Numbers are refused: seconds, or milliseconds, of what?"""
    if isinstance(given, str) and _RFC_3339.fullmatch(given):
        with suppress(ValueError):
            given = datetime.fromisoformat(_UTC.sub("+00:00", given))
    if not isinstance(given, datetime):
        raise Fault(
            f'column "{name}": {_shown(given)} is no time; give one such as 2026-03-01T10:00:00Z'
        )
    if not _FIRST_YEAR <= given.year < _LAST_YEAR:
        raise Fault(
            f'column "{name}": {given} is not between the years {_FIRST_YEAR} and {_LAST_YEAR}; '
            "correct it"
        )
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)


def _check_between(
    values: Values, name: str, bounds: str, is_inside: Callable[[float], bool]
) -> None:
    value = values[name]
    if isinstance(value, float) and not is_inside(value):
        raise Fault(f'column "{name}": {value} must be {bounds}; correct it')


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MAXIMUM_SHOWN else text[:_MAXIMUM_SHOWN] + "…"
