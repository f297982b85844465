"""What is printed for each kind of sender; whether a cluster takes it is tested with one."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
import yaml

from evaluation_operator.cli.attaching import attach_to, print_attachment
from evaluation_operator.cli.errors import CliError
from evaluation_operator.sampling.intake.plain import parse_plain
from tests.builders import make_evaluation_job, stored

URL = "http://evaluation-sampler.fruit.svc/"


def job(**spec: Any) -> dict[str, Any]:
    return stored(make_evaluation_job(spec=spec))


def test_kserves_patch_names_version_and_sampler() -> None:
    [patch] = attach_to("kserve", job(), None).documents
    assert patch["metadata"]["annotations"] == {"evaluations.dev/model-version": "v1"}
    logger = patch["spec"]["predictor"]["logger"]
    assert (logger["mode"], logger["url"]) == ("all", URL)
    assert logger["metadataAnnotations"] == ["evaluations.dev/model-version"]


def test_a_selector_names_the_service_and_what_must_be_passed_on() -> None:
    selector = {"inferenceservicename": "orchard", "annotations.team": "north"}
    body = job(modelSelector=selector)
    found = attach_to("kserve", body, None)
    assert "inferenceservice orchard -n fruit" in "\n".join(found.notes)
    logger = found.documents[0]["spec"]["predictor"]["logger"]
    assert "team" in logger["metadataAnnotations"]
    [trigger] = attach_to("knative", body, None).documents
    assert trigger["spec"]["filter"]["attributes"] == {"inferenceservicename": "orchard"}


def test_what_lets_the_operator_set_kserves_logger_is_told() -> None:
    notes = attach_to("kserve", job(modelSelector={"inferenceservicename": "orchard"}), None).notes
    command = (
        "kubectl annotate inferenceservice orchard -n fruit --overwrite "
        "evaluations.dev/logger-for=ripeness"
    )
    assert command in notes


def test_a_trigger_takes_both_halves_of_one_model() -> None:
    [trigger] = attach_to("knative", job(), None).documents
    assert trigger["kind"] == "Trigger"
    assert trigger["spec"]["filter"]["attributes"] == {"inferenceservicename": "ripeness"}
    assert trigger["spec"]["subscriber"] == {"uri": URL}
    assert "reply" not in trigger["spec"]


def test_envoys_settings_are_those_of_its_manifest() -> None:
    [kustomization] = attach_to("envoy", job(), "http://sampler.example:8080").documents
    [generator] = kustomization["configMapGenerator"]
    settings = dict(literal.split("=", 1) for literal in generator["literals"])
    assert settings == {
        "EVALUATION_MODEL": "ripeness",
        "EVALUATION_MODEL_VERSION": "v1",
        "EVALUATION_FRACTION": "0.5",
        "EVALUATION_SAMPLER_HOST": "sampler.example",
        "EVALUATION_SAMPLER_PORT": "8080",
    }


def test_the_call_for_curl_holds_what_the_sampler_reads() -> None:
    command = attach_to("http", job(), None).command
    assert command is not None
    words = shlex.split(command.replace("\\\n", " "))
    assert f"{URL}v1/jobs/ripeness/predictions" in words
    [prediction] = parse_plain(words[words.index("-d") + 1].encode())
    assert prediction.predictions == ({"labels": ["LABEL"], "scores": [0.9]},)


@pytest.mark.parametrize("sender", ["kserve", "knative", "envoy"])
def test_what_is_printed_can_be_piped(sender: str, capsys: pytest.CaptureFixture[str]) -> None:
    attachment = attach_to(sender, job(), None)
    print_attachment(attachment)
    shown = capsys.readouterr().out
    assert shown.startswith("# ")
    documents = list(yaml.safe_load_all(shown))
    assert documents == [json.loads(json.dumps(it)) for it in attachment.documents]


def test_a_shell_takes_the_printed_call(capsys: pytest.CaptureFixture[str]) -> None:
    found = attach_to("http", job(), None)
    print_attachment(found)
    lines = [it for it in capsys.readouterr().out.splitlines() if not it.startswith("# ")]
    assert found.command is not None
    assert shlex.split("\n".join(lines)) == shlex.split(found.command)


@pytest.mark.parametrize("url", ["sampler", "ftp://sampler/", "http:///path"])
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(CliError, match="--url"):
        attach_to("http", job(), url)


def test_the_sidecar_cannot_speak_tls() -> None:
    with pytest.raises(CliError, match="plain HTTP"):
        attach_to("envoy", job(), "https://sampler.example/")
