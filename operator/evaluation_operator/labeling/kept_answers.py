"""What the labeler keeps in a run's folder while people answer.

Answers are kept as they are read, so that a project deleted later takes nothing with it that
somebody has already said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from pydantic import TypeAdapter

from evaluation_operator.labeling.backend import Task
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.layout import ANSWERS
from evaluation_operator.results.parquet import read_lines, store_lines
from evaluation_operator.results.tasks import read_tasks as read_task_lines
from evaluation_operator.tasks.answers import Answer

_TASK_BYTES = 32 * 2**20

_ANSWERS = TypeAdapter(tuple[Answer, ...])
_KEPT_SCHEMA = pa.schema(
    [("item_id", pa.string()), ("answers", pa.string()), ("further", pa.int32())]
)


@dataclass(frozen=True, slots=True)
class KeptAnswers:
    """What is known of one item: answers by rising time, the latest of each person, and how many
    further opinions have been asked for."""

    answers: tuple[Answer, ...] = ()
    further: int = 0


def format_answers(answers: Sequence[Answer]) -> str:
    """JSON; `parse_answers` reads it."""
    return _ANSWERS.dump_json(tuple(answers), exclude_none=True).decode()


def parse_answers(text: str) -> tuple[Answer, ...]:
    return _ANSWERS.validate_json(text)


def read_tasks(folder: Folder, wanted: Set[str]) -> Iterator[list[Task]]:
    """The tasks of these items in order of priority, some 32 MB at a time."""
    tasks: list[Task] = []
    size = 0
    for line in read_task_lines(folder, wanted):
        tasks.append(Task(line.item_id, line.priority, line.instance))
        size += len(line.instance)
        if size > _TASK_BYTES:
            yield tasks
            tasks, size = [], 0
    if tasks:
        yield tasks


def read_kept(folder: Folder) -> dict[str, KeptAnswers]:
    """By item id; empty before anything was kept."""
    if not folder.exists(ANSWERS):
        return {}
    return {
        line["item_id"]: KeptAnswers(parse_answers(line["answers"]), line["further"])
        for line in read_lines(folder, ANSWERS, _KEPT_SCHEMA)
    }


def write_kept(folder: Folder, kept: Mapping[str, KeptAnswers]) -> None:
    lines = ((item, format_answers(it.answers), it.further) for item, it in sorted(kept.items()))
    store_lines(folder, ANSWERS, _KEPT_SCHEMA, lines)


def merged_answers(before: Sequence[Answer], read: Sequence[Answer]) -> tuple[Answer, ...]:
    """The latest of each person. What is no longer there was said all the same, and counts."""
    latest: dict[str, Answer] = {}
    for answer in sorted((*before, *read), key=_by_time):
        latest[answer.annotator] = answer
    return tuple(sorted(latest.values(), key=_by_time))


def _by_time(answer: Answer) -> tuple[datetime, str]:
    return answer.time, answer.annotator
