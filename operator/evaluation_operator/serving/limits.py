"""How long a listener waits for whoever connects to it, and when it waits no longer.

Pure: the state of a connection and a time in, a verdict out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeVar


class Phase(StrEnum):
    """What a connection waits for; of all but ANSWER and GONE it is the other side."""

    FIRST_BYTE = "first byte"
    HEADERS = "headers"
    BODY = "body"
    ANSWER = "answer"
    IDLE = "idle"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one listener. `connections`: most that it holds at once. `header_bytes`: most of a
    request's line and headers, likewise of its trailers.

    `first_byte_seconds` run from the connection, `header_seconds` from a request's first byte,
    `body_seconds` from the end of its headers (and `body_gap_seconds` between two pieces of it),
    `answer_seconds` from its end until all of the answer is handed over, `idle_seconds` from there
    to the next request, or until the answer has been read.
    """

    connections: int = 1000
    header_bytes: int = 64 * 2**10
    first_byte_seconds: float = 10.0
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    body_gap_seconds: float = 10.0
    answer_seconds: float = 60.0
    idle_seconds: float = 75.0

    def longest(self, phase: Phase) -> float:
        """Seconds that a connection may stay in the phase."""
        seconds = {
            Phase.FIRST_BYTE: self.first_byte_seconds,
            Phase.HEADERS: self.header_seconds,
            Phase.BODY: self.body_seconds,
            Phase.ANSWER: self.answer_seconds,
            Phase.IDLE: self.idle_seconds,
        }
        return seconds.get(phase, math.inf)


@dataclass(slots=True)
class State:
    """Of one connection: since when it is in its phase, and when it last said something.

    Times are those of the event loop's clock, in seconds.
    """

    address: str
    began: float
    heard: float
    phase: Phase = Phase.FIRST_BYTE

    def enter(self, phase: Phase, now: float) -> None:
        self.phase = phase
        self.began = now

    def is_overdue(self, limits: Limits, now: float) -> bool:
        if self.phase is Phase.BODY and now - self.heard > limits.body_gap_seconds:
            return True
        return now - self.began > limits.longest(self.phase)


class HasState(Protocol):
    @property
    def state(self) -> State: ...


C = TypeVar("C", bound=HasState)

_QUIET: Final = (Phase.FIRST_BYTE, Phase.IDLE)
_WAITING: Final = (*_QUIET, Phase.HEADERS, Phase.BODY)


def longest_waiting(connections: Iterable[C]) -> C | None:
    """The connection that goes where there is no room for one more; None: each is being answered.

    Whoever holds most pays: of the address with the most connections the one that has been silent
    longest, and only where none is, the one whose request has been coming longest. So connections
    of one sender push out each other and nobody else's, while many senders behind one proxy may
    use all that there is.
    """
    all_ = tuple(connections)
    held = Counter(it.state.address for it in all_)
    return min(
        (it for it in all_ if it.state.phase in _WAITING),
        key=lambda it: (
            -held[it.state.address],
            it.state.phase not in _QUIET,
            it.state.began,
        ),
        default=None,
    )
