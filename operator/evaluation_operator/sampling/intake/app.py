"""The HTTP face: events in, an empty 202 out, and nothing in the reply that a broker could take
for an event.

The path of events is plain ASGI, since senders pay for every microsecond of it; what people send
goes through Starlette. Health and metrics are on another port.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from evaluation_operator.bodies.values import TooMuch
from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.sampling.engine import Full
from evaluation_operator.sampling.intake.aside import Busy
from evaluation_operator.sampling.intake.auth import Tokens
from evaluation_operator.sampling.intake.cloudevents import NotAnEvent
from evaluation_operator.sampling.intake.jobs import JobTable
from evaluation_operator.sampling.intake.plain import BadPrediction
from evaluation_operator.sampling.intake.receiving import Intake
from evaluation_operator.sampling.limits import (
    MOST_DISCARDED_BYTES,
    Body,
    Budget,
    Disconnected,
    Receive,
    Refusal,
)
from evaluation_operator.sampling.telemetry import Telemetry

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_ACCEPTED: Final = {
    "type": "http.response.start",
    "status": 202,
    "headers": [(b"content-length", b"0")],
}
_NO_BODY: Final = {"type": "http.response.body", "body": b""}
_NOT_FOR_EVENTS: Final = "/v1/"
_REFUSALS: Final = (Refusal, NotAnEvent, TooMuch, BadPrediction, Full, Busy, OSError)


_MOST_SHOWN: Final = 60
_ENCODINGS: Final = ("identity", "gzip", "x-gzip")
"""A body that is packed by gzip is known by its first bytes, whatever is said."""


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
        # It would answer with an address that the sender's Host header names.
        self._pages.router.redirect_slashes = False

    async def stop_taking(self) -> None:
        """Refuse whatever is sent from now on; returns when all before it is answered."""
        self.is_stopping = True
        if self._working:
            await self._idle.wait()
        await self._intake.close()

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
            events = await self._intake.events(headers, data)
            if len(events) == 1:
                for future in await self._intake.take(events[0]):
                    await future
            else:
                await asyncio.gather(*await self._intake.take_all(events))
            await send(_ACCEPTED)
            await send(_NO_BODY)
        except _REFUSALS as error:
            refusal = _refusal(error)
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
        elif headers.get("content-encoding", "identity").strip().lower() not in _ENCODINGS:
            refusal = Refusal(
                415,
                f"Content-Encoding: {headers['content-encoding'][:40]!r}: send bodies as they are, "
                "or by gzip",
            )
        if refusal is not None:
            length = headers.get("content-length", "")
            if "transfer-encoding" in headers or int(length or 0) > MOST_DISCARDED_BYTES:
                refusal.close = True
            raise refusal

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
            taken = await self._intake.take_plain(job, data)
            await asyncio.gather(*taken.waiting)
            told: dict[str, object] = {"accepted": taken.accepted, "ids": taken.ids}
            if taken.repeated:
                told["repeated"] = taken.repeated
            return Response(orjson.dumps(told), status, media_type="application/json")
        except _REFUSALS as error:
            refusal = _refusal(error)
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


def _refusal(error: Exception) -> Refusal:
    """What the sender is told of why its request was not taken."""
    match error:
        case Refusal():
            return error
        case NotAnEvent():
            return Refusal(error.status, str(error))
        case TooMuch():
            return Refusal(413, str(error))
        case BadPrediction():
            return Refusal(400, str(error))
        case Full():
            message = "no room: the table is away or slow; try again"
            return Refusal(503, message, retry_after=error.retry_after_seconds)
        case Busy():
            message = "too many large bodies wait to be read; try again"
            return Refusal(503, message, retry_after=error.retry_after_seconds)
        case _:
            message = f"the write-ahead file cannot be written: {error}"
            return Refusal(503, message, retry_after=5)


def _headers(scope: Scope) -> dict[str, str]:
    """Raises Refusal where two readers of a request could see two different senders."""
    given = scope["headers"]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in given}
    if len(headers) < len(given):
        times = Counter(name for name, _ in given)
        for name, count in times.items():
            if count > 1 and (name == b"authorization" or name.startswith(b"ce-")):
                shown = name.decode("latin-1")[:_MOST_SHOWN]
                raise Refusal(400, f"{shown}: given more than once; give it once", close=True)
    return headers


def _answer(refusal: Refusal) -> Response:
    headers = {}
    if refusal.retry_after is not None:
        headers["retry-after"] = str(math.ceil(refusal.retry_after))
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if refusal.close:
        headers["connection"] = "close"
    return PlainTextResponse(refusal.message + "\n", refusal.status, headers)
