"""Sends predictions as KServe's agent does, as fast as they are answered; in a process of its own.

    python -m tests.bench.load --port 8080 --seconds 5 [--count 100000] [--size 1000] [--rate 500]

Every prediction is two events, its request and its response, one after the other over one of the
connections, which stay open. Prints one line of JSON. The sender is not what is measured, so it
does as little as possible: it fills the id into bytes that are ready, and looks for a status.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
import time
from functools import partial
from typing import Final, cast

import uvloop

from tests.bench.loopback import connect

ID_DIGITS: Final = 12
_HOLE: Final = b"0" * ID_DIGITS + b"~"
RETRY_SECONDS: Final = 0.02
_MOST_LATENCIES: Final = 400_000


@dataclasses.dataclass(frozen=True)
class Result:
    """`accepted`: events, not predictions. `seconds`: from the first to the last answer."""

    accepted: int
    refused: int
    predictions: int
    seconds: float
    p50_ms: float
    p99_ms: float
    other: int = 0


def event_id(number: int) -> str:
    return f"{number:0{ID_DIGITS}}~"


def request_body(size: int) -> bytes:
    """An instance with numbers, or, where it is to be large, with an image as base64."""
    if size > 8000:
        return b'{"instances":[{"image":{"b64":"' + b"iVBORw0KGgo" + b"A" * (size - 49) + b'="}}]}'
    numbers = ",".join(f"{index % 97 / 7:.4f}" for index in range((size - 30) // 7))
    return b'{"instances":[{"image":[' + numbers.encode() + b"]}]}"


def response_body() -> bytes:
    """A kilobyte of labels and scores."""
    labels = ",".join(f'"label-{index:04}"' for index in range(48))
    scores = ",".join(f"{1 / (index + 2):.4f}" for index in range(48))
    return f'{{"predictions":[{{"labels":[{labels}],"scores":[{scores}]}}]}}'.encode()


def http_request(side: str, body: bytes) -> tuple[bytes, bytes]:
    """What comes before and after the event's id: the headers are those of KServe's agent."""
    head = (
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Go-http-client/1.1\r\n"
        f"Content-Length: {len(body)}\r\n"
        'Ce-Annotations: {"evaluations.dev/model-version":"v1"}\r\n'
        "Ce-Component: predictor\r\nCe-Endpoint: \r\n"
        f"Ce-Id: {_HOLE.decode()}\r\n"
        "Ce-Inferenceservicename: ripeness\r\nCe-Metadata: {}\r\nCe-Namespace: fruit\r\n"
        "Ce-Recordedtime: 2026-11-22T11:12:11.273183236Z\r\nCe-Source: http://localhost:9081/\r\n"
        "Ce-Specversion: 1.0\r\nCe-Time: 2026-11-22T11:12:11.251294118Z\r\n"
        f"Ce-Type: org.kubeflow.serving.inference.{side}\r\n"
        "Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n"
    ).encode()
    before, after = head.split(_HOLE)
    return before, after + body


class Load:
    """Shared by all connections: what is sent next, and what came of it."""

    def __init__(self, size: int, count: int, seconds: float, first: int) -> None:
        self.halves = (
            http_request("request", request_body(size)),
            http_request("response", response_body()),
        )
        self.next = first
        self.last = first + count
        self.end = time.perf_counter() + seconds
        self.latencies: list[float] = []
        self.accepted = self.refused = self.other = 0

    def number(self) -> int | None:
        """Of the next prediction; None when it is enough."""
        if self.next >= self.last or time.perf_counter() > self.end:
            return None
        self.next += 1
        return self.next - 1


class Connection(asyncio.Protocol):
    """One event at a time; `pace` seconds from one to the next where that is not 0."""

    def __init__(self, load: Load, pace: float, done: asyncio.Future[None]) -> None:
        self._load = load
        self._pace = pace
        self._done = done
        self._number: int | None = None
        self._side = 1
        self._sent = self._due = time.perf_counter()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        if self._side == 1:
            self._number = self._load.number()
        if self._number is None:
            self._transport.close()
            return
        self._side = 1 - self._side
        if not self._pace:
            self._send()
            return
        self._due = max(self._due + self._pace, time.perf_counter() - 1)
        asyncio.get_running_loop().call_later(self._due - time.perf_counter(), self._send)

    def _send(self) -> None:
        assert self._number is not None
        before, after = self._load.halves[self._side]
        self._sent = time.perf_counter()
        self._transport.write(b"".join((before, b"%0*d~" % (ID_DIGITS, self._number), after)))

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not _is_complete(self._received):
            return
        status, self._received = self._received[9:12], b""
        load = self._load
        if status == b"202":
            load.accepted += 1
            if len(load.latencies) < _MOST_LATENCIES:
                load.latencies.append(time.perf_counter() - self._sent)
            self._next()
        elif status == b"503":
            load.refused += 1
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._send)
        else:
            load.other += 1
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


def _is_complete(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    _, _, length = head.lower().partition(b"content-length: ")
    return len(body) >= int(length.partition(b"\r\n")[0] or 0)


async def send(arguments: argparse.Namespace) -> Result:
    load = Load(arguments.size, arguments.count, arguments.seconds, arguments.first)
    loop = asyncio.get_running_loop()
    pace = arguments.connections / arguments.rate if arguments.rate else 0.0
    began = time.perf_counter()
    ends: list[asyncio.Future[None]] = []
    for _ in range(arguments.connections):
        done = loop.create_future()
        ends.append(done)
        make = partial(Connection, load, pace, done)
        await loop.create_connection(make, sock=connect(arguments.port))
    if not arguments.rate:
        _stay_awake(loop)
    await asyncio.gather(*ends)
    seconds = time.perf_counter() - began
    ordered = sorted(load.latencies) or [0.0]
    return Result(
        accepted=load.accepted,
        refused=load.refused,
        predictions=load.next - arguments.first,
        seconds=seconds,
        p50_ms=1000 * ordered[len(ordered) // 2],
        p99_ms=1000 * ordered[int(len(ordered) * 0.99)],
        other=load.other,
    )


def _stay_awake(loop: asyncio.AbstractEventLoop) -> None:
    """Never sleep: waking this process up would cost the server time with every answer, the more
    of it the slower the server is."""
    loop.call_soon(_stay_awake, loop)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--count", type=int, default=10**ID_DIGITS)
    parser.add_argument("--first", type=int, default=0, help="number of the first prediction")
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.0, help="events a second; 0: all it takes")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(send(arguments))
    json.dump(dataclasses.asdict(result), sys.stdout)


if __name__ == "__main__":
    main()
