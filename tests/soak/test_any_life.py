"""Whatever happens to a job and its sampler: no row is covered twice, none is lost, and the job
stays small."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import combinations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evaluation_operator.api.base import format_time
from evaluation_operator.api.evaluation_job_status import EvaluationJobStatus
from evaluation_operator.domain.cover import Window, merge, subtract
from evaluation_operator.domain.facts.dataset import DatasetFacts
from evaluation_operator.domain.facts.steps import Step, step_job, step_of
from evaluation_operator.domain.naming import ANNOTATION_REEVALUATE, evaluate_job_name
from evaluation_operator.domain.plan import CreateRun, Plan
from evaluation_operator.domain.schedule import next_run_time
from evaluation_operator.domain.sizes import MOST_STATUS_BYTES, json_bytes
from tests.builders import Manifest
from tests.unit.domain.fleet import Doing, Fleet
from tests.unit.domain.world import CREATED, DAY, FIRST_RUN, JobWorld

LEAST = 3
"""New labels that make a revision."""
LONG = "<" * 300 + "ä" * 3000


class Life(JobWorld):
    """A job to which anything may happen, and what has truly been evaluated of its rows."""

    def __init__(self, *, people: bool = False) -> None:
        self.furthest = CREATED
        self.evaluated: list[Window] = []
        self.slots: set[str] = set()
        self.fleet = Fleet(CREATED)
        self.cuts: dict[str, set[int]] = {}
        self.evaluated_rows: list[int] = []
        self.bad_ends = 0
        self.next_deaths: list[int] = []
        self.best: tuple[str, int, str] | None = None
        self.revisions: dict[str, Manifest] = {}
        super().__init__(people=people, labeling={"minimumNewLabels": LEAST})

    def pass_days(self, days: float) -> None:
        """Back no further than a clock is believed to have jumped: see test_future.py."""
        self.now = max(self.now + timedelta(days=days), self.furthest - timedelta(days=2.9))
        self.settle()

    def pass_minutes(self, minutes: float) -> None:
        self.pass_days(minutes / 1440)

    def pass_the_next_slot(self, minutes: float) -> None:
        slot = next_run_time(CREATED, 1, self.now)
        self.now = slot + timedelta(minutes=minutes)
        self.settle()

    def predict(self, which: int) -> None:
        self.fleet.predict(which)

    def change_a_replica(self, which: int, doing: Doing) -> None:
        self.fleet.become(which, doing)
        self.settle()

    def be_caught_by_the_slot(self, which: int, doing: Doing, minutes: int) -> None:
        """Something happens to a replica with rows shortly before a run is due."""
        self.pass_the_next_slot(minutes)
        self.fleet.become(which, doing)
        self.fleet.predict(which)
        self.pass_the_next_slot(1)

    def start_a_replica(self, which: int, minutes: int) -> None:
        self.fleet.start(which, self.now, timedelta(minutes=minutes))

    def drain_a_replica(self, which: int) -> None:
        self.fleet.drain(which)
        self.settle()

    def end_one(self, how: str, which: int) -> None:
        if not self.active:
            return
        name = self.active[which % len(self.active)]
        if name not in self.datasets:
            return
        self.bad_ends += how in ("deleted", "failed") and self.may_end(how, name)
        if how == "deleted":
            self.remove_dataset(name)
            self.revisions.pop(name, None)
        elif "outcome" in self.datasets[name]["status"] or (job := self.job_of(name)) is None:
            return
        elif how == "succeeded":
            self.evaluate(name)
            self.succeed(name)
            self.best = max(self.best or ("", 0, ""), self.place(name))
        elif how == "empty":
            self.evaluate(name)
            self.commit(name, "NoData")
            self.complete_job(job)
        else:
            self.fail(job, LONG if which % 2 else "short", partial_failures=which % 6)
        self.settle()

    def go_on_without_operator(self) -> None:
        """A pod may be quick: its run has ended before anybody looks again; and the next operator
        may end as soon."""
        if self.next_deaths:
            self.dies_at = self.writes + self.next_deaths.pop()
        for name, dataset in self.datasets.items():
            is_revision, ended = "revision" in dataset["spec"], "outcome" in dataset["status"]
            if is_revision and not ended and name in self.jobs:
                self.succeed(name)
                self.best = max(self.best or ("", 0, ""), self.place(name))

    def may_end(self, how: str, name: str) -> bool:
        if how == "deleted":
            return True
        return "outcome" not in self.datasets[name]["status"] and self.job_of(name) is not None

    def place(self, name: str) -> tuple[str, int, str]:
        """By which the newest Evaluation is found: that of the latest run, and of it the last."""
        spec = self.datasets[name]["spec"]
        return spec["scheduledTime"], spec.get("revision", {}).get("number", 0), name

    def some_root(self, which: int) -> str | None:
        roots = sorted(name for name, it in self.datasets.items() if "revision" not in it["spec"])
        return roots[which % len(roots)] if roots else None

    def label_late(self, which: int, count: int) -> None:
        name = self.some_root(which)
        if name is not None and "outcome" in self.datasets[name]["status"]:
            known = self.datasets[name]["status"].get("newLabelCount", 0)
            self.count_new_labels(name, known + count)
            self.settle()

    def ask_again(self, which: int, token: int) -> None:
        name = self.some_root(which)
        if name is not None:
            self.request(f"{name} {token}")
            self.settle()

    def keep_few(self, limit: int) -> None:
        self.edit(evaluationsHistoryLimit=limit)
        self.settle()

    def job_of(self, name: str) -> str | None:
        """The Job that works on the run now, if any does."""
        job = self.run_of(self.datasets[name]).job
        return job.name if job is not None else None

    def go_on(self, which: int) -> None:
        """A run that waits for people is cut if it was not, and they have labelled if it was."""
        running = [name for name in self.active if name in self.datasets]
        if not running:
            return
        name = running[which % len(running)]
        match step_of(DatasetFacts.from_body(self.datasets[name])):
            case Step.CUT if name in self.jobs:
                self.cut(name, total=which)
            case Step.LABEL:
                self.say_labeled(name, "True", "AllLabeled")
        self.settle()

    def lose_the_labeler(self) -> None:
        self.has_labeler = not self.has_labeler
        self.settle()

    def evaluate(self, name: str) -> None:
        self.evaluated += self.windows(name)
        self.evaluated_rows += self.cuts[name]

    def rows_in(self, windows: Sequence[Window]) -> set[int]:
        return {
            row.number
            for row in self.fleet.table
            if any(w.start <= row.stamp < w.end for w in windows)
        }

    def toggle_pause(self) -> None:
        self.edit(paused=not self.job.spec.is_paused)
        self.settle()

    def edit_schedule(self, days: int) -> None:
        self.edit(schedule=f"every {days} days")
        self.settle()

    def edit_label_delay(self, hours: int) -> None:
        self.edit(labelDelay=f"{hours}h")
        self.settle()

    def lose_the_job(self, which: int) -> None:
        if self.active:
            name = self.active[which % len(self.active)]
            self.remove_job(
                evaluate_job_name(name) if evaluate_job_name(name) in self.jobs else name
            )
            self.settle()

    def die_within(self, writes: int, days: float) -> None:
        self.dies_at = self.writes + writes
        self.pass_days(days)
        self.dies_at = None

    def die_while_labels_come(self, which: int, first: int, second: int) -> None:
        """One operator ends after so many writes, and then the next one."""
        self.dies_at, self.next_deaths = self.writes + first, [second]
        self.label_late(which, LEAST)
        self.dies_at, self.next_deaths = None, []

    def decide(self) -> Plan:
        """Every plan is looked at: no slot begins twice, and none while paused."""
        plan = super().decide()
        for action in plan.actions:
            if isinstance(action, CreateRun):
                assert not self.job.spec.is_paused
                assert format_time(action.dataset.spec.scheduled_time) not in self.slots
        return plan

    def settle(self) -> Plan:
        self.furthest = max(self.furthest, self.now)
        self.fleet.pass_time(self.now)
        self.replicas = self.fleet.leases()
        plan = super().settle()
        self.slots |= {item["spec"]["scheduledTime"] for item in self.datasets.values()}
        for name in self.datasets.keys() - self.cuts.keys():
            # A pod may cut its rows as soon as there is a Dataset, and nothing is added later.
            self.cuts[name] = self.rows_in(self.windows(name))
        self.check()
        self.check_steps()
        self.check_revisions()
        return plan

    def check(self) -> None:
        cover, active = self.spans("cover"), self.active_windows()
        given_up = self.spans("abandonedWindows")
        assert_apart(self.evaluated, "evaluated twice")
        assert_apart([*cover, *active], "covered while a run is active over it")
        assert_apart(self.spans("retryWindows"), "to be tried again twice")
        assert not subtract(cover, [*self.evaluated, *given_up]) or len(given_up) == 10
        assert not subtract(self.evaluated, cover), "evaluated, and forgotten"
        assert len(self.evaluated_rows) == len(set(self.evaluated_rows)), "a row in two runs"
        for name in self.datasets:
            late = self.rows_in(self.windows(name)) - self.cuts[name]
            assert not late, f"rows {late} were written after {name} had read its windows"
        EvaluationJobStatus.from_dict(self.status)
        assert json_bytes(self.status) <= MOST_STATUS_BYTES

    def check_steps(self) -> None:
        """Each run has the Job of its step, and none while people label."""
        for run in self.snapshot().runs:
            if run.dataset.name not in self.active:
                continue
            wanted = step_job(run.dataset.name, step_of(run.dataset))
            assert (run.job.name if run.job else None) == (wanted.name if wanted else None)

    def check_revisions(self) -> None:
        """Each is made once, for a reason; none is lost, and the run that it revises stays."""
        found = {name: it["spec"] for name, it in self.datasets.items() if "revision" in it["spec"]}
        for name, spec in found.items():
            assert self.revisions.setdefault(name, spec) == spec
            assert spec["sourceDataset"] in self.datasets, "the first stays readable"
            assert "windows" not in spec
        for name in self.revisions:
            told = self.revisions[name]["revision"]
            others = [it["revision"] for key, it in self.revisions.items() if key != name]
            same = [it for it in others if it["run"] == told["run"]]
            assert all(it["number"] != told["number"] for it in same)
            if "request" in told:
                assert all(it.get("request") != told["request"] for it in same), "made twice"
            else:
                before = [it for it in same if it["number"] < told["number"]]
                counted = max((it.get("newLabelCount", 0) for it in before), default=0)
                assert told.get("newLabelCount", 0) - counted >= LEAST, "too few labels for it"
        going_on = [name for name in found if "outcome" not in self.datasets[name]["status"]]
        assert set(going_on) <= set(self.active), "nobody would record how it ends"
        assert len(going_on) <= 5
        runs = [found[name]["sourceDataset"] for name in going_on]
        assert len(runs) == len(set(runs)), "two of one run at once"
        assert self.status.get("totalAttempts", 0) == self.bad_ends, "each failure is told once"
        if self.best is not None:
            assert self.status["latestEvaluation"]["name"] == self.best[2]

    def check_nothing_is_due(self) -> None:
        for name, dataset in self.datasets.items():
            outcome = dataset["status"].get("outcome", {})
            if "revision" in dataset["spec"] or outcome.get("result") != "Succeeded":
                continue
            revisions = [it["spec"].get("revision", {}) for it in self.datasets.values()]
            own = [it for it in revisions if it.get("run") == name]
            counted = max((it.get("newLabelCount", 0) for it in own), default=0)
            assert dataset["status"].get("newLabelCount", 0) - counted < LEAST
            wish = self.own["metadata"].get("annotations", {}).get(ANNOTATION_REEVALUATE, "")
            if wish.startswith(f"{name} "):
                assert [it for it in own if it.get("request") == wish]

    def active_windows(self) -> list[Window]:
        return [
            window
            for name in self.active
            if name in self.datasets
            for window in DatasetFacts.from_body(self.datasets[name]).windows
        ]

    def come_to_rest(self) -> None:
        """All that is left succeeds, and then every row has been evaluated or given up."""
        self.edit(paused=False, labelDelay="0s", schedule="every 1 days")
        self.has_labeler = True
        for which in range(len(self.fleet.replicas)):
            self.fleet.become(which, Doing.WRITES)
        self.pass_the_next_slot(62)
        for _ in range(8):
            self.succeed_all()
            self.pass_days(1)
        for _ in range(4):
            self.succeed_all()
        self.check_nothing_is_due()

    def succeed_all(self) -> None:
        for name in list(self.active):
            for _ in range(2):
                self.go_on(self.active.index(name))
            self.end_one("succeeded", self.active.index(name))


def assert_apart(windows: Sequence[Window], why: str) -> None:
    for one, other in combinations(sorted(windows), 2):
        assert one.end <= other.start or other.end <= one.start, f"{why}: {one}, {other}"


def op(name: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.tuples(st.just(name), *arguments)


ENDS = st.sampled_from(["succeeded", "failed", "failed", "failed", "empty", "deleted"])
HAPPENINGS = st.one_of(
    op("pass_days", st.sampled_from([0.5, 1, 1, 1, 3, -1.05, 1.05])),
    op("pass_days", st.just(1)),
    op("end_one", ENDS, st.integers(0, 9)),
    op("end_one", ENDS, st.integers(0, 9)),
    op("toggle_pause"),
    op("edit_schedule", st.integers(1, 4)),
    op("edit_label_delay", st.sampled_from([0, 6, 24, 60])),
    op("lose_the_job", st.integers(0, 9)),
    op("die_within", st.integers(0, 4), st.sampled_from([0.5, 1, 2])),
)
WITH_LATE_LABELS = st.one_of(
    HAPPENINGS,
    op("end_one", st.just("succeeded"), st.integers(0, 9)),
    op("label_late", st.integers(0, 9), st.integers(1, 6)),
    op("label_late", st.integers(0, 9), st.integers(1, 6)),
    op("ask_again", st.integers(0, 9), st.integers(0, 3)),
    op("die_while_labels_come", st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
    op("keep_few", st.integers(1, 4)),
)
WITH_PEOPLE = st.one_of(
    WITH_LATE_LABELS,
    op("go_on", st.integers(0, 9)),
    op("go_on", st.integers(0, 9)),
    op("lose_the_labeler"),
)
SAMPLING = st.one_of(
    op("predict", st.integers(0, 2)),
    op("change_a_replica", st.integers(0, 2), st.sampled_from(Doing)),
    op("change_a_replica", st.integers(0, 2), st.just(Doing.WRITES)),
    op("start_a_replica", st.integers(0, 2), st.sampled_from([-5, 0, 5])),
    op("drain_a_replica", st.integers(0, 2)),
    op("pass_the_next_slot", st.sampled_from([-1, 0, 1, 20, 61])),
    op("pass_minutes", st.sampled_from([0.1, 10, 30, 50, 62])),
    op("end_one", ENDS, st.integers(0, 9)),
    op("be_caught_by_the_slot", st.integers(0, 2), st.sampled_from(Doing), st.integers(-50, -1)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(HAPPENINGS, min_size=5, max_size=40))
def test_every_row_is_evaluated_once_or_given_up(happenings: list[tuple[str, object]]) -> None:
    live(Life(), happenings)


TWO_DEATHS = [
    ("pass_days", 1),
    ("end_one", "succeeded", 0),
    ("die_while_labels_come", 0, 1, 1),
]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(TWO_DEATHS)
@given(st.lists(WITH_LATE_LABELS, min_size=5, max_size=40))
def test_so_it_is_when_labels_come_late_and_no_revision_is_lost_or_made_twice(
    happenings: list[tuple[str, object]],
) -> None:
    live(Life(), happenings)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WITH_PEOPLE, min_size=5, max_size=40))
def test_so_it_is_where_people_label(happenings: list[tuple[str, object]]) -> None:
    live(Life(people=True), happenings)


def live(life: Life, happenings: list[tuple[str, object]]) -> None:
    for name, *arguments in happenings:
        getattr(life, name)(*arguments)
    furthest = max(life.now, *(w.end for w in life.active_windows()), FIRST_RUN)
    life.now = furthest
    life.come_to_rest()

    end = FIRST_RUN + (life.now - FIRST_RUN) // DAY * DAY
    assert merge(life.spans("cover"))[0].start == CREATED
    missing = subtract([Window(CREATED, end)], life.spans("cover"))
    assert not missing, "rows that nobody will ever evaluate"


CAUGHT = [
    ("be_caught_by_the_slot", 0, Doing.CANNOT_WRITE, -5),
    ("change_a_replica", 0, Doing.WRITES),
]
CUT_OFF = [
    ("change_a_replica", 0, Doing.CANNOT_RENEW),
    ("pass_minutes", 90),
    ("predict", 0),
    ("pass_the_next_slot", 1),
    ("change_a_replica", 0, Doing.WRITES),
]


BACK_WITH_A_SLOW_CLOCK = [
    ("predict", 0),
    ("start_a_replica", 1, -5),
    ("drain_a_replica", 0),
    ("be_caught_by_the_slot", 0, Doing.CANNOT_RENEW, -1),
    ("pass_days", 1),
]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(CAUGHT)
@example(CUT_OFF)
@example(BACK_WITH_A_SLOW_CLOCK)
@given(st.lists(st.one_of(SAMPLING, SAMPLING, HAPPENINGS), min_size=5, max_size=25))
def test_every_sampled_row_is_in_one_run(happenings: list[tuple[str, object]]) -> None:
    life = Life()
    for name, *arguments in happenings:
        getattr(life, name)(*arguments)
    clocks = [replica.now for replica in life.fleet.replicas.values()]
    life.now = max(life.now, *clocks, *(w.end for w in life.active_windows()), FIRST_RUN)
    life.come_to_rest()

    assert not any(replica.waiting for replica in life.fleet.replicas.values())
    given_up = life.rows_in(life.spans("abandonedWindows"))
    last = max(window.end for window in life.spans("cover"))
    due = life.rows_in([Window(CREATED, last)])
    assert due - given_up <= set(life.evaluated_rows)
    assert len(due) == life.fleet.taken, "a row that no run will ever read"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(["failed", "failed", "deleted", "wait"]), max_size=60))
def test_a_job_whose_runs_all_fail_stays_small(ends: list[str]) -> None:
    life = Life()
    life.edit(description="ü" * 25_000)
    for number, end in enumerate(ends):
        life.pass_days(1)
        if end != "wait":
            for which in range(len(life.active)):
                life.end_one(end, which * 2 + 1)
        assert len(life.status.get("attempts", [])) <= 10, number
