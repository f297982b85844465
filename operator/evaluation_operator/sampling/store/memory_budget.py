"""What is kept and in no table yet, within its bounds of memory and disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from evaluation_operator.sampling.sample.options import SamplerOptions
from evaluation_operator.sampling.sample.pairing import Waiting
from evaluation_operator.sampling.sample.record import Record
from evaluation_operator.sampling.store.journal import Journal


class MemoryBudget:
    """Counts what is held. The bytes of what is on the disk are given back, oldest first, when
    memory gets tight, and read again when they are written."""

    def __init__(self, options: SamplerOptions, journal: Journal, waiting: Waiting) -> None:
        self._options = options
        self._journal = journal
        self._waiting = waiting
        self._on_disk: deque[Record] = deque()
        self.size = 0

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more can be held, after making room for them."""
        options = self._options
        if self._journal.size + size > options.max_wal_bytes:
            return False
        while self.size + size > options.max_unflushed_bytes and self._on_disk:
            self._give_back(self._on_disk.popleft())
        return self.size + size <= options.max_unflushed_bytes

    def hold(self, records: Iterable[Record]) -> None:
        for kept in records:
            self.size += kept.bytes_held

    def written(self, kept: Record) -> None:
        """It is on the disk now."""
        if kept.is_done:
            self._journal.free([kept.place] if kept.place is not None else [])
        else:
            self._on_disk.append(kept)

    def finish(self, records: Iterable[Record]) -> None:
        """They are in their table, or nobody wants them."""
        places = []
        for kept in records:
            self.size -= kept.bytes_held
            kept.is_done, kept.body = True, None
            if kept.place is not None:
                places.append(kept.place)
        self._journal.free(places)
        while self._on_disk and self._on_disk[0].is_done:
            self._on_disk.popleft()

    def _give_back(self, kept: Record) -> None:
        if kept.is_done or kept.body is None:
            return
        size = len(kept.body)
        self._waiting.shrink(kept, size)
        self.size -= size
        kept.body = None
