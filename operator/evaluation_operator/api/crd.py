"""CustomResourceDefinitions, made from the models.

The API server takes only *structural* schemas: no references, no unions with null, exclusive
bounds as flags. Every string, list and map must have a bound, since the cost of the rules over
them is estimated from it; a model without one is refused here, not in a user's cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .annotation_spec_set import AnnotationSpecSet
from .base import CATEGORY, GROUP, VERSION, PrinterColumn, Resource, Rule
from .dataset import Dataset
from .evaluation import Evaluation
from .evaluation_job import EvaluationJob
from .evaluation_job_version import EvaluationJobVersion
from .instruction import Instruction

KINDS: tuple[type[Resource], ...] = (
    EvaluationJob,
    EvaluationJobVersion,
    AnnotationSpecSet,
    Instruction,
    Dataset,
    Evaluation,
)

Schema = dict[str, Any]

_API_VERSION_SCHEMA: Schema = {
    "type": "string",
    "description": f"Version of this schema: {GROUP}/{VERSION}.",
}
_COPIED = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "minimum",
    "maximum",
    "required",
    "anyOf",
)


def build_crd(kind: type[Resource]) -> Schema:
    """The CustomResourceDefinition of `kind`, in JSON form."""
    names: Schema = {
        "kind": kind.KIND,
        "listKind": f"{kind.KIND}List",
        "plural": kind.PLURAL,
        "singular": kind.SINGULAR,
        "categories": [CATEGORY],
    }
    if kind.SHORT_NAMES:
        names["shortNames"] = list(kind.SHORT_NAMES)
    version: Schema = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_printer_column(it) for it in kind.PRINTER_COLUMNS],
        "schema": {"openAPIV3Schema": build_schema(kind)},
    }
    if has_status(kind):
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.PLURAL}.{GROUP}",
            "labels": {"app.kubernetes.io/part-of": "evaluation-operator"},
        },
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def has_status(kind: type[Resource]) -> bool:
    return "status" in kind.model_fields


def build_schema(kind: type[Resource]) -> Schema:
    """The structural schema of whole objects of `kind`."""
    source = kind.model_json_schema(by_alias=True)
    definitions = source.get("$defs", {})
    schema: Schema = {
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": _API_VERSION_SCHEMA,
            "kind": {"type": "string", "description": f"Kind of the object: {kind.KIND}."},
            "metadata": {"type": "object"},
        },
    }
    for part in ("spec", "status"):
        if part in source["properties"]:
            schema["properties"][part] = _structural(
                source["properties"][part], definitions, f"{kind.KIND}.{part}"
            )
    if kind.RULES:
        schema["x-kubernetes-validations"] = [rule.to_dict() for rule in kind.RULES]
    return schema


def _printer_column(column: PrinterColumn) -> Schema:
    entry: Schema = {"name": column.name, "type": column.type, "jsonPath": column.json_path}
    if column.description:
        entry["description"] = column.description
    if column.wide:
        entry["priority"] = 1
    return entry


def _structural(schema: Schema, definitions: Mapping[str, Schema], path: str) -> Schema:
    """`schema` in the form that the API server takes; `path` is for errors."""
    schema = _resolved(schema, definitions)
    result = {key: schema[key] for key in _COPIED if key in schema}
    for key, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if key in schema:
            result |= {bound: schema[key], key: True}
    if "properties" in schema:
        result["properties"] = {
            name: _structural(part, definitions, f"{path}.{name}")
            for name, part in schema["properties"].items()
        }
    if "items" in schema:
        result["items"] = _structural(schema["items"], definitions, f"{path}[]")
    if isinstance(values := schema.get("additionalProperties"), dict):
        result["additionalProperties"] = _structural(values, definitions, f"{path}.*")
        result["x-kubernetes-validations"] = [_keys_rule(schema, path).to_dict()]
    result |= {key: value for key, value in schema.items() if key.startswith("x-kubernetes-")}
    _check_bounds(result, path)
    return result


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Follows references, and takes `null` out of unions; what stands beside them wins."""
    while True:
        beside = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
        if "$ref" in schema:
            schema = definitions[schema["$ref"].rpartition("/")[2]] | beside
            continue
        members = [it for it in schema.get("anyOf", ()) if it.get("type") != "null"]
        if len(members) != 1:
            return schema
        schema = members[0] | beside


def _keys_rule(schema: Schema, path: str) -> Rule:
    """A structural schema knows no `propertyNames`, and nothing else bounds the keys of a map."""
    bound = schema.get("propertyNames", {}).get("maxLength")
    if bound is None:
        raise TypeError(f"{path} has keys of any length: give the model's field keys_of(…)")
    return Rule(
        rule=f"self.all(key, size(key) <= {bound})",
        message=f"has a key of more than {bound} characters: shorten it",
    )


def _check_bounds(schema: Schema, path: str) -> None:
    if "type" not in schema and "x-kubernetes-int-or-string" not in schema:
        raise TypeError(f"{path} takes anything: give it a type")
    needed = {"string": "maxLength", "array": "maxItems"}.get(schema.get("type", ""))
    if "additionalProperties" in schema:
        needed = "maxProperties"
    if needed and needed not in schema and "enum" not in schema:
        raise TypeError(f"{path} has no {needed}: give the model's field a max_length")
