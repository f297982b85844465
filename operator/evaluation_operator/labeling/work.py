"""What people do for one run: asked, counted, asked again, and at the end written down.

A turn looks at what is there and does what is to be done next, so that it may be broken off at
any moment and taken by another process: the run's folder and the tool itself remember everything.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from evaluation_operator.api.base import format_time
from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation_options import BoundingBoxUnits
from evaluation_operator.domain.labeled import ENDS, deadline_of, labeling_of
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.labeling import kept_answers as files
from evaluation_operator.labeling.backend import (
    Backend,
    BackendError,
    OnClose,
    OpenProject,
    ProjectSpec,
    Task,
)
from evaluation_operator.labeling.kept_answers import KeptAnswers
from evaluation_operator.labeling.people.verdicts import Verdicts, judge
from evaluation_operator.labeling.progress import Counts, TurnResult
from evaluation_operator.labeling.threads import in_thread
from evaluation_operator.results import labels
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.labels import LabelFiles, LabelSummary
from evaluation_operator.results.tasks import AskedItem, read_asked
from evaluation_operator.tasks.answers import ItemAnswers
from evaluation_operator.tasks.kind import Control
from evaluation_operator.tasks.registry import kind_of

logger = logging.getLogger(__name__)

GRACE = timedelta(hours=1)
"""After the deadline, how long a tool that does not answer may hold up what is in it."""


def project_spec(dataset: Dataset) -> ProjectSpec:
    """The project of the Dataset's job, which all runs of the job share."""
    spec, labeling = dataset.spec, labeling_of(dataset)
    told = labeling.instruction
    duration = labeling.question_duration
    parts = (
        told.display_name,
        told.description,
        labeling.instruction_message,
        f"Take at most {duration} for one answer." if duration else None,
    )
    return ProjectSpec(
        namespace=dataset.namespace,
        job=spec.evaluation_job.name,
        job_uid=spec.evaluation_job.uid,
        annotation_type=spec.input_configs[0].annotation_type,
        labels=tuple(spec.annotation_specs),
        is_multi_label=labeling.allow_multi_label,
        has_sentiment=labeling.enable_label_sentiment_selection,
        title=f"{dataset.namespace}/{spec.evaluation_job.name}",
        instruction="\n\n".join(part for part in parts if part),
        instruction_pdf=told.pdf_uri,
        language=labeling.language_code,
        replica_count=labeling.replica_count,
        on_close=OnClose(labeling.on_delete),
        contributor_emails=tuple(labeling.contributor_emails),
        box_units=_box_units(dataset),
        data_key=spec.bigquery_import_keys.data_json_key,
        reference_key=spec.bigquery_import_keys.reference_json_key,
    )


def _box_units(dataset: Dataset) -> BoundingBoxUnits | None:
    if kind_of(dataset.spec.input_configs[0].annotation_type).control is not Control.BOXES:
        return None
    return dataset.spec.bounding_box_units or BoundingBoxUnits.PIXELS


@dataclass
class TaskSet:
    """The tasks of one Dataset. `folder` is its run's. One turn at a time; what it remembers from
    turn to turn only spares requests."""

    dataset: Dataset
    folder: Folder
    backend: Backend
    now: Callable[[], datetime]
    _items: tuple[AskedItem, ...] = ()
    _kept: dict[str, KeptAnswers] | None = None
    _bad: dict[str, ItemAnswers] = field(default_factory=dict)
    _project: OpenProject | None = None
    _count: int | None = None
    _first: dict[str, str] | None = None
    _written: Mapping[str, str | None] = field(default_factory=dict)

    async def turn(self) -> TurnResult:
        """Raises BackendError and RunError, after which another turn takes it up again."""
        summary = await in_thread(labels.read_summary, self.folder)
        if summary is not None and self._is_of_this_cut(summary):
            if summary.reason != Reason.DEADLINE_REACHED or not self._waits_for_late_labels:
                return ended(summary)
            return await self._late_turn(summary)
        await self._remember()
        try:
            await self._look()
        except BackendError:
            # Whatever is wrong with the project, opening it anew finds or mends it.
            self._project = self._count = None
            if self._is_late(GRACE):
                return await self._end(Reason.DEADLINE_REACHED)
            raise
        verdicts = self._judge()
        if not verdicts.open:
            return await self._end(Reason.ALL_LABELED)
        if self._is_late():
            return await self._end(Reason.DEADLINE_REACHED)
        await self._ask_again(verdicts)
        return self._going_on(verdicts)

    async def _late_turn(self, summary: LabelSummary) -> TurnResult:
        """The deadline has passed and the run goes on; people may still answer what is open."""
        await self._remember()
        try:
            await self._look()
        except BackendError:
            self._project = self._count = None
            raise
        verdicts = self._judge()
        if verdicts.open:
            await self._ask_again(verdicts)
        resolved = {it.item_id: it.groundtruth for it in verdicts.lines() if it.is_resolved}
        if self._first is None:
            self._first = await in_thread(_truths, self.folder, labels.FIRST)
            late = await in_thread(_truths, self.folder, labels.LATE)
            self._written = late or self._first
        if resolved != self._written:
            await self._write(verdicts, summary.reason, labels.LATE)
            self._written = resolved
        told = ended(summary)
        return replace(
            told,
            counts=self._counts(verdicts),
            failures=verdicts.failures,
            new_labels=sum(self._first.get(item) != truth for item, truth in resolved.items()),
            stays_open=bool(verdicts.open),
        )

    @property
    def _waits_for_late_labels(self) -> bool:
        return self.dataset.spec.minimum_new_labels is not None

    async def _remember(self) -> None:
        if self._kept is None:
            self._items = await in_thread(read_asked, self.folder)
            self._kept = await in_thread(files.read_kept, self.folder)

    def _is_of_this_cut(self, summary: LabelSummary) -> bool:
        """A Dataset that is made anew under its name finds what its namesake left."""
        cut = self.dataset.status.cut
        return cut is None or cut.time is None or summary.time >= cut.time

    async def _look(self) -> None:
        """Open what is not open, and take over what people have answered since."""
        if self._project is None:
            project = await self.backend.open_project(project_spec(self.dataset))
            async for tasks in self._tasks(self._judge().open):
                await self.backend.add_tasks(project, self.dataset.name, tasks)
            self._project = project
        count = await self.backend.count_answers(self._project)
        if count == self._count:
            return
        answers = await self.backend.read_answers(self._project, self.dataset.name)
        kept = self._kept or {}
        known = {it.item_id for it in self._items}
        merged = dict(kept)
        for item in known & answers.keys():
            before = kept.get(item, KeptAnswers())
            # Whose latest answer is bad has none: an earlier one was taken back by it.
            faulty = {it.annotator for it in answers[item].bad}
            standing = [it for it in before.answers if it.annotator not in faulty]
            now = files.merged_answers(standing, answers[item].answers)
            merged[item] = replace(before, answers=now)
        await self._keep(merged)
        self._bad = {item: answers[item] for item in known & answers.keys() if answers[item].bad}
        self._count = count

    async def _keep(self, kept: dict[str, KeptAnswers]) -> None:
        if kept != self._kept:
            await in_thread(files.write_kept, self.folder, kept)
            self._kept = kept

    async def _tasks(self, wanted: frozenset[str]) -> AsyncIterator[list[Task]]:
        """Some at a time, in order of priority."""
        if not wanted:
            return
        batches = files.read_tasks(self.folder, wanted)
        while tasks := await in_thread(next, batches, None):
            yield tasks

    def _judge(self) -> Verdicts:
        return judge(self.dataset, self._items, self._kept or {}, self._bad)

    async def _ask_again(self, verdicts: Verdicts) -> None:
        """Where all who were asked have answered and do not agree, one more person."""
        if self._project is None:
            return
        async for tasks in self._tasks(verdicts.disputed):
            await self.backend.ask_again(self._project, self.dataset.name, tasks)
            kept = dict(self._kept or {})
            for task in tasks:
                before = kept.get(task.item_id, KeptAnswers())
                kept[task.item_id] = replace(before, further=before.further + 1)
            await self._keep(kept)

    def _is_late(self, grace: timedelta = timedelta(0)) -> bool:
        deadline = deadline_of(self.dataset)
        return deadline is not None and self.now() >= deadline + grace

    async def _end(self, reason: Reason) -> TurnResult:
        verdicts = self._judge()
        told = ended(await self._write(verdicts, reason, labels.FIRST))
        logger.info("Dataset %s: %s", self.dataset.name, told.message)
        told = replace(told, failures=verdicts.failures)
        if reason is not Reason.DEADLINE_REACHED:
            return told
        if self._waits_for_late_labels:
            stays_open = bool(verdicts.open)
            return replace(told, counts=self._counts(verdicts), stays_open=stays_open)
        await self._withdraw()
        return told

    async def _write(self, verdicts: Verdicts, reason: Reason, files: LabelFiles) -> LabelSummary:
        time = self.now()

        def written() -> LabelSummary:
            lines = verdicts.lines()
            resolved = sum(line.is_resolved for line in lines)
            summary = LabelSummary(
                time=time,
                asked=len(self._items),
                answered=len(lines),
                resolved=resolved,
                unresolved=len(lines) - resolved,
                annotators=verdicts.annotators(),
                agreement=verdicts.agreement(),
                reason=reason,
            )
            labels.write_labels(self.folder, files, lines, summary)
            return summary

        return await in_thread(written)

    async def _withdraw(self) -> None:
        """Nobody is to label for nothing; but no run waits for that either."""
        if self._project is None:
            return
        try:
            await self.backend.withdraw(self._project, self.dataset.name)
        except BackendError as error:
            logger.warning("Dataset %s: its open tasks stay: %s", self.dataset.name, error)

    def _counts(self, verdicts: Verdicts) -> Counts:
        total = len(self._items)
        return Counts(total - len(verdicts.open), total)

    def _going_on(self, verdicts: Verdicts) -> TurnResult:
        counts = self._counts(verdicts)
        deadline = deadline_of(self.dataset)
        until = f" until {format_time(deadline)}" if deadline else ""
        where = f" at {self._project.url}" if self._project else ""
        message = f"people label{where}{until}: {counts.completed} of {counts.total} items are done"
        return TurnResult(Reason.LABELING, message, counts, verdicts.failures)


def _truths(folder: Folder, files: LabelFiles) -> dict[str, str]:
    """Ground truth by item."""
    return {item: truth for item, _, _, truth in labels.read_truths(folder, files)}


def ended(summary: LabelSummary) -> TurnResult:
    """What there is to say of a labelling that has ended. ValueError if it says that it has not."""
    reason = summary.reason
    if reason not in ENDS:
        raise ValueError(f"labels.json: reason {reason!r} is no end: remove the file")
    people = f"{summary.annotators} {'person' if summary.annotators == 1 else 'people'}"
    message = (
        f"{summary.answered} of {summary.asked} items were answered by {people}: "
        f"{summary.resolved} are resolved, {summary.unresolved} are not"
    )
    if reason is Reason.DEADLINE_REACHED:
        message = f"the deadline has passed: {message}"
    done = summary.asked if reason is Reason.ALL_LABELED else summary.answered
    return TurnResult(reason, message, Counts(done, summary.asked))
