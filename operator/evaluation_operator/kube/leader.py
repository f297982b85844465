"""Leader election by a Lease, so that one of several replicas works while the others wait.

It is for availability alone: run names, owner uids and resource versions keep two operators that
work at once from doing anything twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from kubernetes.aio.client import V1Lease, V1ObjectMeta
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


class _CreatableLock(LeaseLock):
    """The library's lock, whose own `create` passes an argument that its own client refuses."""

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
) -> None:
    """Stand for election again and again; `on_change` hears of every gain and loss.

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
            lease_duration=LEASE_SECONDS,
            renew_deadline=RENEW_SECONDS,
            retry_period=RETRY_SECONDS,
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
