"""What a job says of its model's classes is judged with the label set that comes along."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation_operator.offline import validate_manifest, validate_manifests
from tests.builders import Manifest, make_evaluation_job, make_spec_set, merged


def job(**config: Any) -> Manifest:
    return make_evaluation_job(spec={"evaluationJobConfig": {"inputConfig": config}})


def said(*manifests: Manifest) -> list[str]:
    return [str(fault) for faults in validate_manifests(manifests) for fault in faults]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"classNames": ["ripe", "rotten"]}, "classNames: 'rotten'"),
        ({"positiveLabel": "ripe", "negativeLabel": "raw"}, "negativeLabel: 'raw'"),
    ],
)
def test_a_class_that_the_set_does_not_have_is_named(config: Any, field: str) -> None:
    [fault] = said(job(**config), make_spec_set())
    assert f"inputConfig.{field}: is no label of the AnnotationSpecSet: add it there" in fault
    assert said(job(**config)) == [], "the set may be in the cluster"
    other = merged(make_spec_set(), {"metadata": {"namespace": "other"}})
    assert said(job(**config), make_spec_set(), other) == [], "of two, nobody knows which"


def test_classes_of_the_set_and_of_no_label_are_good() -> None:
    assert said(job(classNames=["ripe", "-", "unripe", "-"]), make_spec_set()) == []


def test_a_class_that_is_there_twice_is_a_fault_without_the_set() -> None:
    [fault] = said(job(classNames=["ripe", "ripe"]))
    assert "classNames: 'ripe': it is there twice" in fault


@pytest.mark.parametrize(
    ("label", "cure"),
    [
        (False, "put NO, off or false into quotes"),
        (True, "put yes, on or true into quotes"),
        (7, "put the number into quotes"),
    ],
)
def test_a_label_that_yaml_has_read_otherwise_is_to_be_quoted(label: object, cure: str) -> None:
    one = make_spec_set()
    one["spec"]["annotationSpecs"][0]["displayName"] = label
    [fault] = validate_manifest(one)
    assert cure in str(fault)
