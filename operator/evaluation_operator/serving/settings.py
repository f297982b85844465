"""What every program with a listener lets people set."""

from __future__ import annotations

from dataclasses import dataclass, field

from evaluation_operator.environment import Environment
from evaluation_operator.serving.limits import Limits

HEALTH_PORT = 8081
_LEAST_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Listening:
    """`host`: the address that is listened at, empty for all. `limits.connections` is what is
    wished for; see `files` for what fits."""

    host: str = ""
    health_port: int = HEALTH_PORT
    limits: Limits = field(default_factory=Limits)


def read_listening(read: Environment) -> Listening:
    """Raises SettingsError."""
    default = Limits()

    def seconds(name: str, value: float) -> float:
        return read.number(f"EVALUATION_HTTP_{name}_SECONDS", value, float, least=_LEAST_SECONDS)

    return Listening(
        host=read.text("EVALUATION_HTTP_HOST", ""),
        health_port=read.number("EVALUATION_HEALTH_PORT", HEALTH_PORT, int, least=0),
        limits=Limits(
            connections=read.number("EVALUATION_HTTP_CONNECTIONS", default.connections, int),
            header_bytes=read.number("EVALUATION_HTTP_HEADER_BYTES", default.header_bytes, int),
            first_byte_seconds=seconds("FIRST_BYTE", default.first_byte_seconds),
            header_seconds=seconds("HEADER", default.header_seconds),
            body_seconds=seconds("BODY", default.body_seconds),
            body_gap_seconds=seconds("BODY_GAP", default.body_gap_seconds),
            answer_seconds=seconds("ANSWER", default.answer_seconds),
            idle_seconds=seconds("IDLE", default.idle_seconds),
        ),
    )
