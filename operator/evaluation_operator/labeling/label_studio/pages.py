"""The tasks of a project, page by page: as many at a time as may be in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, Field, JsonValue

from evaluation_operator.labeling.label_studio.annotations import Annotation
from evaluation_operator.labeling.label_studio.client import Client
from evaluation_operator.labeling.label_studio.tasks import ITEM, item_key

_Filter = dict[str, JsonValue]

_FIRST_PAGE: Final = 100
_LARGEST_PAGE: Final = 1000
_SMALLEST_PAGE: Final = 10
_PAGE_BYTES: Final = 8 * 2**20


def _filter(column: str, kind: str, operator: str, value: JsonValue) -> _Filter:
    return {
        "filter": f"filter:tasks:{column}",
        "type": kind,
        "operator": operator,
        "value": value,
    }


ANSWERED: Final = _filter("total_annotations", "Number", "greater", 0)
UNANSWERED: Final = _filter("total_annotations", "Number", "equal", 0)


def of_dataset(dataset: str) -> _Filter:
    """May find too many, since it looks for the text anywhere in our id."""
    return _filter(f"data.{ITEM}", "String", "contains", item_key(dataset, ""))


class _Data(BaseModel):
    evaluation_item: str = ""


class FoundTask(BaseModel):
    """A task without what is shown in it."""

    id: int
    data: _Data
    total_annotations: int
    is_labeled: bool
    overlap: int
    annotations: list[Annotation] = Field(default_factory=list)

    @property
    def key(self) -> str:
        return self.data.evaluation_item


class _Page(BaseModel):
    tasks: list[FoundTask]


@dataclass(frozen=True, slots=True)
class Pages:
    """Reads by rising task id from the last one on, so that nothing that people do meanwhile
    moves a task from one page to another, and off the one that is read."""

    client: Client
    ref: str
    with_annotations: bool = False

    async def read(self, filters: Sequence[_Filter]) -> AsyncIterator[FoundTask]:
        last, size = 0, _FIRST_PAGE
        while True:
            content = await self.client.ask(
                "GET", "/api/tasks", query=self._query(filters, last, size)
            )
            tasks = _Page.model_validate(content).tasks
            for task in tasks:
                yield task
            if len(tasks) < size:
                return
            last = tasks[-1].id
            bytes_a_task = len(json.dumps(content)) / len(tasks)
            size = min(max(int(_PAGE_BYTES / bytes_a_task), _SMALLEST_PAGE), _LARGEST_PAGE)

    def _query(self, filters: Sequence[_Filter], last: int, size: int) -> dict[str, str | int]:
        later = _filter("id", "Number", "greater", last)
        return {
            "project": self.ref,
            "page_size": size,
            "fields": "all" if self.with_annotations else "task_only",
            "resolve_uri": "false",
            "query": json.dumps({**_all_of([*filters, later]), "ordering": ["tasks:id"]}),
        }


async def delete_tasks(
    client: Client, ref: str, *, filters: Sequence[_Filter] = (), ids: Sequence[int] = ()
) -> None:
    """Those with the ids, or else those that the filters find."""
    chosen: JsonValue = (
        {"all": False, "included": list(ids)} if ids else {"all": True, "excluded": []}
    )
    await client.ask(
        "POST",
        "/api/dm/actions",
        query={"id": "delete_tasks", "project": ref},
        body={**_all_of(filters), "selectedItems": chosen, "ordering": []},
    )


def _all_of(filters: Sequence[_Filter]) -> dict[str, JsonValue]:
    return {"filters": {"conjunction": "and", "items": list(filters)}} if filters else {}
