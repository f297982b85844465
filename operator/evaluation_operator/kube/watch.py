"""Following the objects of one kind: what is there, and then every change, for ever.

A watch may end, stall, or say that it has forgotten what it was asked for; whoever follows sees
none of that, only that news are late. What a gap has hidden is found by listing anew.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Set
from contextlib import aclosing
from dataclasses import dataclass

import aiohttp

from evaluation_operator.kube.client import Kube
from evaluation_operator.kube.errors import ApiError, NotFound, Transient, from_response
from evaluation_operator.kube.port import Body
from evaluation_operator.kube.resources import Resource

logger = logging.getLogger(__name__)

STREAM_SECONDS = 60
"""After so long the server ends a watch by itself, so that a longer silence is a dead one."""
SILENCE_SECONDS = 75.0
SHORTEST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
LONGEST_LINE_BYTES = 2**23


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it is now: listed, made or changed. It may be the same as before."""

    body: Body


@dataclass(frozen=True, slots=True)
class Gone:
    """An object that is no more."""

    uid: str


@dataclass(frozen=True, slots=True)
class Synced:
    """A list has been read to its end: everything that is there has been seen."""


News = Seen | Gone | Synced


@dataclass(frozen=True, slots=True)
class _Reached:
    """The resourceVersion from which a watch goes on."""

    version: str


class _Forgotten(Exception):
    """The server no longer knows the resourceVersion, or the stream said something odd."""


async def follow(kube: Kube, resource: Resource, namespace: str) -> AsyncGenerator[News]:
    """Never ends, and raises nothing: what fails is logged and tried again, with back-off."""
    known: set[str] = set()
    version, failures = "", 0
    async with kube.watch_session(connections=2) as session:
        while True:
            began, is_watch = time.monotonic(), bool(version)
            steps = (
                _changes(kube, session, resource, namespace, version)
                if is_watch
                else _listed(kube, resource, namespace, known)
            )
            try:
                async with aclosing(steps):
                    async for step in steps:
                        if isinstance(step, _Reached):
                            version = step.version
                            failures = 0 if is_watch else failures
                        else:
                            _note(step, known)
                            yield step
                # A watch that ends at once is no better than one that fails.
                if not is_watch or time.monotonic() - began > SHORTEST_PAUSE_SECONDS:
                    continue
            except _Forgotten as error:
                logger.info("listing %s anew: %s", resource.plural, error)
                version = ""
            except ApiError as error:
                logger.warning("watching %s: %s", resource.plural, error.message)
                version = "" if isinstance(error, NotFound) else version
            failures += 1
            await asyncio.sleep(_pause(failures))


async def _listed(
    kube: Kube, resource: Resource, namespace: str, known: Set[str]
) -> AsyncGenerator[News | _Reached]:
    """All objects, then what has gone meanwhile, then Synced."""
    here: set[str] = set()
    version = ""
    async for page in kube.pages(resource, namespace):
        version = str(page["metadata"]["resourceVersion"])
        for body in page["items"]:
            here.add(body["metadata"]["uid"])
            yield Seen(body)
    for uid in known - here:
        yield Gone(uid)
    yield Synced()
    yield _Reached(version)


async def _changes(
    kube: Kube, session: aiohttp.ClientSession, resource: Resource, namespace: str, version: str
) -> AsyncGenerator[News | _Reached]:
    """One watch, until the server ends it."""
    query = {
        "watch": "true",
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(STREAM_SECONDS),
    }
    url = kube.url(resource.path(namespace), query)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_SECONDS)
    try:
        async with session.get(url, timeout=timeout) as response:
            if response.status >= 400:
                raise from_response(
                    response.status,
                    await response.content.read(2**16),
                    creating=False,
                    retry_after=response.headers.get("Retry-After"),
                )
            async for line in _lines(response.content):
                for step in _read(line):
                    yield step
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Transient(f"the stream broke: {type(error).__name__}: {error}") from error


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines however long: aiohttp's own reading by lines gives up at a size of its choice."""
    rest = bytearray()
    async for chunk in stream.iter_any():
        rest += chunk
        if b"\n" in chunk:
            *lines, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            for line in lines:
                yield line
        elif len(rest) > LONGEST_LINE_BYTES:
            raise _Forgotten(f"a line is longer than {LONGEST_LINE_BYTES} bytes")


def _read(line: bytes) -> list[News | _Reached]:
    try:
        event = json.loads(line)
        kind, body = event["type"], event["object"]
        if kind == "ERROR":
            raise _Forgotten(str(body.get("message") or body))
        reached = _Reached(str(body["metadata"]["resourceVersion"]))
        if kind == "BOOKMARK":
            return [reached]
        if kind == "DELETED":
            return [Gone(body["metadata"]["uid"]), reached]
        return [Seen(body), reached]
    except (ValueError, KeyError, TypeError) as error:
        raise _Forgotten(f"the stream cannot be read: {error!r}") from error


def _note(news: News, known: set[str]) -> None:
    match news:
        case Seen(body):
            known.add(body["metadata"]["uid"])
        case Gone(uid):
            known.discard(uid)
        case Synced():
            pass


def _pause(failures: int) -> float:
    """Seconds, more with every failure in a row; random, so that replicas do not come at once."""
    longest = min(LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311
