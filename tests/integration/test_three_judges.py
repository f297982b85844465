"""The API server and the operator against the table that the offline validator is judged by.

The offline validator refuses a manifest exactly when the API server refuses it or the operator
would make it Stalled; tests/unit/validate holds the validator to the same table.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes import client, config

from evaluation_operator.api.base import GROUP, VERSION
from evaluation_operator.api.crd import KINDS
from evaluation_operator.offline import validate_manifest
from tests.builders import MOUNT, NAMESPACE, Manifest
from tests.cluster.control_plane import ControlPlane
from tests.manifest_table import (
    BAD,
    EDITS,
    GOOD,
    LIMITS,
    Bad,
    Edit,
    make_job_of_old_service,
    operator_faults,
)

pytestmark = pytest.mark.integration

MODELS = {kind.KIND: kind for kind in KINDS}


class Judge:
    """The API server, asked with strict field validation as kubectl does by default."""

    def __init__(self, api: client.CustomObjectsApi) -> None:
        self._api = api

    def create(self, manifest: Manifest, *, dry_run: bool) -> Manifest:
        plural = MODELS[manifest["kind"]].PLURAL
        options: dict[str, Any] = {"dry_run": "All"} if dry_run else {}
        created: Any = self._api.create_namespaced_custom_object(
            GROUP, VERSION, NAMESPACE, plural, manifest, field_validation="Strict", **options
        )
        assert isinstance(created, dict)
        return created

    def refusal_of(self, manifest: Manifest) -> str | None:
        try:
            self.create(manifest, dry_run=True)
        except client.ApiException as error:
            return message_of(error)
        return None

    def refusal_of_edit(self, edit: Edit) -> str | None:
        plural, name = MODELS[edit.old["kind"]].PLURAL, edit.old["metadata"]["name"]
        stored = self.create(edit.old, dry_run=False)
        version = {"resourceVersion": stored["metadata"]["resourceVersion"]}
        body = {**edit.new, "metadata": edit.new["metadata"] | version}
        try:
            self._api.replace_namespaced_custom_object(
                GROUP, VERSION, NAMESPACE, plural, name, body, field_validation="Strict"
            )
        except client.ApiException as error:
            return message_of(error)
        finally:
            self._api.delete_namespaced_custom_object(GROUP, VERSION, NAMESPACE, plural, name)
        return None


def message_of(error: client.ApiException) -> str:
    assert error.status in (400, 422), error
    return str(json.loads(error.body or "{}")["message"])


@pytest.fixture(scope="module")
def judge(control_plane: ControlPlane) -> Iterator[Judge]:
    control_plane.kubectl("create", "namespace", NAMESPACE)
    api_client = config.new_client_from_config(str(control_plane.kubeconfig))
    with api_client:
        yield Judge(client.CustomObjectsApi(api_client))
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.parametrize("manifest", GOOD.values(), ids=GOOD.keys())
def test_a_good_manifest_is_admitted_and_not_stalled(judge: Judge, manifest: Manifest) -> None:
    admitted = judge.create(manifest, dry_run=True)

    assert operator_faults(admitted) == []


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_manifest_is_refused_or_stalled(judge: Judge, bad: Bad) -> None:
    text = judge.refusal_of(bad.manifest)
    assert (text is None) == (bad.want_refused_by == "operator"), text
    if text is None:
        admitted = judge.create(bad.manifest, dry_run=True)
        text = "\n".join(str(fault) for fault in operator_faults(admitted))

    assert text
    assert all(word in text for word in bad.want_words), text


SMALL = [it for it in GOOD.values() if len(json.dumps(it)) < 10_000]
ODD_VALUES = [
    *(
        None,
        True,
        "",
        "x",
        "x\n",
        0,
        -1,
        1,
        1.5,
        2.0,
        2**40,
        1e300,
        [],
        ["a"],
        [None],
        {},
        {"a": 1},
    ),
    *("0s", "36h", "2160h1s", "5m1h", "1Gi", "500m", "evaluation-", "a@b", "a b@c", "a@b\u00a0c"),
    *("2026-01-01T00:00:60Z", "2026-01-01T24:00:00Z", "0000-01-01T00:00:00Z"),
    *("2024-02-30T00:00:00Z", "1999-12-31T23:59:59.999999999Z", "2026-01-01T00:00:00+01:00"),
    *("file:///etc", f"file://{MOUNT}", f"file://{MOUNT}//x", f"file://{MOUNT}/./x", "S3://x"),
    *("s3://x", "gs://a:b@c/", "postgresql://db/x?password=y", "bq://x", "bq://"),
    *("ripeness", f"projects/{NAMESPACE}/annotationSpecSets/ripeness", "projects/o/instructions/i"),
    *("IMAGE", "TEXT", "GENERAL_DATA", "TEXT_CLASSIFICATION_ANNOTATION"),
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value, as its container and key."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


@st.composite
def spoiled_manifests(draw: st.DrawFn) -> Manifest:
    """Good manifests with one to three values of their specs replaced, or taken out."""
    manifest = copy.deepcopy(draw(st.sampled_from(SMALL)))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(manifest["spec"]))
        if not found:
            break
        parent, key = draw(st.sampled_from(found))
        if isinstance(parent, dict) and draw(st.booleans()):
            del parent[key]
        else:
            parent[key] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
    return manifest


@settings(max_examples=300, deadline=None, derandomize=True)
@given(manifest=spoiled_manifests())
def test_the_validator_refuses_what_the_others_refuse_and_nothing_else(
    judge: Judge, manifest: Manifest
) -> None:
    offline = validate_manifest(manifest, limits=LIMITS)

    refusal = judge.refusal_of(manifest)

    if refusal is not None:
        assert offline, refusal
    else:
        assert offline == operator_faults(judge.create(manifest, dry_run=True))


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edit_is_judged_by_what_stands_already(judge: Judge, edit: Edit) -> None:
    text = judge.refusal_of_edit(edit) or ""

    assert bool(text) == bool(edit.want_words), text
    assert all(word in text for word in edit.want_words), text


def test_kubectl_applies_the_old_services_json(judge: Judge, control_plane: ControlPlane) -> None:
    manifest = yaml.safe_dump(make_job_of_old_service())

    said = control_plane.kubectl("apply", "--dry-run=server", "-f", "-", stdin=manifest)

    assert "created" in said


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("evaluationjob.spec.evaluationJobConfig.inputConfig", "enum: IMAGE, TEXT, GENERAL_DATA"),
        ("evj.spec.runTemplate.envFrom", "Secret"),
        ("evjv.spec.terminate", "Queuing"),
        ("specset.spec.annotationSpecs", "displayName"),
        ("evds.status.outcome", "Succeeded"),
        ("evaluation.spec.evaluationMetrics", "classificationMetrics"),
        ("instruction.spec.pdfInstruction", "gcsFileUri"),
    ],
)
def test_kubectl_explains_fields(control_plane: ControlPlane, path: str, want: str) -> None:
    said = control_plane.kubectl("explain", path)

    assert want in said
    assert "<no description>" not in said
