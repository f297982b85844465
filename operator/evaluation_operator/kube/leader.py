"""Leader election by a Lease, so that one of several replicas works while the others wait.

It is for availability alone: run names, owner uids and resource versions keep two operators that
work at once from doing anything twice. So a replica that stops gives the Lease back first and ends
its turns meanwhile: a turn that hangs holds up its own replica and nobody else.

Not the client library's election, from which a Lease cannot be given back: that one looks only as
often as it writes, so that a successor would notice late or a leader write often, it measures by
the time of day, lets connection errors through, and makes a Lease by a call that its own client
refuses. What was right in it is kept, in `lease`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from evaluation_operator.kube.errors import ApiError, Conflict, NotFound
from evaluation_operator.kube.lease import Body, Sight, given_back, look, may_take, taken
from evaluation_operator.kube.port import ApiServer
from evaluation_operator.kube.resources import LEASES

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds: after what silence another one takes the Lease, how often the leader writes, and
    after how long without being able to it leads no more; how often the others look, how long one
    look or write may take, and how long giving back may."""

    lease: int = 15
    renew: float = 2.0
    give_up: float = 10.0
    look: float = 0.5
    call: float = 5.0
    give_back: float = 2.0


BRISK = Pace()
CALM = Pace(lease=30, renew=10.0, give_up=20.0)
"""For one whose successor may wait: it writes five times more rarely."""


async def lead_until(
    stop: asyncio.Event,
    kube: ApiServer,
    *,
    namespace: str,
    name: str,
    identity: str,
    on_change: Callable[[bool], None],
    pace: Pace = BRISK,
) -> None:
    """Stand for election again and again; `on_change` hears of every gain and loss.

    With `stop` the Lease is given back, if it can be: that takes seconds at most, and raises
    nothing. Cancelled, it is not.
    """
    election = _Election(stop, kube, (namespace, name), identity, on_change, pace)
    while not stop.is_set():
        try:
            await election.run()
        except Exception:
            logger.exception("the election was interrupted")
            await election.stopped_within(pace.renew)
    await election.give_back()


class _Election:
    """Makes no task: Kopf cancels every one that is younger than its watching when that is started
    anew, or ends, and leadership must survive that."""

    def __init__(
        self,
        stop: asyncio.Event,
        kube: ApiServer,
        place: tuple[str, str],
        identity: str,
        on_change: Callable[[bool], None],
        pace: Pace,
    ) -> None:
        self._stop = stop
        self._kube = kube
        self._namespace, self._name = place
        self._identity = identity
        self._on_change = on_change
        self._pace = pace
        self._sight: Sight | None = None
        self._held: Body | None = None
        """The Lease as this replica wrote it: to renew it nothing need be read."""

    async def run(self) -> None:
        """Until `stop`: waits for the Lease, holds it, and waits again when it is lost."""
        while not self._stop.is_set():
            holds = await self._try()
            if not holds:
                pause = self._pace.look if holds is False else self._pace.renew
                await self.stopped_within(pause)
                continue
            self._on_change(True)
            try:
                await self._hold()
            finally:
                self._on_change(False)

    async def give_back(self) -> None:
        """Conditional, so that nobody else's is taken away. It is looked at even if this replica
        never led: the answer to its taking may have been lost."""
        try:
            async with asyncio.timeout(self._pace.give_back):
                while not await self._gave_back():
                    pass
        except Exception as error:
            text = "the Lease %s cannot be given back, and runs out: %s"
            logger.warning(text, self._name, _text(error))

    async def stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._stop.wait()
        except TimeoutError:
            return False

    async def _hold(self) -> None:
        """Renews. Who has lost the Lease to another one returns at once; who reaches nobody, later:
        an API server that is away for a moment is no reason to stop working."""
        renewed = _now()
        while not await self.stopped_within(self._pace.renew):
            begun = _now()
            match await self._try():
                case True:
                    renewed = begun
                case False:
                    break
                case None if _now() - renewed >= self._pace.give_up:
                    break
        if not self._stop.is_set():
            logger.warning("leadership is lost; standing for election again")

    async def _try(self) -> bool | None:
        """Whether this replica has the Lease now; None: the API server does not say."""
        try:
            async with asyncio.timeout(self._pace.call):
                return await self._renewed() or await self._taken()
        except Conflict:
            return False  # another one was first
        except (ApiError, TimeoutError) as error:
            logger.warning("the Lease %s cannot be read or written: %s", self._name, _text(error))
            return None

    async def _renewed(self) -> bool:
        """Whether it could be, without looking at it: not if anybody has written it since."""
        lease, self._held = self._held, None
        if lease is None:
            return False
        try:
            self._held = await self._write(lease)
        except (Conflict, NotFound):
            return False
        return True

    async def _taken(self) -> bool:
        now = _now()
        try:
            lease = await self._kube.get(LEASES, self._namespace, self._name)
        except NotFound:
            fresh = taken({"metadata": {"name": self._name}}, *self._mine())
            self._held = await self._kube.create(LEASES, self._namespace, fresh)
            return True
        self._sight = look(lease, self._sight, now)
        if not may_take(self._sight, self._identity, now, self._pace.lease):
            return False
        self._held = await self._write(lease)
        return True

    async def _write(self, lease: Body) -> Body:
        fresh = taken(lease, *self._mine())
        return await self._kube.replace(LEASES, self._namespace, fresh)

    def _mine(self) -> tuple[str, datetime, int]:
        return self._identity, datetime.now(UTC), self._pace.lease

    async def _gave_back(self) -> bool:
        """Whether there is nothing left to give back. Somebody wrote first: look again."""
        try:
            lease = await self._kube.get(LEASES, self._namespace, self._name)
        except NotFound:
            return True
        if look(lease, None, _now()).holder != self._identity:
            return True
        try:
            fresh = given_back(lease, datetime.now(UTC))
            await self._kube.replace(LEASES, self._namespace, fresh)
        except Conflict:
            return False
        logger.info("the Lease %s is given back", self._name)
        return True


def _now() -> float:
    """Monotonic seconds."""
    return asyncio.get_running_loop().time()


def _text(error: Exception) -> str:
    return str(error) or "no answer"
