"""Whatever happens between a prediction and its Evaluation, each sampled item is in one Dataset.

The real engines of several sampler replicas, a real table of files, the operator's real decisions
and the real cut are put together under one simulated clock. Halves of predictions come late, in
the wrong order, twice and at different replicas; replicas crash, are cut off from the API server,
are removed and come back; their clocks disagree; the table goes away; the job is paused and
edited; runs overlap, fail, lose their Datasets and are given up.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.domain.facts.replica import Replica
from evaluation_operator.domain.naming import sampler_lease_name
from evaluation_operator.domain.sampled_job import SampledJob, read_job
from evaluation_operator.evaluator.run import evaluate_dataset
from evaluation_operator.evaluator.run_rows import RunOptions
from evaluation_operator.results import layout
from evaluation_operator.results.errors import NothingUsable
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.parquet import read_lines
from evaluation_operator.results.rows import CUT_SCHEMA
from evaluation_operator.sampling.clock import Clock
from evaluation_operator.sampling.engine import Full, Sampler
from evaluation_operator.sampling.records import Half
from evaluation_operator.sampling.sample.options import SamplerOptions
from evaluation_operator.storage.errors import TableUnavailable
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery, Table, Window
from evaluation_operator.tables.sample import item_priority
from evaluation_operator.tables.schema import READ_SCHEMA
from tests.builders import Manifest, merged
from tests.unit.domain.world import FIRST_RUN, JobWorld

LONGEST_STEP = timedelta(minutes=20)
AROUND_A_SLOT = [timedelta(seconds=s) for s in (0, 1, 14, 31)]
LABELS = ("ripe", "unripe")


class AwayTable:
    """A table that nobody can reach."""

    def __getattr__(self, name: str) -> Any:
        if name == "close":
            return lambda: None
        raise TableUnavailable("the volume is not there")


@dataclass(frozen=True)
class Asked:
    """Settings of the sample, of certain times or (without windows) of any."""

    cap: float
    fraction: float
    windows: tuple[tuple[datetime, datetime], ...] = ()

    def speaks_of(self, rows: Iterable[Manifest]) -> bool:
        return not self.windows or any(
            start <= row["sampled_at"] < end for row in rows for start, end in self.windows
        )


@dataclass
class Member:
    """One replica: its volume and Lease outlive its process."""

    name: str
    volume: Path
    skew: timedelta
    sampler: Sampler | None = None
    lease: Replica | None = None
    is_cut_off: bool = False


class System(JobWorld):
    """A namespace with an operator, samplers, a table, and predictions on their way."""

    def __init__(self, folder: Path, replicas: int, cap: int, fraction: float) -> None:
        self.folder = folder
        self.table_uri = f"{folder.as_uri()}/table"
        self.results_uri = f"{folder.as_uri()}/results"
        self.is_table_away = False
        self.cuts: dict[str, set[str]] = {}
        self.final: dict[str, set[str]] = {}
        self.asked: dict[str, Asked] = {}
        self.accepted: dict[str, datetime] = {}
        self.is_disturbed = False
        self._halves: dict[tuple[str, str], bool] = {}
        self._due: list[tuple[datetime, int, str, Half]] = []
        self._count = itertools.count()
        self.past: list[tuple[Half, Half]] = []
        super().__init__(
            resultsUri=self.results_uri,
            evaluationJobConfig={
                "inputConfig": {
                    "tableSource": {"inputUri": self.table_uri, "persistentVolumeClaimName": None}
                },
                "exampleCount": cap,
                "exampleSamplePercentage": fraction,
            },
        )
        self.members = [
            Member(f"sampler-{n}", folder / f"volume-{n}", timedelta(seconds=1.7 * n - 1))
            for n in range(replicas)
        ]
        self.readers = {member.name: Clock(self._reader(member)) for member in self.members}

    def _reader(self, member: Member) -> Any:
        return lambda: self.now + member.skew

    # The sampler.

    def sampled_job(self) -> SampledJob:
        known = read_job(self.own)
        assert known.job is not None, known.why_not
        return known.job

    def open_table(self, uri: str) -> Table:
        return AwayTable() if self.is_table_away else open_table(uri)

    async def start(self, which: int) -> None:
        member = self.member(which)
        if member.sampler is not None or member.is_cut_off:
            return
        options = SamplerOptions(wal_folder=member.volume, tick_seconds=3600)
        sampler = Sampler(options, Clock(self._reader(member)), open_table=self.open_table)
        marks = [m.lease.flushed_through for m in self.members if m.lease is not None]
        floor = max((mark for mark in marks if mark is not None), default=None)
        renewed = member.lease.renew_time if member.lease is not None else None
        await sampler.start(floor, renewed)
        member.sampler = sampler
        sampler.set_jobs([self.sampled_job()])
        self.renew(member)

    async def crash(self, which: int) -> None:
        member = self.member(which)
        if member.sampler is not None:
            self.is_disturbed = True
            await member.sampler.close()
            member.sampler = None

    async def remove(self, which: int) -> None:
        """A replica is told to stop: it writes what it has, and its Lease goes."""
        member = self.member(which)
        if member.sampler is None or member.is_cut_off or self.is_table_away:
            return
        is_empty = await member.sampler.drain()
        member.sampler = None
        if is_empty:
            member.lease = None

    async def cut_off(self, which: int) -> None:
        self.is_disturbed = True
        self.member(which).is_cut_off = True

    async def reconnect(self, which: int) -> None:
        self.member(which).is_cut_off = False

    async def take_table_away(self) -> None:
        self.is_disturbed = True
        self.is_table_away = True

    async def give_table_back(self) -> None:
        self.is_table_away = False

    def member(self, which: int) -> Member:
        return self.members[which % len(self.members)]

    def renew(self, member: Member) -> None:
        if member.sampler is None or member.is_cut_off:
            return
        mark, now = member.sampler.flushed_through(), self.now + member.skew
        member.lease = Replica(member.name, sampler_lease_name(member.name), mark, now)
        member.sampler.lease_renewed(now)

    # Predictions.

    async def predict(
        self, items: int, first: int, second: int, delay: float, is_reordered: bool
    ) -> None:
        event = f"event-{next(self._count)}"
        texts = [f"{event}/{n}" for n in range(items)]
        request = Half(event, event, instances=tuple(texts), time=self.now)
        response = Half(
            event, event, predictions=tuple({"labels": ["ripe"], "scores": [0.9]} for _ in texts)
        )
        self.past.append((request, response))
        halves = (response, request) if is_reordered else (request, response)
        self.send(halves[0], first, 0)
        self.send(halves[1], second, min(delay, 60) if is_reordered else delay)
        await self.step()

    async def repeat(self, which: int, first: int, second: int) -> None:
        if self.past:
            for half, replica in zip(
                self.past[which % len(self.past)], (first, second), strict=True
            ):
                self.send(half, replica, 0)
            await self.step()

    def send(self, half: Half, which: int, delay: float) -> None:
        at = self.now + timedelta(seconds=delay)
        heapq.heappush(self._due, (at, next(self._count), self.member(which).name, half))

    async def deliver(self) -> None:
        """What arrives at a replica that is down or full finds another one, or is lost."""
        while self._due and self._due[0][0] <= self.now:
            _, _, name, half = heapq.heappop(self._due)
            order = sorted(self.members, key=lambda member: member.name != name)
            for member in order:
                if member.sampler is not None and await self.offer(member, half):
                    break

    async def offer(self, member: Member, half: Half) -> bool:
        assert member.sampler is not None
        job = self.sampled_job()
        if not job.is_sampling or self.now + member.skew < job.created:
            return True
        try:
            future = member.sampler.offer(half, [job])
        except Full:
            return False
        if future is not None:
            await future
        side = "request" if half.instances is not None else "response"
        self._halves[half.event_id, side] = True
        count = len(half.instances or half.predictions or ())
        if all((half.event_id, each) in self._halves for each in ("request", "response")):
            for n in range(count):
                self.accepted.setdefault(f"{half.event_id}/{n}", self.now)
        return True

    # Time.

    async def step(self) -> None:
        """All that happens at one instant."""
        await self.deliver()
        for member in self.members:
            if member.sampler is not None:
                member.sampler.tick()
                await member.sampler.settled()
                self.renew(member)
        self.replicas = tuple(m.lease for m in self.members if m.lease is not None)
        self.settle()
        for member in self.members:
            if member.sampler is not None:
                member.sampler.set_jobs([self.sampled_job()])

    async def let_pass(self, minutes: float) -> None:
        end = self.now + timedelta(minutes=minutes)
        while self.now < end:
            moments = [end, self.now + LONGEST_STEP]
            if self._due:
                moments.append(max(self._due[0][0], self.now + timedelta(seconds=1)))
            slot = FIRST_RUN + ((self.now - FIRST_RUN) // timedelta(days=1)) * timedelta(days=1)
            for day in (slot, slot + timedelta(days=1)):
                moments += [day + offset for offset in AROUND_A_SLOT if day + offset > self.now]
            self.now = min(moments)
            await self.step()

    # The job and its runs.

    async def toggle_pause(self) -> None:
        self.edit(paused=not self.job.spec.is_paused)
        await self.step()

    async def edit_config(self, field: str, value: float) -> None:
        config: Manifest = self.own["spec"]["evaluationJobConfig"]
        self.edit(evaluationJobConfig=merged(config, {field: value}))
        await self.step()

    async def edit_label_delay(self, hours: int) -> None:
        self.edit(labelDelay=f"{hours}h")
        await self.step()

    async def end_one(self, how: str, which: int) -> None:
        """A pod cuts its rows (as far as it comes), and its run ends so."""
        if not self.active:
            return
        name = self.active[which % len(self.active)]
        dataset = self.datasets.get(name)
        if dataset is None or name not in self.jobs or "outcome" in dataset["status"]:
            return
        if how == "deleted":
            self.remove_dataset(name)
        elif how == "failed" or self.is_table_away:
            if which % 2 and not self.is_table_away:
                self.read_rows_of(name)
            self.fail(name)
        else:
            self.read_rows_of(name)
            self.commit_run(name)
        await self.step()

    async def only_cut(self, which: int) -> None:
        """A pod has read its rows, and is not done with them."""
        if self.active and not self.is_table_away:
            name = self.active[which % len(self.active)]
            if name in self.datasets:
                self.read_rows_of(name)

    def read_rows_of(self, name: str) -> None:
        body = merged(self.datasets[name], {"metadata": {"namespace": "fruit"}})
        dataset = Dataset.from_dict(body)
        folder = self.run_folder(name)
        with tempfile.TemporaryDirectory() as scratch, closing(open_table(self.table_uri)) as table:
            options = RunOptions(Path(scratch), now=lambda: self.now)
            with suppress(NothingUsable):  # nobody has labelled anything
                evaluate_dataset(dataset, table, folder, options)
        self.cuts[name] = {row["id"] for row in read_lines(folder, layout.ROWS, CUT_SCHEMA)}

    def run_folder(self, name: str) -> Folder:
        root = Folder.open(self.results_uri, TableOptions())
        return root.child(self.own["metadata"]["uid"], name)

    def commit_run(self, name: str) -> None:
        self.final[name] = self.cuts[name]
        spec = self.datasets[name]["spec"]
        windows = tuple(
            (_time(w["startTime"]), _time(w["endTime"])) for w in spec.get("windows", ())
        )
        self.asked[name] = Asked(spec["exampleCount"], spec["exampleSamplePercentage"], windows)
        self.run_folder(name).write_json(layout.COMMITTED, {"dataset": name})
        self.succeed(name)

    async def come_to_rest(self) -> None:
        """Everything is repaired, and all runs that are left succeed."""
        self.is_table_away = False
        self.edit(paused=False, labelDelay="0s")
        for which, member in enumerate(self.members):
            member.is_cut_off = False
            if member.sampler is None:
                await self.start(which)
        for _ in range(5):
            while self.active:
                await self.end_one("succeeded", 0)
            await self.let_pass(24 * 60)
        while self.active:
            await self.end_one("succeeded", 0)
        for member in self.members:
            assert member.sampler is not None
            assert await member.sampler.drain()

    # What must hold.

    def rows(self) -> list[Manifest]:
        """Every item in the table, at the first time that it was sampled in each interval."""
        rows: list[Manifest] = []
        day = timedelta(days=1)
        with closing(open_table(self.table_uri)) as table:
            start = FIRST_RUN - day
            while start <= self.now:
                query = RowQuery("ripeness", "v1", windows=(Window(start, start + day),))
                found = pa.Table.from_batches(table.read_rows(query), READ_SCHEMA)
                rows += found.to_pylist()
                start += day
        return rows

    def given_up(self) -> set[str]:
        spans = self.spans("abandonedWindows")
        return {
            row["id"]
            for row in self.rows()
            if any(span.start <= row["sampled_at"] < span.end for span in spans)
        }

    def check(self) -> None:
        counts = Counter(itertools.chain.from_iterable(self.final.values()))
        assert not [item for item, count in counts.items() if count > 1], "evaluated twice"
        rows = self.rows()
        assert {row["id"] for row in rows} <= self.accepted.keys()
        for name, items in self.final.items():
            sample = _items(expected_samples(rows, [self.asked[name]]))
            assert items <= sample, "evaluated, and not in the sample"
        config = self.job.spec.evaluation_job_config
        now = Asked(config.example_count, config.example_sample_percentage)
        samples = expected_samples(rows, [now, *self.asked.values()])
        missing = _items(samples) - counts.keys()
        assert missing <= self.given_up(), "in the sample, and never evaluated"
        if not self.is_disturbed:
            self.check_nothing_is_missing(rows, {s: t for s, (_, t) in samples.items()})

    def check_nothing_is_missing(
        self, rows: list[Manifest], thresholds: dict[datetime, float]
    ) -> None:
        """What is not in the table cannot have been in a sample."""
        uid, known = self.own["metadata"]["uid"], {row["id"] for row in rows}
        for item, time in self.accepted.items():
            if item in known:
                continue
            near = [s for s in thresholds if s <= time + timedelta(seconds=10)]
            assert near, f"{item} was accepted, and its interval is empty"
            assert item_priority(uid, item) >= thresholds[max(near)], f"{item} is lost"


def _items(samples: dict[datetime, tuple[set[str], float]]) -> set[str]:
    return {item for items, _ in samples.values() for item in items}


def expected_samples(
    rows: Iterable[Manifest], asked: Sequence[Asked]
) -> dict[datetime, tuple[set[str], float]]:
    """By the definition: of each interval the items below its threshold, and the threshold.

    Whatever was asked for while the interval's rows were sampled or evaluated holds, the least
    of it: an edit comes too late for a run that has begun.
    """
    intervals: defaultdict[datetime, list[Manifest]] = defaultdict(list)
    for row in rows:
        intervals[row["interval_start"]].append(row)
    found = {}
    for start, own in intervals.items():
        for_it = [each for each in asked if each.speaks_of(own)]
        least_cap = int(min(each.cap for each in for_it + [_recorded(row) for row in own]))
        threshold = min(each.fraction for each in for_it + [_recorded(row) for row in own])
        priorities = sorted(row["priority"] for row in own)
        if len(priorities) > least_cap:
            threshold = min(threshold, priorities[least_cap])
        sample = {row["id"] for row in own if row["priority"] < threshold}
        assert len(sample) <= least_cap
        found[start] = (sample, threshold)
    return found


def _recorded(row: Manifest) -> Asked:
    return Asked(row["example_count"], row["example_sample_percentage"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def op(name: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.tuples(st.just(name), *arguments)


WHICH = st.integers(0, 5)
ENDS = st.sampled_from(["succeeded", "succeeded", "failed", "failed", "deleted"])
DELAYS = st.sampled_from([0.0, 0.1, 4.0, 30.0, 400.0])
QUIET = (
    op("predict", st.integers(1, 4), WHICH, WHICH, DELAYS, st.booleans()),
    op("predict", st.integers(1, 4), WHICH, WHICH, DELAYS, st.booleans()),
    op("predict", st.integers(1, 4), WHICH, WHICH, DELAYS, st.booleans()),
    op("repeat", st.integers(0, 30), WHICH, WHICH),
    op("let_pass", st.sampled_from([0.1, 5, 50, 119, 120, 600, 1440])),
    op("let_pass", st.sampled_from([0.1, 5, 50, 119.9, 120, 600, 1440])),
    op("end_one", ENDS, WHICH),
    op("end_one", ENDS, WHICH),
    op("only_cut", WHICH),
    op("toggle_pause"),
    op("remove", WHICH),
    op("start", WHICH),
    op("edit_config", st.just("exampleCount"), st.integers(1, 6)),
    op("edit_config", st.just("exampleSamplePercentage"), st.sampled_from([0.3, 0.8, 1.0])),
    op("edit_label_delay", st.sampled_from([0, 1, 7, 30])),
)
DISTURBING = (
    op("crash", WHICH),
    op("start", WHICH),
    op("cut_off", WHICH),
    op("reconnect", WHICH),
    op("take_table_away"),
    op("give_table_back"),
    op("let_pass", st.sampled_from([10, 44, 46, 61, 100])),
)
STORY = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def live(replicas: int, cap: int, fraction: float, story: list[tuple[Any, ...]]) -> None:
    async def story_of(system: System) -> None:
        for which in range(replicas):
            await system.start(which)
        for name, *arguments in story:
            await getattr(system, name)(*arguments)
        await system.come_to_rest()
        system.check()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story_of(System(Path(folder), replicas, cap, fraction)))


@STORY
@given(
    st.integers(1, 3),
    st.integers(1, 6),
    st.sampled_from([0.5, 1.0]),
    st.lists(st.one_of(*QUIET), min_size=10, max_size=60),
)
def test_each_sampled_item_is_in_one_dataset(
    replicas: int, cap: int, fraction: float, story: list[tuple[Any, ...]]
) -> None:
    live(replicas, cap, fraction, story)


@STORY
@given(
    st.integers(1, 3),
    st.integers(1, 6),
    st.sampled_from([0.5, 1.0]),
    st.lists(st.one_of(*QUIET, *DISTURBING), min_size=10, max_size=60),
)
def test_so_it_is_when_replicas_networks_and_tables_fail(
    replicas: int, cap: int, fraction: float, story: list[tuple[Any, ...]]
) -> None:
    live(replicas, cap, fraction, story)


def test_so_it_is_for_a_busy_day_of_many_predictions() -> None:
    """One long story, so that the cap bites hard: some hundred items for a sample of six."""
    chance = random.Random(4)
    story: list[tuple[Any, ...]] = []
    for _ in range(300):
        replicas = (chance.randrange(3), chance.randrange(3))
        story.append(("predict", chance.randint(1, 3), *replicas, chance.choice((0, 2, 40)), False))
        if chance.random() < 0.3:
            story.append(("repeat", chance.randrange(300), *replicas))
        story.append(("let_pass", chance.choice((0.2, 3, 12))))
        if chance.random() < 0.02:
            story += [("crash", replicas[0]), ("let_pass", 3), ("start", replicas[0])]
    live(3, 6, 1.0, story)


def test_an_event_that_comes_again_is_not_evaluated_by_a_later_run_that_ends_first() -> None:
    """The first run has read its rows and still works on them when the second one reads."""
    once = ("predict", 1, 0, 0, 0, False)
    live(
        1,
        6,
        1.0,
        [
            *(("let_pass", 1), once, ("let_pass", 130), ("only_cut", 0)),
            *(("repeat", 0, 0, 0), ("let_pass", 1440)),
            *(("end_one", "succeeded", 1), ("end_one", "succeeded", 0)),
        ],
    )


def test_a_run_waits_for_rows_that_a_replica_has_not_written_yet() -> None:
    """The halves came two seconds before the run's time, to different replicas."""
    live(
        2,
        6,
        1.0,
        [
            *(("let_pass", 119.97), ("predict", 2, 0, 1, 0, False)),
            *(("let_pass", 0.05), ("end_one", "succeeded", 0)),
        ],
    )


def test_what_a_lost_replica_had_is_evaluated_by_a_later_run() -> None:
    """It crashed a minute before the run's time; after an hour the run went on without it."""
    live(
        2,
        6,
        1.0,
        [
            *(("let_pass", 119), ("predict", 2, 0, 0, 0, False), ("crash", 0)),
            *(("let_pass", 65), ("end_one", "succeeded", 0), ("start", 0)),
        ],
    )


def test_a_cap_that_is_lowered_later_does_not_unsay_what_was_evaluated() -> None:
    """Three items of the first day are evaluated before the cap becomes one."""
    live(
        1,
        3,
        1.0,
        [
            *(("let_pass", 1), ("predict", 4, 0, 0, 0, False), ("let_pass", 1440)),
            *(("end_one", "succeeded", 0), ("edit_config", "exampleCount", 1)),
        ],
    )
