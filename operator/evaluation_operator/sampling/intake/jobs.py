"""Which jobs the sampler samples for, kept up to date by watching their namespace."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from evaluation_operator.domain.sampled_job import KnownJob, SampledJob, read_job
from evaluation_operator.kube import EVALUATION_JOBS, Gone, Kube, News, Seen, Synced, follow


@dataclass
class JobTable:
    """All jobs of a namespace. `on_change` hears what can be sampled for whenever it differs."""

    namespace: str
    on_change: Callable[[tuple[SampledJob, ...]], None]
    is_synced: bool = False
    _by_uid: dict[str, KnownJob] = field(default_factory=dict)
    _by_name: dict[str, KnownJob] = field(default_factory=dict)
    _told: tuple[SampledJob, ...] | None = None

    def find(self, name: str) -> KnownJob | None:
        return self._by_name.get(name)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._by_name)

    async def watch(self, kube: Kube) -> None:
        """Runs for ever."""
        async with aclosing(follow(kube, EVALUATION_JOBS, self.namespace)) as stream:
            async for news in stream:
                self.hear(news)

    def hear(self, news: News) -> None:
        """Until the first list is complete nothing is told: half of the jobs would be unknown."""
        match news:
            case Synced():
                self.is_synced = True
                self._tell()
            case Gone(uid):
                self._forget(uid)
            case Seen(body):
                known = read_job(body)
                before = self._by_uid.get(known.uid)
                if known == before:
                    return
                self._by_uid[known.uid] = self._by_name[known.name] = known
                if before is None or before.job != known.job:
                    self._tell()

    def _forget(self, uid: str) -> None:
        known = self._by_uid.pop(uid, None)
        if known is None:
            return
        # A job of the same name may be there already: made anew while the watch was away.
        if self._by_name.get(known.name) is known:
            del self._by_name[known.name]
        self._tell()

    def _tell(self) -> None:
        jobs = tuple(known.job for known in self._by_uid.values() if known.job is not None)
        if self.is_synced and jobs != self._told:
            self._told = jobs
            self.on_change(jobs)
