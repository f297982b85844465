"""When a Lease may be taken, and what is written into it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evaluation_operator.kube.lease import Sight, given_back, look, may_take, taken

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
SECONDS = 15


def lease(holder: str = "one", renewed: datetime = AT, **spec: Any) -> dict[str, Any]:
    body = {"holderIdentity": holder, "renewTime": renewed.isoformat(), **spec}
    return {"metadata": {"name": "evaluation-operator", "resourceVersion": "7"}, "spec": body}


def may(sight: Sight, now: float) -> bool:
    return may_take(sight, "two", now, SECONDS)


def test_what_nobody_has_is_taken_at_once() -> None:
    assert may(look(given_back(lease(), AT), None, 100.0), 100.0)
    assert may(look({"metadata": {"name": "evaluation-operator"}}, None, 100.0), 100.0)


def test_what_a_replica_has_already_is_its_own_also_after_a_restart() -> None:
    assert may(look(lease("two"), None, 100.0), 100.0)


def test_what_another_has_is_taken_after_its_silence_alone() -> None:
    sight = look(lease(), None, 100.0)
    assert not may(look(lease(), sight, 114.9), 114.9)
    assert may(look(lease(), sight, 115.0), 115.0)
    renewed = look(lease(renewed=AT + timedelta(seconds=2)), sight, 114.0)
    assert not may(renewed, 128.9)


@pytest.mark.parametrize("apart", [timedelta(hours=-1), timedelta(0), timedelta(days=365)])
def test_clocks_that_differ_change_nothing(apart: timedelta) -> None:
    """The holder's stands in the Lease, and is compared with nobody's."""
    sight = look(lease(renewed=AT + apart), None, 100.0)
    assert not may(sight, 114.9)
    assert may(sight, 115.0)


def test_nobody_is_held_up_by_a_lease_for_a_year() -> None:
    sight = look(lease("somebody", leaseDurationSeconds=365 * 86400), None, 100.0)
    assert may(sight, 115.0)


def test_an_edit_of_the_metadata_renews_nothing() -> None:
    sight = look(lease(), None, 100.0)
    edited = lease() | {"metadata": {"name": "evaluation-operator", "labels": {"by": "hand"}}}
    assert may(look(edited, sight, 114.0), 115.0)


def test_taking_says_who_since_when_and_how_often_it_changed_hands() -> None:
    first = taken({"metadata": {"name": "evaluation-operator"}}, "one", AT, SECONDS)
    assert first["apiVersion"] == "coordination.k8s.io/v1"
    assert first["spec"] == {
        "holderIdentity": "one",
        "leaseDurationSeconds": SECONDS,
        "acquireTime": "2026-03-02T10:00:00.000000Z",
        "renewTime": "2026-03-02T10:00:00.000000Z",
        "leaseTransitions": 0,
    }
    later = AT + timedelta(seconds=2)
    assert taken(first, "one", later, SECONDS)["spec"] == first["spec"] | {
        "renewTime": "2026-03-02T10:00:02.000000Z"
    }
    second = taken(first, "two", later, SECONDS)["spec"]
    assert second["leaseTransitions"] == 1
    assert second["acquireTime"] == second["renewTime"]


def test_what_is_written_is_conditional_and_keeps_what_others_have_put_there() -> None:
    there = lease(preferredHolder="three")
    there["metadata"]["labels"] = {"by": "hand"}
    for written in (taken(there, "two", AT, SECONDS), given_back(there, AT)):
        assert written["metadata"] == there["metadata"]
        assert written["spec"]["preferredHolder"] == "three"


def test_what_is_given_back_tells_until_when_somebody_had_it() -> None:
    spec = given_back(lease(), AT + timedelta(seconds=9))["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("", 1)
    assert spec["renewTime"] == "2026-03-02T10:00:09.000000Z"
