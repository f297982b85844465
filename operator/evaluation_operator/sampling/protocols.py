"""What servers say in their bodies."""

from __future__ import annotations

from evaluation_operator.sampling.records import Event, NoPrediction, Payload, Unreadable

__all__ = ["NoPrediction", "Payload", "Unreadable", "read_request", "read_response"]


def read_request(event: Event) -> Payload:
    raise NotImplementedError


def read_response(event: Event) -> Payload:
    raise NotImplementedError
