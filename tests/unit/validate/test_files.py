"""Manifests in files, as `validate -f` reads them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluation_operator.domain.stalled import Limits
from evaluation_operator.offline import read_manifests, validate_files, validate_manifest
from tests.builders import ABSENT, make_evaluation_job, make_spec_set, make_version


def write(path: Path, *manifests: object) -> Path:
    path.write_text(yaml.safe_dump_all(manifests, allow_unicode=True), encoding="utf-8")
    return path


def lines(*paths: Path | str) -> list[str]:
    return [str(fault) for fault in validate_files(paths)]


def test_a_fault_is_told_with_file_object_field_value_and_message(tmp_path: Path) -> None:
    file = write(
        tmp_path / "jobs.yaml",
        make_spec_set(),
        make_evaluation_job(spec={"evaluationJobConfig": {"exampleCount": 0}}),
    )

    assert lines(file) == [
        f"{file}: EvaluationJob/ripeness: spec.evaluationJobConfig.exampleCount: 0: "
        "must be at least 1"
    ]


def test_a_misspelt_field_is_told_with_the_right_one(tmp_path: Path) -> None:
    file = write(tmp_path / "job.yaml", make_evaluation_job(spec={"pausd": True}))

    assert lines(file) == [
        f"{file}: EvaluationJob/ripeness: spec.pausd: true: unknown field: did you mean paused?"
    ]


def test_a_folder_a_list_and_standard_input_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.json").write_text(
        json.dumps({"kind": "List", "apiVersion": "v1", "items": [make_spec_set()]}, indent="\t")
    )
    write(tmp_path / "version.yml", make_version(), None)
    (tmp_path / "notes.txt").write_text("not a manifest")
    monkeypatch.setattr("sys.stdin", io.StringIO(yaml.safe_dump(make_evaluation_job())))

    titles = [it.title for path in (tmp_path, "-") for it in read_manifests(path)]

    assert titles == [
        "AnnotationSpecSet/ripeness",
        "EvaluationJobVersion/ripeness-again",
        "EvaluationJob/ripeness",
    ]


def test_objects_of_other_groups_are_left_alone(tmp_path: Path) -> None:
    file = write(tmp_path / "x.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "data": 5})

    assert lines(file) == []


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        ({"kind": "EvaluationJobs"}, "kind"),
        ({"apiVersion": "evaluations.dev/v2"}, "apiVersion"),
        ({"kind": ABSENT}, "kind"),
    ],
)
def test_an_unknown_kind_or_version_of_our_group_is_refused(
    changes: dict[str, Any], want: str
) -> None:
    (fault,) = validate_manifest(make_evaluation_job(**changes))

    assert fault.field == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a: [1", "expected"),
        ("just text", "holds a str where an object should be"),
        ("a: 1\nb: 2\na: 3\n", "'a' is there twice"),
        ("{bad json", "Expecting"),
    ],
)
def test_a_file_that_holds_no_object_is_told_not_raised(
    tmp_path: Path, text: str, want: str
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)

    (line,) = lines(file)

    assert line.startswith(f"{file}: ")
    assert want in line


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xff\xfe\x00")

    assert "is not UTF-8" in lines(file)[0]


def test_unquoted_times_stay_text_as_in_kubectl(tmp_path: Path) -> None:
    file = tmp_path / "version.yaml"
    file.write_text(
        "apiVersion: evaluations.dev/v1beta1\nkind: EvaluationJobVersion\n"
        "metadata: {name: again}\n"
        "spec:\n  evaluationJob: ripeness\n  scoreThresholds: [1e-3, 0.5, 1]\n"
        "  window: {startTime: 2026-03-01T00:00:00Z, endTime: 2026-03-02T00:00:00Z}\n"
    )

    (manifest,) = read_manifests(file)

    assert manifest.body["spec"]["window"]["startTime"] == "2026-03-01T00:00:00Z"
    assert manifest.body["spec"]["scoreThresholds"] == [0.001, 0.5, 1]
    assert lines(file) == []


def test_a_second_job_for_the_same_model_version_is_refused(tmp_path: Path) -> None:
    long_form = {"modelVersion": "projects/fruit/models/ripeness/versions/v1"}
    file = write(
        tmp_path / "jobs.yaml",
        make_evaluation_job("first"),
        make_evaluation_job("second", spec=long_form),
        make_evaluation_job("elsewhere", metadata={"namespace": "vegetables"}),
    )

    (line,) = lines(file)

    assert "EvaluationJob/second: spec.modelVersion: " in line
    assert "EvaluationJob first evaluates it already" in line


def test_a_project_is_believed_where_the_namespace_is_not_known() -> None:
    job = make_evaluation_job(
        metadata={"namespace": ABSENT},
        spec={"modelVersion": "projects/orchard/models/ripeness/versions/v1"},
    )

    assert validate_manifest(job) == []
    assert [it.field for it in validate_manifest(job, namespace="fruit")] == ["spec.modelVersion"]


def test_images_are_judged_where_the_allow_list_is_known() -> None:
    job = make_evaluation_job(spec={"runTemplate": {"image": "registry.example/mine:v1"}})
    strict = Limits(allowed_images=("registry.example/evaluator:*",))
    open_minded = Limits(allowed_images=("registry.example/*",))

    (fault,) = validate_manifest(job, limits=strict)

    assert (fault.field, fault.reason) == ("spec.runTemplate.image", "NotAllowed")
    assert "registry.example/evaluator:*" in fault.message
    assert validate_manifest(job, limits=open_minded) == []
    assert validate_manifest(job) == []
    assert validate_manifest(job, limits=Limits()) != []


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://reader:pear@db/fruit/predictions",
        "postgres://reader:pear@db/fruit/predictions",
        "postgresql://db/fruit/predictions?user=reader&password=pear",
    ],
)
def test_a_password_is_never_printed(uri: str) -> None:
    table = {"inputUri": uri, "persistentVolumeClaimName": ABSENT}
    config = {"inputConfig": {"tableSource": table}}
    job = make_evaluation_job(
        spec={"resultsUri": "s3://fruit/results", "evaluationJobConfig": config}
    )

    text = "\n".join(str(fault) for fault in validate_manifest(job))

    assert "inputUri" in text
    assert "db/fruit/predictions" in text
    assert "pear" not in text


def test_extensions_of_the_schedule_are_refused_where_the_operator_is_strict() -> None:
    job = make_evaluation_job(spec={"schedule": "every 2 days"})

    (fault,) = validate_manifest(job, limits=Limits(strict_schedule=True))

    assert fault.field == "spec.schedule"
