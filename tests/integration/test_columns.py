"""What `kubectl get` shows: whether something stands still is seen without a second command."""

from __future__ import annotations

import asyncio
import re

import pytest

from evaluation_operator.kube import EVALUATION_JOBS
from tests.builders import make_evaluation_job
from tests.cluster.control_plane import ControlPlane
from tests.integration.lab import Lab, reason, state

pytestmark = pytest.mark.integration

LONGEST_LINE = 100
QUEUED = {"queueName": "batch"}


async def table_of(control_plane: ControlPlane, lab: Lab, kind: str) -> list[dict[str, str]]:
    """What `kubectl get` prints, as lines by their columns; also into the test's output."""
    text = await asyncio.to_thread(control_plane.kubectl, "get", kind, "-n", lab.namespace)
    print(text)
    head, *lines = text.splitlines()
    assert max(map(len, text.splitlines())) <= LONGEST_LINE
    names = re.findall(r"\S+(?: \S+)*", head)
    starts = [head.index(name) for name in names] + [None]
    return [
        {name: line[a:b].strip() for name, a, b in zip(names, starts[:-1], starts[1:], strict=True)}
        for line in lines
    ]


async def test_what_stands_still_is_seen_in_the_list_of_jobs(
    lab: Lab, control_plane: ControlPlane
) -> None:
    """A Stalled job showed an empty STATE, and one that lacks its labels `SCHEDULED`, as if it
    were well: nothing in the list told them from jobs that work, nor a run that a queue holds from
    one that goes on."""
    async with lab.operator():
        await lab.ready_job("held", modelVersion="models/h/versions/v1", runTemplate=QUEUED)
        await lab.go_to_slot(name="held")
        await lab.apply_job("well", modelVersion="models/w/versions/v1")
        await lab.job("well", state("RUNNING"))
        await lab.apply_job("taken", modelVersion="models/w/versions/v1")
        lacking = {"annotationSpecSet": "nowhere", "modelVersion": "models/l/versions/v1"}
        config = {"imageClassificationConfig": {"annotationSpecSet": "nowhere"}}
        manifest = make_evaluation_job("lacking", spec=lacking | {"evaluationJobConfig": config})
        await lab.apply(EVALUATION_JOBS, manifest)
        await lab.job("taken", reason("Stalled", "ModelVersionTaken"))
        await lab.job("lacking", reason("Ready", "AnnotationSpecSetNotFound"))
        await lab.job("held", state("RUNNING"))

        lines = {line["NAME"]: line for line in await table_of(control_plane, lab, "evj")}

    seen = {
        name: [line[it] for it in ("STATE", "READY", "REASON", "HELD UP")]
        for name, line in lines.items()
    }
    assert seen == {
        "held": ["RUNNING", "True", "Ready", "Queued"],
        "lacking": ["SCHEDULED", "False", "AnnotationSpecSetNotFound", ""],
        "taken": ["Stalled", "False", "ModelVersionTaken", ""],
        "well": ["RUNNING", "True", "Ready", ""],
    }


async def test_a_stalled_job_of_an_older_version_says_so_after_one_turn(
    lab: Lab, control_plane: ControlPlane
) -> None:
    """Its status has no word for it, and nothing has happened that would make a turn: the one that
    an operator makes of each job when it starts writes it, once."""
    async with lab.operator():
        await lab.apply_job("odd", schedule="every 5 hours")
        status = await lab.job("odd", reason("Stalled", "InvalidSpec"))
    before = {key: value for key, value in status.items() if key != "stalled"}
    job = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "odd")
    await lab.kube.replace_status(EVALUATION_JOBS, lab.namespace, job | {"status": before})
    assert (await table_of(control_plane, lab, "evj"))[0]["STATE"] == ""

    async with lab.operator():
        await lab.job("odd", lambda status: status.get("stalled"))
        assert (await table_of(control_plane, lab, "evj"))[0]["STATE"] == "Stalled"

        await lab.edit_job("odd", schedule="every 1 days")
        await lab.pass_check()
        await lab.job("odd", state("SCHEDULED"))
        assert (await table_of(control_plane, lab, "evj"))[0]["STATE"] == "SCHEDULED"


async def test_the_list_of_versions_says_what_each_waits_for(
    lab: Lab, control_plane: ControlPlane
) -> None:
    async with lab.operator():
        await lab.apply_version("early")
        await lab.version("early", reason("Ready", "EvaluationJobNotFound"))

        [line] = await table_of(control_plane, lab, "evjv")

    assert [line["STATE"], line["REASON"]] == ["Creating", "EvaluationJobNotFound"]
