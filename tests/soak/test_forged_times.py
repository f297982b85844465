"""Whatever times somebody writes into statuses, all rows are evaluated once or given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation_operator.api.base import format_time
from evaluation_operator.domain.cover import Window, subtract
from evaluation_operator.domain.jobs.decide import decide_job
from evaluation_operator.domain.reasons import Reason
from tests.soak.test_any_life import HAPPENINGS, Life, op
from tests.unit.domain.test_future import name_at, run_days, told
from tests.unit.domain.world import CREATED, DAY, FIRST_RUN, JobWorld, is_quiet


class ForgedLife(Life):
    """To whose status somebody writes times of the future, wherever there are any."""

    def forge(self, field: str, ahead: timedelta) -> None:
        time = format_time(self.now + ahead)
        status = self.own["status"]
        match field:
            case "cover":
                start = format_time(CREATED)
                status["cover"] = [{"startTime": start, "endTime": time}]
            case "retryWindows":
                ends = [w.end for w in [*self.spans(field), *self.active_windows()]]
                start = format_time(max([self.now, *ends]))
                more = {"startTime": start, "endTime": time, "failures": 0}
                status.setdefault(field, []).append(more)
            case "pausedSpans":
                status[field] = [{"startTime": time, "endTime": time}]
            case "latestEvaluation" if field in status:
                status[field]["evaluationJobRunTime"] = time
            case "lastRunTime" | "nextRunTime" | "lastSuccessTime":
                status[field] = time
        self.settle()
        assert is_quiet(self.decide())
        assert self.status.get("lastRunTime", "") < format_time(self.now + 4 * DAY)


TIMES = ["lastRunTime", "nextRunTime", "cover", "retryWindows", "pausedSpans", "latestEvaluation"]
FORGED = op(
    "forge",
    st.sampled_from([*TIMES, "lastSuccessTime"]),
    st.timedeltas(timedelta(days=9), timedelta(days=300_000)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(HAPPENINGS, FORGED), min_size=5, max_size=40))
def test_whatever_is_forged_every_row_is_evaluated_once_or_given_up(
    happenings: list[tuple[str, object]],
) -> None:
    life = ForgedLife()
    for name, *arguments in happenings:
        getattr(life, name)(*arguments)
    life.now = max(life.now, *(w.end for w in life.active_windows()), FIRST_RUN)
    life.come_to_rest()

    end = FIRST_RUN + (life.now - FIRST_RUN) // DAY * DAY
    assert not subtract([Window(CREATED, end)], life.spans("cover")), "rows that nobody evaluates"


MOMENTS = st.datetimes(datetime(1000, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC)).map(
    format_time
)
SPANS = st.fixed_dictionaries({"startTime": MOMENTS, "endTime": MOMENTS})
GARBAGE = st.fixed_dictionaries(
    {},
    optional={
        "createTime": MOMENTS,
        "lastRunTime": MOMENTS,
        "nextRunTime": MOMENTS,
        "lastSuccessTime": MOMENTS,
        "intervalDays": st.integers(1, 2**40),
        "cover": st.lists(SPANS, max_size=3),
        "pausedSpans": st.lists(SPANS, max_size=3),
        "retryWindows": st.lists(
            st.tuples(SPANS, st.integers(0, 9)).map(lambda it: it[0] | {"failures": it[1]}),
            max_size=3,
        ),
        "abandonedWindows": st.lists(SPANS.map(lambda it: it | {"failures": 5}), max_size=3),
        "attempts": st.lists(st.fixed_dictionaries({"attemptTime": MOMENTS}), max_size=3),
        "active": st.lists(
            st.fixed_dictionaries({"name": st.just("evj-ripeness-1"), "scheduledTime": MOMENTS}),
            max_size=1,
        ),
        "latestEvaluation": st.fixed_dictionaries(
            {"name": st.just("x"), "evaluationJobRunTime": MOMENTS, "createTime": MOMENTS}
        ),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(GARBAGE, st.booleans(), st.booleans())
def test_any_times_in_a_status_are_healed_in_one_turn_and_runs_go_on(
    garbage: dict[str, Any], with_run: bool, paused: bool
) -> None:
    world = JobWorld()
    run_days(world, 0, 1)
    if with_run:
        world.at_slot(2)
    if paused:
        world.edit(paused=True)
        world.settle()
    world.own["status"] |= garbage
    world.turn()
    before = len(told(world))
    world.settle()
    assert len(told(world)) == before, "one turn heals"
    assert is_quiet(decide_job(world.snapshot(), world.now, world.policy))

    world.edit(paused=False)
    world.settle()
    world.at_slot(4)
    nothing = any(it.reason is Reason.NOTHING_TO_COVER for it in world.events)
    assert name_at(4) in world.datasets or nothing
