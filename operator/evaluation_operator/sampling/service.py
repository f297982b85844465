"""The sampler put together: what starts when, and in which order it ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.kube import ApiError, Kube
from evaluation_operator.sampling.clock import Clock, utc_now
from evaluation_operator.sampling.engine import Sampler
from evaluation_operator.sampling.intake.app import App
from evaluation_operator.sampling.intake.auth import Tokens
from evaluation_operator.sampling.intake.jobs import JobTable
from evaluation_operator.sampling.intake.receiving import Intake
from evaluation_operator.sampling.lease import Earlier, LeaseKeeper
from evaluation_operator.sampling.limits import Budget
from evaluation_operator.sampling.sample.options import Mode, SamplerOptions
from evaluation_operator.sampling.settings import Settings
from evaluation_operator.sampling.telemetry import PREFIX, Gauges, Telemetry
from evaluation_operator.serving.files import share_files
from evaluation_operator.serving.health import ConnectionMetrics, health_pages
from evaluation_operator.serving.server import ANSWER_SECONDS, Server, listen
from evaluation_operator.storage.credentials import read_secrets
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.storage.storage import open_storage
from evaluation_operator.tables.open import open_table

logger = logging.getLogger(__name__)

API_CONNECTIONS = 4
COLLECT_EVERY = 50_000


class Service:
    """One replica. `stop` makes it drain and `run` return."""

    def __init__(self, settings: Settings) -> None:
        """Raises TokensError for a token file that cannot be used."""
        self._settings = settings
        self._tokens = Tokens(settings.tokens_file) if settings.tokens_file else None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Until `stop`. What cannot be repaired here ends it; the write-ahead file remains."""
        kube = await Kube.connect(self._settings.kubeconfig, connections=API_CONNECTIONS)
        try:
            await self._run(kube)
        finally:
            await kube.close()

    async def _run(self, kube: Kube) -> None:
        settings = self._settings

        def now() -> datetime:
            return utc_now() + settings.clock_offset

        sampler = build_sampler(settings, Clock(now))
        lease = LeaseKeeper(
            kube,
            settings.namespace,
            settings.replica,
            mark=sampler.flushed_through,
            report=sampler.report,
            on_renewed=sampler.lease_renewed,
            now=now,
        )
        earlier = await self._earlier(lease)
        if earlier is None:
            return
        await sampler.start(earlier.floor, earlier.renewed)
        parts = build_parts(settings, sampler, self._tokens)
        host = settings.listening.host
        traffic = listen(host, settings.http_port)
        health = listen(host, settings.listening.health_port)
        settle_collector()
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(parts.jobs.watch(kube))
            keeping = tasks.create_task(lease.keep())
            serving = tasks.create_task(parts.traffic.serve([traffic]))
            telling = tasks.create_task(parts.health.serve([health]))
            await self._stopping.wait()
            logger.info("stopping: what was accepted is written first")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await parts.app.stop_taking()
            is_empty = await sampler.drain()
            watching.cancel()
            keeping.cancel()
            await _leave(lease, is_empty)
            parts.traffic.should_exit = True
            await serving
            parts.health.should_exit = True
            await telling

    async def _earlier(self, lease: LeaseKeeper) -> Earlier | None:
        """Without it nothing may be stamped, so this waits for the API server; None: stopped."""
        while not self._stopping.is_set():
            try:
                return await lease.earlier()
            except ApiError as error:
                logger.warning("the Leases of the replicas cannot be read: %s", error.message)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(random.uniform(1, 3)):  # noqa: S311
                        await self._stopping.wait()
        return None


def settle_collector() -> None:
    """What was made until now stays; what an event leaves behind is mostly free of cycles. So look
    for cycles a hundred times less often: each look costs more the more is held."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 100)


def build_sampler(settings: Settings, clock: Clock | None = None) -> Sampler:
    """The engine, which does nothing before it is started."""

    def tables() -> TableOptions:
        """With Secrets as they are now: what is replaced there is taken over."""
        return TableOptions(credentials=read_secrets(settings.secrets_folder))

    options = SamplerOptions(
        wal_folder=settings.directory,
        mode=Mode.DURABLE if settings.durable else Mode.FAST,
        max_unflushed_bytes=settings.memory_bytes,
        max_waiting_bytes=settings.memory_bytes // 4,
        max_wal_bytes=settings.wal_bytes,
        spill_after=timedelta(seconds=settings.spill_seconds),
        flush_age=timedelta(seconds=settings.flush_seconds),
        flush_bytes=settings.flush_bytes,
        drain_seconds=settings.drain_seconds,
    )
    return Sampler(
        options,
        clock,
        open_table=lambda uri: open_table(uri, options=tables()),
        open_storage=lambda uri: open_storage(uri, tables()),
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """What a replica answers with, on the port for traffic and on the one for health, and the jobs
    that it samples for once somebody tells them."""

    app: App
    jobs: JobTable
    traffic: Server
    health: Server


def build_parts(settings: Settings, sampler: Sampler, tokens: Tokens | None) -> Parts:
    intake = Intake(sampler, sampler.counts, settings.namespace)

    def changed(found: tuple[SampledJob, ...]) -> None:
        sampler.set_jobs(found)
        intake.set_jobs(found)

    def problem() -> str | None:
        if app.is_stopping:
            return "stopping"
        if not jobs.is_synced:
            return "the EvaluationJobs of the namespace have not been listed yet"
        if tokens is not None and tokens.problem:
            return tokens.problem
        return sampler.ready_problem()

    jobs = JobTable(settings.namespace, changed)
    budget, telemetry = Budget(settings.inflight_bytes), Telemetry()
    telemetry.export(_gauges(sampler, jobs, budget), sampler.counts.metrics)
    app = App(intake, jobs, telemetry, budget=budget, body_bytes=settings.body_bytes, tokens=tokens)
    limits = settings.listening.limits
    shares = share_files(limits.connections)
    pages = health_pages(telemetry.registry, live=lambda: None, ready=problem)
    traffic = Server(app, replace(limits, connections=shares.traffic))
    health = Server(pages, replace(limits, connections=shares.health))
    servers = {"http": traffic, "health": health}
    telemetry.registry.register(ConnectionMetrics(PREFIX, servers))
    return Parts(app, jobs, traffic, health)


def _gauges(sampler: Sampler, jobs: JobTable, budget: Budget) -> Gauges:
    return {
        "jobs": ("EvaluationJobs of the namespace.", lambda: len(jobs.names)),
        "inflight_bytes": ("Bytes of requests that are not answered yet.", lambda: budget.used),
        "flushed_through_timestamp_seconds": (
            "Everything that was stamped before this time is in its table.",
            lambda: sampler.flushed_through().timestamp(),
        ),
    }


async def _leave(lease: LeaseKeeper, is_empty: bool) -> None:
    """With nothing left to write nobody waits for this replica; else runs must know its mark."""
    try:
        if is_empty:
            await lease.delete()
        else:
            logger.warning("not everything is in its table: the rest stays on the volume")
            await lease.renew()
    except ApiError as error:
        logger.warning("the Lease %s is left as it is: %s", lease.name, error.message)
