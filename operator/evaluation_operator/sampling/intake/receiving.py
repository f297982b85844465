"""From what was sent to what the sampler keeps: whose it is, what it says, and what is counted.

What is light is done at once. The rest is sifted in another process, and only what is kept of it
comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from evaluation_operator.bodies.limits import INLINE, Bounds
from evaluation_operator.bodies.values import NoPrediction, TooMuch, Unreadable
from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.sampling.engine import Full, Stale
from evaluation_operator.sampling.intake.aside import Aside
from evaluation_operator.sampling.intake.cloudevents import NotAnEvent, is_document, parse_events
from evaluation_operator.sampling.intake.halves import (
    events_of,
    half_of,
    key_of,
    plain_halves,
    read_event,
    sift_all,
    sifted_event,
    sifted_plain,
)
from evaluation_operator.sampling.intake.matching import Match, Matcher
from evaluation_operator.sampling.limits import is_light
from evaluation_operator.sampling.pacing import Pace
from evaluation_operator.sampling.records import Event, Half, Reason, Refused
from evaluation_operator.sampling.sample.sifting import Draw, Sifted

_MOST_SIFTINGS: Final = 3
"""Of one half. A second one is needed only where an interval ends meanwhile."""

Durable = asyncio.Future[None]
"""Done when what was taken is on the disk."""


class Counts(Protocol):
    """What is counted of that which gives no row."""

    def refuse(self, reason: Reason, message: str = "") -> None:
        """Something that was sent belongs to no job."""

    def knows(self, job: SampledJob, key: str) -> bool:
        """Whether a prediction has come before."""

    def unmatched(self, reason: Reason, model: str | None, version: str | None) -> None:
        """An event belongs to no job."""


class Engine(Protocol):
    """What keeps the sample."""

    def offer(
        self, half: Half, jobs: Sequence[SampledJob], bounds: Bounds, beside: Collection[str] = ()
    ) -> Durable | None:
        """None, or what to wait for before the sender is told; `beside` are the uids of jobs that
        it is offered for otherwise. Raises Full and TooMuch."""

    def refuse(self, key: str, jobs: Sequence[SampledJob], reason: Reason, message: str) -> None:
        """Nothing can be made of a half for these jobs."""

    def tell_of_none(self, key: str, jobs: Sequence[SampledJob], message: str) -> None:
        """A half says that it is no prediction."""

    def draws(self, jobs: Sequence[SampledJob], *, is_whole: bool) -> list[Draw]:
        """What to sift a half for."""

    def take(
        self, sifted: Sifted, jobs: Sequence[SampledJob], beside: Collection[str] = ()
    ) -> Durable | None:
        """As `offer`. Raises Full and Stale."""


class Taken(NamedTuple):
    """The ids of the predictions of a body, how many different ones they are, those of them that
    have come before, and what to wait for before the sender is told."""

    ids: list[str]
    accepted: int
    repeated: list[str]
    waiting: list[Durable]


class Intake:
    """Raises Full and Busy where there is no room: what was taken until then stays, and comes to
    nothing new when it is sent again."""

    def __init__(
        self, engine: Engine, counts: Counts, namespace: str, aside: Aside | None = None
    ) -> None:
        self._engine = engine
        self._counts = counts
        self._namespace = namespace
        self._aside = aside or Aside()
        self._matcher = Matcher((), namespace)

    def set_jobs(self, jobs: Iterable[SampledJob]) -> None:
        self._matcher = Matcher(jobs, self._namespace)

    async def close(self) -> None:
        await self._aside.close()

    async def events(self, headers: Mapping[str, str], body: bytes) -> list[Event | Refused]:
        """The events of a request. Raises NotAnEvent, which is counted."""
        try:
            if not is_document(headers) or is_light(body):
                return parse_events(headers, body)
            return await self._aside.run(events_of, body, headers)
        except NotAnEvent as error:
            self._counts.refuse(Reason.NOT_AN_EVENT, str(error))
            raise

    async def take_all(self, events: Sequence[Event | Refused]) -> list[Durable]:
        """What to wait for before the sender is told."""
        pace = Pace()
        waiting: list[Durable] = []
        for event in events:
            waiting += await self.take(event)
            await pace.breathe()
        return waiting

    async def take(self, event: Event | Refused) -> list[Durable]:
        """What to wait for, if anything."""
        if isinstance(event, Refused):
            self._counts.refuse(event.reason, event.message)
            return []
        match = self._matcher.match(event)
        if match.reason is not None:
            self._counts.unmatched(match.reason, match.model, match.version)
            return []
        found = [await self._take_for(event, part) for part in _parts(match)]
        return [future for future in found if future is not None]

    async def _take_for(self, event: Event, part: _Part) -> Durable | None:
        try:
            if is_light(event.data, len(part.match.jobs)):
                try:
                    return self._take_here(event, part)
                except TooMuch:
                    pass  # for here
            return await self._take_aside(event, part)
        except NoPrediction as error:
            self._engine.tell_of_none(key_of(event), part.match.jobs, str(error))
        except Unreadable as error:
            self._engine.refuse(key_of(event), part.match.jobs, Reason.UNREADABLE, str(error))
        return None

    async def take_plain(self, job: SampledJob, body: bytes) -> Taken:
        """Raises BadPrediction and TooMuch too: then none of the body is taken."""
        sifted = await self._sift_plain(job, body)
        pace = Pace()
        waiting: list[Durable] = []
        seen: set[str] = set()
        repeated: list[str] = []
        for one in sifted:
            if one.key in seen or self._counts.knows(job, one.key):
                repeated.append(one.event_id)
            if one.key in seen:
                continue
            seen.add(one.key)
            try:
                future = self._engine.take(one, (job,))
            except Stale:
                raise Full(1.0) from None
            if future is not None:
                waiting.append(future)
            await pace.breathe()
        return Taken([one.event_id for one in sifted], len(seen), repeated, waiting)

    async def _sift_plain(self, job: SampledJob, body: bytes) -> list[Sifted]:
        draws = self._engine.draws((job,), is_whole=True)
        if is_light(body):
            try:
                halves = plain_halves(body, INLINE, is_one_item=job.is_one_item)
                return list(sift_all(halves, draws, INLINE))
            except TooMuch:
                pass  # for here
        return await self._aside.run(sifted_plain, body, draws, job.is_one_item)

    def _take_here(self, event: Event, part: _Part) -> Durable | None:
        payload = read_event(event, INLINE, is_one_item=part.is_one_item)
        jobs = part.match.jobs
        if not part.match.is_final:
            match = self._matcher.match(event, payload)
            if match.reason is not None:
                self._counts.unmatched(match.reason, match.model, match.version)
                return None
            jobs = part.of(match)
        return self._engine.offer(half_of(event, payload), jobs, INLINE, part.beside)

    async def _take_aside(self, event: Event, part: _Part) -> Durable | None:
        bare = event._replace(data=b"", attributes=dict(event.attributes))
        jobs = part.match.jobs
        for _ in range(_MOST_SIFTINGS):
            draws = self._engine.draws(jobs, is_whole=False)
            payload, sifted = await self._aside.run(
                sifted_event, event.data, bare, draws, part.is_one_item
            )
            # The jobs may have changed meanwhile.
            match = self._matcher.match(event, payload)
            if match.reason is not None:
                self._counts.unmatched(match.reason, match.model, match.version)
                return None
            jobs = part.of(match)
            try:
                return self._engine.take(sifted, jobs, part.beside)
            except Stale:
                continue
        raise Full(1.0)


class _Part(NamedTuple):
    """The jobs of a match that read a body alike: as one item, or as the protocol says. `beside`:
    the uids of the others."""

    match: Match
    is_one_item: bool
    beside: frozenset[str] = frozenset()

    def of(self, match: Match) -> tuple[SampledJob, ...]:
        """Those of another match that belong to this part."""
        return tuple(job for job in match.jobs if job.is_one_item is self.is_one_item)


def _parts(match: Match) -> Iterator[_Part]:
    """One, as long as all jobs of a model say the same."""
    modes = {job.is_one_item for job in match.jobs}
    if len(modes) < 2:
        yield _Part(match, next(iter(modes), False))
        return
    for is_one_item in sorted(modes):
        mine = tuple(job for job in match.jobs if job.is_one_item is is_one_item)
        others = frozenset(job.uid for job in match.jobs if job.is_one_item is not is_one_item)
        yield _Part(match._replace(jobs=mine), is_one_item, others)
