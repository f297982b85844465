"""Objects from before the schemas were as strict as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from evaluation_operator.api.crd import build_crd
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.kube import EVALUATION_JOBS
from tests.builders import MOUNT, Manifest, make_evaluation_job
from tests.cluster.control_plane import ControlPlane
from tests.cluster.settings import CHECKOUT
from tests.integration.lab import Lab, ready

pytestmark = pytest.mark.integration

STRICT = ("pattern", "x-kubernetes-validations", "maxLength")
OLD: Manifest = {
    "description": "what\x1b[31m it is for",
    "attempts": ["x" * 1000],
    "modelSelector": {"deployment": "a\tb"},
    "evaluationJobConfig": {
        "inputConfig": {"tableSource": {"inputUri": f"file://{MOUNT}/half 50%"}},
    },
}
"""Of each kind of text that is refused now one that was admitted."""


def loosened(schema: Any) -> Any:
    """Without patterns, rules and lengths, as no version of the schemas ever was: the more so."""
    if isinstance(schema, list):
        return [loosened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: loosened(value) for key, value in schema.items() if key not in STRICT}


@pytest.fixture
def old_schema(control_plane: ControlPlane) -> Iterator[None]:
    """That of the release before, until the test installs today's."""
    crd = build_crd(EvaluationJob)
    [version] = crd["spec"]["versions"]
    spec = loosened(version["schema"]["openAPIV3Schema"]["properties"]["spec"])
    spec["properties"]["attempts"] = {"x-kubernetes-preserve-unknown-fields": True}
    version["schema"]["openAPIV3Schema"]["properties"]["spec"] = spec
    control_plane.kubectl("replace", "-f", "-", stdin=yaml.safe_dump(crd))
    yield
    install_todays(control_plane)


def install_todays(control_plane: ControlPlane) -> None:
    folder = str(CHECKOUT / "crds")
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-k", folder)


@pytest.mark.usefixtures("old_schema")
async def test_a_job_from_before_goes_on_after_the_upgrade(
    lab: Lab, control_plane: ControlPlane
) -> None:
    """The API server lets what is unchanged be (ratcheting, on by default since 1.30), so the
    operator can write its status, and what runs copy of the job is not judged again."""
    await lab.apply(EVALUATION_JOBS, make_evaluation_job(spec={"schedule": "every 1 days"} | OLD))
    install_todays(control_plane)

    async with lab.operator():
        await lab.pass_check()
        await lab.job(holds=ready)
        dataset = await lab.dataset(await lab.go_to_slot())

    source = dataset["spec"]["inputConfigs"][0]["tableSource"]
    assert source["inputUri"] == f"file://{MOUNT}/half 50%"
