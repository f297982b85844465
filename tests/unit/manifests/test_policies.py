"""What the admission policies repeat of the code is what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from evaluation_operator.api.run_template import RESERVED_SECRET_PATTERN
from evaluation_operator.domain import naming
from tests.cluster.settings import CHECKOUT

BASE = CHECKOUT / "manifests" / "base"
FILES = [
    BASE / "operator-policies.yaml",
    BASE / "pod-policies.yaml",
    CHECKOUT / "manifests" / "kserve" / "policy.yaml",
    CHECKOUT / "manifests" / "admission" / "policy.yaml",
]


@pytest.mark.parametrize(
    ("said", "file"),
    [
        (RESERVED_SECRET_PATTERN, FILES[0]),
        (f"'{naming.FINALIZER}'", FILES[0]),
        (f"'{naming.LABEL_MANAGED_BY}'", FILES[0]),
        (f"['{naming.COMPONENT_RUN}', '{naming.COMPONENT_TABLE_CHECK}']", FILES[0]),
        (f"'{naming.LABELER_LEASE}'", FILES[1]),
        (f"'{naming.ANNOTATION_LOGGER_FOR}'", FILES[2]),
        (f"'{naming.ANNOTATION_REEVALUATE}'", FILES[3]),
    ],
)
def test_a_name_in_a_policy_is_the_one_of_the_code(said: str, file: Path) -> None:
    assert said in file.read_text()


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_policy_is_bound_and_lets_nothing_through_when_it_fails(file: Path) -> None:
    """A policy without a binding does nothing, and says nothing about that."""
    objects = list(yaml.safe_load_all(file.read_text()))
    policies = {
        it["metadata"]["name"]: it["spec"]
        for it in objects
        if it["kind"] == "ValidatingAdmissionPolicy"
    }
    bindings = [it["spec"] for it in objects if it["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert {it["policyName"] for it in bindings} == set(policies)
    assert all(it["validationActions"] == ["Deny"] for it in bindings)
    for spec in policies.values():
        assert spec["failurePolicy"] == "Fail"
        assert spec["matchConditions"], "or everybody's requests depend on it"
