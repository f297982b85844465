"""What the labeler writes is what the run reads: tasks, labels, and how labelling ended."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from evaluation_operator.domain.reasons import Reason
from evaluation_operator.results import layout
from evaluation_operator.results.errors import InvalidRun, NotWhole, Unavailable
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.labels import (
    FIRST,
    LATE,
    LabelFiles,
    LabelSummary,
    read_label_lines,
    read_summary,
    read_truths,
    write_labels,
    write_summary,
)
from evaluation_operator.results.parquet import write_lines
from evaluation_operator.results.run import Run
from evaluation_operator.results.tasks import (
    TASKS_SCHEMA,
    AskedItem,
    TaskLine,
    read_asked,
    read_tasks,
)
from evaluation_operator.storage.options import TableOptions
from tests.unit.evaluator.labeled_site import answered
from tests.unit.results.run_site import classified

SUMMARY = LabelSummary(
    time=datetime(2026, 3, 3, 10, tzinfo=UTC),
    asked=4,
    answered=3,
    resolved=2,
    unresolved=1,
    annotators=3,
    agreement=0.25,
    reason=Reason.DEADLINE_REACHED,
)
LINES = [answered("a", "ripe"), answered("b", None), answered("c/1", "unripe", row_id="c", index=1)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.open(tmp_path.as_uri(), TableOptions())


@pytest.mark.parametrize("files", [FIRST, LATE])
def test_labels_come_back_as_they_were_written(folder: Folder, files: LabelFiles) -> None:
    assert read_summary(folder, files) is None
    write_labels(folder, files, LINES, SUMMARY)
    assert read_summary(folder, files) == SUMMARY
    assert list(read_truths(folder, files)) == [
        ("a", "a", 0, '{"labels": ["ripe"]}'),
        ("c/1", "c", 1, '{"labels": ["unripe"]}'),
    ]


def test_a_run_tells_what_people_said(tmp_path: Path) -> None:
    site = classified(tmp_path)
    run = Run(site.folder)
    assert (run.label_summary(), list(run.label_lines())) == (None, [])
    write_labels(site.folder, FIRST, LINES, SUMMARY)
    assert (run.label_summary(), list(run.label_lines())) == (SUMMARY, LINES)
    site.folder.remove(layout.LABELED)
    assert list(run.label_lines()) == [], "labels that are not whole"
    write_summary(site.folder, FIRST, SUMMARY)
    site.folder.remove(layout.LABELS)
    with pytest.raises(NotWhole, match=r"labels\.parquet is gone: restore the file"):
        run.label_lines()
    write_summary(site.folder, FIRST, SUMMARY.changed(answered=0))
    assert list(run.label_lines()) == []
    site.folder.remove(layout.MANIFEST)
    with pytest.raises(NotWhole, match=r"no manifest\.json"):
        Run(site.folder).label_lines()


def test_labels_that_no_labeler_writes_are_named(folder: Folder, tmp_path: Path) -> None:
    write_labels(folder, FIRST, LINES, SUMMARY)
    table = pq.read_table(tmp_path / layout.LABELS)
    pq.write_table(table.drop_columns(["is_resolved"]), tmp_path / layout.LABELS)
    for read in (read_truths, read_label_lines):
        with pytest.raises(InvalidRun, match=r"labels\.parquet: no column is_resolved"):
            list(read(folder))


def test_nobody_who_could_disagree_leaves_agreement_open(folder: Folder) -> None:
    alone = SUMMARY.model_copy(update={"agreement": None})
    write_labels(folder, FIRST, LINES, alone)
    assert read_summary(folder) == alone


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("asked", None, "asked: Input should be a valid integer"),
        ("answered", -1, "answered: Input should be greater than or equal to 0"),
        ("reason", "Whatever", "reason: Input should be"),
        ("time", "soon", "time: Input should be a valid datetime"),
    ],
)
def test_a_file_that_somebody_else_has_written_is_named(
    folder: Folder, field: str, value: object, message: str
) -> None:
    write_labels(folder, FIRST, LINES, SUMMARY)
    folder.write_json(layout.LABELED, folder.read_json(layout.LABELED) | {field: value})
    with pytest.raises(Unavailable, match=f"labels.json: {message}.*not as written: remove it"):
        read_summary(folder)


def test_tasks_come_back_by_priority(folder: Folder, tmp_path: Path) -> None:
    lines = [TaskLine("b", "b", 0, 0.7, "{}"), TaskLine("a/1", "a", 1, 0.2, '{"image": 1}')]
    write_lines(tmp_path / layout.TASKS, TASKS_SCHEMA, lines)
    assert read_asked(folder) == (AskedItem("a/1", "a", 1, 0.2), AskedItem("b", "b", 0, 0.7))
    assert list(read_tasks(folder, {"a/1"})) == [lines[1]]
