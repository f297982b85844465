"""When a connection is waited for no longer, and which one goes first."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from evaluation_operator.serving.files import HEALTH_CONNECTIONS, OWN_FILES, Shares, fit
from evaluation_operator.serving.limits import Limits, Phase, State, longest_waiting

LIMITS = Limits(
    first_byte_seconds=1,
    header_seconds=2,
    body_seconds=30,
    body_gap_seconds=3,
    answer_seconds=4,
    idle_seconds=5,
)


@dataclass(frozen=True)
class Connection:
    state: State


@pytest.mark.parametrize(
    ("phase", "seconds"),
    [
        (Phase.FIRST_BYTE, 1),
        (Phase.HEADERS, 2),
        (Phase.BODY, 30),
        (Phase.ANSWER, 4),
        (Phase.IDLE, 5),
    ],
)
def test_each_phase_has_its_time_whatever_is_heard_meanwhile(phase: Phase, seconds: float) -> None:
    def overdue(now: float) -> bool:
        return State("a", began=100, heard=now, phase=phase).is_overdue(LIMITS, now)

    assert not overdue(100 + seconds)
    assert overdue(100.1 + seconds)


def test_a_body_may_pause_for_a_moment_only() -> None:
    state = State("a", began=100, heard=110, phase=Phase.BODY)

    assert not state.is_overdue(LIMITS, 113)
    assert state.is_overdue(LIMITS, 113.1)


def test_what_is_gone_already_is_not_ended_again() -> None:
    assert not State("a", 0, 0, Phase.GONE).is_overdue(LIMITS, 1e9)


def goes_first(*states: State) -> State | None:
    found = longest_waiting([Connection(it) for it in states])
    return None if found is None else found.state


def test_of_those_that_say_nothing_the_oldest_goes_first() -> None:
    old = State("a", 2, 2, Phase.IDLE)
    coming = State("a", 1, 1, Phase.BODY)

    assert goes_first(coming, State("a", 3, 3), old) is old


def test_where_all_say_something_the_slowest_goes_first() -> None:
    slowest = State("a", 1, 9, Phase.HEADERS)

    assert goes_first(State("a", 2, 2, Phase.BODY), slowest) is slowest


def test_whoever_holds_most_pays() -> None:
    many = [State("greedy", 50 + number, 0, Phase.HEADERS) for number in range(3)]

    assert goes_first(State("modest", 1, 1), State("modest", 2, 2), *many) is many[0]


def test_nobody_goes_who_is_owed_an_answer() -> None:
    assert goes_first(State("a", 1, 1, Phase.ANSWER), State("a", 1, 1, Phase.GONE)) is None
    modest = State("b", 9, 9)
    assert goes_first(*(State("a", 1, 1, Phase.ANSWER) for _ in range(3)), modest) is modest


@pytest.mark.parametrize(
    ("files", "traffic", "shares"),
    [
        (1_000_000, 1000, Shares(1000, HEALTH_CONNECTIONS)),
        (1024, 1000, Shares(1024 - OWN_FILES - HEALTH_CONNECTIONS, HEALTH_CONNECTIONS)),
        (256, 1000, Shares(96, 32)),
        (64, 1000, Shares(24, 8)),
        (1024, 10, Shares(10, HEALTH_CONNECTIONS)),
    ],
)
def test_connections_leave_the_program_files_of_its_own(
    files: int, traffic: int, shares: Shares
) -> None:
    assert fit(files, traffic) == shares
    assert shares.traffic + shares.health + min(OWN_FILES, files // 2) <= files
