"""The labeler as a process, on a real API server, with tasks and answers as files."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluation_operator.controller.labelers import Labelers
from evaluation_operator.domain.facts.reading import parse_time
from evaluation_operator.domain.naming import LABELER_LEASE
from evaluation_operator.kube import (
    DATASETS,
    EVALUATION_JOBS,
    EVALUATIONS,
    LEASES,
    PODS,
    Forbidden,
    Kube,
    Resource,
)
from tests.cluster.control_plane import ControlPlane
from tests.cluster.settings import CHECKOUT
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, condition
from tests.integration.labeler_site import RUN, LabelerSite, kubeconfig_of_the_labeler

pytestmark = pytest.mark.integration

ITEMS = ("a", "b", "c")


@pytest.fixture
def site(bare_lab: Lab, control_plane: ControlPlane, tmp_path: Path) -> LabelerSite:
    """The labeler there has the rights that it is installed with, and no others."""
    kubeconfig = kubeconfig_of_the_labeler(control_plane, bare_lab.namespace, tmp_path)
    return LabelerSite(bare_lab, kubeconfig, tmp_path)


async def test_a_run_is_labelled_though_the_labeler_is_killed_in_between(
    site: LabelerSite,
) -> None:
    job = await site.apply_job()
    await site.cut_run(job, ITEMS, deadline="48h")
    async with site.labeler() as labeler:
        status = await site.labeled("Labeling")
        where = condition(status, "Labeled")["message"]
        assert where.startswith(f"people label at file://{site.folder}/manual/{job} until 20")
        tasks = site.manual(job, RUN, "tasks.json")
        before = tasks.read_text()
        assert [it["itemId"] for it in json.loads(before)["tasks"]] == list(ITEMS)
        site.answer(job, {"a": "ripe"})
        status = await site.labeled("Labeling", done=1)
        assert (status["progressPercent"], status["totalCount"]) == (33, 3)

        await labeler.kill()
        site.answer(job, {"a": "ripe", "b": "unripe", "c": "ripe"})
        await labeler.start()
        status = await site.labeled("AllLabeled")
        assert condition(status, "Labeled")["status"] == "True"
        assert status["progressPercent"] == 100
        assert tasks.read_text() == before
        labels = site.labels(job)
        assert {it: labels[it]["groundtruth"] for it in labels} == {
            "a": '{"labels": ["ripe"]}',
            "b": '{"labels": ["unripe"]}',
            "c": '{"labels": ["ripe"]}',
        }
        assert site.run_folder(job).read_json("labels.json")["resolved"] == 3
        assert "evaluation_labeler_open_task_sets 0.0" in (await labeler.page("/metrics"))[1]
        assert await labeler.stop() == 0


async def test_the_lease_says_that_one_works(site: LabelerSite) -> None:
    async with site.labeler(TZ="Asia/Tokyo"):
        spec = await lease_of(site)
        assert spec["holderIdentity"] == "evaluation-labeler-0"
        renewed = parse_time(spec["renewTime"])
        assert abs(datetime.now(UTC) - renewed) < timedelta(seconds=30)


async def test_a_stopped_labeler_gives_its_lease_back_and_no_job_minds(site: LabelerSite) -> None:
    """It kept the Lease, and the next one of a rollout stood idle until that had run out."""
    async with site.labeler() as labeler:
        assert await labeler.stop() == 0
    assert (await lease_of(site))["holderIdentity"] == ""
    assert await Labelers(site.lab.kube).work_in(site.lab.namespace), "the next one has a minute"
    async with site.labeler(POD_NAME="evaluation-labeler-1"):
        spec = await lease_of(site)
        assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("evaluation-labeler-1", 1)


async def lease_of(site: LabelerSite) -> dict[str, Any]:
    lease = await site.lab.kube.get(LEASES, site.lab.namespace, LABELER_LEASE)
    spec: dict[str, Any] = lease["spec"]
    return spec


async def test_a_run_in_trouble_holds_up_no_other(site: LabelerSite) -> None:
    job = await site.apply_job()
    await site.cut_run(job, ITEMS, name="evj-ripeness-1", backend="paper")
    await site.cut_run(job, ITEMS, name="evj-ripeness-2")
    site.run_folder(job, "evj-ripeness-2").delete()
    await site.cut_run(job, ["a"], name="evj-ripeness-3")
    async with site.labeler():
        lost = await site.labeled("BackendNotFound", name="evj-ripeness-1")
        assert "'paper'" in condition(lost, "Labeled")["message"]
        assert lost["totalCount"] == 3, "what was counted stays"
        torn = await site.labeled("ResultsUnavailable", name="evj-ripeness-2")
        assert "tasks.parquet" in condition(torn, "Labeled")["message"]
        await site.labeled("Labeling", name="evj-ripeness-3")
        site.answer(job, {"a": "ripe"}, name="evj-ripeness-3")
        await site.labeled("AllLabeled", name="evj-ripeness-3")


async def test_answers_that_cannot_be_read_are_refused_and_taken_when_mended(
    site: LabelerSite,
) -> None:
    job = await site.apply_job()
    await site.cut_run(job, ["a"])
    async with site.labeler():
        await site.labeled("Labeling")
        site.manual(job, RUN, "answers.json").write_text("<html>")
        status = await site.labeled("BackendRefused")
        assert 'write {"answers": [' in condition(status, "Labeled")["message"]
        site.answer(job, {"a": "unripe"})
        await site.labeled("AllLabeled")


async def test_a_deadline_ends_with_what_is_there(site: LabelerSite) -> None:
    job = await site.apply_job()
    await site.cut_run(job, ITEMS, deadline="24h")
    async with site.labeler() as labeler:
        await site.labeled("Labeling")
        site.answer(job, {"b": "ripe"})
        await site.labeled("Labeling", done=1)
        await labeler.kill()
    tomorrow = {"EVALUATION_CLOCK_OFFSET_SECONDS": "90000", "EVALUATION_ALLOW_TEST_CLOCK": "true"}
    async with site.labeler(**tomorrow):
        status = await site.labeled("DeadlineReached")
        assert condition(status, "Labeled")["status"] == "True"
        assert list(site.labels(job)) == ["b"]


async def test_people_may_answer_after_the_deadline_where_late_labels_count(
    site: LabelerSite,
) -> None:
    """The labeler is killed twice on the way, and the run has its Evaluation meanwhile."""
    job = await site.apply_job()
    await site.cut_run(job, ITEMS, deadline="1s", minimum_new_labels=1)
    async with site.labeler() as labeler:
        await site.labeled("DeadlineReached", done=0)
        await labeler.kill()
    await site.end_run()
    async with site.labeler() as labeler:
        site.answer(job, {"b": "ripe"})
        status = await site.labeled("DeadlineReached", done=1)
        assert status["newLabelCount"] == 1
        await labeler.kill()
    site.answer(job, {"a": "ripe", "b": "ripe", "c": "unripe"})
    async with site.labeler():
        status = await site.labeled("DeadlineReached", done=len(ITEMS))
    assert status["newLabelCount"] == len(ITEMS)
    assert condition(status, "Labeled")["status"] == "True"
    assert set(site.labels(job, file="late-labels.parquet")) == set(ITEMS)
    assert site.labels(job) == {}, "what the run was evaluated with stays as it was"


async def test_the_project_is_closed_when_its_job_is_deleted(site: LabelerSite) -> None:
    job = await site.apply_job()
    await site.cut_run(job, ITEMS)

    async def is_closed() -> bool:
        return bool(json.loads(site.manual(job, "project.json").read_text())["isClosed"])

    async with site.labeler() as labeler:
        await site.labeled("Labeling")
        assert not await is_closed()
        await site.lab.delete(EVALUATION_JOBS, "ripeness")
        await eventually(is_closed)
        # The Dataset is still there, and opens nothing again; neither for a labeler that is new.
        await labeler.kill()
        await labeler.start()
        await site.cut_run(await site.apply_job(), ["a"], name="evj-ripeness-2")
        await site.labeled("Labeling", name="evj-ripeness-2")
        assert await is_closed()


async def test_its_manifests_are_taken_where_pods_are_restricted(
    site: LabelerSite, control_plane: ControlPlane
) -> None:
    home = ("-n", site.lab.namespace)
    restricted = "pod-security.kubernetes.io/enforce=restricted"
    control_plane.kubectl("label", "namespace", site.lab.namespace, restricted)
    folder = CHECKOUT / "manifests" / "labeler"
    control_plane.kubectl("apply", *home, "--dry-run=server", "-k", str(folder))
    deployment = yaml.safe_load((folder / "deployment.yaml").read_text())
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "labeler"},
        "spec": deployment["spec"]["template"]["spec"],
    }
    control_plane.kubectl("create", *home, "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))


async def test_it_may_do_no_more_than_it_does(site: LabelerSite) -> None:
    job = await site.apply_job()
    dataset = await site.cut_run(job, ITEMS)
    home = site.lab.namespace
    kube = await Kube.connect(str(site.kubeconfig))
    secrets = Resource("", "v1", "secrets", "Secret")
    try:
        for forbidden in (
            kube.get(secrets, home, "any"),
            kube.get(PODS, home, "any"),
            kube.get(LEASES, home, "evaluation-sampler-0"),
            kube.get(DATASETS, "default", RUN),
            kube.replace(DATASETS, home, dataset),
            kube.delete(DATASETS, home, RUN),
            kube.delete(EVALUATION_JOBS, home, "ripeness"),
            kube.create(EVALUATIONS, home, {"metadata": {"name": "made-up"}}),
        ):
            with pytest.raises(Forbidden):
                await forbidden
    finally:
        await kube.close()


async def test_a_setting_that_is_wrong_ends_it_with_the_cure(site: LabelerSite) -> None:
    site.backends[0]["type"] = "Paper"
    with pytest.raises(AssertionError) as caught:
        async with site.labeler():
            pass
    assert "backends[0].type: 'Paper'" in str(caught.value)
