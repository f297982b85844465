"""Whether the answers of models can be read, looked for in the Leases of all samplers."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from evaluation_operator.api.sampling_report import read_sampling_report
from evaluation_operator.controller.keys import Key, job_key
from evaluation_operator.domain.conditions import STATUS_OF, Judgement
from evaluation_operator.domain.facts.replica import Replica
from evaluation_operator.domain.naming import ANNOTATION_SAMPLING, SAMPLER_LEASES
from evaluation_operator.domain.readable import Answers, found_of
from evaluation_operator.kube import LEASES, ApiError, ApiServer

logger = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 30.0
SILENCE: Final = timedelta(seconds=60)
"""What a replica says that has been silent for so long is not believed."""


class Readability:
    """Not watched, since reports change all day: one list in half a minute serves all jobs. A job
    is looked at only when what is to be said of it is another thing than before."""

    def __init__(
        self,
        kube: ApiServer,
        wake: Callable[[Key], None],
        is_wanted: Callable[[], bool],
        namespaces: Sequence[str] = (),
    ) -> None:
        self._kube = kube
        self._wake = wake
        self._is_wanted = is_wanted
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._answers: dict[tuple[str, str], Answers] = {}
        self._found: dict[tuple[str, str], Judgement] = {}

    def of(self, namespace: str, job: str) -> Answers | None:
        """None: nobody has said anything of the job."""
        return self._answers.get((namespace, job))

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            if self._is_wanted():
                await self.look()

    async def look(self) -> None:
        """What cannot be read stays as it was."""
        try:
            found = await self._listed()
        except ApiError as error:
            logger.warning("whether predictions can be read is not known: %s", error.message)
            return
        self._answers = found
        before, self._found = self._found, {}
        for name, answers in found.items():
            last = before.get(name)
            status = None if last is None else last.status
            self._found[name] = now = found_of(answers, STATUS_OF[status])
            if last is None or last.reason != now.reason:
                self._wake(job_key(*name))

    async def _listed(self) -> dict[tuple[str, str], Answers]:
        found: defaultdict[tuple[str, str], Answers] = defaultdict(Answers)
        now = datetime.now(UTC)
        for namespace in self._namespaces:
            async for lease in self._kube.list(LEASES, namespace, label_selector=SAMPLER_LEASES):
                renewed = Replica.from_lease(lease).renew_time
                if renewed is None or now - renewed > SILENCE:
                    continue
                meta = lease["metadata"]
                text = (meta.get("annotations") or {}).get(ANNOTATION_SAMPLING)
                report = read_sampling_report(text) if text else None
                for name, counts in report.jobs.items() if report is not None else ():
                    reasons = report.job_unreadable.get(name, {}) if report is not None else {}
                    last = next((it.message for it in reasons.values()), "")
                    answers = Answers(counts.judged, counts.unreadable, last)
                    found[meta["namespace"], name] += answers
        return found
