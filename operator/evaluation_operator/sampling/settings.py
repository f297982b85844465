"""The sampler's configuration: environment variables, read once, here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from evaluation_operator.environment import SECRETS_FOLDER, Environment, SettingsError
from evaluation_operator.serving.settings import Listening, read_listening

MIB = 2**20
MODES = ("durable", "fast")


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
    listening: Listening = field(default_factory=Listening)
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
    secrets_folder: Path = Path(SECRETS_FOLDER)
    kubeconfig: str | None = None
    clock_offset: timedelta = timedelta(0)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises SettingsError naming the variable that is missing or wrong."""
    read = Environment(environment)
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
        listening=read_listening(read),
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
        secrets_folder=read.secrets_folder(),
        kubeconfig=read.kubeconfig(),
        clock_offset=read.clock_offset(),
    )
    if settings.body_bytes > settings.inflight_bytes:
        raise SettingsError(
            f"EVALUATION_SAMPLER_BODY_BYTES={settings.body_bytes}: more than "
            f"EVALUATION_SAMPLER_INFLIGHT_BYTES={settings.inflight_bytes}, so that such a request "
            "could never be taken; lower the one or raise the other"
        )
    return settings
