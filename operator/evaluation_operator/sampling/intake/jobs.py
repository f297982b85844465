"""Which jobs the sampler samples for, kept up to date by watching their namespace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from pydantic import ValidationError

from evaluation_operator.api.annotation_spec_set import AnnotationSpecSet
from evaluation_operator.domain.sampled_job import KnownJob, SampledJob, read_job, with_labels
from evaluation_operator.kube import (
    ANNOTATION_SPEC_SETS,
    EVALUATION_JOBS,
    Gone,
    Kube,
    News,
    Resource,
    Seen,
    Synced,
    follow,
)


@dataclass
class JobTable:
    """All jobs of a namespace, with the labels of their sets as far as those are known. `on_change`
    hears what can be sampled for whenever it differs."""

    namespace: str
    on_change: Callable[[tuple[SampledJob, ...]], None]
    is_synced: bool = False
    _by_uid: dict[str, KnownJob] = field(default_factory=dict)
    _by_name: dict[str, KnownJob] = field(default_factory=dict)
    _sets: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """Name and labels of each AnnotationSpecSet, by its uid."""
    _told: tuple[SampledJob, ...] | None = None

    def find(self, name: str) -> KnownJob | None:
        return self._by_name.get(name)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._by_name)

    async def watch(self, kube: Kube) -> None:
        """Runs for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(kube, EVALUATION_JOBS, self.hear))
            tasks.create_task(self._watch(kube, ANNOTATION_SPEC_SETS, self.hear_set))

    async def _watch(self, kube: Kube, kind: Resource, hear: Callable[[News], None]) -> None:
        async with aclosing(follow(kube, kind, self.namespace)) as stream:
            async for news in stream:
                hear(news)

    def hear_set(self, news: News) -> None:
        """Of label sets, which only say how well answers can be read: nothing waits for them."""
        match news:
            case Gone(uid):
                self._sets.pop(uid, None)
            case Seen(body):
                try:
                    found = AnnotationSpecSet.from_dict(body)
                except ValidationError:
                    return
                self._sets[found.metadata.uid] = found.name, tuple(found.labels())
        self._tell()

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
        labels = dict(self._sets.values())
        jobs = tuple(
            with_labels(known.job, labels.get(known.job.spec_set, ()))
            for known in self._by_uid.values()
            if known.job is not None
        )
        if self.is_synced and jobs != self._told:
            self._told = jobs
            self.on_change(jobs)
