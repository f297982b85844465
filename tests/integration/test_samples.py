"""Every sample is taken by the real API server, by the offline validator, and by the operator.

What a sample cannot show here is its effect: that takes pods, and tests/e2e has them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation_operator.api.crd import KINDS
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.names import parse_model_version
from evaluation_operator.offline import read_manifests, validate_files
from tests.cluster.control_plane import ControlPlane
from tests.cluster.settings import CHECKOUT

SAMPLES = sorted((CHECKOUT / "manifests" / "samples").glob("*.yaml"))
NAMESPACE = "evaluations-trial"


@pytest.fixture(scope="module")
def trial(control_plane: ControlPlane) -> ControlPlane:
    """A control plane with the namespace that the samples are for."""
    overlay = CHECKOUT / "manifests" / "overlays" / "trial"
    control_plane.kubectl("apply", "--server-side", "-k", str(overlay))
    return control_plane


def named(path: Path) -> str:
    return path.stem


@pytest.mark.integration
@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_kubectl_applies_it_with_strict_validation(trial: ControlPlane, sample: Path) -> None:
    said = trial.kubectl(
        "apply", "--namespace", NAMESPACE, "--validate=strict", "--filename", str(sample)
    )
    assert len(said.splitlines()) == len(read_manifests(sample))


@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_the_offline_validator_finds_no_fault(sample: Path) -> None:
    assert validate_files([sample], namespace=NAMESPACE) == []


@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_it_begins_by_saying_what_it_shows(sample: Path) -> None:
    assert sample.read_text().startswith("# ")


def test_together_they_show_every_kind_that_people_write() -> None:
    shown = {manifest.body["kind"] for sample in SAMPLES for manifest in read_manifests(sample)}
    written_by_runs = {"Dataset", "Evaluation"}
    assert {kind.KIND for kind in KINDS} - written_by_runs <= shown


def test_all_of_them_can_be_applied_at_once() -> None:
    """No two share a name, and no two claim one model version."""
    manifests = [manifest for sample in SAMPLES for manifest in read_manifests(sample)]
    titles = [manifest.title for manifest in manifests]
    models = [
        parse_model_version(job.spec.model_version, namespace=NAMESPACE)
        for job in (
            EvaluationJob.from_dict(manifest.body)
            for manifest in manifests
            if manifest.body["kind"] == "EvaluationJob"
        )
    ]
    assert len(set(titles)) == len(titles)
    assert len(set(models)) == len(models) > 0
