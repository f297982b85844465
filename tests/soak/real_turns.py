"""The worlds of `tests/unit/domain`, in which the operator's own parts work over an API server in
memory: its store, and what gathers, acts and reconciles.

Each turn is that of an operator that has just begun, and knows nothing but what it lists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from evaluation_operator.api.base import format_time
from evaluation_operator.controller.act import Actor
from evaluation_operator.controller.claims import Claims
from evaluation_operator.controller.complaints import Complaints
from evaluation_operator.controller.events import EventPublisher
from evaluation_operator.controller.gather import Gatherer
from evaluation_operator.controller.keys import Key
from evaluation_operator.controller.places import Places
from evaluation_operator.controller.reconcile import Reconciler
from evaluation_operator.controller.store import Store
from evaluation_operator.controller.watching import WATCHED
from evaluation_operator.domain.naming import LABELER_LEASE
from evaluation_operator.domain.plan import Plan
from evaluation_operator.kube import (
    ANNOTATION_SPEC_SETS,
    CLAIMS,
    DATASETS,
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    INSTRUCTIONS,
    JOBS,
    LEASES,
    PODS,
    SERVICE_ACCOUNTS,
    Conflict,
    Resource,
    Transient,
)
from tests.builders import Manifest, make_evaluation_job, make_instruction, make_spec_set, stored
from tests.memory_api import MemoryApi, Place
from tests.unit.domain.world import Died, JobWorld, VersionWorld, World

NAMESPACE = "fruit"


class _Api(MemoryApi):
    """Remembers what has been removed from it."""

    def __init__(self, world: World) -> None:
        super().__init__(lambda: world.now, lambda *_: world._write())
        self.removed: dict[Place, Manifest] = {}

    def _remove(self, place: Place) -> None:
        self.removed[place] = self.objects[place]
        super()._remove(place)


class RealTurns(World):
    """Turns as the operator takes them; what others do is as in every world."""

    api: _Api | None = None

    def settle(self) -> Plan:
        for _ in range(12):
            self.turn()
            if not self._again:
                before = self.writes
                self.turn()
                assert self.writes == before, "nobody would have woken the operator for this"
                return Plan()
        raise AssertionError("no rest after 12 turns")

    def turn(self) -> Plan:
        """What has been created is news, by which the operator is woken again."""
        self.api = self.api or _Api(self)
        self._show(self.api)
        known = set(self.jobs)
        try:
            wake_at = asyncio.run(self._reconcile(self.api))
            self._again = wake_at is not None and wake_at <= self.now
        except (Died, Conflict, Transient):
            self._again = True
        self._take_back(self.api)
        new = [name for name in self.jobs if name not in known]
        self.created_jobs += [name for name in new if not name.startswith("evc-")]
        self._again |= bool(new)
        return Plan()

    async def _reconcile(self, api: MemoryApi) -> datetime | None:
        places = Places(self.policy.max_active_runs)
        store = Store(places)
        for resource in WATCHED:
            async for body in api.list(resource):
                store.apply(resource.kind, body)

        def learn(key: Key | None, kind: str, body: Mapping[str, Any], deleted: bool) -> None:
            store.apply(kind, body, deleted=deleted)

        clock, claims = _Clock(self), Claims(api, store)
        complaints = Complaints(api, store, clock, self.policy, lambda _: None, lambda: False)
        reconciler = Reconciler(
            Gatherer(store, api, claims, complaints, self.policy, learn),
            Actor(api, claims, places, learn),
            EventPublisher(api, clock, lambda _: ""),
            places,
            clock,
            self.policy,
            crowded=lambda: self.crowded,
        )
        return await reconciler.reconcile(Key(self.own["kind"], NAMESPACE, self.own_name))

    @property
    def own_name(self) -> str:
        return str(self.own["metadata"]["name"])

    @property
    def own_resource(self) -> Resource:
        is_job = self.own["kind"] == "EvaluationJob"
        return EVALUATION_JOBS if is_job else EVALUATION_JOB_VERSIONS

    def around(self) -> Iterator[tuple[Resource, Manifest]]:
        """What else is in the namespace."""
        yield ANNOTATION_SPEC_SETS, stored(make_spec_set(), uid="uid-of-set")
        yield INSTRUCTIONS, stored(make_instruction(), uid="uid-of-instruction")
        yield SERVICE_ACCOUNTS, stored({"metadata": {"name": "evaluation-runner"}})
        labels = {"evaluations.dev/table": "true"}
        yield CLAIMS, stored({"metadata": {"name": "predictions", "labels": labels}})
        renewed = {"renewTime": format_time(datetime.now(UTC))}
        yield LEASES, stored({"metadata": {"name": LABELER_LEASE}, "spec": renewed})

    def _show(self, api: _Api) -> None:
        api.objects.clear()
        pods = (pod for found in self.pods.values() for pod in found)
        shown: list[tuple[Resource, Iterable[Manifest]]] = [
            (self.own_resource, [self.own]),
            (DATASETS, self.datasets.values()),
            (JOBS, self.jobs.values()),
            (PODS, pods),
            (LEASES, [self.lease] if self.lease is not None else []),
        ]
        for resource, bodies in shown:
            for body in bodies:
                api.put(resource, _placed(body))
        for resource, body in self.around():
            api.put(resource, _placed(body))

    def _take_back(self, api: _Api) -> None:
        found: dict[str, dict[str, Manifest]] = {it.plural: {} for it in (DATASETS, JOBS, LEASES)}
        place = (self.own_resource.plural, NAMESPACE, self.own_name)
        self.own = api.objects.get(place) or api.removed[place]
        for (plural, _, name), body in api.objects.items():
            if plural in found:
                found[plural][name] = body | {"status": body.get("status") or {}}
        self.deleted_jobs += [name for name in self.jobs if name not in found[JOBS.plural]]
        self.datasets, self.jobs = found[DATASETS.plural], found[JOBS.plural]
        self.pods = {name: pods for name, pods in self.pods.items() if name in self.jobs}
        leases = [body for name, body in found[LEASES.plural].items() if name != LABELER_LEASE]
        self.lease = leases[0] if leases else self.lease


def _placed(body: Manifest) -> Manifest:
    return body | {"metadata": {"namespace": NAMESPACE} | body["metadata"]}


class _Clock:
    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        return self._world.now


class RealJobWorld(RealTurns, JobWorld):
    """A job, and the one that holds its model version where it does not."""

    def around(self) -> Iterator[tuple[Resource, Manifest]]:
        yield from super().around()
        if (
            self.lease is not None
            and self.lease["spec"]["holderIdentity"] == "uid-other"
            and self.holder_exists
        ):
            yield EVALUATION_JOBS, stored(make_evaluation_job("other"), uid="uid-other")


class RealVersionWorld(RealTurns, VersionWorld):
    """A version, and its job."""

    def around(self) -> Iterator[tuple[Resource, Manifest]]:
        yield from super().around()
        if self.job is not None:
            yield EVALUATION_JOBS, self.job
