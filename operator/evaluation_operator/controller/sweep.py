"""The sweep: list what is watched and compare, since a watch can lose what it should tell.

A gap in a watch loses deletions; a stream can hang without an error. The sweep is what makes
the operator's picture right again, and its age says whether the API server can be reached.

It is the only part that lists what is watched: a watch starts from where a sweep has ended. One
kind is listed at a time, so that one page is held at a time.
"""

from __future__ import annotations

import asyncio
import logging
import time

from evaluation_operator.controller.claims import Claims
from evaluation_operator.controller.keys import Key
from evaluation_operator.controller.store import Store
from evaluation_operator.controller.watching import SELECTORS, WATCHED
from evaluation_operator.controller.workqueue import WorkQueue
from evaluation_operator.kube import ApiError, Kube
from evaluation_operator.kube.resources import Resource

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
PATIENCE_SECONDS = 10.0
"""How long a watch may lag behind a list."""
CHUNK_PAUSE_EVERY = 200


class Sweeper:
    """`first` is set once the whole picture has been drawn: nothing is decided before."""

    def __init__(
        self,
        kube: Kube,
        store: Store,
        claims: Claims,
        queue: WorkQueue[Key],
        *,
        namespaces: tuple[str, ...],
        period_seconds: float,
    ) -> None:
        self._kube = kube
        self._store = store
        self._claims = claims
        self._queue = queue
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)
        self._period = period_seconds
        self._again = asyncio.Event()
        self.first = asyncio.Event()
        self.watch_is_silent = asyncio.Event()
        self._told: dict[str, float] = {}
        self._listing = asyncio.Lock()
        self._unwatched: dict[tuple[Resource, str | None], str] = {}
        self.last_success: float | None = None

    def soon(self) -> None:
        """Sweep without waiting for the period: watching has just been interrupted."""
        self._again.set()

    def told(self, kind: str) -> None:
        """A watch has told something of that kind."""
        self._told[kind] = time.monotonic()

    async def begin_watch(self, resource: Resource, namespace: str | None) -> str:
        """The resourceVersion from which a watch is to tell; all before it has been taken in.

        The first watch goes on from the first sweep. Any other comes after a gap, so the kind is
        listed anew for it. Raises ApiError.
        """
        version = self._unwatched.pop((resource, namespace), None)
        if version is None:
            keys, version = await self._sweep_kind(resource, namespace)
            for key in keys:
                self._queue.add(key)
        self.told(resource.kind)
        return version

    async def run(self) -> None:
        """Runs for ever."""
        while True:
            self._again.clear()
            pause = self._period
            try:
                await self._sweep_and_compare()
            except ApiError as error:
                logger.warning("the sweep failed and is repeated: %s", error.message)
                pause = RETRY_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await self._again.wait()
            except TimeoutError:
                continue

    async def _sweep_and_compare(self) -> None:
        """A watch that stays silent on what a list has shown is dead, whatever it seems."""
        started, first = time.monotonic(), not self.first.is_set()
        news = await self.sweep()
        if first or not news:
            return
        await asyncio.sleep(PATIENCE_SECONDS)
        silent = sorted(kind for kind in news if self._told.get(kind, 0.0) < started)
        if silent:
            logger.warning("no watch has told of changed %s", ", ".join(silent))
            self.watch_is_silent.set()

    async def sweep(self) -> set[str]:
        """One comparison of everything; gives the kinds of which something was news.

        Queues every key the first time, then what differs.
        """
        news: set[str] = set()
        for namespace in self._namespaces:
            for resource in WATCHED:
                keys, version = await self._sweep_kind(resource, namespace)
                if not self.first.is_set():
                    self._unwatched[(resource, namespace)] = version
                for key in keys:
                    news.add(resource.kind)
                    self._queue.add(key)
            for key in await self._claims.refresh(namespace):
                self._queue.add(key)
        if not self.first.is_set():
            for key in self._store.all_keys():
                self._queue.add(key)
            self.first.set()
        self.last_success = time.monotonic()
        return news

    async def _sweep_kind(self, resource: Resource, namespace: str | None) -> tuple[set[Key], str]:
        """The keys that what was listed concerns, and the list's resourceVersion."""
        async with self._listing:
            started, version = time.monotonic(), ""
            seen: set[tuple[str, str]] = set()
            keys: set[Key] = set()
            selector = SELECTORS.get(resource, "")
            pages = self._kube.pages(resource, namespace, label_selector=selector)
            async for page in pages:
                version = str(page["metadata"]["resourceVersion"])
                items = page.pop("items")
                while items:
                    body = items.pop()
                    seen.add((body["metadata"]["namespace"], body["metadata"]["name"]))
                    keys |= self._store.apply(resource.kind, body)
                    if len(seen) % CHUNK_PAUSE_EVERY == 0:
                        await asyncio.sleep(0)  # let others run: a list must not stop the loop
            return keys | self._store.vanished(resource.kind, seen, started, namespace), version
