"""Runs beside one another: what goes wrong with one of them, or with its tool, ends no other."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.domain.labeled import is_labeled
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.kube import DATASETS, News, Resource, Seen, Synced
from evaluation_operator.labeling import desk, mail
from evaluation_operator.labeling.backend import (
    Backend,
    BackendUnavailable,
    OpenProject,
    ProjectSpec,
)
from evaluation_operator.labeling.backends.open import Backends
from evaluation_operator.labeling.desk import TURNS_AT_ONCE, Desk
from evaluation_operator.labeling.progress import TurnResult
from evaluation_operator.labeling.settings import BackendEntry, BackendType, Settings, Smtp
from evaluation_operator.labeling.threads import in_thread
from evaluation_operator.redaction import redact
from tests.unit.labeling.desk import CUT_TIME, Bench, Tool

SECONDS = 20


@dataclass
class Office:
    """A Desk without a cluster: its Datasets are `bodies`, and what it tells of them is kept."""

    bodies: list[dict[str, Any]]
    told: dict[str, list[TurnResult]] = field(default_factory=dict)

    async def follow(
        self, kube: object, resource: Resource, namespace: str
    ) -> AsyncGenerator[News]:
        if resource is DATASETS:
            for body in self.bodies:
                yield Seen(body)
        else:
            yield Seen({"metadata": {"uid": "uid-of-ripeness"}})
        yield Synced()
        await asyncio.Event().wait()

    async def report(
        self, kube: object, namespace: str, name: str, uid: str, told: TurnResult, now: datetime
    ) -> bool:
        self.told.setdefault(uid, []).append(told)
        return not told.is_over

    def reasons(self, uid: str) -> list[Reason]:
        return [it.reason for it in self.told.get(uid, ())]

    async def sees(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not what():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def attended(
    office: Office, tools: dict[str, Callable[[], Backend]], smtp: Smtp | None = None
) -> AsyncIterator[Desk]:
    """Its Desk at work; the test fails with whatever ends it before."""
    entries = [BackendEntry(name=it, type=BackendType.MANUAL, url="file:///x") for it in tools]
    settings = Settings("fruit", "r", tuple(entries), poll_seconds=0.05, smtp=smtp)
    backends = Backends(entries, lambda entry: tools[entry.name]())
    desk = Desk(None, settings, backends, lambda: CUT_TIME)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(desk.run())
        yield desk
        assert not working.done()
        working.cancel()


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    made = Office([])
    monkeypatch.setattr(desk, "follow", made.follow)
    monkeypatch.setattr(desk, "report", made.report)
    return made


def body_of(bench: Bench, uid: str, **labeling: Any) -> dict[str, Any]:
    """The bench's Dataset, as one of many."""
    body = bench.dataset.to_dict()
    spec = body["spec"]
    spec["resultsUri"] = f"file://{bench.root}/results"
    spec["labeling"] |= labeling
    body["metadata"]["uid"] = uid
    return body


def benches(tmp_path: Path, *names: str) -> list[Bench]:
    for name in names:
        (tmp_path / name).mkdir()
    return [Bench(tmp_path / name) for name in names]


async def test_an_address_that_no_mail_library_takes_ends_no_other_run(
    tmp_path: Path, office: Office
) -> None:
    """`userEmailAddress: "a:b;c@corp.example"` ended the labeler for all jobs of its namespace: at
    the deadline the mail library raised what nobody caught, and all attendants end with one."""
    evil, honest = benches(tmp_path, "evil", "honest")
    office.bodies = [
        body_of(evil, "evil", userEmailAddress="a:b;c@corp.example", deadline="0s"),
        body_of(honest, "honest", userEmailAddress="ann@example.com"),
    ]
    # The deadline of the first is the cut itself: it ends in its first turn.
    async with attended(office, {"m": lambda: honest.tool}, Smtp("127.0.0.1", 1, "l@x.example")):
        await office.sees(lambda: Reason.DEADLINE_REACHED in office.reasons("evil"))
        before = len(office.reasons("honest"))
        await office.sees(lambda: len(office.reasons("honest")) > before + 2)
    end = office.told["evil"][-1]
    assert "userEmailAddress: 'a:b;c@corp.example': is no single address" in end.message
    assert set(office.reasons("honest")) == {Reason.LABELING}


async def test_a_mail_that_fails_as_nobody_expects_holds_up_neither_its_run_nor_others(
    tmp_path: Path, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(mail, "send", failing)
    evil, honest = benches(tmp_path, "evil", "honest")
    office.bodies = [
        body_of(evil, "evil", userEmailAddress="ann@example.com", deadline="0s"),
        body_of(honest, "honest"),
    ]
    async with attended(office, {"m": lambda: honest.tool}, Smtp("127.0.0.1", 1, "l@x.example")):
        await office.sees(lambda: Reason.DEADLINE_REACHED in office.reasons("evil"))
        await office.sees(lambda: len(office.reasons("honest")) > 2)
    assert office.told["evil"][-1].message.endswith("no mail was sent: see the labeler's log")


async def test_whatever_one_attendant_raises_is_told_on_its_run_and_tried_again(
    tmp_path: Path, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only what a turn raises, which was always caught: all that is done around it, too."""
    raised = 0

    async def failing(desk: Desk, dataset: Dataset, told: TurnResult) -> TurnResult:
        nonlocal raised
        raised += 1
        if raised < 3:
            raise KeyError("nobody thought of this")
        return told

    monkeypatch.setattr(Desk, "_mailed", failing)
    evil, honest = benches(tmp_path, "evil", "honest")
    office.bodies = [body_of(evil, "evil", deadline="0s"), body_of(honest, "honest")]
    async with attended(office, {"m": lambda: honest.tool}) as desk:
        await office.sees(lambda: Reason.DEADLINE_REACHED in office.reasons("evil"))
        await office.sees(lambda: len(office.reasons("honest")) > 2)
        await office.sees(lambda: desk.open_count == 1)
    failed, end = Reason.LABELER_FAILED, Reason.DEADLINE_REACHED
    assert office.reasons("evil") == [failed, failed, end]


async def test_a_run_that_cannot_be_read_says_so_and_those_after_it_go_on(
    tmp_path: Path, office: Office
) -> None:
    first, honest = benches(tmp_path, "first", "honest")
    broken = body_of(first, "evil")
    broken["spec"]["labeling"]["replicaCount"] = "postgresql://u:pw@h/x"
    worse = {"metadata": {"uid": "w", "name": "worse"}, "spec": 7}
    office.bodies = [broken, body_of(honest, "honest")]
    async with attended(office, {"m": lambda: honest.tool}):
        await office.sees(lambda: bool(office.reasons("honest")))
        await office.sees(lambda: bool(office.reasons("evil")))
    [told] = office.told["evil"]
    assert told.reason is Reason.LABELER_FAILED
    assert told.message.startswith("spec.labeling.replicaCount: ")
    assert "pw" not in told.message
    office.bodies, office.told = [worse, body_of(honest, "honest")], {}
    async with attended(office, {"m": lambda: honest.tool}):
        await office.sees(lambda: bool(office.reasons("honest")))


async def test_a_tool_that_cannot_even_be_made_and_one_that_hangs_hold_up_no_other(
    tmp_path: Path, office: Office
) -> None:
    """A volume that does not answer holds the thread that asks it, and nobody can break that off.
    All threads were shared, and so was the lock under which backends are made."""
    released = threading.Event()

    class Hanging(Tool):
        async def open_project(self, spec: ProjectSpec) -> OpenProject:
            await in_thread(released.wait)
            return await super().open_project(spec)

        async def list_projects(self) -> list[OpenProject]:
            await in_thread(released.wait)
            return []

    def slowly() -> Backend:
        released.wait()
        return Tool()

    def broken() -> Backend:
        raise RuntimeError("no such tool")

    runs = [f"{tool}-{number}" for tool in ("hanging", "slow", "broken") for number in range(20)]
    *others, honest = benches(tmp_path, *runs, "honest")
    office.bodies = [
        body_of(bench, uid, backend=uid.partition("-")[0])
        for bench, uid in zip(others, runs, strict=True)
    ] + [body_of(honest, "honest", backend="m")]
    tools: dict[str, Callable[[], Backend]] = {
        "hanging": Hanging,
        "slow": slowly,
        "broken": broken,
        "m": lambda: honest.tool,
    }
    try:
        async with attended(office, tools):
            await office.sees(lambda: Reason.LABELER_FAILED in office.reasons("broken-19"))
            before = len(office.reasons("honest"))
            await office.sees(lambda: len(office.reasons("honest")) > before + 2)
            hanging = [it for it in threading.enumerate() if it.name.startswith("hanging")]
            assert 0 < len(hanging) <= TURNS_AT_ONCE + 1
    finally:
        released.set()
    assert set(office.reasons("honest")) == {Reason.LABELING}


async def test_what_is_told_holds_no_secret_and_no_hidden_character(
    tmp_path: Path, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """The last look before a status is written, whatever an adapter let through."""
    redact.learn(["kV8-wq3Zr5-told"])
    caplog.set_level(logging.CRITICAL)

    class Telling(Tool):
        async def open_project(self, spec: ProjectSpec) -> OpenProject:
            raise BackendUnavailable("answered \x1b[2J Token kV8-wq3Zr5-told")

    (bench,) = benches(tmp_path, "one")
    office.bodies = [body_of(bench, "evil")]
    async with attended(office, {"m": Telling}):
        await office.sees(lambda: bool(office.told))
    assert office.told["evil"][0].message == "answered \\x1b[2J Token [redacted]"
    assert not is_labeled(bench.dataset.status.to_dict())
