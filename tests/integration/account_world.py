"""A cluster in which every program has done all that it ever does, as the account that it has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.controller.act import Actor, Turn
from evaluation_operator.controller.claims import Claims
from evaluation_operator.controller.keys import job_key
from evaluation_operator.controller.store import Store
from evaluation_operator.domain.facts.dataset import DatasetFacts
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.manifests.lease import lease_for_model_version
from evaluation_operator.domain.manifests.table_check import build_table_check
from evaluation_operator.domain.naming import revision_name, version_run_name
from evaluation_operator.domain.plan import (
    CreateTableCheck,
    DeleteDataset,
    DeleteJob,
    TakeClaim,
)
from evaluation_operator.kube import (
    DATASETS,
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    EVALUATIONS,
    INFERENCE_SERVICES,
    INSTRUCTIONS,
    JOBS,
    PODS,
    Kube,
)
from evaluation_operator.sampling.intake.jobs import JobTable
from evaluation_operator.sampling.lease import LeaseKeeper
from tests.builders import Manifest, make_evaluation_job, make_instruction, make_version
from tests.cluster.control_plane import ControlPlane
from tests.integration.accounts import (
    LABELER,
    OPERATOR,
    RUNNER,
    SAMPLER,
    Right,
    kubeconfig_of,
    read_calls,
)
from tests.integration.eventually import eventually
from tests.integration.kserve import service
from tests.integration.kubelet import RunProgram
from tests.integration.lab import POLICY, Lab, reason, state
from tests.integration.labeler_site import LabelerSite
from tests.integration.test_revisions import ask

HOME, PEOPLE = "accounts", "accounts-people"
REPLICA = "evaluation-sampler-0"
QUICK = replace(POLICY, logger_retry=timedelta(seconds=0.3))
LONG = "again-" + "x" * 47
"""A version of the longest name: of the names of its run's pods the API server cuts a part off."""
BIG = {"description": "x" * 20_000}
"""In a spec of which the operator keeps only what identifies it, and which it reads again."""


@dataclass
class World:
    """A cluster in which everything has been done once."""

    control_plane: ControlPlane
    lab: Lab
    folder: Path
    runs: list[str]

    @asynccontextmanager
    async def acting(
        self, account: str, pod: str | None = None, namespace: str = HOME
    ) -> AsyncIterator[Kube]:
        kube = await self.connect(account, pod, namespace)
        try:
            yield kube
        finally:
            await kube.close()

    async def connect(
        self, account: str, pod: str | None = None, namespace: str | None = None
    ) -> Kube:
        place = OPERATOR if account == OPERATOR else namespace or HOME
        path = kubeconfig_of(self.control_plane, place, account, self.folder, pod)
        return await Kube.connect(str(path))

    async def pod_of(self, job: str) -> str:
        """The name of a pod that the Job controller has made."""
        found = await eventually(lambda: self.lab.kubelet.pods(job))
        return str(found[0]["metadata"]["name"])

    async def publish(self, run: str) -> bool:
        """As the run's own pod."""
        await self.lab.dataset(run)
        async with self.acting(RUNNER, await self.pod_of(run)) as kube:
            return await RunProgram(kube, HOME).publish(run)


async def live(control_plane: ControlPlane, folder: Path) -> World:
    """A day in the life of every program, and what each does after it has died in the middle."""
    kube = await Kube.connect(str(control_plane.kubeconfig))
    lab = Lab(kube, control_plane.kubeconfig, HOME)
    world = World(control_plane, lab, folder, [])
    try:
        await lab.apply_claim()
        await lab.apply_spec_set()
        await lab.apply(INSTRUCTIONS, make_instruction())
        await lab.apply(INFERENCE_SERVICES, service())
        operator = await world.connect(OPERATOR)
        async with lab.operator(
            operator, leader_election=True, operator_namespace=OPERATOR, policy=QUICK
        ):
            await lab.apply(EVALUATION_JOBS, make_daily_job())
            await lab.pass_check()
            await lab.job(holds=reason("LoggerManaged", "LoggerSet"))
            await sample(world)
            await evaluate(world)
            await evaluate_a_version(world)
            world.runs.append(await stand_still(world))
        await come_back(world)
        await label(world)
    finally:
        await kube.close()
    return world


def make_daily_job() -> Manifest:
    """With a Secret of its own, which nobody but its pods will read."""
    template = {"envFrom": [{"secretRef": {"name": "evaluation-store"}}]}
    spec = {"schedule": "every 1 days", "manageLogger": True, "runTemplate": template}
    return make_evaluation_job(spec=spec)


async def sample(world: World) -> None:
    """A replica reads the jobs, keeps its Lease and says good-bye."""
    pods = await eventually(
        lambda: world.lab.names(PODS), lambda names: any(name == REPLICA for name in names)
    )
    assert REPLICA in pods
    async with world.acting(SAMPLER, REPLICA) as kube:
        keeper = LeaseKeeper(
            kube, HOME, REPLICA, mark=lambda: datetime.now(UTC), report=lambda: "{}"
        )
        await keeper.earlier()
        await keeper.renew()
        await keeper.renew()
        table = JobTable(HOME, lambda jobs: None)
        watching = asyncio.create_task(table.watch(kube))
        await eventually(lambda: done(world, SAMPLER, "watch", "evaluationjobs"))
        await eventually(lambda: done(world, SAMPLER, "watch", "annotationspecsets"))
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await keeper.delete()


async def done(world: World, account: str, verb: str, resource: str) -> bool:
    right = Right("evaluations.dev", resource, verb)
    calls = read_calls(world.control_plane.directory)
    return any(call.account == account and call.right == right for call in calls)


async def evaluate(world: World) -> None:
    """A scheduled run, and once more with the labels of today."""
    lab = world.lab
    run = await lab.go_to_slot()
    assert await world.publish(run)
    await lab.kubelet.succeed(run)
    await lab.job(holds=lambda status: status.get("latestEvaluation"))
    await ask(lab, f"{run} once")
    revision = revision_name(run, 1)
    assert await world.publish(revision)
    earlier = await lab.kube.get(EVALUATIONS, HOME, run)
    assert earlier["status"]["supersededBy"] == revision
    world.runs += [run, revision]


async def evaluate_a_version(world: World) -> None:
    """A run that the operator gives up while its pod, which has died once, is about to publish."""
    lab, run = world.lab, version_run_name(LONG)
    await lab.apply(EVALUATION_JOB_VERSIONS, make_version(LONG, spec=BIG))
    await lab.dataset(run)
    pod = await world.pod_of(run)
    async with world.acting(RUNNER, pod) as kube:
        program = RunProgram(kube, HOME)
        dataset = await program.read(run)
        await kube.create(EVALUATIONS, HOME, program.evaluation(dataset))
        await lab.kubelet.fail(run)
        await lab.version(LONG, state("Failed"))
        assert not await program.publish(run, dataset=dataset)
    assert run not in await lab.evaluations()
    world.runs.append(run)


async def stand_still(world: World) -> str:
    """A run whose pod may not be made, until the quota that is in its way goes."""
    quota = ("quota", "no-pods", "-n", HOME)
    world.control_plane.kubectl("create", *quota, "--hard=pods=0")
    run = await world.lab.go_to_slot(1)
    await world.lab.dataset(run)
    await world.lab.job(holds=lambda status: "exceeded quota" in str(status.get("active")))
    world.control_plane.kubectl("delete", *quota)
    await world.pod_of(run)
    return run


async def come_back(world: World) -> None:
    """The operator starts anew after it died between two writes: it finds what it made, asks who
    holds a claim, takes it over, and throws away what is not wanted any more."""
    lab, store = world.lab, Store()
    async with world.acting(OPERATOR) as kube:
        claims = Claims(kube, store)
        actor = Actor(kube, claims, store.places, lambda *news: None)
        body = await lab.kube.get(EVALUATION_JOBS, HOME, "ripeness")
        job = EvaluationJob.from_dict(body)
        turn = Turn(job_key(HOME, "ripeness"), job.metadata)
        check = build_table_check(job, QUICK)
        check["metadata"]["name"] += "-anew"
        await actor.perform(turn, CreateTableCheck(check))
        await actor.perform(turn, CreateTableCheck(check))
        made = await lab.kube.get(JOBS, HOME, check["metadata"]["name"])
        await actor.perform(turn, DeleteJob(JobFacts.from_body(made)))

        lease = lease_for_model_version(job)
        held = await claims.get(HOME, lease["metadata"]["name"])
        assert held is not None
        assert held.holder_exists
        await claims.refresh(HOME)
        await actor.perform(turn, TakeClaim(lease_for_model_version(job, held.resource_version)))

        stale = await lab.kube.get(DATASETS, HOME, version_run_name(LONG))
        await actor.perform(turn, DeleteDataset(DatasetFacts.from_body(stale)))


async def label(world: World) -> None:
    """The labeler of a namespace, as a process."""
    lab = Lab(world.lab.kube, world.lab.kubeconfig, PEOPLE)
    path = kubeconfig_of(world.control_plane, PEOPLE, LABELER, world.folder)
    site = LabelerSite(lab, path, world.folder)
    await site.cut_run(await site.apply_job(), ("a", "b"))
    async with site.labeler():
        await site.labeled("Labeling")
        lease = Right("coordination.k8s.io", "leases", "update")

        async def renewed() -> bool:
            calls = read_calls(world.control_plane.directory)
            return any(call.account == LABELER and call.right == lease for call in calls)

        await eventually(renewed, seconds=40)
