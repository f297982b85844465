"""A replica of the sampler with a clock of its own, on real tables in a folder."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.bodies.values import Json
from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.sampling.clock import Clock
from evaluation_operator.sampling.engine import Sampler
from evaluation_operator.sampling.records import Half
from evaluation_operator.sampling.sample.options import SamplerOptions
from evaluation_operator.storage.errors import AccessRefused, TableInvalid, TableUnavailable
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery, Table, TableState, Window
from evaluation_operator.tables.sample import item_priority

BORDER = datetime(2026, 3, 2, 10, tzinfo=UTC)
"""A run time; the tests begin an hour after the one before."""
START = BORDER - timedelta(hours=23)
NEVER = timedelta(days=100)

Row = dict[str, object]


class VirtualTime:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **length: float) -> None:
        self.now += timedelta(**length)


@dataclass
class Faults:
    """What is wrong with tables, by URI. `told`: appends fail after they were made."""

    away: set[str] = field(default_factory=set)
    invalid: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)  # nobody here may enter
    forgetful: set[str] = field(default_factory=set)
    poison: set[str] = field(default_factory=set)  # row ids that no table takes
    appends: int = 0

    def open(self, uri: str) -> Table:
        return FaultyTable(uri, self)


class FaultyTable:
    """A real table, and what can happen to one."""

    def __init__(self, uri: str, faults: Faults) -> None:
        self._uri = uri
        self._faults = faults
        self._table = open_table(uri)

    def ensure(self) -> TableState:
        self._meet()
        return self._table.ensure()

    def append_rows(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._append(self._table.append_rows, list(batches))

    def append_halves(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._append(self._table.append_halves, list(batches))

    def append_labels(
        self, batches: Iterable[pa.RecordBatch], *, for_all_versions: bool = False
    ) -> None:
        self._table.append_labels(batches, for_all_versions=for_all_versions)

    def read_rows(self, query: RowQuery) -> Iterator[pa.RecordBatch]:
        self._meet()
        return self._table.read_rows(query)

    def read_truth(self, query: RowQuery) -> Iterator[pa.RecordBatch]:
        self._meet()
        return self._table.read_truth(query)

    def count_late(self, query: RowQuery, known_ids: Iterable[pa.RecordBatch]) -> int:
        return self._table.count_late(query, known_ids)

    def model_versions(
        self, most: int, spans: tuple[Window, ...] | None = None
    ) -> list[tuple[str, str]]:
        return self._table.model_versions(most, spans)

    def shares_labels(self) -> bool:
        return self._table.shares_labels()

    def close(self) -> None:
        self._table.close()

    def _meet(self) -> None:
        if self._uri in self._faults.away:
            raise TableUnavailable(f"{self._uri} does not answer")
        if self._uri in self._faults.invalid:
            raise TableInvalid(f"{self._uri}: others fill it")
        if self._uri in self._faults.closed:
            raise AccessRefused(f"no Secret is for {self._uri}")

    def _append(
        self, append: Callable[[Iterable[pa.RecordBatch]], None], batches: list[pa.RecordBatch]
    ) -> None:
        self._faults.appends += 1
        self._meet()
        if any(self._faults.poison & set(batch.column("id").to_pylist()) for batch in batches):
            raise TableInvalid("a value that the table does not take")
        append(batches)
        if self._uri in self._faults.forgetful:
            raise TableUnavailable(f"{self._uri}: the connection broke before the answer")


def make_job(folder: Path, name: str = "roses", **changed: object) -> SampledJob:
    job = SampledJob(
        namespace="garden",
        name=name,
        uid=f"uid-{name}",
        model="flowers",
        version="v1",
        selector={},
        fraction=1.0,
        cap=1000,
        created=BORDER - timedelta(days=10),
        interval_days=1,
        table_uri=f"file://{folder}/{name}",
        payload_uri=f"file://{folder}/{name}/_payloads",
        is_sampling=True,
    )
    return replace(job, **changed)  # type: ignore[arg-type]


def whole(event_id: str, items: int = 1, **changed: object) -> Half:
    half = Half(key=f"s/{event_id}", event_id=event_id)
    half = half._replace(instances=instances(items), predictions=predictions(items))
    return half._replace(**changed)  # type: ignore[arg-type]


def request(event_id: str, items: int = 1, **changed: object) -> Half:
    return whole(event_id, items, **changed)._replace(predictions=None)


def response(event_id: str, items: int = 1, **changed: object) -> Half:
    return whole(event_id, items, **changed)._replace(instances=None)


def instances(count: int) -> tuple[Json, ...]:
    return tuple({"text": f"petal {number}"} for number in range(count))


def predictions(count: int) -> tuple[Json, ...]:
    return tuple({"labels": ["rose"], "scores": [number / 10]} for number in range(count))


@dataclass
class Replica:
    """One process. `volume` is what a `kill -9` leaves."""

    sampler: Sampler
    time: VirtualTime
    faults: Faults
    options: SamplerOptions
    jobs: list[SampledJob]

    @property
    def volume(self) -> Path:
        return self.options.wal_folder

    async def give(self, *halves: Half, jobs: list[SampledJob] | None = None) -> None:
        """Offer them one after another, and wait until all are durable."""
        futures = [self.sampler.offer(half, jobs or self.jobs) for half in halves]
        for future in futures:
            if future is not None:
                await future

    async def go_on(self, **length: float) -> None:
        """Let time pass, with the Lease renewed, and do what is due then."""
        self.time.pass_by(**length)
        self.sampler.lease_renewed(self.time.now)
        await self.step()

    async def step(self) -> None:
        """What is due, and what that makes due, is done."""
        for _ in range(2):
            self.sampler.tick()
            await self.sampler.settled()


@asynccontextmanager
async def running(
    volume: Path,
    jobs: list[SampledJob],
    time: VirtualTime | None = None,
    faults: Faults | None = None,
    *,
    renewed: datetime | None = None,
    floor: datetime | None = None,
    is_new: bool = False,
    **options: object,
) -> AsyncIterator[Replica]:
    """A replica that ends without draining. `renewed`: when its Lease was, by an earlier process;
    just now, unless it `is_new`, and has no Lease yet."""
    time, faults = time or VirtualTime(), faults or Faults()
    chosen = SamplerOptions(wal_folder=volume, tick_seconds=3600, **options)  # type: ignore[arg-type]
    sampler = Sampler(chosen, Clock(time), open_table=faults.open)
    await sampler.start(floor, None if is_new else renewed or time.now)
    sampler.set_jobs(jobs)
    if not is_new:
        sampler.lease_renewed(time.now)
    try:
        yield Replica(sampler, time, faults, chosen, jobs)
    finally:
        await sampler.close()


def killed(replica: Replica, copy: Path) -> Path:
    """The volume as it would be found if the process were killed now."""
    shutil.copytree(replica.volume, copy)
    return copy


def rows_of(job: SampledJob) -> list[Row]:
    """All rows of the job, by id, as a reader finds them."""
    with_table = open_table(job.table_uri)
    batches = with_table.read_rows(RowQuery(job.model, job.version))
    return [row for batch in batches for row in batch.to_pylist() if row["job_uid"] == job.uid]


def ids_of(job: SampledJob) -> list[str]:
    return [str(row["id"]) for row in rows_of(job)]


def priorities(job: SampledJob, ids: Iterable[str]) -> dict[str, float]:
    return {item: item_priority(job.uid, item) for item in ids}


def expected_sample(job: SampledJob, ids: Iterable[str]) -> set[str]:
    """The sample of an interval in which these items came, by sorting them all."""
    known = priorities(job, set(ids))
    ordered = sorted(known.values())
    bound = min(job.fraction, ordered[job.cap] if len(ordered) > job.cap else 1.0)
    return {item for item, priority in known.items() if priority < bound}


def drawn_from(job: SampledJob, rows: Iterable[Row]) -> set[str]:
    """The sample that a reader draws from candidates."""
    return expected_sample(job, (str(row["id"]) for row in rows))


def text_of(row: Row, column: str) -> Json:
    value: Json = orjson.loads(str(row[column]))
    return value


def written_by(job: SampledJob) -> list[Row]:
    """Whole rows as they lie in the table's files, also those that a reader would not show."""
    root = Path(job.table_uri.removeprefix("file://"))
    paths = [path for path in root.rglob("*.parquet") if "/_" not in f"/{path.relative_to(root)}"]
    return [row for path in sorted(paths) for row in pq.ParquetFile(path).read().to_pylist()]
