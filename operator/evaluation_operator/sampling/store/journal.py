"""Bringing what is accepted to the disk while the event loop goes on: one write for all that wait.

The write-ahead file has one thread. While it writes and syncs a group, the next one gathers; so
the more comes, the fewer syncs are made for each.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from evaluation_operator.sampling.pacing import Pace
from evaluation_operator.sampling.records import Place
from evaluation_operator.sampling.sample.record import Record
from evaluation_operator.sampling.store.wal import WriteAhead, record_size

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Offered:
    records: Sequence[Record]
    bodies: list[bytes]
    future: asyncio.Future[None] | None


class Journal:
    """`written` hears of records that have their place, in the order in which they were added;
    `lost` of those that have none, since the disk refused them."""

    def __init__(
        self,
        wal: WriteAhead,
        *,
        sync: bool,
        written: Callable[[Sequence[Record]], None],
        lost: Callable[[Sequence[Record]], None],
    ) -> None:
        self._wal = wal
        self._sync = sync
        self._written = written
        self._lost = lost
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="write-ahead")
        self._gathering: deque[_Offered] = deque()
        self._writing: deque[_Offered] = deque()
        self._freed: list[Place] = []
        self._task: asyncio.Task[None] | None = None
        self.problem: str | None = None
        self._written_size = self._waiting_size = 0

    @property
    def size(self) -> int:
        """Bytes on the disk, or on their way there."""
        return self._written_size + self._waiting_size

    async def replay(self) -> list[tuple[Place, bytes]]:
        """Everything of earlier processes. Raises OSError."""
        loop = asyncio.get_running_loop()
        records = await loop.run_in_executor(self._thread, lambda: list(self._wal.replay()))
        self._written_size = self._wal.size
        return records

    def append(self, records: Sequence[Record], *, wait: bool) -> asyncio.Future[None] | None:
        """Write all of them. With `wait` a future that is done when they are written, and has
        OSError if they cannot be."""
        future = asyncio.get_running_loop().create_future() if wait else None
        bodies = [kept.body for kept in records if kept.body is not None]
        self._waiting_size += sum(map(record_size, bodies))
        self._gathering.append(_Offered(records, bodies, future))
        self._wake()
        return future

    def free(self, places: Iterable[Place]) -> None:
        """These records are needed no more."""
        self._freed += places
        if self._freed:
            self._wake()

    def read(self, kept: Record) -> bytes:
        """The record, from memory or the disk. May block; for any thread."""
        body = kept.body
        if body is None:
            assert kept.place is not None
            body = self._wal.read(kept.place)
        return body

    def oldest(self) -> datetime | None:
        """The least stamp of what is not written yet."""
        for group in (self._writing, self._gathering):
            if group:
                return group[0].records[0].stamp
        return None

    async def settled(self) -> None:
        """Everything that was added until now is written, or refused."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Whatever is needed stays on the disk."""
        await self.settled()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._wal.close)
        self._thread.shutdown(wait=False)

    def _wake(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._write_groups())

    async def _write_groups(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._gathering or self._freed:
                self._writing, self._gathering = self._gathering, deque()
                freed, self._freed = self._freed, []
                bodies = [body for offered in self._writing for body in offered.bodies]
                try:
                    places = await loop.run_in_executor(self._thread, self._work, bodies, freed)
                except OSError as error:
                    self._freed += freed
                    self._refuse(error)
                else:
                    await self._accept(iter(places))
        finally:
            self._task = None

    def _work(self, bodies: list[bytes], freed: list[Place]) -> list[Place]:
        places = self._wal.write(bodies, sync=self._sync) if bodies else []
        try:
            self._wal.release(freed)
        except OSError as error:
            # It is read again after a restart; what is in a table already does no harm there.
            logger.warning("a finished part of the write-ahead file stays: %s", error)
        self._written_size = self._wal.size
        return places

    async def _accept(self, places: Iterator[Place]) -> None:
        """One after the other, with turns for others: what is not accepted yet still counts as
        being written, so that no mark passes it."""
        if self._writing:
            self.problem = None
        pace = Pace()
        while self._writing:
            offered = self._writing[0]
            for kept in offered.records:
                kept.place = next(places)
            self._written(offered.records)
            self._gone(self._writing.popleft())
            if offered.future is not None and not offered.future.done():
                offered.future.set_result(None)
            await pace.breathe()

    def _refuse(self, error: OSError) -> None:
        self.problem = f"the write-ahead file cannot be written: {error}"
        logger.error("%s", self.problem)
        while self._writing:
            offered = self._writing.popleft()
            self._gone(offered)
            self._lost(offered.records)
            if offered.future is not None and not offered.future.done():
                offered.future.set_exception(error)

    def _gone(self, offered: _Offered) -> None:
        self._waiting_size -= sum(map(record_size, offered.bodies))
