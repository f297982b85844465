"""Runs that people label, by the real API server and the program that runs in their pods.

The table and the results lie in a bucket, so that the program works here as it does in a pod; the
test plays the node, and the labeler by what the labeler writes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Container, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import pytest_asyncio

from evaluation_operator.api.base import format_time
from evaluation_operator.api.dataset import Dataset, RunResult
from evaluation_operator.cli.laptop_run import evaluate_here
from evaluation_operator.controller.act import Actor, Turn
from evaluation_operator.controller.claims import Claims
from evaluation_operator.controller.keys import job_key
from evaluation_operator.controller.labelers import Labelers
from evaluation_operator.controller.places import Places
from evaluation_operator.controller.store import Store
from evaluation_operator.domain.facts.dataset import DatasetFacts, Outcome
from evaluation_operator.domain.naming import LABELER_LEASE, evaluate_job_name
from evaluation_operator.domain.plan import WriteOutcome
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.evaluator.main import execute
from evaluation_operator.evaluator.publish import publish_cut
from evaluation_operator.evaluator.run import CutResult
from evaluation_operator.kube import (
    DATASETS,
    EVALUATION_JOBS,
    EVALUATIONS,
    INSTRUCTIONS,
    JOBS,
    LEASES,
    AlreadyExists,
    Conflict,
)
from evaluation_operator.results.folder import Folder, run_folder
from evaluation_operator.results.labels import FIRST, LabelFiles, LabelSummary, write_labels
from evaluation_operator.results.rows import Cut, CutFigures
from evaluation_operator.results.tasks import read_asked
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.schema import ROW_SCHEMA
from tests.builders import ABSENT, Manifest, make_dataset, make_human_job, make_instruction, merged
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, condition, quiet, ready, reason, state
from tests.integration.s3 import bucket_options, bucket_secret
from tests.integration.sampler_site import Site
from tests.unit.evaluator.labeled_site import label_line

pytestmark = pytest.mark.integration

TRUTH = {"a": "ripe", "b": "unripe", "c": "ripe"}


class LabeledSite:
    """A job that people label, its rows in a bucket, and whoever brings tasks to people."""

    def __init__(self, site: Site, tmp_path: Path) -> None:
        self.lab: Lab = site.lab
        self.uri = site.uri("ripeness")
        self.results = site.uri("results")
        self.options = bucket_options(site.endpoint)
        self.scratch = tmp_path
        self.endpoint = site.endpoint
        self.secrets = site.secrets

    async def apply_job(self, **spec: Any) -> None:
        source = {"inputUri": self.uri, "persistentVolumeClaimName": ABSENT}
        config = {"inputConfig": {"tableSource": source}, "exampleSamplePercentage": 1.0}
        wanted = {"evaluationJobConfig": config, "resultsUri": self.results}
        manifest = make_human_job(spec={"schedule": "every 1 days"} | wanted)
        await self.lab.apply(INSTRUCTIONS, make_instruction())
        await self.lab.apply(EVALUATION_JOBS, merged(manifest, {"spec": spec}))

    async def renew_lease(self) -> None:
        """What the labeler does every ten seconds."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": "evaluation-labeler-0", "renewTime": now}
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LABELER_LEASE, "namespace": self.lab.namespace},
            "spec": spec,
        }
        try:
            await self.lab.kube.create(LEASES, self.lab.namespace, body)
        except AlreadyExists:
            await self.lab.kube.patch(LEASES, self.lab.namespace, LABELER_LEASE, {"spec": spec})

    async def ready_job(self) -> None:
        await self.renew_lease()
        await self.apply_job()
        await self.lab.pass_check()
        await self.lab.job(holds=ready)

    async def due_run(self) -> str:
        """The run of the first slot, with three rows in it of which one has ground truth."""
        slot = await self.lab.slot()
        await asyncio.to_thread(self._fill, slot - timedelta(seconds=1))
        await self.renew_lease()
        name = await self.lab.go_to_slot()
        await self.lab.dataset(name)
        return name

    def _fill(self, moment: datetime) -> None:
        rows = [row_of(name, moment) for name in TRUTH]
        with closing(open_table(self.uri, options=self.options)) as table:
            table.append_rows([pa.RecordBatch.from_pylist(rows, schema=ROW_SCHEMA)])

    async def work(self, job: str, run: str, command: str) -> int:
        """What the pod of a Job does, from its start to its exit code; the node tells nothing."""
        await self.lab.kubelet.start(job)
        body = await self.lab.kube.get(JOBS, self.lab.namespace, job)
        assert body["spec"]["template"]["spec"]["containers"][0]["args"] == [command]
        environment = {
            "EVALUATION_NAMESPACE": self.lab.namespace,
            "EVALUATION_DATASET": run,
            "EVALUATION_SCRATCH": str(self.scratch),
            "KUBECONFIG": str(self.lab.kubeconfig),
            "EVALUATION_SECRETS_DIR": str(self.secrets),
            "EVALUATION_SECRETS": "evaluation-stores",
        }
        return await asyncio.to_thread(execute, [command], environment, self.scratch / "said")

    async def cut(self, run: str) -> None:
        assert await self.work(run, run, "cut") == 0
        await self.lab.kubelet.succeed(run)

    async def lose_pod(self, job: str) -> None:
        """A node goes: the Job's controller has to make another pod, which it waits for."""
        await self.lab.kubelet.lose(job)
        await self.lab.kubelet.pod(job)

    async def folder(self, run: str) -> Folder:
        job = await self.lab.kube.get(EVALUATION_JOBS, self.lab.namespace, "ripeness")
        return run_folder(self.results, job["metadata"]["uid"], run, self.options)

    async def answer(self, run: str) -> list[str]:
        """People label every task, and the labeler writes down what they said; their ids."""
        answered = await self.write_labels(run, FIRST, TRUTH)
        await self.say(run, "True", "AllLabeled")
        return answered

    async def write_labels(
        self, run: str, files: LabelFiles, answered: Container[str]
    ) -> list[str]:
        """What people have said to these items; the ids of tasks among them."""
        folder = await self.folder(run)
        asked = read_asked(folder)
        tasks = [task for task in asked if task.item_id in answered]
        lines = [
            label_line(task.item_id, task.row_id, task.place, {"labels": [TRUTH[task.item_id]]})
            for task in tasks
        ]
        summary = LabelSummary(
            time=datetime.now(UTC),
            asked=len(asked),
            answered=len(lines),
            resolved=len(lines),
            unresolved=0,
            annotators=3,
            agreement=0.5,
            reason=Reason.ALL_LABELED,
        )
        write_labels(folder, files, lines, summary)
        return sorted(task.item_id for task in tasks)

    async def say(self, run: str, status: str, why: str, message: str = "") -> None:
        """The condition Labeled, as the labeler sets it."""
        await self.renew_lease()
        body = await self.dataset(run)
        labeled = {
            "type": "Labeled",
            "status": status,
            "reason": why,
            "message": message,
            "lastTransitionTime": format_time(datetime.now(UTC)),
        }
        body["status"]["conditions"] = [labeled]
        await self.lab.kube.replace_status(DATASETS, self.lab.namespace, body)

    async def dataset(self, run: str) -> Manifest:
        return await self.lab.kube.get(DATASETS, self.lab.namespace, run)


def row_of(name: str, moment: datetime) -> Mapping[str, Any]:
    said = {"labels": ["ripe", "unripe"], "scores": [0.9, 0.1]}
    truth = {"predictions": [{"labels": [TRUTH[name]]}]} if name == "c" else None
    return {
        "model": "ripeness",
        "model_version": "v1",
        "time": moment,
        "raw_data": json.dumps({"instances": [{"image": f"{name}.png"}]}),
        "raw_prediction": json.dumps({"predictions": [said]}),
        "groundtruth": json.dumps(truth) if truth else None,
        "id": name,
        "priority": 0.5,
        "p": 1.0,
        "sampled_at": moment,
        "interval_start": moment,
    }


@pytest_asyncio.fixture
async def people(site: Site, tmp_path: Path) -> LabeledSite:
    await site.lab.make_ready()
    await site.lab.apply_spec_set()
    return LabeledSite(site, tmp_path)


async def test_people_label_between_two_jobs_and_an_evaluation_comes_of_it(
    people: LabeledSite,
) -> None:
    lab = people.lab
    async with lab.operator():
        await people.ready_job()
        run = await people.due_run()
        await people.cut(run)
        dataset = await people.dataset(run)
        assert dataset["status"]["totalCount"] == 2
        assert dataset["spec"]["labeling"]["instruction"]["displayName"] == "How to tell ripe fruit"

    # The operator is gone while people label, and comes back twice: before they are done and after.
    async with lab.operator() as operator:
        await people.say(run, "False", "Labeling", "1 of 2")
        await quiet(operator)
        assert await lab.run_jobs() == [run]
        assert (await lab.job())["state"] == "RUNNING"
    assert sorted(await people.answer(run)) == ["a", "b"]
    async with lab.operator():
        second = evaluate_job_name(run)
        await eventually(lab.run_jobs, lambda found: found == [run, second])
        assert await people.work(second, run, "evaluate") == 0
        await lab.kubelet.succeed(second)
        status = await lab.job(holds=state("SCHEDULED"))

    assert status["latestEvaluation"]["name"] == run
    assert await lab.evaluations() == [run]
    spec = (await lab.kube.get(EVALUATIONS, lab.namespace, run))["spec"]
    assert (spec["evaluatedItemCount"], spec["accuracy"]) == (3, pytest.approx(2 / 3))
    assert spec["labeling"]["askedItemCount"] == 2
    assert spec["labeling"]["agreement"] == 0.5
    again = await asyncio.to_thread(on_a_laptop, await people.dataset(run), people.endpoint)
    assert again == spec["digest"]


def on_a_laptop(dataset: Manifest, endpoint: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in bucket_secret(endpoint).items():
            patch.setenv(name, value)
        found = evaluate_here(
            Dataset.from_dict(dataset), keeps_results=False, now=datetime.now(UTC)
        )
    return found.spec.digest


async def test_a_pod_that_is_lost_in_either_step_is_replaced(people: LabeledSite) -> None:
    lab = people.lab
    async with lab.operator():
        await people.ready_job()
        run = await people.due_run()
        assert await people.work(run, run, "cut") == 0
        written = (await people.dataset(run))["metadata"]["resourceVersion"]
        await people.lose_pod(run)
        await people.cut(run)
        found = (await people.dataset(run))["metadata"]["resourceVersion"]
        assert found == written, "a cut that stands is let alone"

        await people.answer(run)
        second = evaluate_job_name(run)
        await eventually(lambda: lab.kube.get(JOBS, lab.namespace, second))
        assert await people.work(second, run, "evaluate") == 0
        await lab.kubelet.lose(second)
        await lab.is_gone(JOBS, second)
        status = await lab.job(holds=state("SCHEDULED"))
    assert status["latestEvaluation"]["name"] == run
    assert "failedRuns" not in status
    assert await lab.run_jobs() == [run], "what has its outcome makes no further pod"


async def test_a_job_waits_for_a_labeler_and_says_how_to_get_one(people: LabeledSite) -> None:
    lab = people.lab
    async with lab.operator():
        await people.apply_job()
        status = await lab.job(holds=reason("Ready", "BackendUnavailable"))
        message = condition(status, "Ready")["message"]
        assert f"kubectl apply -n {lab.namespace} -k manifests/labeler" in message
        await people.renew_lease()
        await lab.pass_check()
        await lab.job(holds=ready)


async def test_what_is_in_the_way_of_people_is_seen_at_the_job_and_deleting_it_stops_all(
    people: LabeledSite,
) -> None:
    lab = people.lab
    async with lab.operator():
        await people.ready_job()
        run = await people.due_run()
        await people.cut(run)
        await people.say(run, "False", "BackendRefused", "401: the token is not valid")
        status = await lab.job(holds=lambda it: it["active"] and "message" in it["active"][0])
        assert status["active"][0]["message"] == "BackendRefused: 401: the token is not valid"
        await people.answer(run)
        second = evaluate_job_name(run)
        await eventually(lambda: lab.kube.get(JOBS, lab.namespace, second))
        await lab.delete(EVALUATION_JOBS, "ripeness")
        await lab.is_gone(EVALUATION_JOBS, "ripeness")
        await lab.is_gone(JOBS, second)
        await lab.is_gone(DATASETS, run)


async def test_a_run_that_has_gone_on_is_not_failed_by_what_was_seen_before(bare_lab: Lab) -> None:
    """The end of the first Job may be seen before the Dataset that its pod has written."""
    labeling = {
        "instruction": {"displayName": "How to tell", "dataType": "IMAGE"},
        "annotatedDatasetDisplayName": "Ripeness",
    }
    body = await bare_lab.apply(DATASETS, make_dataset(spec={"labeling": labeling}))
    seen, dataset = DatasetFacts.from_body(body), Dataset.from_dict(body)
    figures = CutFigures(row_count=3, item_count=3, digest="sha256:1", time=datetime.now(UTC))
    cut = Cut(Path("rows.parquet"), figures)
    assert await publish_cut(bare_lab.kube, dataset, CutResult(cut, tasks=2), "file:///results")

    learned: list[Mapping[str, Any]] = []
    actor = Actor(
        bare_lab.kube,
        Claims(bare_lab.kube, Store()),
        Places(),
        lambda key, kind, body, gone: learned.append(body),
    )
    turn = Turn(job_key(bare_lab.namespace, "ripeness"), dataset.metadata)
    outcome = Outcome(RunResult.FAILED, datetime.now(UTC), message="ended without a cut")
    with pytest.raises(Conflict, match="went on"):
        await actor.perform(turn, WriteOutcome(seen, outcome))
    assert [item["status"]["totalCount"] for item in learned] == [2]
    assert "outcome" not in learned[0]["status"]


@pytest.mark.parametrize(
    ("holder", "age", "works"),
    [("me", 30, True), ("me", 90, False), ("", 30, True), ("", 90, False), ("me", None, False)],
)
async def test_only_a_lease_that_was_held_within_a_minute_tells_of_a_labeler(
    bare_lab: Lab, holder: str, age: int | None, works: bool
) -> None:
    """One that was given back is nobody's: while the labeler is rolled out no job is to become
    unready, and each one once it was taken away."""
    assert not await Labelers(bare_lab.kube).work_in(bare_lab.namespace)
    spec = {"holderIdentity": holder}
    if age is not None:
        at = datetime.now(UTC) - timedelta(seconds=age)
        spec["renewTime"] = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": LABELER_LEASE, "namespace": bare_lab.namespace},
        "spec": spec,
    }
    await bare_lab.kube.create(LEASES, bare_lab.namespace, lease)
    assert await Labelers(bare_lab.kube).work_in(bare_lab.namespace) is works
