"""What waits for one table, and when it is written."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from datetime import datetime, timedelta

from evaluation_operator.sampling.sample.options import SamplerOptions
from evaluation_operator.sampling.store.table_rows import Entry

PROBE_EVERY = timedelta(minutes=1)
_FIRST_PAUSE = timedelta(seconds=1)


class TableQueue:
    """Entries in the order in which they became ready. `task` writes them; only one does.

    `problem`: why the last attempt failed. `is_invalid`: the table takes nothing until somebody
    changes it. `border`: the latest run time that has passed for one of its jobs.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.size = 0
        self.problem: str | None = None
        self.away_since: datetime | None = None
        self.is_invalid = False
        self.border: datetime | None = None
        self.task: asyncio.Task[None] | None = None
        self._entries: dict[Entry, None] = {}
        self._attempts = 0
        self._retry_at: datetime | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        self._entries[entry] = None
        self.size += entry.size

    def remove(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            del self._entries[entry]
            self.size -= entry.size

    def oldest(self) -> datetime | None:
        """The least stamp of all that waits, being written or not."""
        return min((entry.stamp for entry in self._entries), default=None)

    def all(self) -> list[Entry]:
        return list(self._entries)

    def first(self, size: int) -> list[Entry]:
        """The entries to write next: `size` bytes, or little more."""
        batch, total = [], 0
        for entry in self._entries:
            batch.append(entry)
            total += entry.size
            if total >= size:
                break
        return batch

    def is_due(self, now: datetime, options: SamplerOptions) -> bool:
        """Whether to write, or to ask, now."""
        if self.task is not None or (self._retry_at is not None and now < self._retry_at):
            return False
        if self.is_invalid or self._retry_at is not None or self.size >= options.flush_bytes:
            return True
        oldest = self.oldest()
        if oldest is None:
            return False
        has_ended = self.border is not None and oldest < self.border
        return has_ended or now - oldest >= options.flush_age

    def failed(self, now: datetime, problem: str, at_most: timedelta) -> None:
        """The table is away: again in a while, longer each time, and never all replicas at once."""
        self.problem = problem
        self.away_since = self.away_since or now
        pause = min(_FIRST_PAUSE * 2 ** min(self._attempts, 30), at_most)
        self._attempts += 1
        self._retry_at = now + pause * random.uniform(0.5, 1)  # noqa: S311

    def refused(self, now: datetime, problem: str) -> None:
        """The table takes nothing."""
        self.problem, self.is_invalid, self.away_since = problem, True, None
        self._retry_at = now + PROBE_EVERY

    def worked(self) -> None:
        self.problem = self.away_since = self._retry_at = None
        self.is_invalid, self._attempts = False, 0

    def retry_in(self, now: datetime) -> float:
        """Seconds until the next attempt."""
        return max((self._retry_at - now).total_seconds(), 1.0) if self._retry_at else 1.0
