"""`validate`: a line for each fault, wherever the manifests come from."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.builders import ABSENT, make_evaluation_job, make_spec_set
from tests.unit.cli.running import json_of, run_cli, write_manifests

TOO_OFTEN = make_evaluation_job("hourly", spec={"schedule": "every 1 hours"})
NO_LABELS = make_spec_set("empty", spec={"annotationSpecs": ABSENT})


def test_good_manifests_exit_0(tmp_path: Path) -> None:
    file = write_manifests(tmp_path / "good.yaml", make_evaluation_job(), make_spec_set())
    result = run_cli("validate", "-f", file)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "no faults\n", "")


def test_every_fault_has_a_line_that_names_file_object_and_field(tmp_path: Path) -> None:
    file = write_manifests(tmp_path / "bad.yaml", TOO_OFTEN, make_spec_set(), NO_LABELS)
    result = run_cli("validate", "-f", file)
    first, second = result.stdout.splitlines()
    assert result.exit_code == 1
    assert first.startswith(f"{file}: EvaluationJob/hourly: spec.schedule: ")
    assert second.startswith(f"{file}: AnnotationSpecSet/empty: spec.annotationSpecs: ")


def test_files_folders_and_standard_input_go_together(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "set.json").write_text(json.dumps(NO_LABELS))
    good = write_manifests(tmp_path / "good.yaml", make_evaluation_job())
    result = run_cli(
        "validate",
        *("-f", good, "-f", str(tmp_path / "folder"), "-f", "-"),
        stdin=yaml.safe_dump(TOO_OFTEN),
    )
    first, second = result.stdout.splitlines()
    assert "set.json: AnnotationSpecSet/empty" in first
    assert "standard input: EvaluationJob/hourly" in second


def test_faults_as_json(tmp_path: Path) -> None:
    file = write_manifests(tmp_path / "bad.yaml", TOO_OFTEN)
    result = run_cli("validate", "-f", file, "-o", "json")
    content = json_of(result)
    assert result.exit_code == 1
    assert content["valid"] is False
    assert [fault["field"] for fault in content["faults"]] == ["spec.schedule"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = run_cli("validate", "-f", str(tmp_path / "absent.yaml"))
    assert result.exit_code == 1
    assert f"{tmp_path}/absent.yaml: No such file" in result.stderr


def test_text_that_is_no_yaml_is_a_fault_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("spec: [1, 2\nkind: x")
    result = run_cli("validate", "-f", str(tmp_path / "broken.yaml"))
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1


def test_strict_is_about_schedules(tmp_path: Path) -> None:
    job = make_evaluation_job(spec={"schedule": "every 2 days"})
    file = write_manifests(tmp_path / "job.yaml", job)
    assert run_cli("validate", "-f", file).exit_code == 0
    assert run_cli("validate", "-f", file, "--strict").exit_code == 1


def test_a_command_without_what_it_needs_is_a_usage_error() -> None:
    assert run_cli("validate").exit_code == 2
