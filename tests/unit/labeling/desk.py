"""A run's folder with tasks, and a labelling tool that lives in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.labeling.backend import (
    BackendError,
    BackendUnavailable,
    OpenProject,
    ProjectSpec,
    Task,
)
from evaluation_operator.labeling.progress import TurnResult
from evaluation_operator.labeling.work import TaskSet
from evaluation_operator.results.folder import Folder, run_folder
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tasks.answers import Answer, BadAnswer, ItemAnswers
from tests.builders import make_dataset, stored

CUT_TIME = datetime(2026, 3, 3, 10, 1, tzinfo=UTC)
RUN = "evj-ripeness-29541240"


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Tool:
    """`failing` is raised by every call. The process that calls is killed by the first call beyond
    so many, before or after it has worked."""

    spec: ProjectSpec | None = None
    made: int = 0
    tasks: dict[str, int] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    answers: dict[str, dict[str, Answer]] = field(default_factory=dict)
    bad: dict[str, list[BadAnswer]] = field(default_factory=dict)
    failing: BackendError | None = None
    calls: list[str] = field(default_factory=list)
    kill_before: int | None = None
    kill_after: int | None = None
    closed: list[str] = field(default_factory=list)
    projects: list[OpenProject] = field(default_factory=list)

    def say(self, item: str, annotator: str, *labels: str, minute: int = 1) -> None:
        """People may only answer what they were asked."""
        assert item in self.tasks, f"{item} is not among the tasks"
        time = CUT_TIME + timedelta(minutes=minute)
        self.answers.setdefault(item, {})[annotator] = Answer(annotator, time, labels=labels)

    def lose_project(self) -> None:
        self.spec = None
        self.tasks.clear()
        self.order.clear()
        self.answers.clear()

    async def open_project(self, spec: ProjectSpec) -> OpenProject:
        self._call("open_project")
        if self.spec is None:
            self.made += 1
        self.spec = spec
        self._called()
        return self._opened(spec)

    async def add_tasks(self, project: OpenProject, dataset: str, tasks: Sequence[Task]) -> None:
        self._call("add_tasks")
        assert self.spec is not None
        for task in tasks:
            if task.item_id not in self.tasks:
                self.tasks[task.item_id] = self.spec.replica_count
                self.order.append(task.item_id)
        self._called()

    async def count_answers(self, project: OpenProject) -> int:
        self._call("count_answers")
        if self.spec is None:
            raise BackendUnavailable("the project is gone")
        return sum(map(len, self.answers.values())) + sum(map(len, self.bad.values()))

    async def read_answers(self, project: OpenProject, dataset: str) -> Mapping[str, ItemAnswers]:
        self._call("read_answers")
        return {
            item: ItemAnswers(
                item,
                tuple(sorted(self.answers.get(item, {}).values(), key=lambda it: it.time)),
                tuple(self.bad.get(item, ())),
            )
            for item in self.answers.keys() | self.bad.keys()
        }

    async def ask_again(self, project: OpenProject, dataset: str, tasks: Sequence[Task]) -> None:
        self._call("ask_again")
        for task in tasks:
            given = len(self.answers.get(task.item_id, {})) + len(self.bad.get(task.item_id, ()))
            self.tasks[task.item_id] = given + 1
        self._called()

    async def withdraw(self, project: OpenProject, dataset: str) -> None:
        self._call("withdraw")
        for item in [it for it in self.tasks if not self.answers.get(it)]:
            del self.tasks[item]
        self._called()

    async def list_projects(self) -> Sequence[OpenProject]:
        self._call("list_projects")
        return self.projects

    async def close_project(self, project: OpenProject) -> None:
        self._call("close_project")
        self.closed.append(project.job_uid)

    async def aclose(self) -> None:
        return None

    def _opened(self, spec: ProjectSpec) -> OpenProject:
        return OpenProject(
            str(self.made), spec.namespace, spec.job_uid, spec.on_close, "https://labels.example/7"
        )

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.failing is not None:
            raise self.failing
        if self.kill_before is not None and len(self.calls) > self.kill_before:
            raise Killed

    def _called(self) -> None:
        if self.kill_after is not None and len(self.calls) > self.kill_after:
            raise Killed


@dataclass
class Bench:
    """One Dataset with three items, and the process that works on it."""

    root: Path
    tool: Tool = field(default_factory=Tool)
    now: datetime = CUT_TIME + timedelta(minutes=1)
    labeling: dict[str, Any] = field(default_factory=dict)
    items: Sequence[str] = ("a", "b", "c")
    least: int | None = None
    _process: TaskSet | None = None

    def __post_init__(self) -> None:
        rows = [
            {
                "item_id": item,
                "row_id": f"row-{item}",
                "index": 0,
                "priority": number / 10,
                "instance": json.dumps({"image": f"{item}.png"}),
            }
            for number, item in enumerate(self.items)
        ]
        schema = pa.schema(
            [
                ("item_id", pa.string()),
                ("row_id", pa.string()),
                ("index", pa.int32()),
                ("priority", pa.float64()),
                ("instance", pa.string()),
            ]
        )
        local = self.root / "tasks"
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), local)
        self.folder.store(local, "tasks.parquet")

    @property
    def folder(self) -> Folder:
        uri = f"file://{self.root}/results"
        return run_folder(uri, "uid-of-ripeness", RUN, TableOptions())

    @property
    def dataset(self) -> Dataset:
        labeling = {
            "instruction": {"displayName": "How to tell ripe fruit", "dataType": "IMAGE"},
            "replicaCount": 1,
            "annotatedDatasetDisplayName": "Ripeness",
        }
        status = {
            "cut": {"uri": self.folder.uri, "rowCount": 3, "time": "2026-03-03T10:01:00Z"},
            "totalCount": len(self.items),
            "completedCount": 0,
        }
        spec = {"labeling": labeling | self.labeling, "minimumNewLabels": self.least}
        body = stored(make_dataset(RUN, spec=spec, status=status))
        return Dataset.from_dict(body)

    def restart(self) -> None:
        self._process = None

    def turn(self) -> TurnResult:
        if self._process is None:
            self._process = TaskSet(self.dataset, self.folder, self.tool, lambda: self.now)
        return asyncio.run(self._process.turn())

    def labels(self, name: str = "labels.parquet") -> dict[str, dict[str, Any]]:
        path = self.root / "results" / "uid-of-ripeness" / RUN / name
        return {row["item_id"]: row for row in pq.read_table(path).to_pylist()}

    def summary(self) -> dict[str, Any]:
        return self.folder.read_json("labels.json")
