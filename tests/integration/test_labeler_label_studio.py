"""The labeler as a process and a real Label Studio, which goes away while people label."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evaluation_operator.kube import EVALUATION_JOBS
from evaluation_operator.labeling.backends.label_studio.config import LABEL
from evaluation_operator.labeling.backends.label_studio.tasks import ITEM
from tests.cluster.control_plane import ControlPlane
from tests.cluster.label_studio import LabelStudio
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, condition
from tests.integration.labeler_site import LabelerSite, kubeconfig_of_the_labeler

pytestmark = pytest.mark.integration

ITEMS = ("a", "b")


@pytest.fixture(scope="module")
def server() -> Iterator[LabelStudio]:
    with LabelStudio() as running:
        yield running


@pytest.fixture
def site(
    bare_lab: Lab, control_plane: ControlPlane, server: LabelStudio, tmp_path: Path
) -> LabelerSite:
    token = tmp_path / "token"
    token.write_text(server.token)
    studio = {
        "name": "studio",
        "type": "LabelStudio",
        "url": server.url,
        "tokenFile": str(token),
        "publicUrl": "https://labels.example",
    }
    kubeconfig = kubeconfig_of_the_labeler(control_plane, bare_lab.namespace, tmp_path)
    return LabelerSite(bare_lab, kubeconfig, tmp_path, [studio])


def projects(server: LabelStudio) -> list[dict[str, Any]]:
    found: Any = server.call("GET", "/api/projects/")
    return list(found["results"])


def tasks(server: LabelStudio) -> dict[str, dict[str, Any]]:
    """Of the only project, by item."""
    [project] = projects(server)
    found: Any = server.call("GET", f"/api/tasks/?project={project['id']}&fields=all")
    return {str(task["data"][ITEM]).rpartition("|")[2]: task for task in found["tasks"]}


def say(server: LabelStudio, item: str, person: int, label: str) -> None:
    [task] = [it for key, it in tasks(server).items() if key.endswith(item)]
    choice = {
        "from_name": LABEL,
        "to_name": "shown",
        "type": "choices",
        "value": {"choices": [label]},
    }
    body = {"result": [choice], "completed_by": person}
    server.call("POST", f"/api/tasks/{task['id']}/annotations/", body)


async def test_people_label_while_everything_around_them_goes_away(
    site: LabelerSite, server: LabelStudio
) -> None:
    people = [server.add_person(f"{name}@example.com") for name in ("ann", "bob", "cas")]
    job = await site.apply_job()
    await site.cut_run(job, ITEMS, replicaCount=2)
    async with site.labeler() as labeler:
        status = await site.labeled("Labeling")
        assert "https://labels.example/projects/" in condition(status, "Labeled")["message"]
        for item, label in (("a", "ripe"), ("b", "ripe")):
            await asyncio.to_thread(say, server, item, people[0], label)
        await asyncio.to_thread(say, server, "a", people[1], "ripe")
        await site.labeled("Labeling", done=1)

        await asyncio.to_thread(server.stop)
        status = await site.labeled("BackendUnavailable")
        assert status["completedCount"] == 1, "what was counted stays"
        assert server.token not in condition(status, "Labeled")["message"]
        await labeler.kill()
        await asyncio.to_thread(server.start)
        await labeler.start()
        await site.labeled("Labeling", done=1)
        assert len(await asyncio.to_thread(tasks, server)) == len(ITEMS)

        await asyncio.to_thread(say, server, "b", people[1], "unripe")

        async def is_asked_again() -> bool:
            found = await asyncio.to_thread(tasks, server)
            return any(it["overlap"] == 3 for it in found.values())

        await eventually(is_asked_again, seconds=60)
        await asyncio.to_thread(say, server, "b", people[2], "unripe")
        await site.labeled("AllLabeled")
        labels = site.labels(job)
        assert labels["a"]["groundtruth"] == '{"labels": ["ripe"]}'
        assert labels["b"]["groundtruth"] == '{"labels": ["unripe"]}'
        assert labels["b"]["score"] == pytest.approx(2 / 3)

        await site.lab.delete(EVALUATION_JOBS, "ripeness")

        async def is_archived() -> bool:
            [project] = await asyncio.to_thread(projects, server)
            return str(project["title"]).startswith("[archived] ")

        await eventually(is_archived, seconds=60)
        assert server.token not in labeler.log.read_text()
