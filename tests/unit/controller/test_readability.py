"""What samplers say of the newest answers comes to the jobs that it concerns, when it turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from evaluation_operator.api.sampling_report import JobReport, ReasonReport, SamplingReport
from evaluation_operator.controller.keys import Key, job_key
from evaluation_operator.controller.readability import Readability
from evaluation_operator.domain.naming import (
    ANNOTATION_SAMPLING,
    COMPONENT_SAMPLER,
    LABEL_COMPONENT,
)
from evaluation_operator.domain.readable import Answers
from evaluation_operator.kube import LEASES, Conflict
from tests.memory_api import MemoryApi

READABLE, UNREADABLE = JobReport(judged=40), JobReport(judged=40, unreadable=40)


class Site:
    def __init__(self) -> None:
        self.api = MemoryApi()
        self.woken: list[Key] = []
        self.readability = Readability(self.api, self.woken.append, lambda: True)

    async def tell(self, replica: str, report: str, *, age: timedelta = timedelta()) -> None:
        """As a replica of the sampler in namespace `fruit` would."""
        body = {
            "metadata": {
                "name": replica,
                "labels": {LABEL_COMPONENT: COMPONENT_SAMPLER},
                "annotations": {ANNOTATION_SAMPLING: report},
            },
            "spec": {"holderIdentity": replica, "renewTime": (datetime.now(UTC) - age).isoformat()},
        }
        try:
            await self.api.create(LEASES, "fruit", body)
        except Conflict:
            await self.api.delete(LEASES, "fruit", replica)
            await self.api.create(LEASES, "fruit", body)
        await self.readability.look()


def report(**jobs: JobReport) -> str:
    unreadable = {
        name: {"UnknownForm": ReasonReport(count=9, message="list classNames")}
        for name, counts in jobs.items()
        if counts.unreadable
    }
    return SamplingReport(jobs=jobs, job_unreadable=unreadable).to_text()


@pytest.fixture
def site() -> Site:
    return Site()


async def test_a_job_is_looked_at_when_what_is_to_be_said_of_it_turns(site: Site) -> None:
    await site.tell("sampler-0", report(ripeness=READABLE))
    await site.tell("sampler-0", report(ripeness=READABLE, colour=READABLE))
    await site.tell("sampler-0", report(ripeness=UNREADABLE, colour=READABLE))
    await site.tell("sampler-0", report(ripeness=UNREADABLE, colour=READABLE))
    ripeness, colour = job_key("fruit", "ripeness"), job_key("fruit", "colour")
    assert site.woken == [ripeness, colour, ripeness]
    assert site.readability.of("fruit", "ripeness") == Answers(40, 40, "list classNames")
    assert site.readability.of("fruit", "unknown") is None


async def test_replicas_are_taken_together_and_silent_ones_left_out(site: Site) -> None:
    await site.tell("sampler-0", report(ripeness=READABLE))
    await site.tell("sampler-1", report(ripeness=UNREADABLE))
    assert site.readability.of("fruit", "ripeness") == Answers(80, 40, "list classNames")
    await site.tell("sampler-1", report(ripeness=UNREADABLE), age=timedelta(minutes=2))
    assert site.readability.of("fruit", "ripeness") == Answers(40, 0)


@pytest.mark.parametrize("text", ["", "{", '{"jobs": 7}'])
async def test_what_no_sampler_has_written_says_nothing(site: Site, text: str) -> None:
    await site.tell("sampler-0", text)
    assert site.woken == []
