"""Writing what is ready into its tables.

Every table has its own queue and its own patience: one that is away is tried again later and
later, and nobody else waits for it. One that takes no rows at all (others fill it) loses what was
kept for it, is sampled for no more, and is asked once a minute whether that has changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TypeVar

from evaluation_operator.domain.flushing import RESTAMP_AFTER
from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.sampling.clock import Clock
from evaluation_operator.sampling.counts import Counts
from evaluation_operator.sampling.records import Reason
from evaluation_operator.sampling.sample.options import SamplerOptions
from evaluation_operator.sampling.sample.threshold import Threshold
from evaluation_operator.sampling.store.table_queue import TableQueue
from evaluation_operator.sampling.store.table_rows import Entry, row_id
from evaluation_operator.sampling.store.writing import Writer
from evaluation_operator.storage.errors import BackendUnavailable, TableInvalid

logger = logging.getLogger(__name__)

THREADS = 8
"""Tables that are written at once; one that does not answer holds one of them."""
AWAY_AFTER = timedelta(minutes=1)
"""A table that is away for less is nothing to send predictions elsewhere for."""
_R = TypeVar("_R")


class Flusher:
    """`threshold_at` gives a job's threshold at a time; `finish` hears of entries that are in
    their table, or that no table will take. `invalid`: by URI, why a table takes nothing."""

    def __init__(
        self,
        options: SamplerOptions,
        clock: Clock,
        writer: Writer,
        counts: Counts,
        threshold_at: Callable[[SampledJob, datetime], Threshold],
        finish: Callable[[Sequence[Entry]], None],
    ) -> None:
        self.invalid: dict[str, str] = {}
        self._options = options
        self._clock = clock
        self._writer = writer
        self._counts = counts
        self._threshold_at = threshold_at
        self._finish = finish
        self._queues: dict[str, TableQueue] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="flush")
        self._renewed: datetime | None = None
        self._has_renewed = False
        self._doubtful_before: datetime | None = None

    def __len__(self) -> int:
        """Predictions that are not in their table."""
        return sum(map(len, self._queues.values()))

    @property
    def problems(self) -> dict[str, str]:
        """By URI, why the last attempt failed."""
        return {uri: queue.problem for uri, queue in self._queues.items() if queue.problem}

    def problem(self) -> str | None:
        """Why nothing can be written, if all tables in use are away, or may not be written."""
        if self._has_renewed and not self._may_write():
            return "the replica's Lease could not be renewed for too long"
        now = self._clock.now()
        away = [
            queue.problem
            for queue in self._queues.values()
            if queue.away_since is not None and now - queue.away_since >= AWAY_AFTER
        ]
        return away[0] if away and len(away) == len(self._queues) else None

    def add(self, entry: Entry) -> None:
        self._queue(entry.last.job.table_uri).add(entry)

    def passed(self, uri: str, border: datetime) -> None:
        """A job of the table has entered the interval that begins at `border`."""
        queue = self._queue(uri)
        queue.border = max(queue.border or border, border)

    def oldest(self) -> datetime | None:
        stamps = (queue.oldest() for queue in self._queues.values())
        return min((stamp for stamp in stamps if stamp is not None), default=None)

    def retry_in(self) -> float:
        """Seconds until room can be expected."""
        now = self._clock.now()
        return max((queue.retry_in(now) for queue in self._queues.values()), default=1.0)

    def renewed_before(self, at: datetime) -> None:
        """An earlier process of this replica has renewed its Lease last at that time."""
        self._renewed = at

    def lease_renewed(self, at: datetime) -> None:
        """After a gap in which runs may have given up waiting, all that was stamped before its end
        is in doubt: it gets new stamps."""
        if self._renewed is None or at - self._renewed >= RESTAMP_AFTER:
            self._doubtful_before = self._clock.stamp()
        self._renewed = max(at, self._renewed or at)
        self._has_renewed = True

    def begin_due(self, used: Collection[str]) -> None:
        """Begin to write what is due; `used`: the tables of jobs, others go when they are empty."""
        now = self._clock.now()
        may_write = self._may_write()
        for uri, queue in list(self._queues.items()):
            if uri not in used and not len(queue) and queue.task is None:
                del self._queues[uri]
                self.invalid.pop(uri, None)
            elif may_write and queue.is_due(now, self._options):
                self._begin(queue)

    async def flush(self) -> None:
        """One attempt for every table."""
        await self.settled()
        if self._may_write():
            for queue in self._queues.values():
                if len(queue):
                    self._begin(queue)
            await self.settled()

    async def settled(self) -> None:
        """Every attempt that has begun has ended."""
        tasks = [queue.task for queue in self._queues.values() if queue.task is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """No more attempts. A call that hangs in a thread is left to itself."""
        for queue in self._queues.values():
            if queue.task is not None:
                queue.task.cancel()
        await self.settled()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _queue(self, uri: str) -> TableQueue:
        queue = self._queues.get(uri)
        if queue is None:
            queue = self._queues[uri] = TableQueue(uri)
        return queue

    def _may_write(self) -> bool:
        """Not while runs may hold this replica for dead: they would not cover what it writes."""
        return (
            self._has_renewed
            and self._renewed is not None
            and self._clock.now() - self._renewed < RESTAMP_AFTER
        )

    def _begin(self, queue: TableQueue) -> None:
        queue.task = asyncio.create_task(self._attempt(queue))

    async def _attempt(self, queue: TableQueue) -> None:
        now = self._clock.now
        try:
            await self._write_out(queue)
        except (TableInvalid, BackendUnavailable) as error:
            if not queue.is_invalid:
                logger.error("%d predictions are lost: %s", len(queue), error)
            queue.refused(now(), str(error))
            self.invalid[queue.uri] = str(error)
            self._drop(queue, [(entry, str(error)) for entry in queue.all()])
        except Exception as error:
            # Not only TableUnavailable: whatever went wrong, what was accepted is kept.
            logger.warning("%s: %s: %s", queue.uri, type(error).__name__, error)
            queue.failed(now(), str(error) or type(error).__name__, self._options.retry_at_most)
        finally:
            queue.task = None

    async def _write_out(self, queue: TableQueue) -> None:
        """Everything that is there now; what comes meanwhile waits until it is due."""
        if queue.is_invalid:
            await self._in_thread(self._writer.probe, queue.uri)
            self.invalid.pop(queue.uri, None)
        left = len(queue)
        while left > 0 and len(queue) and self._may_write():
            batch = queue.first(self._options.flush_bytes)
            left -= len(batch)
            batch = await self._stamped_anew(queue, batch)
            if batch:
                refused = await self._in_thread(self._writer.write, queue.uri, batch)
                self._drop(queue, refused)
                gone = {entry for entry, _ in refused}
                self._succeed(queue, [entry for entry in batch if entry not in gone])
        queue.worked()

    async def _stamped_anew(self, queue: TableQueue, batch: list[Entry]) -> list[Entry]:
        """The batch with new stamps for what runs may not have waited for.

        An attempt that failed, or a process that ended, may have written some of it all the same:
        that stays as it is there.
        """
        late = self._clock.now() - RESTAMP_AFTER
        if self._doubtful_before is not None:
            late = max(late, self._doubtful_before)
        old = [entry for entry in batch if entry.stamp <= late]
        rows = [entry for entry in old if entry.is_row]
        found = await self._in_thread(self._writer.found, queue.uri, rows) if rows else set()
        for entry in old:
            job = entry.last.job
            entry.items = tuple(
                item for item in entry.items if (job.uid, row_id(entry.last, item[0])) not in found
            )
            stamp = self._clock.stamp()
            entry.restamp(stamp, self._threshold_at(job, stamp))
        self._remove(queue, [entry for entry in old if not entry.items])
        return [entry for entry in batch if entry.items]

    def _succeed(self, queue: TableQueue, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.last.has_response or entry.is_row:
                self._counts.of(entry.last.job.name).sampled += len(entry.items)
        self._remove(queue, entries)

    def _drop(self, queue: TableQueue, refused: Sequence[tuple[Entry, str]]) -> None:
        for entry, message in refused:
            job, key = entry.last.job, entry.last.key
            self._counts.refuse_for((job,), key, Reason.TABLE_INVALID, message)
        self._remove(queue, [entry for entry, _ in refused])

    def _remove(self, queue: TableQueue, entries: Sequence[Entry]) -> None:
        queue.remove(entries)
        if entries:
            self._finish(entries)

    async def _in_thread(self, call: Callable[..., _R], *arguments: object) -> _R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call, *arguments)
