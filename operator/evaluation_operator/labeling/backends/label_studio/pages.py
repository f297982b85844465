"""The tasks of a project, page by page: as many at a time as may be in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

from pydantic import BaseModel, JsonValue

from evaluation_operator.labeling.backends.label_studio.annotations import Annotation
from evaluation_operator.labeling.backends.label_studio.client import Client, parsed
from evaluation_operator.labeling.backends.label_studio.tasks import ITEM, item_key

Filter = dict[str, JsonValue]

_FIRST_PAGE: Final = 100
_LARGEST_PAGE: Final = 1000
_SMALLEST_PAGE: Final = 10
_PAGE_BYTES: Final = 8 * 2**20


def _filter(column: str, kind: str, operator: str, value: JsonValue) -> Filter:
    return {
        "filter": f"filter:tasks:{column}",
        "type": kind,
        "operator": operator,
        "value": value,
    }


ANSWERED: Final = _filter("total_annotations", "Number", "greater", 0)
UNANSWERED: Final = _filter("total_annotations", "Number", "equal", 0)


def of_dataset(dataset: str) -> Filter:
    """May find too many, since it looks for the text anywhere in our id."""
    return _filter(f"data.{ITEM}", "String", "contains", item_key(dataset, ""))


@dataclass(frozen=True, slots=True)
class Choice:
    """Tasks for which all filters hold, of those with the ids if there are any."""

    filters: tuple[Filter, ...] = ()
    ids: tuple[int, ...] = ()

    def also(self, further: Filter) -> Choice:
        return Choice((*self.filters, further), self.ids)

    @property
    def content(self) -> dict[str, JsonValue]:
        """As the server's data manager takes it."""
        chosen: dict[str, JsonValue] = (
            {"all": False, "included": list(self.ids)}
            if self.ids
            else {"all": True, "excluded": []}
        )
        return {
            "filters": {"conjunction": "and", "items": list(self.filters)},
            "selectedItems": chosen,
            "ordering": ["tasks:id"],
        }


class _Data(BaseModel):
    evaluation_item: str = ""


class TaskKey(BaseModel):
    """Which item a task is of. What is shown in it comes along, so it is asked for once."""

    FIELDS: ClassVar[str] = "id,total_annotations,data"

    id: int
    total_annotations: int
    data: _Data

    @property
    def key(self) -> str:
        return self.data.evaluation_item


class AnsweredTask(BaseModel):
    """What was answered, without what is shown."""

    # The server takes the same list for a task and for the annotations in it.
    FIELDS: ClassVar[str] = ",".join(
        ["id", "is_labeled", "overlap", "annotations", *Annotation.model_fields]
    )

    id: int
    is_labeled: bool
    overlap: int
    annotations: list[Annotation]

    @property
    def people(self) -> int:
        """How many have answered it; who answers twice is one, who skips is none."""
        return len({it.annotator for it in self.annotations if not it.was_cancelled})


class _Page(BaseModel):
    tasks: list[JsonValue]
    total: int


Found = TypeVar("Found", TaskKey, AnsweredTask)


async def read_tasks(
    client: Client, ref: str, kind: type[Found], choice: Choice
) -> AsyncIterator[Found]:
    """By rising task id, each page from the last one's end on: nothing that people do meanwhile
    moves a task from one page to another, and past the one that is read."""
    last, size, is_more = 0, _FIRST_PAGE, True
    while is_more:
        later = _filter("id", "Number", "greater", last)
        content = await client.ask(
            "GET",
            "/api/tasks",
            query={
                "project": ref,
                "page_size": size,
                "fields": "all" if kind is AnsweredTask else "task_only",
                "include": kind.FIELDS,
                "resolve_uri": "false",
                "query": json.dumps(choice.also(later).content),
            },
        )
        tasks = [parsed(kind, it) for it in parsed(_Page, content).tasks]
        for task in tasks:
            yield task
        is_more = len(tasks) == size
        if is_more:
            last = tasks[-1].id
            bytes_a_task = len(json.dumps(content)) / size
            size = min(max(int(_PAGE_BYTES / bytes_a_task), _SMALLEST_PAGE), _LARGEST_PAGE)


async def count_tasks(client: Client, ref: str, choice: Choice) -> int:
    content = await client.ask(
        "GET",
        "/api/tasks",
        query={
            "project": ref,
            "page_size": 1,
            "include": "id",
            "query": json.dumps(choice.content),
        },
    )
    return parsed(_Page, content).total


async def delete_tasks(client: Client, ref: str, choice: Choice) -> None:
    await client.ask(
        "POST",
        "/api/dm/actions",
        query={"id": "delete_tasks", "project": ref},
        body=choice.content,
    )
