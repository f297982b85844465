"""What the labeler asks of a tool that people label with. Label Studio is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from evaluation_operator.api.evaluation_options import AnnotationType, BoundingBoxUnits
from evaluation_operator.tasks.answers import ItemAnswers
from evaluation_operator.tasks.kind import Control
from evaluation_operator.tasks.registry import kind_of


class BackendError(Exception):
    """The message names what was asked and what would cure it; it never holds a secret."""


class BackendUnavailable(BackendError):
    """It may be gone by itself: no answer, 429, 5xx. `retry_after` in seconds, if it said so."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BackendRefused(BackendError):
    """Somebody has to do something: a revoked token, a missing right, a bad address."""


class OnClose(StrEnum):
    ARCHIVE = "Archive"
    DELETE = "Delete"
    KEEP = "Keep"


@dataclass(frozen=True, slots=True)
class Task:
    """One item that somebody is to label. `item_id` is unique within a Dataset.

    `instance` is the item's JSON as the model got it. What the model said of it is not here: people
    agree with what they are shown. Lower `priority` is asked first.
    """

    item_id: str
    priority: float
    instance: str


@dataclass(frozen=True, slots=True)
class ProjectSpec:
    """One project a job. `job_uid` is its identity: a namesake of a deleted job is another.

    `box_units` None: no boxes. With PIXELS an answer with boxes has to tell the image's size.
    """

    namespace: str
    job: str
    job_uid: str
    annotation_type: AnnotationType
    labels: tuple[str, ...]
    is_multi_label: bool
    has_sentiment: bool
    title: str
    instruction: str
    instruction_pdf: str | None
    language: str
    replica_count: int
    on_close: OnClose
    contributor_emails: tuple[str, ...] = ()
    box_units: BoundingBoxUnits | None = None
    data_key: str | None = None
    reference_key: str | None = None

    @property
    def control(self) -> Control:
        return kind_of(self.annotation_type).control


@dataclass(frozen=True, slots=True)
class OpenProject:
    """A project that exists: `ref` is what the tool calls it, `url` where people find it.

    `namespace` is its job's: who works in another one cannot know whether that job is there.
    """

    ref: str
    namespace: str
    job_uid: str
    on_close: OnClose
    url: str


class Backend(Protocol):
    """Every method may raise BackendError, and may be called again after it has."""

    async def open_project(self, spec: ProjectSpec) -> OpenProject:
        """The job's project: found by its marker, else created; what differs is set anew."""

    async def add_tasks(self, project: OpenProject, dataset: str, tasks: Sequence[Task]) -> None:
        """Make the tasks of a Dataset that are not there yet, in order of priority."""

    async def count_answers(self, project: OpenProject) -> int:
        """A number that changes when answers do; one cheap request."""

    async def read_answers(self, project: OpenProject, dataset: str) -> Mapping[str, ItemAnswers]:
        """Of the Dataset's items that have any answer, by item id."""

    async def ask_again(self, project: OpenProject, dataset: str, tasks: Sequence[Task]) -> None:
        """One more opinion on each of the items, from somebody else."""

    async def withdraw(self, project: OpenProject, dataset: str) -> None:
        """Take away the tasks of a Dataset that nobody has answered: nobody waits for them."""

    async def list_projects(self) -> Sequence[OpenProject]:
        """Open projects of this operator, of all jobs and namespaces."""

    async def close_project(self, project: OpenProject) -> None:
        """Archive, delete or keep it, as its marker says; nothing if it is gone."""

    async def aclose(self) -> None:
        """Let go of connections."""
