"""Replicas that stand for one Lease, on a server in memory, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from evaluation_operator.kube import AlreadyExists, Conflict, Kube, NotFound, Resource, Transient
from evaluation_operator.kube.leader import BRISK, Pace, lead_until

Body = dict[str, Any]
NAME = "evaluation-operator"


class LeaseServer(Kube):
    """Of the API what an election needs; it holds what resourceVersions promise."""

    def __init__(self) -> None:
        self.leases: dict[str, Body] = {}
        self.calls: list[tuple[float, str]] = []
        """When, in the loop's seconds, and what: get, create or update."""
        self.is_away = False
        self.hangs = False
        self.hangs_once = ""
        self.loses_answers = False
        self._versions = itertools.count(1)

    @property
    def spec(self) -> Body:
        spec: Body = self.leases[NAME]["spec"]
        return spec

    def label(self) -> None:
        """As somebody does by hand."""
        self._store({"metadata": {"name": NAME, "labels": {"by": "hand"}}, "spec": self.spec})

    def give_to(self, holder: str) -> None:
        """As a replica that nobody here knows takes it."""
        self._store({"metadata": {"name": NAME}, "spec": {"holderIdentity": holder}})

    def writes(self, since: float = 0.0) -> list[float]:
        return [at for at, verb in self.calls if verb != "get" and at >= since]

    async def get(self, resource: Resource, namespace: str, name: str) -> Body:
        await self._meet("get")
        if name not in self.leases:
            raise NotFound(f"{name} not found", status=404)
        return deepcopy(self.leases[name])

    async def create(self, resource: Resource, namespace: str, body: Body) -> Body:
        await self._meet("create")
        if body["metadata"]["name"] in self.leases:
            raise AlreadyExists("taken", status=409, reason="AlreadyExists")
        return self._answer(body)

    async def replace(
        self, resource: Resource, namespace: str, body: Body, *, subresource: str = ""
    ) -> Body:
        await self._meet("update")
        there = self.leases.get(body["metadata"]["name"])
        if there is None:
            raise NotFound("there is none", status=404)
        if body["metadata"]["resourceVersion"] != there["metadata"]["resourceVersion"]:
            raise Conflict("somebody wrote first", status=409)
        return self._answer(body)

    async def _meet(self, verb: str) -> None:
        self.calls.append((asyncio.get_running_loop().time(), verb))
        await asyncio.sleep(0.01)
        if self.is_away:
            raise Transient("connection refused")
        if self.hangs or self.hangs_once == verb:
            self.hangs_once = ""
            await asyncio.Event().wait()

    def _answer(self, body: Body) -> Body:
        stored = self._store(body)
        if self.loses_answers:
            raise Transient("connection reset")
        return stored

    def _store(self, body: Body) -> Body:
        stored = deepcopy(body)
        stored["metadata"]["resourceVersion"] = str(next(self._versions))
        self.leases[stored["metadata"]["name"]] = stored
        return deepcopy(stored)


@dataclass
class Replica:
    server: LeaseServer
    name: str
    pace: Pace = BRISK
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    changes: list[tuple[float, bool]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[Replica]:
        election = lead_until(
            self.stop,
            self.server,
            namespace="home",
            name=NAME,
            identity=self.name,
            on_change=self._changed,
            pace=self.pace,
        )
        self.task = asyncio.create_task(election)
        try:
            yield self
        finally:
            self.kill()
            await asyncio.gather(self.task, return_exceptions=True)

    @property
    def leads(self) -> bool:
        return bool(self.changes) and self.changes[-1][1]

    async def ended(self) -> float:
        """Told to stop; the seconds that it takes."""
        begun = asyncio.get_running_loop().time()
        self.stop.set()
        assert self.task is not None
        await self.task
        return asyncio.get_running_loop().time() - begun

    def kill(self) -> None:
        """It writes nothing more."""
        assert self.task is not None
        self.task.cancel()

    async def until(self, leads: bool = True) -> float:
        """The seconds until it leads, or does not."""
        begun = asyncio.get_running_loop().time()
        async with asyncio.timeout(1000):
            while self.leads is not leads:
                await asyncio.sleep(0.01)
        return asyncio.get_running_loop().time() - begun

    def _changed(self, leads: bool) -> None:
        self.changes.append((asyncio.get_running_loop().time(), leads))


class _Selector(selectors.DefaultSelector):
    """Waits for nothing: time passes by as long as it would have waited."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for somebody else"
        self.passed += max(timeout, 0.0)
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.passed


def play(scene: Coroutine[Any, Any, None]) -> None:
    """In virtual time: hours pass in milliseconds."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        runner.run(scene)
