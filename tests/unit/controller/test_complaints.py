"""Events about what stands still, in whatever number others write Events."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from evaluation_operator.controller import complaints
from evaluation_operator.controller.clock import SystemClock
from evaluation_operator.controller.complaints import Complaints
from evaluation_operator.controller.keys import Key, job_key
from evaluation_operator.controller.store import Store
from evaluation_operator.domain.facts.job import JobFacts
from evaluation_operator.domain.policy import Policy
from evaluation_operator.kube import Transient
from tests.builders import Manifest

OLD = "2026-03-02T10:00:00Z"


class Events:
    """An API server that has these Events, and says how often it was asked."""

    def __init__(self, found: Iterator[Manifest]) -> None:
        self.found = found
        self.asked: list[str] = []
        self.is_away = False

    async def list(self, _: object, namespace: str, **more: Any) -> AsyncIterator[Manifest]:
        self.asked.append(namespace)
        if self.is_away:
            raise Transient("no answer")
        for body in self.found:
            await asyncio.sleep(0)
            yield body


def make_job(name: str = "evj-ripeness-1", namespace: str = "fruit") -> Manifest:
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "creationTimestamp": OLD,
            "labels": {"evaluations.dev/job": "ripeness"},
        }
    }


def warning(uid: str = "uid-evj-ripeness-1", message: str = "exceeded quota: q") -> Manifest:
    return {
        "metadata": {"creationTimestamp": OLD},
        "involvedObject": {"uid": uid},
        "reason": "FailedCreate",
        "type": "Warning",
        "message": message,
    }


def made(events: Events, woken: list[Key], *jobs: Manifest) -> tuple[Complaints, list[JobFacts]]:
    store = Store()
    for body in jobs:
        store.apply("Job", body)
    facts = [JobFacts.from_body(body) for body in jobs]
    kube: Any = events
    it = Complaints(kube, store, SystemClock(), Policy(), woken.append, lambda: True)
    return it, facts


async def test_events_without_end_hold_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write Events in a namespace may write a million of them."""
    monkeypatch.setattr(complaints, "SECONDS_OF_A_LOOK", 0.05)
    endless = Events(warning(f"uid-{number}") for number in itertools.count())
    told, [job] = made(endless, [], make_job())

    async with asyncio.timeout(5):
        assert await told.about(job, ()) == ()
        assert await told.about(job, ()) == ()
    assert endless.asked == ["fruit"]


async def test_of_events_about_others_nothing_is_kept() -> None:
    events = Events(iter([*(warning(f"uid-{number}") for number in range(1000)), warning()]))
    told, [job] = made(events, [], make_job())

    [found] = await told.about(job, ())
    assert found.message == "exceeded quota: q"
    assert sum(len(known) for known in told._found.values()) == 1


async def test_an_api_server_that_is_away_leaves_the_turn_alone() -> None:
    events = Events(iter(()))
    events.is_away = True
    told, [job] = made(events, [], make_job())

    assert await told.about(job, ()) == ()


async def test_who_has_something_new_to_say_is_woken_and_nobody_else() -> None:
    jobs = [make_job(f"evj-ripeness-{number}") for number in range(3)]
    events = Events(iter([warning("uid-evj-ripeness-1")]))
    woken: list[Key] = []
    told, _ = made(events, woken, *jobs)
    await told._look_everywhere()
    assert woken == [job_key("fruit", "ripeness")]
    assert events.asked == ["fruit"], "once for all three"

    events.found = iter([warning("uid-evj-ripeness-1", "exceeded quota: q")])
    await told._look_everywhere()
    assert len(woken) == 1, "the same again is no news"
