"""Events that say why a Job or a pod stands still, where nothing else does.

Events are not watched, since there are many, of everybody. The namespaces in which something has
stood still for a while are asked for theirs, each at most once in a period however many of its runs
stand still, and of the answer only the newest word about each of those is kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from evaluation_operator.controller.clock import Clock
from evaluation_operator.controller.keys import Key
from evaluation_operator.controller.store import Store
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.facts.pod import PodFacts
from evaluation_operator.domain.facts.standing import asked_about
from evaluation_operator.domain.facts.troubles import OF_WARNINGS, WarningFacts, is_same
from evaluation_operator.domain.policy import Policy
from evaluation_operator.kube import EVENTS, ApiError, ApiServer

logger = logging.getLogger(__name__)

SECONDS_OF_A_LOOK = 5.0
"""Events may be written in any number by anybody; what has been read by then has to do."""
JOBS_AT_A_TIME = 500


class Complaints:
    """What Events say of what stands still; `wake` hears of whom there is something new to say."""

    def __init__(
        self,
        kube: ApiServer,
        store: Store,
        clock: Clock,
        policy: Policy,
        wake: Callable[[Key], None],
        is_wanted: Callable[[], bool],
    ) -> None:
        self._kube = kube
        self._store = store
        self._clock = clock
        self._policy = policy
        self._wake = wake
        self._is_wanted = is_wanted
        self._period = policy.trouble_after.total_seconds()
        self._found: dict[str, dict[str, WarningFacts]] = {}
        self._looked: dict[str, float] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def about(self, job: JobFacts, pods: Sequence[PodFacts]) -> tuple[WarningFacts, ...]:
        """Empty where the Job goes on, says itself why not, or has not been given time yet."""
        uid = asked_about(job, pods, self._clock.now(), self._policy)
        if uid is None:
            return ()
        async with self._locks[job.namespace]:
            looked = self._looked.get(job.namespace, float("-inf"))
            if time.monotonic() - looked >= self._period:
                await self._look(job.namespace)
        found = self._found.get(job.namespace, {}).get(uid)
        return (found,) if found is not None else ()

    async def run(self) -> None:
        """For ever, since of a Job whose pod may not be made nothing that is watched changes."""
        while True:
            await asyncio.sleep(self._period)
            if not self._is_wanted():
                continue
            await self._look_everywhere()

    async def _look_everywhere(self) -> None:
        still = await self._stand_still()
        by_namespace: defaultdict[str, dict[str, JobFacts]] = defaultdict(dict)
        for uid, job in still.items():
            by_namespace[job.namespace][uid] = job
        for namespace in self._looked.keys() - by_namespace.keys():
            # Nothing stands still there any more.
            for known in (self._found, self._looked, self._locks):
                known.pop(namespace, None)
        for namespace, jobs in by_namespace.items():
            before = self._found.get(namespace, {})
            async with self._locks[namespace]:
                await self._look(namespace)
            for uid, warning in self._found.get(namespace, {}).items():
                told = before.get(uid)
                if uid in jobs and (told is None or not is_same(told.message, warning.message)):
                    for key in self._store.keys_of(jobs[uid]):
                        self._wake(key)

    async def _look(self, namespace: str) -> None:
        """What cannot be read stays unsaid: no run waits for it."""
        found: dict[str, WarningFacts] = {}
        try:
            async with asyncio.timeout(SECONDS_OF_A_LOOK):
                async for body in self._kube.list(EVENTS, namespace, field_selector="type=Warning"):
                    uid = str((body.get("involvedObject") or {}).get("uid", ""))
                    if body.get("reason") not in OF_WARNINGS or not self._is_known(uid):
                        continue
                    warning = WarningFacts.from_body(body)
                    if uid not in found or found[uid].time <= warning.time:
                        found[uid] = warning
        except TimeoutError:
            logger.warning("namespace %s has more Events than can be read", namespace)
        except ApiError as error:
            logger.warning("why runs stand still in %s is not known: %s", namespace, error.message)
        self._found[namespace] = found
        self._looked[namespace] = time.monotonic()

    def _is_known(self, uid: str) -> bool:
        return self._store.batch_jobs.has_uid(uid) or self._store.pods.has_uid(uid)

    async def _stand_still(self) -> dict[str, JobFacts]:
        """Jobs by the uid of what is in the way: the Job itself, or a pod of it."""
        now, still = self._clock.now(), {}
        for number, (_, job) in enumerate(self._store.batch_jobs.items(), start=1):
            if number % JOBS_AT_A_TIME == 0:
                await asyncio.sleep(0)  # they may be thousands, and other turns go on meanwhile
            uid = asked_about(job, self._store.pods.owned_by(job.uid), now, self._policy)
            if uid is not None:
                still[uid] = job
        return still
