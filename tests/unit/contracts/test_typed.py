"""A field of a contract that is misspelt fails in mypy, wherever an object is written.

mypy judges the calls below: it complains of a comment that ignores nothing, so the gate breaks as
soon as one of these mistakes would pass. That nothing goes around it is looked for in the sources.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import cast, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from pydantic import ValidationError

from evaluation_operator.api.base import Model, ObjectMeta
from evaluation_operator.api.dataset import Dataset, DatasetAlert, DatasetSpec
from evaluation_operator.api.evaluation_job_status import EvaluationJobStatus
from evaluation_operator.api.kubernetes import JobSpec
from evaluation_operator.domain.facts.dataset import StoredDataset
from tests.cluster.settings import CHECKOUT

SOURCES = CHECKOUT / "operator" / "evaluation_operator"


def test_a_misspelt_field_of_a_new_object_is_an_error() -> None:
    with pytest.raises(ValidationError, match="minAcceptableMeanAveragePrecision"):
        DatasetAlert(min_acceptable_mean_average_precisoin=0.5)  # type: ignore[call-arg]


def test_a_misspelt_field_of_a_changed_status_is_an_error() -> None:
    status = EvaluationJobStatus()
    told = status.changed(next_run_tiem=None)  # type: ignore[call-arg]
    assert told.to_dict() == {}


def test_a_value_of_another_type_is_an_error() -> None:
    changed = ObjectMeta().changed(name=7)  # type: ignore[arg-type]
    assert cast(object, changed.name) == 7


def test_a_misspelt_key_of_a_kubernetes_object_is_an_error() -> None:
    spec: JobSpec = {"backofLimit": 2}  # type: ignore[typeddict-unknown-key]
    assert "backoffLimit" not in spec


def read_keys(typed: type, model: type[Model]) -> Iterator[tuple[str, bool]]:
    """Every key that is read of a Dataset as it is stored, and whether its model has the field."""
    fields = {field.alias: field.annotation for field in model.model_fields.values()}
    for key, hint in get_type_hints(typed).items():
        if key == "metadata":
            continue
        yield f"{model.__name__}.{key}", key in fields
        inner = [it for it in _within(hint) if is_typeddict(it)]
        models = [it for it in _within(fields.get(key)) if issubclass(it, Model)]
        for one, other in zip(inner, models, strict=False):
            yield from read_keys(one, other)


def _within(hint: object) -> list[type]:
    if get_origin(hint) is None:
        return [hint] if isinstance(hint, type) else []
    return [found for argument in get_args(hint) for found in _within(argument)]


def test_what_is_read_of_a_stored_dataset_is_a_field_of_its_model() -> None:
    found = dict(read_keys(StoredDataset, Dataset))
    assert {"DatasetSpec.scheduledTime", "RunWindow.failures", "Revision.number"} <= set(found)
    assert [key for key, is_field in found.items() if not is_field] == []
    assert "intervalDays" in {field.alias for field in DatasetSpec.model_fields.values()}


def names_in(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return {it.attr for it in nodes if isinstance(it, ast.Attribute)} | {
        it.id for it in nodes if isinstance(it, ast.Name)
    }


def test_models_are_changed_by_the_method_that_mypy_knows() -> None:
    found = [path for path in sorted(SOURCES.rglob("*.py")) if "model_copy" in names_in(path)]
    assert found == [SOURCES / "api" / "base.py"]


def test_no_decision_takes_what_has_no_type() -> None:
    found = [path for path in sorted((SOURCES / "domain").rglob("*.py")) if "Any" in names_in(path)]
    assert found == []
