"""The HTTP face: events in, an empty 202 out, and nothing in the reply that a broker could take
for an event.

The path of events is plain ASGI, since senders pay for every microsecond of it; what people send
goes through Starlette. Health and metrics are on another port.
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeVar

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from evaluation_operator.sampling.auth import Tokens
from evaluation_operator.sampling.cloudevents import NotAnEvent, parse_events
from evaluation_operator.sampling.engine import Full
from evaluation_operator.sampling.intake import Intake
from evaluation_operator.sampling.jobs import JobTable
from evaluation_operator.sampling.limits import (
    MOST_DISCARDED_BYTES,
    Body,
    Budget,
    Disconnected,
    Receive,
    Refusal,
    costly,
)
from evaluation_operator.sampling.plain import BadPrediction, parse_plain
from evaluation_operator.sampling.records import Event, Refused, SampledJob
from evaluation_operator.sampling.telemetry import Telemetry

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
T = TypeVar("T")

_ACCEPTED: Final = {
    "type": "http.response.start",
    "status": 202,
    "headers": [(b"content-length", b"0")],
}
_NO_BODY: Final = {"type": "http.response.body", "body": b""}
_DOCUMENTS: Final = "application/cloudevents"
_NOT_FOR_EVENTS: Final = "/v1/"
_PAUSE_EVERY: Final = 64
"""Events of a batch after which other requests get a turn."""


class App:
    """An ASGI application."""

    def __init__(
        self,
        intake: Intake,
        jobs: JobTable,
        telemetry: Telemetry,
        *,
        budget: Budget,
        body_bytes: int,
        tokens: Tokens | None = None,
    ) -> None:
        self._intake = intake
        self._jobs = jobs
        self._telemetry = telemetry
        self._budget = budget
        self._body_bytes = body_bytes
        self._tokens = tokens
        self.is_stopping = False
        self._working = 0
        self._idle = asyncio.Event()
        self._pages = Starlette(
            routes=[Route("/v1/jobs/{job}/predictions", self._predictions, methods=["POST"])]
        )

    async def stop_taking(self) -> None:
        """Refuse whatever is sent from now on; returns when all before it is answered."""
        self.is_stopping = True
        if self._working:
            await self._idle.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served here")
        if scope["method"] != "POST" or scope["path"].startswith(_NOT_FOR_EVENTS):
            await self._pages(scope, receive, send)
            return
        began = time.perf_counter()
        self._working += 1
        body = Body(self._budget, self._body_bytes)
        status = 202
        try:
            headers = _headers(scope)
            self._admit(headers)
            data = await body.read(headers.get("content-length"), receive)
            self._telemetry.received_bytes += len(data)
            events = self._events(headers, data)
            if len(events) == 1:
                future = _offer(self._intake.take, events[0])
                if future is not None:
                    await _settle([future])
            else:
                await _offer_all(self._intake.take, events)
            await send(_ACCEPTED)
            await send(_NO_BODY)
        except Refusal as refusal:
            status = refusal.status
            await _answer(refusal)(scope, receive, send)
        except Disconnected:
            status = 499
        finally:
            self._finish(body, status, began)

    def _finish(self, body: Body, status: int, began: float) -> None:
        body.release()
        self._working -= 1
        if self.is_stopping and not self._working:
            self._idle.set()
        self._telemetry.answered(status, time.perf_counter() - began)

    def _admit(self, headers: dict[str, str]) -> None:
        """Raises Refusal for what is refused before its body is read."""
        refusal = None
        if self.is_stopping:
            refusal = Refusal(503, "this replica is stopping; try another", retry_after=1)
        elif not self._jobs.is_synced:
            refusal = Refusal(503, "the jobs of the namespace are not known yet", retry_after=2)
        elif self._tokens is not None and not self._tokens.admits(headers.get("authorization")):
            refusal = Refusal(401, "give a token, as Bearer or as the password of Basic")
        elif headers.get("content-encoding", "identity").strip().lower() != "identity":
            refusal = Refusal(
                415,
                f"Content-Encoding: {headers['content-encoding'][:40]!r}: send bodies as they are",
            )
        if refusal is not None:
            length = headers.get("content-length", "")
            if "transfer-encoding" in headers or int(length or 0) > MOST_DISCARDED_BYTES:
                refusal.close = True
            raise refusal

    def _events(self, headers: dict[str, str], data: bytes) -> list[Event | Refused]:
        try:
            is_document = headers.get("content-type", "")[: len(_DOCUMENTS)].lower() == _DOCUMENTS
            if is_document and (problem := costly(data)):
                raise NotAnEvent(413, problem)
            return parse_events(headers, data)
        except NotAnEvent as error:
            self._intake.not_an_event(str(error))
            raise Refusal(error.status, str(error)) from None

    # What people send.

    async def _predictions(self, request: Request) -> Response:
        began = time.perf_counter()
        self._working += 1
        body = Body(self._budget, self._body_bytes)
        status = 202
        try:
            headers = _headers(request.scope)
            self._admit(headers)
            job = self._job(request.path_params["job"])
            data = await body.read(headers.get("content-length"), request.receive)
            self._telemetry.received_bytes += len(data)
            if problem := costly(data):
                raise Refusal(413, problem)
            given = [(p.id or uuid.uuid4().hex, p) for p in parse_plain(data)]
            await _offer_all(lambda one: self._intake.take_whole(job, *one), given)
            return Response(
                orjson.dumps({"accepted": len(given), "ids": [one for one, _ in given]}),
                status,
                media_type="application/json",
            )
        except (Refusal, BadPrediction) as error:
            refusal = error if isinstance(error, Refusal) else Refusal(400, str(error))
            status = refusal.status
            return _answer(refusal)
        except Disconnected:
            status = 499
            return Response(status_code=status)
        finally:
            self._finish(body, status, began)

    def _job(self, name: str) -> SampledJob:
        known = self._jobs.find(name)
        if known is None:
            raise Refusal(
                404, f"job: {name[:100]!r}: no EvaluationJob of this name is in the namespace"
            )
        if known.why_not or known.job is None:
            raise Refusal(409, f"job {name}: nothing is sampled now: {known.why_not}")
        return known.job


async def _offer_all(take: Callable[[T], asyncio.Future[None] | None], things: list[T]) -> None:
    """All of them, with turns for others in between; raises Refusal when there is no room. What
    was taken until then stays, and comes to nothing new when the sender tries again."""
    waiting = []
    for number, thing in enumerate(things, 1):
        future = _offer(take, thing)
        if future is not None:
            waiting.append(future)
        if number % _PAUSE_EVERY == 0:
            await asyncio.sleep(0)
    await _settle(waiting)


def _offer(
    take: Callable[[T], asyncio.Future[None] | None], thing: T
) -> asyncio.Future[None] | None:
    try:
        return take(thing)
    except Full as full:
        seconds = full.retry_after_seconds
        raise Refusal(
            503, "no room: the table is away or slow; try again", retry_after=seconds
        ) from None


async def _settle(waiting: list[asyncio.Future[None]]) -> None:
    try:
        if len(waiting) == 1:
            await waiting[0]
        else:
            await asyncio.gather(*waiting)
    except OSError as error:
        raise Refusal(
            503, f"the write-ahead file cannot be written: {error}", retry_after=5
        ) from None


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _answer(refusal: Refusal) -> Response:
    headers = {}
    if refusal.retry_after is not None:
        headers["retry-after"] = str(math.ceil(refusal.retry_after))
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if refusal.close:
        headers["connection"] = "close"
    return PlainTextResponse(refusal.message + "\n", refusal.status, headers)
