"""The generated CRDs: up to date, structural, bounded, described."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from evaluation_operator.api.base import Model, Resource
from evaluation_operator.api.crd import KINDS, build_crd, build_schema
from evaluation_operator.api.evaluation_job import EvaluationJob

CRDS = Path(__file__).resolve().parents[3] / "crds"
STRUCTURAL_KEYWORDS = {
    *("type", "description", "format", "enum", "pattern", "properties", "items", "required"),
    *("additionalProperties", "anyOf", "minimum", "maximum", "exclusiveMinimum"),
    *("minLength", "maxLength", "minItems", "maxItems", "maxProperties"),
    *("x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
    "x-kubernetes-int-or-string",
}


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from nodes(part, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[]")


ALL_NODES = [(path, node) for kind in KINDS for path, node in nodes(build_schema(kind), kind.KIND)]
ALL_RULES = [
    (path, rule, node)
    for path, node in ALL_NODES
    for rule in node.get("x-kubernetes-validations", ())
]


def test_the_committed_files_are_what_the_models_say() -> None:
    generator = runpy.run_path(str(CRDS / "generate.py"))

    assert generator["stale"](CRDS) == []


def test_an_outdated_a_missing_and_an_orphaned_file_are_each_told(tmp_path: Path) -> None:
    generator = runpy.run_path(str(CRDS / "generate.py"))
    for name, text in generator["rendered"]().items():
        (tmp_path / name).write_text(text)
    (tmp_path / "datasets.yaml").write_text("kind: other\n")
    (tmp_path / "instructions.yaml").unlink()
    (tmp_path / "models.yaml").write_text("")

    faults = generator["stale"](tmp_path)

    assert [fault.partition(":")[0] for fault in faults] == [
        "models.yaml",
        "instructions.yaml",
        "datasets.yaml",
    ]


def test_schemas_use_structural_keywords_only() -> None:
    unknown = {(path, key) for path, node in ALL_NODES for key in node.keys() - STRUCTURAL_KEYWORDS}

    assert unknown == set()


def test_no_field_has_a_default() -> None:
    """Defaults that the API server writes show up as a difference to what Git declares."""
    assert [path for path, node in ALL_NODES if "default" in node] == []


def test_every_field_is_described() -> None:
    fields = [
        f"{path}.{name}"
        for path, node in ALL_NODES
        for name, part in node.get("properties", {}).items()
        if "description" not in part and name != "metadata"
    ]

    assert fields == []


def test_every_rule_says_which_field_and_fits_one_line() -> None:
    for path, rule, _ in ALL_RULES:
        assert "\n" not in rule["message"], path
        assert len(rule["message"]) < 256, path
        assert rule["message"][0].islower(), path


def test_the_field_that_a_rule_points_to_exists() -> None:
    pointing = [
        (path, rule["fieldPath"], node) for path, rule, node in ALL_RULES if "fieldPath" in rule
    ]

    assert pointing
    for path, field_path, node in pointing:
        for name in field_path.removeprefix(".").split("."):
            assert name in node["properties"], (path, field_path)
            node = node["properties"][name]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_every_kind_has_a_status(kind: type[Resource]) -> None:
    (version,) = build_crd(kind)["spec"]["versions"]

    assert version["subresources"] == {"status": {}}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_printer_columns_show_fields_that_exist(kind: type[Resource]) -> None:
    paths = {path.removeprefix(kind.KIND) for path, _ in nodes(build_schema(kind), kind.KIND)}
    paths |= {".metadata.creationTimestamp"}
    for column in kind.PRINTER_COLUMNS:
        start, _, choice = column.json_path.partition("[")
        either = [f"{start}.{name}" for name in re.findall(r"'(\w+)'[,\]]", choice)]
        shown = [start] if choice.startswith("?") else either or [start]
        assert set(shown) <= paths, column


def test_jobs_show_at_a_glance_whether_something_stands_still() -> None:
    first = [column.name for column in EvaluationJob.PRINTER_COLUMNS if not column.wide]

    assert first == ["State", "Ready", "Reason", "Held Up", "Next Run", "mAP", "Age"]


class UnboundedSpec(Model):
    """A spec whose author forgot a bound."""

    texts: list[str] = Field(default=[], max_length=3)


class Unbounded(Resource):
    """A kind with it."""

    KIND: ClassVar[str] = "Unbounded"
    PLURAL: ClassVar[str] = "unboundeds"
    SINGULAR: ClassVar[str] = "unbounded"

    spec: UnboundedSpec


IGNORED = "EvaluationJob.spec.attempts"
"""Read by nobody, so a length is enough."""
WRITTEN_BY_USERS = ("EvaluationJob", "EvaluationJobVersion", "AnnotationSpecSet", "Instruction")


def ways_bounded(path: str, node: dict[str, Any]) -> set[str]:
    """How the schema limits what a text may be made of."""
    ways = {"enum", "pattern"} & node.keys()
    pointed_at = {
        f"{where}{rule['fieldPath']}"
        for where, rule, _ in ALL_RULES
        if "matches(" in rule["rule"] and "fieldPath" in rule
    }
    return ways | ({"rule"} if path in pointed_at else set())


def test_every_text_that_a_user_writes_says_what_it_is_made_of() -> None:
    """`spec.modelSelector.inferenceservicename: ../../../../…` was a name that walked through the
    API's paths: a text with a length alone may be anything, so it needs more than that."""
    texts = [
        (path, node)
        for path, node in ALL_NODES
        if node.get("type") == "string" and path.split(".")[0] in WRITTEN_BY_USERS
        if ".spec" in path and not path.startswith(IGNORED)
    ]

    assert len(texts) > 100
    assert [path for path, node in texts if not ways_bounded(path, node)] == []


def test_a_name_of_an_object_is_one_in_full() -> None:
    """`a..b` passed as a name, and `..` is a way up."""
    named = (
        *("serviceAccountName", "priorityClassName", "queueName", "persistentVolumeClaimName"),
        *("annotationSpecSet", "instruction", "evaluationJob", "dataset"),
    )
    found = [
        (path, node["pattern"])
        for path, node in ALL_NODES
        if path.split(".")[0] in WRITTEN_BY_USERS
        if ".spec" in path and not path.startswith(IGNORED)
        if path.rpartition(".")[2] in named and node["type"] == "string"
    ]

    assert len(found) > 10
    for path, pattern in found:
        for name in ("a..b", "..", ".", "", "a/b", "A", "-a", "a-", "a b", "a%2e"):
            assert not re.search(pattern.removesuffix("$") + r"\Z", name), (path, name)
        assert re.search(pattern, "a.b-1"), path


def test_nothing_takes_just_anything() -> None:
    """`spec.attempts` and `runTemplate.affinity` took a megabyte each."""
    free = [
        path
        for path, node in ALL_NODES
        if "type" not in node and "x-kubernetes-int-or-string" not in node
    ]

    assert free == []


def test_the_keys_of_every_map_are_bounded() -> None:
    maps = [(path, node) for path, node in ALL_NODES if "additionalProperties" in node]

    assert maps
    for path, node in maps:
        [rule] = node["x-kubernetes-validations"]
        assert "size(key) <=" in rule["rule"], path


def test_a_text_without_bound_is_refused_when_generating() -> None:
    with pytest.raises(TypeError, match=r"Unbounded\.spec\.texts\[\] has no maxLength"):
        build_crd(Unbounded)
