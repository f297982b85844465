"""One replica of the sampler: from halves of predictions to rows in tables.

**What is kept.** An item may be in the sample of its interval as long as its priority is not above
the bound that this replica knows (threshold.py). Everything else is forgotten before a text is
made of it. Both halves of a prediction are put together in memory if they meet within
`spill_after`; else each is written as a half row, and they meet when rows are read.

**What an answer promises.** In durable mode the future of `offer` is done when the half is on the
replica's volume; after `kill -9`, or a lost machine whose volume comes back, it is read from there
and gives the same rows. In fast mode there is nothing to wait for; what the process had not handed
to the system yet is lost with it, some milliseconds of events, and with the machine what the
system had not brought to the disk.

**What the mark promises.** Whatever was stamped before `flushed_through()` is in its table, so
that a run may read up to there. Runs do not wait for ever: so what has waited for
`RESTAMP_AFTER`, or through a time in which the Lease may have been held for dead, gets a new
stamp before it is written, and a later run covers it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from evaluation_operator.bodies.limits import ASIDE, Bounds
from evaluation_operator.bodies.values import counts_differ
from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.sampling.clock import Clock
from evaluation_operator.sampling.counts import Counts
from evaluation_operator.sampling.ledger import Fate
from evaluation_operator.sampling.records import Half, Reason
from evaluation_operator.sampling.sample.job_state import JobState, JobStates
from evaluation_operator.sampling.sample.options import Mode, SamplerOptions
from evaluation_operator.sampling.sample.pairing import Met, Waiting
from evaluation_operator.sampling.sample.record import Record, decode
from evaluation_operator.sampling.sample.record_building import build_record
from evaluation_operator.sampling.sample.sifting import Draw, Drawn, Sifted, sift
from evaluation_operator.sampling.store.flusher import Flusher
from evaluation_operator.sampling.store.journal import Journal
from evaluation_operator.sampling.store.memory_budget import MemoryBudget
from evaluation_operator.sampling.store.table_rows import Entry, row_of, row_of_two
from evaluation_operator.sampling.store.wal import WriteAhead
from evaluation_operator.sampling.store.writing import Writer
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.storage.storage import Storage
from evaluation_operator.storage.storage import open_storage as open_any_storage
from evaluation_operator.tables.open import open_table as open_any_table
from evaluation_operator.tables.protocol import Table

logger = logging.getLogger(__name__)


class Stale(Exception):
    """A job asks for more of a half than it was sifted for: its interval has ended meanwhile."""


class Full(Exception):
    """There is no room, or the replica stops; the same half may be taken later, or elsewhere."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"no room; try again in {retry_after_seconds:.0f} s")
        self.retry_after_seconds = retry_after_seconds


def _open_storage(uri: str) -> Storage:
    return open_any_storage(uri, TableOptions())


class Sampler:
    """All of it belongs to one event loop; `start` first, `drain` or `close` last."""

    def __init__(
        self,
        options: SamplerOptions,
        clock: Clock | None = None,
        *,
        open_table: Callable[[str], Table] = open_any_table,
        open_storage: Callable[[str], Storage] = _open_storage,
    ) -> None:
        """`open_storage` opens the folders of large payloads."""
        self._options = options
        self._clock = clock or Clock()
        self._is_durable = options.mode is Mode.DURABLE
        self._states = JobStates(options)
        self._waiting = Waiting()
        self._journal = Journal(
            WriteAhead(options.wal_folder, segment_bytes=options.segment_bytes),
            sync=self._is_durable,
            written=self._written,
            lost=self._lost,
        )
        self._holding = MemoryBudget(options, self._journal, self._waiting)
        self.counts = Counts(self._clock.now())
        self._flusher = Flusher(
            options,
            self._clock,
            Writer(open_table, open_storage, self._journal.read),
            self.counts,
            self._states.threshold_at,
            lambda entries: self._finish(k for entry in entries for k in entry.kept),
        )
        self._mark = datetime.min.replace(tzinfo=self._clock.now().tzinfo)
        self._ticker: asyncio.Task[None] | None = None
        self._is_taking = self._is_started = False
        self._refused_bytes = 0

    async def start(self, floor: datetime | None = None, renewed: datetime | None = None) -> None:
        """Read what an earlier process has left, and begin.

        `floor`: the latest mark that any replica has told; every stamp lies after it. `renewed`:
        when this replica's Lease was renewed last; without it runs have not waited for what was
        left, so that gets new stamps. Raises OSError if the volume cannot be read.
        """
        if floor is not None:
            self._clock.follow(floor)
        if renewed is not None:
            self._flusher.renewed_before(renewed)
        records = await self._journal.replay()
        left = [decode(body, place, self._states.threshold_at) for place, body in records]
        for kept in sorted(left, key=lambda kept: kept.stamp):
            self._clock.follow(kept.stamp)
            self._holding.hold((kept,))
            self._holding.written(kept)
            self._holding.has_room(0)
            self._admit(kept)
        self._is_taking = self._is_started = True
        self._ticker = asyncio.create_task(self._tick_for_ever())

    def set_jobs(self, jobs: Iterable[SampledJob]) -> None:
        """Sample for these from now on, and for no others; what is kept already is written."""
        self._states.set_jobs(jobs, self._clock.now())
        self.counts.keep_jobs(state.job.name for state in self._states)

    def offer(
        self,
        half: Half,
        jobs: Sequence[SampledJob],
        bounds: Bounds = ASIDE,
        beside: Collection[str] = (),
    ) -> asyncio.Future[None] | None:
        """Take a half, or a whole prediction, for these jobs; `beside` are the uids of others that
        it is offered for otherwise.

        None if there is nothing to wait for; else what is done when it is durable, and has
        OSError if the volume does not take it. Raises Full, and TooMuch beyond the bounds: then
        nothing has been counted. A half of which no item may be in a sample costs a hash an item,
        and nothing of it is held.
        """
        if not self._is_taking:
            raise Full(1.0)
        if (problem := half.counts_problem) is not None:
            self.refuse(half.key, jobs, Reason.COUNTS_DIFFER, problem)
            return None
        now = self._clock.stamp()
        sifted = sift(half, self._states.draws(jobs, now, is_whole=half.is_whole), bounds)
        return self._take(sifted, jobs, now, beside)

    def refuse(self, key: str, jobs: Sequence[SampledJob], reason: Reason, message: str) -> None:
        """Nothing can be made of a half, or of a whole prediction, for these jobs: what waits for
        it waits in vain."""
        self.counts.refuse_for(jobs, key, reason, message)
        if key in self._waiting:
            uids = {job.uid for job in jobs}
            for is_request in (True, False):
                lost = self._waiting.give_up(key, requests=is_request, is_lost=uids.__contains__)
                self._finish(lost)

    def tell_of_none(self, key: str, jobs: Sequence[SampledJob], message: str) -> None:
        """A half says that it is no prediction: nothing is wrong, unless its other half is one."""
        if key in self._waiting:
            self.refuse(key, jobs, Reason.NO_PREDICTION, message)
        else:
            self.counts.refuse(Reason.NO_PREDICTION, message)

    def draws(self, jobs: Sequence[SampledJob], *, is_whole: bool) -> list[Draw]:
        """What to sift a half for that is offered by `take`."""
        return self._states.draws(jobs, self._clock.now(), is_whole=is_whole)

    def take(
        self, sifted: Sifted, jobs: Sequence[SampledJob], beside: Collection[str] = ()
    ) -> asyncio.Future[None] | None:
        """As `offer`, of a half that was sifted elsewhere. Raises Stale too, when jobs ask for
        more by now: then it must be sifted once more."""
        if not self._is_taking:
            raise Full(1.0)
        now = self._clock.stamp()
        for draw in self._states.draws(jobs, now, is_whole=sifted.is_whole):
            drawn = sifted.drawn.get(draw.uid)
            if drawn is None or drawn.below < draw.below:
                raise Stale
        return self._take(sifted, jobs, now, beside)

    def flushed_through(self) -> datetime:
        """Everything stamped before it is in its table. It never goes back while this lives."""
        if self._is_started:
            stamps = (self._journal.oldest(), self._waiting.oldest(), self._flusher.oldest())
            oldest = min((stamp for stamp in stamps if stamp is not None), default=None)
            self._mark = max(self._mark, oldest if oldest is not None else self._clock.stamp())
        return self._mark

    def lease_renewed(self, at: datetime) -> None:
        """The replica's Lease, with the mark, was renewed at that time."""
        self._flusher.lease_renewed(at)

    def tick(self) -> None:
        """Begin whatever is due. Runs by itself, twice a second."""
        now = self._clock.now()
        for state in self._states:
            state.roll(now)
            self._flusher.passed(state.job.table_uri, state.interval_start)
        for kept in self._waiting.take_older(now - self._options.spill_after):
            self._spill(kept)
        self._flusher.begin_due({state.job.table_uri for state in self._states})

    async def settled(self) -> None:
        """Whatever has begun is finished: writes to the volume and to tables."""
        await self._journal.settled()
        await self._flusher.settled()
        await self._journal.settled()

    async def flush(self) -> None:
        """Try to write every row and half row that is ready, whatever has failed before."""
        await self._journal.settled()
        await self._flusher.flush()

    async def drain(self) -> bool:
        """Take nothing more and write everything; whether nothing is left. At most
        `drain_seconds`; what is left stays on the volume, for the next process."""
        self._is_taking = False
        await self._journal.settled()
        for kept in self._waiting.take_above(-1):
            self._spill(kept)
        try:
            async with asyncio.timeout(self._options.drain_seconds):
                while len(self._flusher):
                    await self._flusher.flush()
                    if len(self._flusher):
                        await asyncio.sleep(self._options.tick_seconds)
        except TimeoutError:
            logger.warning("%d predictions are not in their table yet", len(self._flusher))
        await self.close()
        return not len(self._flusher)

    async def close(self) -> None:
        """End without writing rows: the next process finds on the volume what was accepted, as
        after a crash. Does nothing the second time."""
        self._is_taking = False
        if self._ticker is None:
            return
        self._ticker.cancel()
        await asyncio.wait([self._ticker])
        self._ticker = None
        await self._flusher.close()
        await self._journal.close()

    def ready_problem(self) -> str | None:
        """Why no predictions should be sent here; None if all is well."""
        if not self._is_started:
            return "what an earlier process has left is being read"
        if not self._is_taking:
            return "the replica stops"
        if self._journal.problem is not None:
            return self._journal.problem
        if self._refused_bytes and not self._holding.has_room(self._refused_bytes):
            return "no room: too much waits for its table"
        return self._flusher.problem()

    def report(self) -> str:
        """What the replica tells people through its Lease: JSON of at most 32 KiB."""
        problems = self._flusher.problems
        return self.counts.report(
            pending=len(self._waiting),
            unflushed_bytes=self._holding.size,
            table_errors={
                state.job.name: problem
                for state in self._states
                if (problem := problems.get(state.job.table_uri)) is not None
            },
        )

    def _take(
        self,
        sifted: Sifted,
        jobs: Sequence[SampledJob],
        now: datetime,
        beside: Collection[str],
    ) -> asyncio.Future[None] | None:
        """Everything that has an effect, at once: nothing may come between the stamp and the
        journal."""
        chosen = self._choose(sifted, jobs, now)
        if sifted.key in self._waiting:
            kept_for = [*beside, *(state.job.uid for state, _ in chosen)]
            self._give_up_partners(sifted, jobs, kept_for)
        records = self._make(sifted, chosen, now) if chosen else ()
        if sifted.has_response:
            self._count_others(sifted, jobs, records)
        if not records:
            return None
        future = self._journal.append(records, wait=self._is_durable)
        if not self._is_durable:
            for kept in records:
                self._admit(kept)
        return future

    def _choose(
        self, sifted: Sifted, jobs: Sequence[SampledJob], now: datetime
    ) -> list[tuple[JobState, Drawn]]:
        chosen = []
        for job in jobs:
            state = self._states.sampling(job, now)
            if state is None:
                self.counts.refuse_for((job,), sifted.key, Reason.NOT_SAMPLING)
                continue
            invalid = self._flusher.invalid.get(state.job.table_uri)
            if invalid is not None:
                self.counts.refuse_for((job,), sifted.key, Reason.TABLE_INVALID, invalid)
                continue
            below = self._states.bound(state, now, is_whole=sifted.is_whole)
            drawn = sifted.drawn[job.uid].tightened(below)
            if drawn.refusal is not None:
                self.counts.refuse_for((job,), sifted.key, *drawn.refusal.told)
            elif drawn.items:
                chosen.append((state, drawn))
                if sifted.has_response and state.reader is not None:
                    self.counts.judged(job, is_unreadable=bool(drawn.unreadable))
                if drawn.unreadable and drawn.why is not None:
                    self.counts.unreadable(job, len(drawn.unreadable), *drawn.why)
        return chosen

    def _give_up_partners(
        self, sifted: Sifted, jobs: Sequence[SampledJob], kept_for: Collection[str]
    ) -> None:
        """Let go of halves that will never be whole: this one is not kept for their job. Only a
        response knows all of its jobs, so a request speaks for its own alone."""
        if not sifted.has_request:
            lost = self._waiting.give_up(
                sifted.key, requests=True, is_lost=lambda uid: uid not in kept_for
            )
        else:
            gone = {job.uid for job in jobs}.difference(kept_for)
            lost = self._waiting.give_up(sifted.key, requests=False, is_lost=gone.__contains__)
        mine = {job.uid for job in jobs}
        for kept in lost:
            if kept.job.uid in mine:
                self.counts.enter(kept.job, kept.key, Fate.NOT_SAMPLED)
            else:
                self.counts.forget(kept.job, kept.key)
        self._finish(lost)

    def _make(
        self, sifted: Sifted, chosen: list[tuple[JobState, Drawn]], now: datetime
    ) -> list[Record]:
        """The records, all of which have room. Raises Full at the first that has none."""
        records = []
        size = 0
        for state, drawn in chosen:
            try:
                kept = build_record(sifted, drawn, state, now)
            except ValueError as error:
                self.counts.refuse_for((state.job,), sifted.key, Reason.UNREADABLE, str(error))
                continue
            size += kept.bytes_held
            self._check_room(size)
            records.append(kept)
        self._holding.hold(records)
        return records

    def _check_room(self, size: int) -> None:
        if not self._holding.has_room(size):
            self.counts.full += 1
            # One that is larger than everything says nothing about room for others.
            self._refused_bytes = min(size, self._options.max_unflushed_bytes // 2)
            raise Full(self._flusher.retry_in())
        self._refused_bytes = 0

    def _count_others(
        self, sifted: Sifted, jobs: Sequence[SampledJob], records: Sequence[Record]
    ) -> None:
        """Those of which nothing is kept; a request alone may never have been answered."""
        kept_for = {kept.job.uid for kept in records}
        for job in jobs:
            if job.uid not in kept_for:
                self.counts.enter(job, sifted.key, Fate.NOT_SAMPLED, sifted.item_count)

    def _written(self, records: Sequence[Record]) -> None:
        for kept in records:
            self._holding.written(kept)
            if self._is_durable:
                self._admit(kept)

    def _lost(self, records: Sequence[Record]) -> None:
        """The volume does not take them: their sender hears so. In fast mode it has been told
        already that they are kept, and they are, in memory."""
        if self._is_durable:
            self.counts.full += len(records)
            self._finish(records)

    def _admit(self, kept: Record) -> None:
        """What is accepted waits for its partner, or becomes a row."""
        if kept.is_whole:
            self._become_rows(row_of(kept))
            return
        meeting = self._waiting.meet(kept)
        self.counts.enter(kept.job, kept.key, Fate.WAITING, kept.item_count)
        partner = meeting.partner
        if meeting.met is Met.ITSELF:
            self._finish((kept,))
        elif partner is None:
            for oldest in self._waiting.take_above(self._options.max_waiting_bytes):
                self._spill(oldest)
        elif partner.item_count != kept.item_count:
            first, second = (kept, partner) if kept.has_request else (partner, kept)
            message = counts_differ(first.item_count, second.item_count)
            self.counts.refuse_for((kept.job,), kept.key, Reason.COUNTS_DIFFER, message)
            self._finish((partner, kept))
        else:
            self._become_rows(row_of_two(partner, kept))

    def _become_rows(self, entry: Entry) -> None:
        """Items that are known came before; what the bound has ruled out since is not needed."""
        offer = entry.threshold.offer
        entry.items = tuple(item for item in entry.items if offer(item[1]))
        kept = entry.kept[0]
        fate = Fate.OFFERED if entry.items else Fate.NOT_SAMPLED
        self.counts.enter(kept.job, kept.key, fate, kept.item_count)
        if entry.items:
            self._flusher.add(entry)
        else:
            self._finish(entry.kept)

    def _spill(self, kept: Record) -> None:
        """It has waited long enough: a run joins it with the other half."""
        self.counts.enter(kept.job, kept.key, Fate.SPILLED, kept.item_count)
        self._flusher.add(row_of(kept))

    def _finish(self, records: Iterable[Record]) -> None:
        self._holding.finish(records)

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._options.tick_seconds)
            try:
                self.tick()
            except Exception:
                logger.exception("a step failed; the next one tries again")
