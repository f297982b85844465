"""The sampler's configuration: environment variables, read once, here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

N = TypeVar("N", int, float)
MIB = 2**20
MODES = ("durable", "fast")


class SettingsError(ValueError):
    """A variable that cannot be used; names it, its value and the cure."""


@dataclass(frozen=True, slots=True)
class Settings:
    """See `from_environment` for the variables. Sizes are in bytes.

    `body_bytes`: most that one request may send. `inflight_bytes`: most that all requests
    together may have sent before they are answered. `memory_bytes` and `wal_bytes`: most that
    waits for the table, in memory and in the write-ahead file. `spill_seconds`: how long a half
    waits for its partner before it is written by itself.
    """

    namespace: str
    replica: str
    directory: Path
    durable: bool = True
    http_port: int = 8080
    host: str = ""
    body_bytes: int = 16 * MIB
    inflight_bytes: int = 64 * MIB
    memory_bytes: int = 128 * MIB
    wal_bytes: int = 1024 * MIB
    flush_seconds: float = 60.0
    spill_seconds: float = 10.0
    flush_bytes: int = 8 * MIB
    tokens_file: Path | None = None
    drain_seconds: float = 25.0
    log_level: str = "INFO"
    s3_endpoint: str | None = None
    kubeconfig: str | None = None
    clock_offset: timedelta = timedelta(0)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises SettingsError naming the variable that is missing or wrong."""
    read = _Reader(environment)
    tokens = read.text("EVALUATION_SAMPLER_TOKENS_FILE", "")
    mode = read.text("EVALUATION_SAMPLER_MODE", MODES[0])
    if mode not in MODES:
        raise SettingsError(f"EVALUATION_SAMPLER_MODE={mode!r}: write durable or fast")
    settings = Settings(
        namespace=read.required("EVALUATION_NAMESPACE", "the namespace whose jobs it samples for"),
        replica=read.required("POD_NAME", "the name of its pod, by the downward API"),
        directory=Path(read.text("EVALUATION_SAMPLER_DIRECTORY", "/var/lib/evaluations/sampler")),
        durable=mode == "durable",
        http_port=read.number("EVALUATION_HTTP_PORT", 8080, int, least=0),
        host=read.text("EVALUATION_HTTP_HOST", ""),
        body_bytes=read.number("EVALUATION_SAMPLER_BODY_BYTES", 16 * MIB, int),
        inflight_bytes=read.number("EVALUATION_SAMPLER_INFLIGHT_BYTES", 64 * MIB, int),
        memory_bytes=read.number("EVALUATION_SAMPLER_MEMORY_BYTES", 128 * MIB, int),
        wal_bytes=read.number("EVALUATION_SAMPLER_WAL_BYTES", 1024 * MIB, int),
        flush_seconds=read.number("EVALUATION_SAMPLER_FLUSH_SECONDS", 60.0, float, least=0.05),
        spill_seconds=read.number("EVALUATION_SAMPLER_SPILL_SECONDS", 10.0, float, least=0.05),
        flush_bytes=read.number("EVALUATION_SAMPLER_FLUSH_BYTES", 8 * MIB, int),
        tokens_file=Path(tokens) if tokens else None,
        drain_seconds=read.number("EVALUATION_SAMPLER_DRAIN_SECONDS", 25.0, float),
        log_level=read.text("EVALUATION_LOG_LEVEL", "INFO").upper(),
        s3_endpoint=environment.get("AWS_ENDPOINT_URL_S3")
        or environment.get("AWS_ENDPOINT_URL")
        or None,
        kubeconfig=environment.get("KUBECONFIG") or None,
        clock_offset=_clock_offset(read),
    )
    if settings.body_bytes > settings.inflight_bytes:
        raise SettingsError(
            f"EVALUATION_SAMPLER_BODY_BYTES={settings.body_bytes}: more than "
            f"EVALUATION_SAMPLER_INFLIGHT_BYTES={settings.inflight_bytes}, so that such a request "
            "could never be taken; lower the one or raise the other"
        )
    return settings


def _clock_offset(read: _Reader) -> timedelta:
    """That of the operator, so that both live on the same day. Tests alone have one."""
    offset = read.number("EVALUATION_CLOCK_OFFSET_SECONDS", 0.0, float, least=-1e9)
    if offset and read.text("EVALUATION_ALLOW_TEST_CLOCK", "false").lower() != "true":
        raise SettingsError(
            f"EVALUATION_CLOCK_OFFSET_SECONDS={offset:g}: a shifted clock is for tests only; "
            "remove it, or set EVALUATION_ALLOW_TEST_CLOCK=true on a test cluster"
        )
    return timedelta(seconds=offset)


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        return self._environment.get(name, "").strip() or default

    def required(self, name: str, what: str) -> str:
        value = self.text(name, "")
        if not value:
            raise SettingsError(f"{name} is not set: give {what}")
        return value

    def number(self, name: str, default: N, kind: Callable[[str], N], *, least: float = 1) -> N:
        text = self.text(name, str(default))
        try:
            value = kind(text)
        except ValueError:
            raise SettingsError(f"{name}={text!r}: write a number") from None
        if not least <= value < float("inf"):
            raise SettingsError(f"{name}={text!r}: write a number from {least:g}")
        return value
