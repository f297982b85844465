"""CloudEvents over HTTP, in all three modes."""

from __future__ import annotations

from collections.abc import Mapping

from evaluation_operator.sampling.records import Event, Refused


class NotAnEvent(Exception):
    """A request that is no CloudEvent at all. `status`: 400, or 415 for an unknown format."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def parse_events(headers: Mapping[str, str], body: bytes) -> list[Event | Refused]:
    raise NotImplementedError
