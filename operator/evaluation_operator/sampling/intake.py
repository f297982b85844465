"""From an event to what the sampler keeps: whose it is, what it says, and what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from evaluation_operator.sampling.limits import costly
from evaluation_operator.sampling.matching import Match, Matcher
from evaluation_operator.sampling.plain import PlainPrediction
from evaluation_operator.sampling.protocols import (
    NoPrediction,
    Payload,
    Unreadable,
    read_request,
    read_response,
)
from evaluation_operator.sampling.records import (
    Event,
    Half,
    Reason,
    Refused,
    SampledJob,
    Side,
)

_PLAIN_KEY: Final = "plain"


class Counts(Protocol):
    """What is counted of that which gives no row."""

    def refuse(self, reason: Reason, message: str = "", *, jobs: Iterable[SampledJob] = ()) -> None:
        """Something that was sent is not taken, perhaps by certain jobs."""

    def unmatched(self, reason: Reason, model: str | None, version: str | None) -> None:
        """An event belongs to no job."""


class Engine(Protocol):
    """What keeps the sample."""

    def offer(self, half: Half, jobs: Sequence[SampledJob]) -> asyncio.Future[None] | None:
        """None, or what to wait for before the sender is told. Raises Full."""


class Intake:
    """Works on one event at a time; nothing here waits."""

    def __init__(self, engine: Engine, counts: Counts, namespace: str) -> None:
        self._engine = engine
        self._counts = counts
        self._namespace = namespace
        self._matcher = Matcher((), namespace)

    def set_jobs(self, jobs: Iterable[SampledJob]) -> None:
        self._matcher = Matcher(jobs, self._namespace)

    def not_an_event(self, message: str) -> None:
        self._counts.refuse(Reason.NOT_AN_EVENT, message)

    def take(self, event: Event | Refused) -> asyncio.Future[None] | None:
        """What to wait for before the sender is told, if anything. Raises Full."""
        if isinstance(event, Refused):
            self._counts.refuse(event.reason, event.message)
            return None
        match = self._matcher.match(event)
        if match.reason is not None:
            self._count_unmatched(match)
            return None
        try:
            if problem := costly(event.data):
                raise Unreadable(problem)
            payload = _read(event)
        except NoPrediction as error:
            self._counts.refuse(Reason.NO_PREDICTION, str(error))
            return None
        except Unreadable as error:
            self._counts.refuse(Reason.UNREADABLE, str(error), jobs=match.jobs)
            return None
        if not match.is_final:
            match = self._matcher.match(event, payload)
            if match.reason is not None:
                self._count_unmatched(match)
                return None
        is_request = event.side is Side.REQUEST
        half = Half(
            key=_key(event),
            event_id=event.id,
            instances=payload.items if is_request else None,
            predictions=None if is_request else payload.items,
            time=event.time,
            source_fraction=event.source_fraction,
        )
        return self._engine.offer(half, match.jobs)

    def take_whole(
        self, job: SampledJob, event_id: str, prediction: PlainPrediction
    ) -> asyncio.Future[None] | None:
        """A prediction that came with both of its halves. Raises Full."""
        half = Half(
            key=_PLAIN_KEY,
            event_id=event_id,
            instances=prediction.instances,
            predictions=prediction.predictions,
            time=prediction.time,
        )
        return self._engine.offer(half, (job,))

    def _count_unmatched(self, match: Match) -> None:
        assert match.reason is not None
        self._counts.unmatched(match.reason, match.model, match.version)


def _read(event: Event) -> Payload:
    return read_request(event) if event.side is Side.REQUEST else read_response(event)


def _key(event: Event) -> str:
    """The same for both halves of one prediction, and another for the same id of another server:
    every agent of KServe calls itself localhost."""
    told = event.attributes.get
    return "\n".join(
        (told("source", ""), told("inferenceservicename", ""), told("endpoint", ""), event.id)
    )
