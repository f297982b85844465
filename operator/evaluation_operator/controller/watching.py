"""Kopf's part: watch what matters and pass every event on. It writes nothing by itself.

Kopf ends on errors that should only delay it (an error inside a watch stream, a server that
fails for a minute), so it runs under a supervisor that starts its watching anew in the same
process, with everything that is known kept.

It does not list either: its lists come in pages of a fixed number of objects, whatever their
size, for several kinds at once. It asks the server to begin each watch with all that there is, and
`Beginnings` lets it begin from where our own list ended instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

import aiohttp
import kopf

from evaluation_operator.domain.naming import KOPF_FINALIZER, LABEL_MANAGED_BY, MANAGED_BY
from evaluation_operator.kube import (
    ANNOTATION_SPEC_SETS,
    DATASETS,
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    INSTRUCTIONS,
    JOBS,
    PODS,
    ApiError,
    Kube,
    Resource,
)
from evaluation_operator.serving.signals import stop_on_signals

logger = logging.getLogger(__name__)

WATCHED: tuple[Resource, ...] = (
    EVALUATION_JOBS,
    EVALUATION_JOB_VERSIONS,
    ANNOTATION_SPEC_SETS,
    INSTRUCTIONS,
    DATASETS,
    JOBS,
    PODS,
)
SELECTORS = dict.fromkeys((JOBS, PODS), f"{LABEL_MANAGED_BY}={MANAGED_BY}")

IDENTITY: Any = "evaluation-operator"
"""Its name among its peers, of which it has none. Kopf would ask for the user's name, and an
image's user has no entry in the password file."""

EventSink = Callable[[str, Mapping[str, Any], bool], None]
"""(kind, object, whether it was deleted)"""


BeginWatch = Callable[[Resource, str | None], Awaitable[str]]
"""(kind, namespace) to the resourceVersion from which on a watch is to tell."""


class Beginnings:
    """A client middleware that lets watches begin after our own list."""

    def __init__(self, begin: BeginWatch, namespaces: tuple[str, ...]) -> None:
        self._begin = begin
        self._places = {
            resource.path(namespace): (resource, namespace)
            for resource in WATCHED
            for namespace in namespaces or (None,)
        }

    async def __call__(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        place = self._places.get(request.url.path)
        if place is not None and "sendInitialEvents" in request.url.query:
            try:
                version = await self._begin(*place)
            except ApiError as error:
                # As what it is to whoever watches: a request that is to be made again.
                raise aiohttp.ClientConnectionError(error.message) from error
            url = request.url.without_query_params("sendInitialEvents", "resourceVersionMatch")
            request.url = url.update_query(resourceVersion=version)
        return await send(request)


class EndlessBackoff:
    """Delays between attempts that never run out, so that no outage ends the operator."""

    def __iter__(self) -> Iterator[float]:
        delay = 0.5
        while True:
            yield delay * (0.5 + random.random())  # noqa: S311
            delay = min(delay * 2, 5.0)


class NoDiffBase(kopf.DiffBaseStorage):
    """Kopf's memory of what it has seen: the operator keeps its own picture, so nothing."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: Any) -> Any:
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        return None


class NoProgress(kopf.ProgressStorage):
    """Kopf's memory of what it has done: nothing either, so that no annotation is written."""

    def fetch(self, *, key: Any, body: Any) -> Any:
        return None

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        return None

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        return None

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


def build_registry(
    kube: Kube,
    sink: EventSink,
    sessions: contextlib.AsyncExitStack,
    connections: int,
    beginnings: Beginnings,
) -> kopf.OperatorRegistry:
    """One handler a kind, all of them `on.event`: no state of Kopf's is ever relied on.

    `sessions` closes what Kopf leaves open when it is cancelled.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login")
    async def login(**_: Any) -> kopf.AiohttpSession:
        session = await sessions.enter_async_context(kube.watch_session(connections, beginnings))
        return kopf.AiohttpSession(server=kube.server, aiohttp_session=session)

    for resource in WATCHED:
        _watch(registry, resource, sink)
    return registry


def _watch(registry: kopf.OperatorRegistry, resource: Resource, sink: EventSink) -> None:
    @kopf.on.event(*_selector(resource), registry=registry, id=resource.plural)
    async def take(event: Mapping[str, Any], **_: Any) -> None:
        sink(resource.kind, event["object"], event["type"] == "DELETED")


def build_settings() -> kopf.OperatorSettings:
    """Bounded, patient and quiet."""
    settings = kopf.OperatorSettings()
    settings.persistence.finalizer = KOPF_FINALIZER
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.process.ultimate_exiting_timeout = None
    settings.queueing.idle_timeout = 0.01
    settings.networking.error_backoffs = EndlessBackoff()
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.watching.initial_streaming = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.watching.inactivity_timeout = 75
    for resource, selector in SELECTORS.items():
        settings.watching.label_selectors[resource.plural] = selector
    return settings


def _selector(resource: Resource) -> tuple[str, ...]:
    return tuple(part for part in (resource.group, resource.version, resource.plural) if part)


async def watch_for_ever(
    kube: Kube,
    sink: EventSink,
    stop: asyncio.Event,
    *,
    interrupted: asyncio.Event,
    namespaces: tuple[str, ...] = (),
    connections: int,
    begin: BeginWatch,
    on_restart: Callable[[], None],
) -> None:
    """Returns when `stop` is set, as signals do from now on; anything else starts it anew.

    `interrupted` is set by whoever finds that a watch does not tell what it should.
    """
    delays = iter(EndlessBackoff())
    beginnings = Beginnings(begin, namespaces)
    while not stop.is_set():
        interrupted.clear()
        try:
            async with contextlib.AsyncExitStack() as sessions:
                halt = await sessions.enter_async_context(_either(stop, interrupted))
                older = asyncio.all_tasks()
                tasks = await kopf.spawn_tasks(
                    registry=build_registry(kube, sink, sessions, connections, beginnings),
                    settings=build_settings(),
                    clusterwide=not namespaces,
                    namespaces=namespaces,
                    standalone=True,
                    identity=IDENTITY,
                    stop_flag=halt,
                )
                # Kopf has just taken the signals for itself. It would tell nobody before it has
                # ended, and wait for five seconds for a task of its own first.
                stop_on_signals(stop.set)
                await kopf.run_tasks(tasks, ignored=older)
            if not interrupted.is_set():
                return
            logger.warning("a watch is silent; watching starts anew")
        except asyncio.CancelledError:
            raise
        except Exception:
            logger.exception("watching ended; it starts anew")
        on_restart()
        await asyncio.sleep(next(delays))


@contextlib.asynccontextmanager
async def _either(*flags: asyncio.Event) -> AsyncIterator[asyncio.Event]:
    """A flag that is set as soon as one of the others is."""
    either = asyncio.Event()
    tasks = [asyncio.create_task(flag.wait()) for flag in flags]
    for task in tasks:
        task.add_done_callback(lambda _: either.set())
    try:
        yield either
    finally:
        for task in tasks:
            task.cancel()
