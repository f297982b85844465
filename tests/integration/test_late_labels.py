"""Labels that come late, from the table to the Evaluation that supersedes the first.

By the real API server and the program that runs in the pods, over rows in a bucket.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import pytest_asyncio

from evaluation_operator.domain.naming import ANNOTATION_REEVALUATE, evaluate_job_name
from evaluation_operator.kube import DATASETS, EVALUATION_JOBS, EVALUATIONS
from evaluation_operator.results.labels import FIRST, LATE
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.schema import LABEL_SCHEMA, ROW_SCHEMA
from tests.builders import ABSENT, Manifest, make_evaluation_job
from tests.integration.eventually import eventually
from tests.integration.lab import Lab, quiet, ready
from tests.integration.sampler_site import Site
from tests.integration.test_labeled_runs import LabeledSite, on_a_laptop, row_of
from tests.integration.test_revisions import come_late, newest

pytestmark = pytest.mark.integration


class LateSite(LabeledSite):
    """A job with the user's own labels, of which some come after the run."""

    async def apply_job(self, **spec: Any) -> None:
        source = {"inputUri": self.uri, "persistentVolumeClaimName": ABSENT}
        config = {"inputConfig": {"tableSource": source}, "exampleSamplePercentage": 1.0}
        wanted = {
            "schedule": "every 1 days",
            "evaluationJobConfig": config,
            "resultsUri": self.results,
            "labeling": {"minimumNewLabels": 2},
        }
        await self.lab.apply(EVALUATION_JOBS, make_evaluation_job(spec=wanted | spec))

    async def label(self, **labels: str) -> None:
        await asyncio.to_thread(self._label, labels)

    def _label(self, labels: dict[str, str]) -> None:
        rows = [
            {
                "id": name,
                "groundtruth": json.dumps({"predictions": [{"labels": [label]}]}),
                "labeled_at": datetime.now(UTC),
            }
            for name, label in labels.items()
        ]
        with closing(open_table(self.uri, options=self.options)) as table:
            table.append_labels([pa.RecordBatch.from_pylist(rows, schema=LABEL_SCHEMA)])

    async def next_run(self) -> str:
        """The run of the second day, over one row that has ground truth."""
        slot = await self.lab.slot(1)
        await asyncio.to_thread(self._fill_one, slot - timedelta(seconds=1))
        name = await self.lab.go_to_slot(1)
        await self.lab.dataset(name)
        return name

    def _fill_one(self, moment: datetime) -> None:
        row = {**row_of("c", moment), "id": "d"}
        with closing(open_table(self.uri, options=self.options)) as table:
            table.append_rows([pa.RecordBatch.from_pylist([row], schema=ROW_SCHEMA)])

    async def evaluate(self, run: str) -> None:
        await self.lab.dataset(run)
        assert await self.work(run, run, "run") == 0
        await self.lab.kubelet.succeed(run)

    async def evaluation(self, name: str) -> Manifest:
        return await self.lab.kube.get(EVALUATIONS, self.lab.namespace, name)


@pytest_asyncio.fixture
async def late(site: Site, tmp_path: Path) -> LateSite:
    await site.lab.make_ready()
    await site.lab.apply_spec_set()
    return LateSite(site, tmp_path)


async def evaluated(late: LateSite) -> str:
    """A run of three rows, one of which had ground truth in time."""
    await late.apply_job()
    await late.lab.pass_check()
    await late.lab.job(holds=ready)
    run = await late.due_run()
    await late.evaluate(run)
    await late.lab.job(holds=newest(run))
    return run


async def test_the_next_run_finds_labels_that_came_late_and_the_first_is_evaluated_again(
    late: LateSite,
) -> None:
    lab: Lab = late.lab
    async with lab.operator():
        run = await evaluated(late)
    await late.label(a="ripe", b="unripe")
    async with lab.operator() as operator:
        second = await late.next_run()
        await late.evaluate(second)
        revision = f"{run}-r1"
        await lab.dataset(revision)
        await late.evaluate(revision)
        await lab.job(holds=lambda it: "active" not in it)
        await quiet(operator)
        status = await lab.job()

    assert await lab.names(DATASETS) == sorted([run, revision, second])
    assert (await late.dataset(run))["status"]["newLabelCount"] == 2
    assert status["latestEvaluation"]["name"] == second, "the newest run's stays the newest"
    before, after = await late.evaluation(run), await late.evaluation(revision)
    assert (before["spec"]["evaluatedItemCount"], after["spec"]["evaluatedItemCount"]) == (1, 3)
    assert (before["spec"]["coverage"], after["spec"]["coverage"]) == (pytest.approx(1 / 3), 1.0)
    assert after["spec"]["supersedes"] == run
    assert before["status"] == {"supersededBy": revision}
    assert after["spec"]["labelCutoffTime"] > before["spec"]["labelCutoffTime"]
    assert after["spec"]["evaluationJobRunTime"] == before["spec"]["evaluationJobRunTime"]
    for name, found in ((run, before), (revision, after)):
        again = await asyncio.to_thread(on_a_laptop, await late.dataset(name), late.endpoint)
        assert again == found["spec"]["digest"]


async def test_on_request_each_evaluation_supersedes_the_one_before(late: LateSite) -> None:
    lab: Lab = late.lab
    async with lab.operator():
        run = await evaluated(late)
        for number, name in enumerate(("a", "b"), start=1):
            await late.label(**{name: "ripe"})
            value = f"{run} {number}"
            patch = {"metadata": {"annotations": {ANNOTATION_REEVALUATE: value}}}
            await lab.kube.patch(EVALUATION_JOBS, lab.namespace, "ripeness", patch)
            await late.evaluate(f"{run}-r{number}")
            status = await lab.job(holds=newest(f"{run}-r{number}"))

    chain = [await late.evaluation(name) for name in (run, f"{run}-r1", f"{run}-r2")]
    assert [item["spec"].get("supersedes") for item in chain] == [None, run, f"{run}-r1"]
    assert [item.get("status", {}).get("supersededBy") for item in chain] == [
        *(f"{run}-r1", f"{run}-r2", None)
    ]
    assert [item["spec"]["evaluatedItemCount"] for item in chain] == [1, 2, 3]
    assert [item["spec"]["accuracy"] for item in chain] == [1.0, 1.0, 1.0]
    assert status["latestEvaluation"]["evaluatedItemCount"] == 3
    assert len(status["cover"]) == 1


async def test_what_people_answer_after_a_deadline_makes_an_evaluation_too(
    site: Site, tmp_path: Path
) -> None:
    await site.lab.make_ready()
    await site.lab.apply_spec_set()
    people, lab = LabeledSite(site, tmp_path), site.lab
    async with lab.operator():
        await people.renew_lease()
        await people.apply_job(labeling={"deadline": "48h", "minimumNewLabels": 1})
        await lab.pass_check()
        await lab.job(holds=ready)
        run = await people.due_run()
        await people.cut(run)
        assert await people.write_labels(run, FIRST, "a") == ["a"]
        await people.say(run, "True", "DeadlineReached")
        second = evaluate_job_name(run)
        await eventually(lab.run_jobs, lambda found: second in found)
        assert await people.work(second, run, "evaluate") == 0
        await lab.kubelet.succeed(second)
        await lab.job(holds=newest(run))

        await people.write_labels(run, LATE, "ab")
        await come_late(lab, run, 1)
        revision = f"{run}-r1"
        await lab.dataset(revision)
        assert await people.work(revision, revision, "run") == 0
        await lab.kubelet.succeed(revision)
        await lab.job(holds=newest(revision))

    assert "labeling" not in (await people.dataset(revision))["spec"]
    found = [(await lab.kube.get(EVALUATIONS, lab.namespace, it))["spec"] for it in (run, revision)]
    assert [item["evaluatedItemCount"] for item in found] == [2, 3]
    assert [item["labeling"]["answeredItemCount"] for item in found] == [1, 2]
    assert found[1]["supersedes"] == run
