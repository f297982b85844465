"""One turn of the loop for one key: gather, decide, act, report, tell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from pydantic import ValidationError

from evaluation_operator.controller.act import Actor, LoggerRefused, Obstructed, Turn
from evaluation_operator.controller.clock import Clock
from evaluation_operator.controller.events import EventPublisher
from evaluation_operator.controller.gather import Gatherer
from evaluation_operator.controller.keys import Key
from evaluation_operator.controller.places import Places
from evaluation_operator.controller.refusals import obstacle_of
from evaluation_operator.domain.facts.logger import LoggerRefusal
from evaluation_operator.domain.facts.obstacle import Obstacle
from evaluation_operator.domain.jobs.decide import decide_job
from evaluation_operator.domain.plan import Action, CreateRun, Plan, WriteOutcome
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.versions.decide import decide_version
from evaluation_operator.kube import ApiError, Forbidden, NotFound, Rejected, Transient

logger = logging.getLogger(__name__)


class Reconciler:
    """Works on one key at a time per caller; the queue sees to it that no key has two callers."""

    def __init__(
        self,
        gatherer: Gatherer,
        actor: Actor,
        publisher: EventPublisher,
        places: Places,
        clock: Clock,
        policy: Policy,
        *,
        crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        self._gatherer = gatherer
        self._actor = actor
        self._publisher = publisher
        self._places = places
        self._clock = clock
        self._policy = policy
        self._crowded = crowded

    async def reconcile(self, key: Key) -> datetime | None:
        """When to look again without an event; raises Conflict or Transient to be called anew.

        What stands in the way is told, and then tried again. A turn decides once, and once more
        for each InferenceService whose logger is refused: a job has to do with two at most.
        """
        with self._places.turn(key):
            return await self._reconcile(key)

    async def _reconcile(self, key: Key) -> datetime | None:
        refusals: tuple[LoggerRefusal, ...] = ()
        while True:
            decision = await self._decide(key, None, refusals)
            if decision is None:
                return None
            try:
                return await self._try(key, *decision)
            except LoggerRefused as error:
                # Decide again without it: nothing but its own condition is to suffer from that.
                refusals = _with(refusals, error)

    async def _try(self, key: Key, turn: Turn, plan: Plan) -> datetime | None:
        try:
            return await self._carry_out(turn, plan)
        except Obstructed as error:
            return await self._report_obstacle(key, error.obstacle)
        except (Forbidden, NotFound, Rejected) as error:
            obstacle = obstacle_of(error, key.namespace)
            if obstacle is not None:
                return await self._report_obstacle(key, obstacle)
            # Mostly the object itself is gone: then the next turn is none.
            logger.info("%s: %s", key, error.message)
            return self._clock.now() + self._policy.retry

    async def _decide(
        self, key: Key, obstacle: Obstacle | None, refusals: tuple[LoggerRefusal, ...] = ()
    ) -> tuple[Turn, Plan] | None:
        """None when there is nothing to decide on."""
        now = self._clock.now()
        try:
            if key.kind == "EvaluationJob":
                job = await self._gatherer.job(key, obstacle, now, refusals)
                if job is None:
                    return None
                return Turn(key, job.job.metadata), decide_job(job, now, self._policy)
            version = await self._gatherer.version(key, obstacle)
            if version is None:
                return None
            turn = Turn(key, version.version.metadata)
            return turn, decide_version(version, now, self._policy)
        except ValidationError as error:
            # Only an object of another version of the CRD gets here: its schema admits no other.
            logger.error("%s cannot be read, update the CRDs: %s", key, error)
            return None

    async def _carry_out(self, turn: Turn, plan: Plan) -> datetime | None:
        for action in plan.actions:
            await self._perform(turn, action)
        created = any(isinstance(action, CreateRun) for action in plan.actions)
        if created and self._crowded():
            # Many runs are due at once: first all of their Jobs, then all the statuses. The next
            # turn finds the run and reports it.
            return self._clock.now()
        if plan.status is not None:
            await self._actor.write_status(turn, plan.status.to_dict())
        for action in plan.final_actions:
            await self._perform(turn, action)
        self._publisher.publish(turn.key, plan.events)
        if plan.waits_since is not None:
            self._places.ask(turn.key, plan.waits_since)
        return plan.wake_at

    async def _perform(self, turn: Turn, action: Action) -> None:
        """What has been done is told, also when the turn comes to nothing afterwards."""
        self._publisher.publish(turn.key, await self._actor.perform(turn, action))

    async def _report_obstacle(self, key: Key, obstacle: Obstacle) -> datetime | None:
        """Say it in the status; only a decision knows how, so decide again with it. What the
        status says already is no news for the log either."""
        wake_at = self._clock.now() + self._policy.retry
        decision = await self._decide(key, obstacle)
        if decision is None:
            return None
        turn, plan = decision
        if plan.status is not None:
            logger.warning("%s: %s: %s", key, obstacle.reason, obstacle.message)
        try:
            for action in plan.actions:
                if isinstance(action, WriteOutcome):
                    await self._actor.perform(turn, action)
            if plan.status is not None:
                await self._actor.write_status(turn, plan.status.to_dict())
                self._publisher.publish(key, list(plan.events))
        except (ApiError, Obstructed) as error:
            logger.warning("%s: cannot report: %s", key, error)
        return wake_at


def _with(refusals: tuple[LoggerRefusal, ...], error: LoggerRefused) -> tuple[LoggerRefusal, ...]:
    """Raises Transient where the decision has asked again for what it knew to be refused: to
    decide once more would come to the same, at once and for ever."""
    service = error.refusal.service
    if any(refusal.service == service for refusal in refusals):
        raise Transient(
            f"the logger of InferenceService {service!r} is asked for after it was refused: {error}"
        ) from error
    return (*refusals, error.refusal)
