"""How much one replica of the sampler may hold, and how long it may wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from evaluation_operator.sampling.sample.payloads import Sizes


class Mode(StrEnum):
    """When a sender is answered, and so what `kill -9` loses of what was accepted.

    DURABLE: after the write-ahead file is on the disk (fdatasync). Nothing is lost, neither with
    the process nor with the machine, as long as the volume comes back.
    FAST: at once. What waited for its write is lost with the process: the events of the last few
    milliseconds. What the system had not brought to its disk is lost with the machine: with
    Linux's usual settings the events of the last half minute.
    """

    DURABLE = "durable"
    FAST = "fast"


PAYLOAD_SIZES = Sizes(least=64 * 2**10, most=32 * 2**20)


@dataclass(frozen=True, slots=True)
class SamplerOptions:
    """`wal_folder` lies on the replica's own volume.

    Memory: `max_unflushed_bytes` for all that is kept and not in its table yet; of it at most
    `max_waiting_bytes` for halves without their partner, the oldest of which are written as half
    rows early. In durable mode, what does not fit any more is read back from the disk when it
    is flushed, so the bound of what a table that is away may leave behind is `max_wal_bytes`.

    A half that has waited `spill_after` for its partner is written as a half row. Rows are
    written after `flush_age`, or when a table has `flush_bytes`; both at once when an interval of
    a job has ended. `drain_seconds`: how long the end may take until it leaves the rest on the
    volume.
    """

    wal_folder: Path
    mode: Mode = Mode.DURABLE
    max_unflushed_bytes: int = 64 * 2**20
    max_waiting_bytes: int = 16 * 2**20
    max_wal_bytes: int = 2**30
    segment_bytes: int = 16 * 2**20
    spill_after: timedelta = timedelta(seconds=10)
    near_border: timedelta = timedelta(minutes=10)
    flush_age: timedelta = timedelta(seconds=30)
    flush_bytes: int = 8 * 2**20
    retry_at_most: timedelta = timedelta(minutes=1)
    payload_sizes: Sizes = PAYLOAD_SIZES
    tick_seconds: float = 0.5
    drain_seconds: float = 25.0
