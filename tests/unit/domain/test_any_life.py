"""Whatever happens to a job: no row is covered twice, none is lost, and the job stays small."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import combinations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation_operator.api.evaluation_job import EvaluationJobStatus
from evaluation_operator.domain.cover import Window, merge, subtract
from evaluation_operator.domain.facts import DatasetFacts
from evaluation_operator.domain.plan import CreateRun, Plan
from evaluation_operator.domain.sizes import MOST_STATUS_BYTES, json_bytes
from tests.unit.domain.world import CREATED, DAY, FIRST_RUN, JobWorld

LONG = "<" * 300 + "ä" * 3000


class Life(JobWorld):
    """A job to which anything may happen, and what has truly been evaluated of its rows."""

    def __init__(self) -> None:
        self.evaluated: list[Window] = []
        self.slots: set[str] = set()
        super().__init__()

    def pass_days(self, days: float) -> None:
        self.now += timedelta(days=days)
        self.settle()

    def end_one(self, how: str, which: int) -> None:
        if not self.active:
            return
        name = self.active[which % len(self.active)]
        if name not in self.datasets:
            return
        if how == "deleted":
            self.remove_dataset(name)
        elif "outcome" in self.datasets[name]["status"] or name not in self.jobs:
            return
        elif how == "succeeded":
            self.evaluated += self.windows(name)
            self.succeed(name)
        elif how == "empty":
            self.evaluated += self.windows(name)
            self.commit(name, "NoData")
            self.complete_job(name)
        else:
            self.fail(name, LONG if which % 2 else "short", partial_failures=which % 6)
        self.settle()

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
            self.remove_job(self.active[which % len(self.active)])
            self.settle()

    def die_within(self, writes: int, days: float) -> None:
        self.dies_at = self.writes + writes
        self.pass_days(days)
        self.dies_at = None

    def decide(self) -> Plan:
        """Every plan is looked at: no slot begins twice, and none while paused."""
        plan = super().decide()
        for action in plan.actions:
            if isinstance(action, CreateRun):
                body = action.dataset
                assert not self.job.spec.is_paused
                assert body["spec"]["scheduledTime"] not in self.slots
        return plan

    def settle(self) -> Plan:
        plan = super().settle()
        self.slots |= {item["spec"]["scheduledTime"] for item in self.datasets.values()}
        self.check()
        return plan

    def check(self) -> None:
        cover, active = self.spans("cover"), self.active_windows()
        given_up = self.spans("abandonedWindows")
        assert_apart(self.evaluated, "evaluated twice")
        assert_apart([*cover, *active], "covered while a run is active over it")
        assert_apart(self.spans("retryWindows"), "to be tried again twice")
        assert not subtract(cover, [*self.evaluated, *given_up]) or len(given_up) == 10
        assert not subtract(self.evaluated, cover), "evaluated, and forgotten"
        EvaluationJobStatus.from_dict(self.status)
        assert json_bytes(self.status) <= MOST_STATUS_BYTES

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
        self.settle()
        for _ in range(8):
            for name in list(self.active):
                self.end_one("succeeded", self.active.index(name))
            self.pass_days(1)
        for name in list(self.active):
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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(HAPPENINGS, min_size=5, max_size=40))
def test_every_row_is_evaluated_once_or_given_up(happenings: list[tuple[str, object]]) -> None:
    life = Life()
    for name, *arguments in happenings:
        getattr(life, name)(*arguments)
    furthest = max(life.now, *(w.end for w in life.active_windows()), FIRST_RUN)
    life.now = furthest
    life.come_to_rest()

    end = FIRST_RUN + (life.now - FIRST_RUN) // DAY * DAY
    assert merge(life.spans("cover"))[0].start == CREATED
    missing = subtract([Window(CREATED, end)], life.spans("cover"))
    assert not missing, "rows that nobody will ever evaluate"


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
