"""Every open task set is attended by a task of its own, so that none holds up another."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.faults import first_fault
from evaluation_operator.domain.labeled import is_labeled, labeling_of
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.kube import (
    DATASETS,
    EVALUATION_JOBS,
    ApiError,
    Gone,
    Kube,
    Seen,
    Synced,
    follow,
)
from evaluation_operator.labeling import mail
from evaluation_operator.labeling.backend import (
    BackendError,
    BackendRefused,
    BackendUnavailable,
)
from evaluation_operator.labeling.backends.open import BackendNotFound, Backends
from evaluation_operator.labeling.closing import close_orphans
from evaluation_operator.labeling.pauses import Backoff
from evaluation_operator.labeling.progress import TurnResult, is_open, report, shown_to_all
from evaluation_operator.labeling.settings import Settings
from evaluation_operator.labeling.threads import Threads, in_thread
from evaluation_operator.labeling.work import TaskSet
from evaluation_operator.redaction import redact
from evaluation_operator.results.errors import RunError
from evaluation_operator.results.folder import run_folder

logger = logging.getLogger(__name__)

TURN_SECONDS = 300.0
"""A turn that takes longer is broken off: the tool hangs."""
TURNS_AT_ONCE = 4
"""Of one backend, so that a slow one has no more than these waiting on it."""
_API_PAUSE_SECONDS = 2.0
_LOOK_SECONDS = 1.0


_FAILED = TurnResult(Reason.LABELER_FAILED, "see the labeler's log; it is tried again")


@dataclass(frozen=True, slots=True)
class _Run:
    """What of a Dataset is needed to tell anything on it."""

    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, dataset: Dataset) -> _Run:
        return cls(dataset.namespace, dataset.name, dataset.uid)


@dataclass(frozen=True, slots=True)
class _Attended:
    task: asyncio.Task[None]
    job_uid: str


@dataclass
class Desk:
    """All task sets of a namespace. `run` works until it is cancelled; another may go on then."""

    kube: Kube
    settings: Settings
    backends: Backends
    now: Callable[[], datetime]
    is_synced: bool = False
    turns: Counter[str] = field(default_factory=Counter)
    closed: int = 0
    _attended: dict[str, _Attended] = field(default_factory=dict)
    _turns_at_once: defaultdict[str, asyncio.Semaphore] = field(
        default_factory=lambda: defaultdict(lambda: asyncio.Semaphore(TURNS_AT_ONCE))
    )
    _threads: Threads = field(default_factory=lambda: Threads(TURNS_AT_ONCE + 1))
    _sweeps: dict[str, asyncio.Event] = field(default_factory=dict)
    _jobs: set[str] = field(default_factory=set)

    @property
    def open_count(self) -> int:
        return len(self._attended)

    async def run(self) -> None:
        self.is_synced = False
        self._jobs.clear()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_datasets(tasks))
                tasks.create_task(self._watch_jobs())
                for name in self.backends.names:
                    tasks.create_task(self._close_orphans(name))
        finally:
            self.is_synced = False
            self._attended.clear()
            self._threads.close()

    async def _watch_datasets(self, tasks: asyncio.TaskGroup) -> None:
        async with aclosing(follow(self.kube, DATASETS, self.settings.namespace)) as stream:
            async for news in stream:
                match news:
                    case Seen(body):
                        try:
                            self._hear(tasks, body)
                        except Exception:
                            # Whatever an object holds, those after it are heard.
                            logger.exception("Dataset %s is left out", body["metadata"]["name"])
                    case Gone(uid):
                        self._leave(uid)
                    case Synced():
                        self.is_synced = True

    def _hear(self, tasks: asyncio.TaskGroup, body: Mapping[str, Any]) -> None:
        uid = body["metadata"]["uid"]
        if not is_open(body):
            self._leave(uid)
        elif uid not in self._attended:
            attending: Coroutine[Any, Any, None]
            try:
                dataset = Dataset.from_dict(body)
                job_uid = dataset.spec.evaluation_job.uid
                attending = self._attend(dataset, is_labeled=is_labeled(body.get("status") or {}))
            except ValidationError as error:
                job_uid, attending = "", self._refuse(body, error)
            self._attended[uid] = _Attended(tasks.create_task(attending), job_uid)

    def _leave(self, uid: str) -> None:
        attended = self._attended.pop(uid, None)
        if attended is not None:
            attended.task.cancel()

    async def _refuse(self, body: Mapping[str, Any], error: ValidationError) -> None:
        """Tell on a run that it cannot be read; its input may hold anything, and is not told."""
        told = TurnResult(Reason.LABELER_FAILED, f"{first_fault(error)}: make the run anew")
        metadata = body["metadata"]
        logger.error("Dataset %s cannot be read: %s", metadata["name"], told.message)
        await self._report(_Run(metadata["namespace"], metadata["name"], metadata["uid"]), told)

    async def _attend(self, dataset: Dataset, *, is_labeled: bool) -> None:
        """Until it is over, or nobody wants it. Whatever goes wrong with it ends nothing else: it
        is told on this run, and tried again.

        `is_labeled`: its run goes on already, and whoever is told of that has been.
        """
        pauses = Backoff(self.settings.poll_seconds, self.settings.longest_pause_seconds)
        while True:
            try:
                await self._take_turns(dataset, is_labeled=is_labeled)
                break
            except Exception:
                logger.exception("Dataset %s: attending it failed", dataset.name)
            if not await self._report(_Run.of(dataset), _FAILED):
                break
            await asyncio.sleep(pauses.failed())
        attended = self._attended.get(dataset.uid)
        if attended is not None and attended.task is asyncio.current_task():
            del self._attended[dataset.uid]

    async def _take_turns(self, dataset: Dataset, *, is_labeled: bool) -> None:
        pauses = Backoff(self.settings.poll_seconds, self.settings.longest_pause_seconds)
        work: TaskSet | None = None
        while True:
            if dataset.spec.evaluation_job.uid not in self._jobs:
                # Not seen yet, or gone: a task that is closed with its job is not opened again.
                await asyncio.sleep(min(_LOOK_SECONDS, self.settings.poll_seconds))
                continue
            began = time.monotonic()
            retry_after: float | None = None
            try:
                with self._threads.of(name := self._backend_of(dataset)):
                    if work is None:
                        work = await in_thread(self._task_set, dataset, name)
                    told = await self._turn(name, work)
            except (BackendError, RunError) as error:
                told = _trouble(error)
                retry_after = getattr(error, "retry_after", None)
            except Exception:
                logger.exception("Dataset %s: a turn failed", dataset.name)
                told = _FAILED
            self.turns[str(told.reason)] += 1
            if told.is_end and not is_labeled:
                told = await self._mailed(dataset, told)
            if not await self._report(_Run.of(dataset), told) or told.is_over:
                return
            is_labeled = is_labeled or told.is_end
            if told.is_end or told.reason is Reason.LABELING:
                pauses.succeeded()
                pause = self.settings.poll_seconds
            else:
                logger.warning("Dataset %s: %s: %s", dataset.name, told.reason, told.message)
                pause = pauses.failed(retry_after)
            # From beginning to beginning, so that a slow tool is not asked more rarely.
            await asyncio.sleep(max(pause - (time.monotonic() - began), pause / 2))

    def _backend_of(self, dataset: Dataset) -> str:
        return self.backends.choose(labeling_of(dataset).backend)

    def _task_set(self, dataset: Dataset, name: str) -> TaskSet:
        options = self.settings.store_options()
        job = dataset.spec.evaluation_job
        folder = run_folder(dataset.spec.results_uri, job.uid, dataset.name, options)
        return TaskSet(dataset, folder, self.backends.get(name), self.now)

    async def _turn(self, name: str, work: TaskSet) -> TurnResult:
        async with self._turns_at_once[name]:
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    return await work.turn()
            except TimeoutError:
                raise BackendUnavailable(
                    f"backend {name}: a turn took more than {TURN_SECONDS:.0f} s: see whether it, "
                    "or the storage of results, is overloaded"
                ) from None

    async def _report(self, run: _Run, told: TurnResult) -> bool:
        """Whether the Dataset is still there and open. An end is told before this returns."""
        pauses = Backoff(_API_PAUSE_SECONDS, 60.0)
        while True:
            try:
                shown = shown_to_all(told)
                return await report(self.kube, run.namespace, run.name, run.uid, shown, self.now())
            except Exception as error:
                wait = None
                if isinstance(error, ApiError):
                    logger.warning("Dataset %s: its status: %s", run.name, error.message)
                    wait = error.retry_after_seconds
                else:
                    logger.exception("Dataset %s: its status cannot be written", run.name)
                if not told.is_end:
                    return True
                await asyncio.sleep(pauses.failed(wait))

    async def _mailed(self, dataset: Dataset, told: TurnResult) -> TurnResult:
        """A mail that cannot be sent holds up no run, whatever is wrong with it."""
        to, smtp = labeling_of(dataset).user_email_address, self.settings.smtp
        if not to:
            return told
        problem: str | None
        if smtp is None:
            problem = "no mail was sent: the labeler has no EVALUATION_SMTP_HOST"
        else:
            try:
                problem = await mail.send(smtp, dataset, to, redact(told.message))
            except Exception:
                logger.exception("Dataset %s: its mail failed", dataset.name)
                problem = "no mail was sent: see the labeler's log"
        return replace(told, message=f"{told.message}; {problem}") if problem else told

    # Projects whose job is gone.

    async def _watch_jobs(self) -> None:
        """Of each job only that it is there, and that it goes, is of interest."""
        async with aclosing(follow(self.kube, EVALUATION_JOBS, self.settings.namespace)) as stream:
            async for news in stream:
                match news:
                    case Seen(body):
                        self._jobs.add(body["metadata"]["uid"])
                    case Gone(uid):
                        self._forget_job(uid)
                    case Synced():
                        pass

    def _forget_job(self, uid: str) -> None:
        self._jobs.discard(uid)
        for dataset, attended in list(self._attended.items()):
            if attended.job_uid == uid:
                self._leave(dataset)
        for is_due in self._sweeps.values():
            is_due.set()

    async def _close_orphans(self, name: str) -> None:
        """Once at the start and whenever a job goes, until it has worked."""
        pauses = Backoff(self.settings.poll_seconds, self.settings.longest_pause_seconds)
        is_due = self._sweeps[name] = asyncio.Event()
        is_due.set()
        while True:
            await is_due.wait()
            is_due.clear()
            try:
                with self._threads.of(name):
                    backend = await in_thread(self.backends.get, name)
                    self.closed += await close_orphans(
                        backend, self.settings.namespace, self._live_jobs
                    )
                pauses.succeeded()
            except Exception as error:
                if isinstance(error, BackendError | RunError | ApiError):
                    logger.warning("backend %s: closing projects: %s", name, error)
                else:
                    logger.exception("backend %s: closing projects failed", name)
                is_due.set()
                await asyncio.sleep(pauses.failed(getattr(error, "retry_after", None)))

    async def _live_jobs(self) -> frozenset[str]:
        jobs = self.kube.list(EVALUATION_JOBS, self.settings.namespace)
        return frozenset([job["metadata"]["uid"] async for job in jobs])


def _trouble(error: BackendError | RunError) -> TurnResult:
    match error:
        case BackendNotFound():
            reason = Reason.BACKEND_NOT_FOUND
        case BackendRefused():
            reason = Reason.BACKEND_REFUSED
        case BackendError():
            reason = Reason.BACKEND_UNAVAILABLE
        case _:
            reason = Reason.RESULTS_UNAVAILABLE
    return TurnResult(reason, str(error))
