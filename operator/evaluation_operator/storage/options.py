"""What a store's URI does not say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evaluation_operator.storage.credentials import NO_CREDENTIALS, Credentials


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Bounds on what a table takes in this process, and what its URI does not say.

    `temp_directory` is where sorting spills to, for as long as a call lasts; None is the system's.
    `credentials` are asked who may enter the store that the URI names; by default nobody is known.
    """

    memory_limit_bytes: int = 512 * 2**20
    threads: int = 2
    temp_directory: Path | None = None
    batch_rows: int = 2048
    credentials: Credentials = NO_CREDENTIALS
