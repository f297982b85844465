"""Projects, tasks and answers in Label Studio, by the protocol that the labeler works with.

Label Studio gives no guarantee against doing things twice: with SQLite it does a whole request
again when the database was locked in the middle of it. So each step looks at what is there, before
and after. Tasks are known by our own id in their data, never by the server's.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Final
from zlib import crc32

from pydantic import BaseModel, JsonValue, RootModel

from evaluation_operator.labeling.backend import (
    BackendRefused,
    BackendUnavailable,
    OnClose,
    OpenProject,
    ProjectSpec,
    Task,
)
from evaluation_operator.labeling.backends.label_studio import config
from evaluation_operator.labeling.backends.label_studio.annotations import (
    Annotation,
    Question,
    answers_of,
)
from evaluation_operator.labeling.backends.label_studio.client import Client, Gone, parsed
from evaluation_operator.labeling.backends.label_studio.marker import Marker
from evaluation_operator.labeling.backends.label_studio.pages import (
    ANSWERED,
    UNANSWERED,
    AnsweredTask,
    Choice,
    TaskKey,
    count_tasks,
    delete_tasks,
    of_dataset,
    read_tasks,
)
from evaluation_operator.labeling.backends.label_studio.tasks import (
    CannotBeShown,
    item_of,
    task_data,
)
from evaluation_operator.labeling.backends.label_studio.web import origin_of
from evaluation_operator.tasks.answers import NOBODY, BadAnswer, ItemAnswers

logger = logging.getLogger(__name__)

_ARCHIVED: Final = "[archived] "
_LONGEST_TITLE: Final = 50
_BATCH_TASKS: Final = 1000
_BATCH_BYTES: Final = 8 * 2**20
_PROJECTS_A_PAGE: Final = 100
_IDS_A_REQUEST: Final = 100


class _Project(BaseModel):
    id: int
    title: str
    description: str | None = None
    task_number: int = 0
    total_annotations_number: int = 0

    @property
    def progress(self) -> tuple[int, int, int]:
        return self.total_annotations_number, self.task_number, self.id


class _Projects(BaseModel):
    next: str | None
    results: list[_Project]


class _Settings(RootModel[dict[str, JsonValue]]):
    pass


class _Person(BaseModel):
    email: str


class _People(RootModel[list[_Person]]):
    pass


class _Newest(BaseModel):
    class Task(BaseModel):
        id: int
        updated_at: str

    total: int
    total_annotations: int
    tasks: list[Task]


class LabelStudio:
    """One server. `public_url` is where people open it, if that is not `url`.

    `read_token` gives the access token, anew for each request. `owner` is put into projects and
    only those with the same one are found again: labelers that share a server need different ones.
    """

    def __init__(
        self,
        url: str,
        read_token: Callable[[], str],
        *,
        public_url: str | None = None,
        owner: str = "",
        timeout_seconds: float = 120.0,
    ) -> None:
        self._client = Client(url, read_token, timeout_seconds=timeout_seconds)
        self._public_url = (public_url or url).rstrip("/")
        self._tool = [it for it in map(origin_of, (url, self._public_url)) if it is not None]
        self._owner = owner
        self._specs: dict[str, ProjectSpec] = {}
        self._keys: dict[str, dict[int, str]] = {}
        self._unshown: dict[tuple[str, str], dict[str, str]] = {}

    async def aclose(self) -> None:
        await self._client.aclose()

    async def open_project(self, spec: ProjectSpec) -> OpenProject:
        """Raises BackendRefused for a type that cannot be shown and for unknown contributors."""
        wanted = self._settings(spec)
        await self._require_people(spec.contributor_emails)
        ref = await self._find(spec.job_uid)
        if ref is None:
            await self._client.ask("POST", "/api/projects/", body=wanted)
            ref = await self._find(spec.job_uid)
            if ref is None:
                raise BackendUnavailable(
                    f"project {spec.title}: it was made, but is not listed with the description "
                    "that it was given; is it a version that is supported?"
                )
        else:
            there = parsed(_Settings, await self._client.ask("GET", _path(ref))).root
            if changed := {key: it for key, it in wanted.items() if there.get(key) != it}:
                await self._client.ask("PATCH", _path(ref), body=changed)
        self._specs[ref] = spec
        self._keys.pop(ref, None)
        return self._opened(ref, Marker.of(spec, self._owner))

    def _settings(self, spec: ProjectSpec) -> dict[str, JsonValue]:
        return {
            "title": spec.title[:_LONGEST_TITLE].ljust(3, "."),
            "description": Marker.of(spec, self._owner).describe(),
            "label_config": config.label_config(spec),
            "expert_instruction": config.instruction_html(spec),
            "show_instruction": True,
            "show_skip_button": True,
            "enable_empty_annotation": True,
            "show_collab_predictions": False,
            "maximum_annotations": spec.replica_count,
            # By the server's task ids, which rise in the order of import: by priority.
            "sampling": "Sequential sampling",
        }

    async def _require_people(self, emails: Sequence[str]) -> None:
        if not emails:
            return
        people = parsed(_People, await self._client.ask("GET", "/api/users/")).root
        known = {it.email.lower() for it in people}
        if unknown := [it for it in emails if it.lower() not in known]:
            raise BackendRefused(
                f"contributorEmails: {', '.join(unknown)}: not registered at {self._public_url}: "
                "invite them there (Organization, Add People)"
            )

    async def add_tasks(self, project: OpenProject, dataset: str, tasks: Sequence[Task]) -> None:
        """Items that cannot be shown are left out; `read_answers` says why of each."""
        if not tasks:
            return
        spec = self._spec(project)
        there = await self._items_there(project, dataset)
        unshown = self._unshown.setdefault((project.ref, dataset), {})
        ordered = sorted(
            (it for it in tasks if it.item_id not in there),
            key=lambda it: (it.priority, it.item_id),
        )
        imported = 0
        for batch in self._batches(spec, dataset, ordered, unshown):
            await self._client.ask("POST", f"{_path(project.ref)}import", body=batch)
            imported += len(batch)
        if not imported:
            return
        found = await count_tasks(self._client, project.ref, Choice((of_dataset(dataset),)))
        if found > len(there) + imported:
            # To look removes what is double; but it sends all that is shown along.
            await self._items_there(project, dataset)

    async def _items_there(self, project: OpenProject, dataset: str) -> set[str]:
        there: set[str] = set()
        doubles: list[int] = []
        # The server gives the numbers of deleted tasks to new ones, so what is known ends here.
        keys = self._keys[project.ref] = {}
        choice = Choice((of_dataset(dataset),))
        async for found in read_tasks(self._client, project.ref, TaskKey, choice):
            item = item_of(found.key, dataset)
            if item in there and not found.total_annotations:
                doubles.append(found.id)
            elif item is not None:
                keys[found.id] = found.key
                there.add(item)
        if doubles:
            # By an import that was under way when we looked last, or that the server did twice.
            await delete_tasks(self._client, project.ref, Choice(ids=tuple(doubles)))
        return there

    async def count_answers(self, project: OpenProject) -> int:
        """Made of the project's counters and the time of the last change to any task, since a
        changed mind does not change the counters."""
        newest = parsed(
            _Newest,
            await self._client.ask(
                "GET",
                "/api/tasks",
                query={
                    "project": project.ref,
                    "page_size": 1,
                    "include": "id,updated_at",
                    "query": '{"ordering":["-tasks:updated_at"]}',
                },
            ),
        )
        return crc32(newest.model_dump_json().encode())

    async def read_answers(self, project: OpenProject, dataset: str) -> Mapping[str, ItemAnswers]:
        """Memory: the answers, and 8 MB or ten items' data, whichever is more."""
        spec = self._spec(project)
        question = Question(
            labels=spec.labels,
            is_multi_label=spec.is_multi_label,
            control=spec.control,
        )
        annotations: dict[str, list[Annotation]] = {}
        async for item, found in self._answered(project, dataset):
            annotations.setdefault(item, []).extend(found.annotations)
        answers = {
            item: read
            for item, found in annotations.items()
            if (read := answers_of(item, found, question)) is not None
        }
        for item, why in self._unshown.get((project.ref, dataset), {}).items():
            answers[item] = ItemAnswers(item, (), (BadAnswer(NOBODY, why),))
        return answers

    async def _answered(
        self, project: OpenProject, dataset: str
    ) -> AsyncIterator[tuple[str, AnsweredTask]]:
        """Images are not sent along: which item a task is of is asked once and remembered."""
        keys = self._keys.setdefault(project.ref, {})
        choice = Choice((of_dataset(dataset), ANSWERED))
        found = [it async for it in read_tasks(self._client, project.ref, AnsweredTask, choice)]
        unknown = [it.id for it in found if it.id not in keys]
        for start in range(0, len(unknown), _IDS_A_REQUEST):
            some = Choice(ids=tuple(unknown[start : start + _IDS_A_REQUEST]))
            async for task in read_tasks(self._client, project.ref, TaskKey, some):
                keys[task.id] = task.key
        for answered in found:
            if (item := item_of(keys.get(answered.id, ""), dataset)) is not None:
                yield item, answered

    async def ask_again(self, project: OpenProject, dataset: str, tasks: Sequence[Task]) -> None:
        """One more person than have answered, so that asking twice asks for one.

        The server never gives a task to people who have answered it.
        """
        wanted = {it.item_id for it in tasks}
        async for item, found in self._answered(project, dataset):
            if item not in wanted:
                continue
            wanted.remove(item)
            if found.overlap <= found.people or found.is_labeled:
                # The server looks at the number only when the next answer comes.
                more: dict[str, JsonValue] = {"overlap": found.people + 1, "is_labeled": False}
                await self._client.ask("PATCH", f"/api/tasks/{found.id}/", body=more)

    async def withdraw(self, project: OpenProject, dataset: str) -> None:
        choice = Choice((of_dataset(dataset), UNANSWERED))
        found = [
            it.id
            async for it in read_tasks(self._client, project.ref, TaskKey, choice)
            if item_of(it.key, dataset) is not None
        ]
        for start in range(0, len(found), _IDS_A_REQUEST):
            some = Choice(ids=tuple(found[start : start + _IDS_A_REQUEST]))
            await delete_tasks(self._client, project.ref, some)
        # The server gives the numbers of deleted tasks to new ones.
        self._keys.pop(project.ref, None)

    async def list_projects(self) -> Sequence[OpenProject]:
        return [self._opened(str(project.id), marker) async for project, marker in self._ours()]

    async def close_project(self, project: OpenProject) -> None:
        """Community Label Studio cannot archive: such a project says so in its title, keeps what
        was answered, and has no more to serve."""
        try:
            if project.on_close is OnClose.DELETE:
                await self._client.ask("DELETE", _path(project.ref))
            else:
                await self._close(project)
        except Gone:
            logger.info("project %s of job %s is gone already", project.ref, project.job_uid)
        self._specs.pop(project.ref, None)

    async def _close(self, project: OpenProject) -> None:
        there = parsed(_Project, await self._client.ask("GET", _path(project.ref)))
        marker = Marker.read(there.description)
        if marker is None or marker.is_closed or marker.job_uid != project.job_uid:
            return
        closed = marker.changed(is_closed=True)
        changes: dict[str, JsonValue] = {"description": closed.describe()}
        if project.on_close is OnClose.ARCHIVE:
            await delete_tasks(self._client, project.ref, Choice((UNANSWERED,)))
            title = _ARCHIVED + there.title.removeprefix(_ARCHIVED)
            # One answer is enough for each task that is left, so all of them are done.
            changes |= {"title": title[:_LONGEST_TITLE], "maximum_annotations": 1}
        await self._client.ask("PATCH", _path(project.ref), body=changes)

    async def _find(self, job_uid: str) -> str | None:
        """Of several, the one that people have come furthest with; those without tasks go."""
        found = [it async for it, marker in self._ours() if marker.job_uid == job_uid]
        if not found:
            return None
        kept = max(found, key=lambda it: it.progress)
        for double in found:
            if double is not kept and not double.task_number:
                await self._client.ask("DELETE", _path(str(double.id)))
        return str(kept.id)

    async def _ours(self) -> AsyncIterator[tuple[_Project, Marker]]:
        """Open projects with our marker."""
        number, is_more = 1, True
        while is_more:
            include = ",".join(_Project.model_fields)
            query: dict[str, str | int] = {
                "page": number,
                "page_size": _PROJECTS_A_PAGE,
                "include": include,
            }
            page = parsed(_Projects, await self._client.ask("GET", "/api/projects/", query=query))
            for project in page.results:
                marker = Marker.read(project.description)
                if marker and marker.owner == self._owner and not marker.is_closed:
                    yield project, marker
            number, is_more = number + 1, page.next is not None

    def _opened(self, ref: str, marker: Marker) -> OpenProject:
        return OpenProject(
            ref=ref,
            namespace=marker.namespace,
            job_uid=marker.job_uid,
            on_close=marker.on_close,
            url=f"{self._public_url}/projects/{ref}",
        )

    def _spec(self, project: OpenProject) -> ProjectSpec:
        try:
            return self._specs[project.ref]
        except KeyError:
            raise BackendUnavailable(
                f"project {project.ref} was not opened by this process: open it first"
            ) from None

    def _batches(
        self, spec: ProjectSpec, dataset: str, tasks: Sequence[Task], unshown: dict[str, str]
    ) -> Iterator[list[JsonValue]]:
        """What one import takes; why an item cannot be shown goes into `unshown`."""
        batch: list[JsonValue] = []
        size = 0
        for task in tasks:
            try:
                data = task_data(spec, dataset, task, self._tool)
            except CannotBeShown as error:
                unshown[task.item_id] = str(error)
                continue
            if batch and (len(batch) == _BATCH_TASKS or size + len(task.instance) > _BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append({"data": data})
            size += len(task.instance)
        if batch:
            yield batch


def _path(ref: str) -> str:
    return f"/api/projects/{ref}/"
