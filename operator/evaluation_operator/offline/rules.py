"""The CEL rules of the schemas, evaluated on a laptop: the very texts of the CRDs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError

from evaluation_operator.domain.faults import Fault, FaultReason

from .structural import Schema, present, redacted, shown

_ABSENT = object()


def rule_faults(
    value: object, schema: Schema, path: str, *, old: object = _ABSENT
) -> Iterator[Fault]:
    """Rules that `value`, which fits `schema`, breaks.

    Rules about `oldSelf` are judged where `old`, the stored value, is given, as on an update.
    Items of lists have no old value, since no schema has such rules there.
    """
    for rule in schema.get("x-kubernetes-validations", ()):
        is_transition = "oldSelf" in rule["rule"]
        if is_transition and old is _ABSENT:
            continue
        names = {"self": to_cel(value, schema)}
        if is_transition:
            names["oldSelf"] = to_cel(old, schema)
        fault = _broken(rule, names, value, path, "Immutable" if is_transition else "Rule")
        if fault is not None:
            yield fault
    if isinstance(value, dict):
        before = present(old) if isinstance(old, dict) else {}
        for name, part in present(value).items():
            if (inner := _schema_of(name, schema)) is not None:
                field = f"{path}.{name}" if path else name
                yield from rule_faults(part, inner, field, old=before.get(name, _ABSENT))
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from rule_faults(item, schema["items"], f"{path}[{index}]")


def _broken(
    rule: Mapping[str, str],
    names: dict[str, Any],
    value: object,
    path: str,
    reason: FaultReason,
) -> Fault | None:
    try:
        if _program(rule["rule"]).evaluate(names):
            return None
        message = _message(rule, names)
    except CELEvalError as error:
        message = f"{rule['message']} (the rule could not be evaluated: {error})"
    field_path = rule.get("fieldPath", "")
    return Fault((path + field_path).lstrip("."), _value_at(value, field_path), message, reason)


def _message(rule: Mapping[str, str], names: dict[str, Any]) -> str:
    if "messageExpression" in rule:
        return redacted(str(_program(rule["messageExpression"]).evaluate(names)))
    return rule["message"]


def _value_at(value: object, field_path: str) -> str:
    """The offending value where it is short enough to help; messages name parts of objects."""
    for name in field_path.split(".")[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None or isinstance(value, dict | list) else shown(value)


@lru_cache(maxsize=256)
def _program(text: str) -> celpy.Runner:
    """The compiled rule. celpy raises the whole process's recursion limit; that is put back."""
    limit = sys.getrecursionlimit()
    try:
        environment = celpy.Environment()
        return environment.program(environment.compile(text))
    finally:
        sys.setrecursionlimit(limit)


def _schema_of(name: str, schema: Schema) -> Schema | None:
    found: Schema | None = schema.get("properties", {}).get(name)
    return found if found is not None else schema.get("additionalProperties")


def to_cel(value: Any, schema: Schema) -> Any:
    """`value` with the types that the API server gives to CEL by the schema."""
    match value:
        case dict() if "properties" in schema or "additionalProperties" in schema:
            return celtypes.MapType(
                {
                    celtypes.StringType(name): to_cel(part, inner)
                    for name, part in present(value).items()
                    if (inner := _schema_of(name, schema)) is not None
                }
            )
        case list() if "items" in schema:
            return celtypes.ListType([to_cel(item, schema["items"]) for item in value])
        case str() if schema.get("format") == "date-time":
            return celtypes.TimestampType(value)
        case int() | float() if schema.get("type") == "number":
            return celtypes.DoubleType(value)
        case float() if schema.get("type") == "integer":
            return celtypes.IntType(int(value))
        case _:
            return json_to_cel(value)
