"""Leader election by a Lease, so that one of several replicas works while the others wait.

It is for availability alone: run names, owner uids and resource versions keep two operators that
work at once from doing anything twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from kubernetes.aio.client import V1Lease, V1LeaseSpec, V1ObjectMeta
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from evaluation_operator.kube.client import Kube

logger = logging.getLogger(__name__)

LEASE_SECONDS = 15
RENEW_SECONDS = 10
RETRY_SECONDS = 2
CALM_LEASE_SECONDS = 30
CALM_RENEW_SECONDS = 20
CALM_RETRY_SECONDS = 10


class _CreatableLock(LeaseLock):
    """The library's lock, whose own `create` passes an argument that its own client refuses, and
    which writes the machine's local time as if it were UTC."""

    def update_lease(
        self, leader_election_record: LeaderElectionRecord, current_spec: V1LeaseSpec | None = None
    ) -> V1LeaseSpec:
        spec: V1LeaseSpec = super().update_lease(leader_election_record, current_spec)
        now = datetime.now(UTC)
        # The API server wants a fraction, and a whole second would be written without.
        spec.renew_time = now.replace(microsecond=now.microsecond or 1)
        return spec

    async def create(
        self, name: str, namespace: str, election_record: LeaderElectionRecord
    ) -> bool:
        lease = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        try:
            await self.api_instance.create_namespaced_lease(namespace, lease)
        except ApiException as error:
            logger.warning("the Lease %s/%s cannot be created: %s", namespace, name, error.reason)
            return False
        return True


async def lead_for_ever(
    kube: Kube,
    *,
    namespace: str,
    name: str,
    identity: str,
    on_change: Callable[[bool], None],
    calm: bool = False,
) -> None:
    """Stand for election again and again; `on_change` hears of every gain and loss. A `calm` one
    writes every ten seconds instead of two, and its successor may wait for half a minute.

    The library makes a task of what it calls on a gain. It ends at once: Kopf cancels every task
    that is younger than its watching when that is started anew, and leadership must survive that.
    """

    async def gained() -> None:
        on_change(True)

    async def lost() -> None:
        logger.warning("leadership is lost; standing for election again")

    while True:
        lock = _CreatableLock(name, namespace, identity, kube.library_client)
        config = Config(
            lock,
            lease_duration=CALM_LEASE_SECONDS if calm else LEASE_SECONDS,
            renew_deadline=CALM_RENEW_SECONDS if calm else RENEW_SECONDS,
            retry_period=CALM_RETRY_SECONDS if calm else RETRY_SECONDS,
            onstarted_leading=gained,
            onstopped_leading=lost,
        )
        try:
            await LeaderElection(config).run()
        except asyncio.CancelledError:
            raise
        except Exception:
            # The library lets connection errors through; an election must outlive an outage.
            logger.exception("the election was interrupted")
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            on_change(False)
