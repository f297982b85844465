"""Labelling without a tool: tasks are a file, and answers another one beside it, by anybody.

ROOT/<job's uid>/project.json             what is asked, in words and labels
ROOT/<job's uid>/<Dataset>/tasks.json     the items, written here
ROOT/<job's uid>/<Dataset>/answers.json   {"answers": [...]}, written by whoever labels
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import Field, JsonValue, ValidationError

from evaluation_operator.api.base import Model, Timestamp
from evaluation_operator.api.evaluation_options import AnnotationType, BoundingBoxUnits
from evaluation_operator.labeling.backend import (
    BackendRefused,
    BackendUnavailable,
    OnClose,
    OpenProject,
    ProjectSpec,
    Task,
)
from evaluation_operator.labeling.kept_answers import merged_answers
from evaluation_operator.labeling.threads import in_thread
from evaluation_operator.results.errors import RunError, Unavailable
from evaluation_operator.results.folder import Folder
from evaluation_operator.tasks.answers import (
    MOST_BOXES,
    Answer,
    BadAnswer,
    Box,
    ItemAnswers,
    Sentiment,
)
from evaluation_operator.tasks.kind import Control
from evaluation_operator.tasks.registry import kind_of

PROJECT = "project.json"
TASKS = "tasks.json"
ANSWERS = "answers.json"

T = TypeVar("T")
# Some hundred thousand answers; more would not fit in the labeler's memory once they are parsed.
_ANSWERS_BYTES = 32 * 2**20
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Project(Model):
    """project.json: what people need to know, and by what the project is found again."""

    namespace: str
    job: str
    job_uid: str
    annotation_type: AnnotationType
    labels: list[str]
    is_multi_label: bool
    has_sentiment: bool
    title: str
    instruction: str
    instruction_pdf: str | None = None
    language: str
    replica_count: int
    on_close: OnClose
    contributor_emails: list[str] = Field(default=[])
    box_units: BoundingBoxUnits | None = None
    is_closed: bool = False

    @property
    def control(self) -> Control:
        return kind_of(self.annotation_type).control

    @classmethod
    def of(cls, spec: ProjectSpec) -> Project:
        return cls(
            namespace=spec.namespace,
            job=spec.job,
            job_uid=spec.job_uid,
            annotation_type=spec.annotation_type,
            labels=list(spec.labels),
            is_multi_label=spec.is_multi_label,
            has_sentiment=spec.has_sentiment,
            title=spec.title,
            instruction=spec.instruction,
            instruction_pdf=spec.instruction_pdf,
            language=spec.language,
            replica_count=spec.replica_count,
            on_close=spec.on_close,
            contributor_emails=list(spec.contributor_emails),
            box_units=spec.box_units,
        )


class AskedItem(Model):
    """One of tasks.json: so many people (`opinions`) are to say what they see in `instance`."""

    item_id: str
    opinions: int = Field(ge=1)
    instance: JsonValue = None


class Asked(Model):
    """tasks.json, in order of priority."""

    tasks: list[AskedItem] = Field(default=[])


class GivenBox(Model):
    """Coordinates are fractions of the image's width and height."""

    label: str
    left: float = Field(ge=0, le=1)
    top: float = Field(ge=0, le=1)
    right: float = Field(ge=0, le=1)
    bottom: float = Field(ge=0, le=1)


class GivenAnswer(Model):
    """One of answers.json: `labels` for classification, `boxes` for bounding boxes, with the
    image's size in pixels where the job's boxes are in these."""

    item_id: str
    annotator: str = Field(min_length=1)
    time: Timestamp | None = None
    labels: list[str] | None = None
    boxes: list[GivenBox] | None = Field(default=None, max_length=MOST_BOXES)
    image_width: int | None = Field(default=None, ge=1)
    image_height: int | None = Field(default=None, ge=1)
    sentiment: Sentiment | None = None
    comment: str | None = None


class Manual:
    """A backend of files in `root`, on a volume or an object store.

    One labeler alone writes there; whoever labels replaces answers.json as a whole (a rename).
    """

    def __init__(self, root: Folder) -> None:
        self._root = root

    async def open_project(self, spec: ProjectSpec) -> OpenProject:
        project, folder = Project.of(spec), self._root.child(spec.job_uid)

        def write() -> None:
            if _project(folder) != project:
                folder.write_json(PROJECT, project.model_dump(mode="json", by_alias=True))

        await _in_storage(write)
        return self._opened(project)

    async def add_tasks(self, project: OpenProject, dataset: str, tasks: Sequence[Task]) -> None:
        def add() -> None:
            opinions = self._found(project).replica_count
            there = self._asked(project, dataset)
            fresh = {it.item_id: _item(it, opinions) for it in tasks if it.item_id not in there}
            if fresh:
                self._write_asked(project, dataset, (there | fresh).values())

        await _in_storage(add)

    async def ask_again(self, project: OpenProject, dataset: str, tasks: Sequence[Task]) -> None:
        """One more than there are answers, so that asking twice asks for one."""

        def ask() -> None:
            answers = self._answers(project, dataset)
            there = self._asked(project, dataset)
            for task in tasks:
                found = answers.get(task.item_id)
                given = len(found.answers) + len(found.bad) if found else 0
                there[task.item_id] = _item(task, given + 1)
            self._write_asked(project, dataset, there.values())

        await _in_storage(ask)

    async def withdraw(self, project: OpenProject, dataset: str) -> None:
        def take_away() -> None:
            there, answers = self._asked(project, dataset), self._answers(project, dataset)
            left = [it for item, it in there.items() if item in answers]
            if len(left) < len(there):
                self._write_asked(project, dataset, left)

        await _in_storage(take_away)

    async def count_answers(self, project: OpenProject) -> int:
        def count() -> int:
            self._found(project)
            folder, digest = self._root.child(project.job_uid), hashlib.sha256()
            for dataset in folder.children():
                content = _read_answers(folder.child(dataset))
                digest.update(json.dumps([dataset, content], sort_keys=True).encode())
            return int.from_bytes(digest.digest()[:6])

        return await _in_storage(count)

    async def read_answers(self, project: OpenProject, dataset: str) -> Mapping[str, ItemAnswers]:
        return await _in_storage(lambda: self._answers(project, dataset))

    async def list_projects(self) -> Sequence[OpenProject]:
        def projects() -> list[OpenProject]:
            found = [_project(self._root.child(name)) for name in self._root.children()]
            return [self._opened(it) for it in found if it is not None and not it.is_closed]

        return await _in_storage(projects)

    async def close_project(self, project: OpenProject) -> None:
        """Archived ones stay readable; Delete leaves nothing."""

        def close() -> None:
            folder = self._root.child(project.job_uid)
            found = _project(folder)
            if found is None or found.is_closed or found.on_close is OnClose.KEEP:
                return
            if found.on_close is OnClose.DELETE:
                folder.delete()
                return
            closed = found.changed(is_closed=True)
            folder.write_json(PROJECT, closed.model_dump(mode="json", by_alias=True))

        await _in_storage(close)

    async def aclose(self) -> None:
        return None

    def _opened(self, project: Project) -> OpenProject:
        return OpenProject(
            ref=project.job_uid,
            namespace=project.namespace,
            job_uid=project.job_uid,
            on_close=project.on_close,
            url=self._root.child(project.job_uid).uri,
        )

    def _found(self, project: OpenProject) -> Project:
        folder = self._root.child(project.job_uid)
        found = _project(folder)
        if found is None:
            raise BackendUnavailable(f"{folder.uri}/{PROJECT} is gone; it is written anew")
        return found

    def _asked(self, project: OpenProject, dataset: str) -> dict[str, AskedItem]:
        folder = self._root.child(project.job_uid, dataset)
        if not folder.exists(TASKS):
            return {}
        try:
            asked = Asked.from_dict(folder.read_json(TASKS))
        except ValidationError:
            return {}
        return {it.item_id: it for it in asked.tasks}

    def _write_asked(self, project: OpenProject, dataset: str, tasks: Iterable[AskedItem]) -> None:
        folder = self._root.child(project.job_uid, dataset)
        folder.write_json(TASKS, Asked(tasks=list(tasks)).model_dump(mode="json", by_alias=True))

    def _answers(self, project: OpenProject, dataset: str) -> dict[str, ItemAnswers]:
        spec = self._found(project)
        answers: dict[str, list[Answer]] = {}
        bad: dict[str, list[BadAnswer]] = {}
        for number, entry in enumerate(_read_answers(self._root.child(project.job_uid, dataset))):
            try:
                given = GivenAnswer.model_validate(entry)
            except ValidationError as error:
                item, fault = _blame(entry, error)
                bad.setdefault(item, []).append(BadAnswer("?", f"answers[{number}].{fault}"))
                continue
            if why := _why_bad(given, spec):
                told = BadAnswer(given.annotator, f"answers[{number}].{why}")
                bad.setdefault(given.item_id, []).append(told)
            else:
                answers.setdefault(given.item_id, []).append(_answer(given, spec))
        return {
            item: ItemAnswers(
                item, merged_answers((), answers.get(item, ())), tuple(bad.get(item, ()))
            )
            for item in answers.keys() | bad.keys()
        }


def _project(folder: Folder) -> Project | None:
    """None where there is none that can be read: then it is written anew."""
    if not folder.exists(PROJECT):
        return None
    try:
        return Project.from_dict(folder.read_json(PROJECT))
    except ValidationError:
        return None


def _item(task: Task, opinions: int) -> AskedItem:
    return AskedItem(item_id=task.item_id, opinions=opinions, instance=json.loads(task.instance))


def _read_answers(folder: Folder) -> list[JsonValue]:
    """Raises BackendRefused for a file that holds no list of answers: somebody has to mend it."""
    try:
        content = folder.read_json(ANSWERS, _ANSWERS_BYTES)
    except Unavailable as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return []
        if isinstance(error.__cause__, OSError):
            raise
        content = {}
    answers = content.get("answers") if isinstance(content, dict) else None
    if not isinstance(answers, list):
        raise BackendRefused(
            f'{folder.uri}/{ANSWERS}: holds no list of answers; write {{"answers": [{{"itemId": '
            '"…", "annotator": "…", "labels": ["…"]}]}'
        )
    return answers


def _blame(entry: JsonValue, error: ValidationError) -> tuple[str, str]:
    """The item that an entry seems to be about, and what is wrong with it."""
    item = entry.get("itemId") if isinstance(entry, dict) else None
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return str(item or ""), f"{place}: {fault['input']!r:.100}: {fault['msg']}"


def _why_bad(given: GivenAnswer, spec: Project) -> str:
    """Names field, value and cure; empty when the answer counts."""
    known = ", ".join(spec.labels[:20])
    if spec.control is Control.BOXES:
        if given.boxes is None:
            return "boxes: not given: write [] where there is nothing to see"
        if given.boxes and spec.box_units is BoundingBoxUnits.PIXELS and not _size(given):
            return "imageWidth, imageHeight: not given: write the image's size in pixels"
        for number, box in enumerate(given.boxes):
            if box.label not in spec.labels:
                return f"boxes[{number}].label: {box.label!r}: use one of {known}"
            if box.right <= box.left or box.bottom <= box.top:
                return (
                    f"boxes[{number}]: left {box.left}, top {box.top}, right {box.right}, bottom "
                    f"{box.bottom}: let left < right and top < bottom"
                )
        return ""
    if given.labels is None:
        return f"labels: not given: use {known}"
    if len(given.labels) != 1 and not spec.is_multi_label:
        return f"labels: {given.labels}: give exactly one of {known}"
    wrong = next((label for label in given.labels if label not in spec.labels), None)
    return f"labels: {wrong!r}: use one of {known}" if wrong is not None else ""


def _answer(given: GivenAnswer, spec: Project) -> Answer:
    has_boxes = spec.control is Control.BOXES
    return Answer(
        annotator=given.annotator,
        time=given.time or _BEGINNING,
        labels=None if has_boxes else tuple(dict.fromkeys(given.labels or ())),
        boxes=tuple(Box(**dict(box)) for box in given.boxes or ()) if has_boxes else None,
        sentiment=given.sentiment,
        comment=given.comment,
        image_size=_size(given),
    )


def _size(given: GivenAnswer) -> tuple[int, int] | None:
    if given.image_width is None or given.image_height is None:
        return None
    return given.image_width, given.image_height


async def _in_storage(work: Callable[[], T]) -> T:
    try:
        return await in_thread(work)
    except RunError as error:
        raise BackendUnavailable(str(error)) from error
