"""Tasks and answers as files: the second backend, which proves that one may be put in another's
place."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation_operator.api.evaluation_options import AnnotationType, BoundingBoxUnits
from evaluation_operator.labeling.backend import (
    Backend,
    BackendRefused,
    BackendUnavailable,
    OnClose,
    OpenProject,
    ProjectSpec,
    Task,
)
from evaluation_operator.labeling.backends.manual import Manual
from evaluation_operator.results.folder import Folder
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tasks.answers import Box, Sentiment

TASKS = [Task("a", 0.1, '{"image": "a.png"}'), Task("b", 0.2, '{"image": "b.png"}')]
RUN = "evj-ripeness-1"


def make_spec(**changes: Any) -> ProjectSpec:
    fields: dict[str, Any] = {
        "namespace": "fruit",
        "job": "ripeness",
        "job_uid": "uid-1",
        "annotation_type": AnnotationType.IMAGE_CLASSIFICATION,
        "labels": ("ripe", "unripe"),
        "is_multi_label": False,
        "has_sentiment": False,
        "title": "fruit/ripeness",
        "instruction": "Look at the colour.",
        "instruction_pdf": None,
        "language": "en-US",
        "replica_count": 2,
        "on_close": OnClose.ARCHIVE,
    }
    return ProjectSpec(**fields | changes)


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Manual(Folder.open(f"file://{tmp_path}", TableOptions()))


def asked(root: Path) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = json.loads((root / "uid-1" / RUN / "tasks.json").read_text())[
        "tasks"
    ]
    return tasks


def answer(root: Path, *answers: Any) -> None:
    (root / "uid-1" / RUN / "answers.json").write_text(json.dumps({"answers": list(answers)}))


async def opened(backend: Backend, **changes: Any) -> OpenProject:
    project = await backend.open_project(make_spec(**changes))
    await backend.add_tasks(project, RUN, TASKS)
    return project


async def test_tasks_are_a_file_in_order_of_priority(backend: Backend, tmp_path: Path) -> None:
    await opened(backend)
    assert asked(tmp_path) == [
        {"itemId": "a", "opinions": 2, "instance": {"image": "a.png"}},
        {"itemId": "b", "opinions": 2, "instance": {"image": "b.png"}},
    ]
    project = json.loads((tmp_path / "uid-1" / "project.json").read_text())
    assert project["labels"] == ["ripe", "unripe"]
    assert project["instruction"] == "Look at the colour."


async def test_doing_it_twice_changes_nothing(backend: Backend, tmp_path: Path) -> None:
    first = await opened(backend)
    before = (tmp_path / "uid-1" / RUN / "tasks.json").stat().st_mtime_ns
    assert await opened(backend) == first
    assert (tmp_path / "uid-1" / RUN / "tasks.json").stat().st_mtime_ns == before
    assert [it.job_uid for it in await backend.list_projects()] == ["uid-1"]


async def test_the_latest_answer_of_each_person_is_read(backend: Backend, tmp_path: Path) -> None:
    project = await opened(backend, has_sentiment=True)
    early, late = "2026-03-03T10:00:00Z", "2026-03-03T11:00:00Z"
    answer(
        tmp_path,
        {"itemId": "a", "annotator": "ann", "time": late, "labels": ["ripe"], "comment": "red"},
        {"itemId": "a", "annotator": "ann", "time": early, "labels": ["unripe"]},
        {"itemId": "a", "annotator": "bob", "labels": ["unripe"], "sentiment": "NEGATIVE"},
    )
    found = (await backend.read_answers(project, RUN))["a"]
    assert [(it.annotator, it.labels) for it in found.answers] == [
        ("bob", ("unripe",)),
        ("ann", ("ripe",)),
    ]
    assert found.answers[0].sentiment is Sentiment.NEGATIVE
    assert found.answers[1].comment == "red"
    assert "b" not in await backend.read_answers(project, RUN)


async def test_the_count_changes_when_answers_do(backend: Backend, tmp_path: Path) -> None:
    project = await opened(backend)
    none = await backend.count_answers(project)
    answer(tmp_path, {"itemId": "a", "annotator": "ann", "labels": ["ripe"]})
    one = await backend.count_answers(project)
    assert one == await backend.count_answers(project)
    answer(tmp_path, {"itemId": "a", "annotator": "ann", "labels": ["unripe"]})
    assert len({none, one, await backend.count_answers(project)}) == 3


async def test_a_further_opinion_is_one_more_than_there_are(
    backend: Backend, tmp_path: Path
) -> None:
    project = await opened(backend)
    answer(
        tmp_path,
        {"itemId": "a", "annotator": "ann", "labels": ["ripe"]},
        {"itemId": "a", "annotator": "bob", "labels": ["unripe"]},
    )
    for _ in range(2):
        await backend.ask_again(project, RUN, TASKS[:1])
    assert [(it["itemId"], it["opinions"]) for it in asked(tmp_path)] == [("a", 3), ("b", 2)]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"labels": ["blue"]}, "answers[0].labels: 'blue': use one of ripe, unripe"),
        ({"labels": ["ripe", "unripe"]}, "give exactly one of ripe, unripe"),
        ({"labels": []}, "give exactly one of"),
        ({}, "answers[0].labels: not given"),
        ({"labels": "ripe"}, "answers[0].labels: 'ripe': Input should be a valid list"),
    ],
)
async def test_a_bad_answer_says_what_is_wrong(
    backend: Backend, tmp_path: Path, given: dict[str, Any], why: str
) -> None:
    project = await opened(backend)
    answer(tmp_path, {"itemId": "a", "annotator": "ann"} | given)
    found = (await backend.read_answers(project, RUN))["a"]
    assert found.answers == ()
    assert why in found.bad[0].message


async def test_boxes_are_fractions_of_the_image(backend: Backend, tmp_path: Path) -> None:
    project = await opened(backend, annotation_type=AnnotationType.IMAGE_BOUNDING_BOX)
    box = {"label": "ripe", "left": 0.1, "top": 0.2, "right": 0.5, "bottom": 0.6}
    answer(
        tmp_path,
        {"itemId": "a", "annotator": "ann", "boxes": [box]},
        {"itemId": "a", "annotator": "bob", "boxes": [box | {"right": 0.1}]},
        {"itemId": "b", "annotator": "ann", "boxes": []},
        {"itemId": "b", "annotator": "bob", "boxes": [box | {"bottom": 400}]},
    )
    answers = await backend.read_answers(project, RUN)
    assert answers["a"].answers[0].boxes == (Box("ripe", 0.1, 0.2, 0.5, 0.6),)
    assert "let left < right" in answers["a"].bad[0].message
    assert answers["b"].answers[0].boxes == ()
    assert "boxes.0.bottom: 400" in answers["b"].bad[0].message


async def test_boxes_in_pixels_need_the_size_of_the_image(backend: Backend, tmp_path: Path) -> None:
    boxes = AnnotationType.IMAGE_BOUNDING_BOX
    project = await opened(backend, annotation_type=boxes, box_units=BoundingBoxUnits.PIXELS)
    box = {"label": "ripe", "left": 0.1, "top": 0.2, "right": 0.5, "bottom": 0.6}
    answer(
        tmp_path,
        {"itemId": "a", "annotator": "ann", "boxes": [box], "imageWidth": 640, "imageHeight": 480},
        {"itemId": "a", "annotator": "bob", "boxes": [box]},
        {"itemId": "b", "annotator": "bob", "boxes": []},
        {"itemId": "c", "annotator": "bob", "boxes": [box] * 1001},
    )
    answers = await backend.read_answers(project, RUN)
    assert answers["a"].answers[0].image_size == (640, 480)
    assert "imageWidth, imageHeight: not given" in answers["a"].bad[0].message
    assert len(answers["b"].answers) == 1, "nothing to see has no size"
    assert "at most 1000 items" in answers["c"].bad[0].message


async def test_tasks_that_nobody_has_answered_are_taken_away(
    backend: Backend, tmp_path: Path
) -> None:
    project = await opened(backend)
    answer(tmp_path, {"itemId": "a", "annotator": "ann", "labels": ["ripe"]})
    await backend.withdraw(project, RUN)
    assert [it["itemId"] for it in asked(tmp_path)] == ["a"]


@pytest.mark.parametrize("text", ["<html>", "[]", '{"answers": 7}'])
async def test_a_file_without_answers_is_refused(
    backend: Backend, tmp_path: Path, text: str
) -> None:
    project = await opened(backend)
    (tmp_path / "uid-1" / RUN / "answers.json").write_text(text)
    with pytest.raises(BackendRefused, match=r"answers\.json: holds no list of answers; write"):
        await backend.count_answers(project)


async def test_a_project_whose_folder_is_deleted_is_unavailable_until_it_is_opened_again(
    backend: Backend, tmp_path: Path
) -> None:
    project = await opened(backend)
    (tmp_path / "uid-1" / "project.json").unlink()
    with pytest.raises(BackendUnavailable):
        await backend.count_answers(project)
    await opened(backend)
    await backend.count_answers(project)


@pytest.mark.parametrize(
    ("on_close", "is_listed", "is_there"),
    [
        (OnClose.ARCHIVE, False, True),
        (OnClose.DELETE, False, False),
        (OnClose.KEEP, True, True),
    ],
)
async def test_a_project_is_closed_as_it_says(
    backend: Backend, tmp_path: Path, on_close: OnClose, is_listed: bool, is_there: bool
) -> None:
    project = await opened(backend, on_close=on_close)
    for _ in range(2):
        await backend.close_project(project)
    assert bool(await backend.list_projects()) is is_listed
    assert (tmp_path / "uid-1" / RUN / "tasks.json").exists() is is_there


def _link_to_answers_elsewhere(path: Path) -> None:
    elsewhere = path.parents[2] / "elsewhere.json"
    elsewhere.write_text(json.dumps({"answers": [{"itemId": "a", "annotator": "x"}]}))
    path.symlink_to(elsewhere)


@pytest.mark.parametrize(
    ("put", "why"),
    [
        (_link_to_answers_elsewhere, r"answers\.json\" is a symbolic link"),
        (os.mkfifo, r"answers\.json\" is a FIFO"),
        (lambda path: path.write_text("[" * 200_000), "holds no list of answers"),
        (lambda path: path.write_text(" " * (32 * 2**20 + 1)), "more than 33554432 bytes"),
    ],
    ids=["a link", "a FIFO", "endless nesting", "endless content"],
)
async def test_answers_are_read_from_a_file_of_that_name_alone(
    backend: Backend, tmp_path: Path, put: Callable[[Path], object], why: str
) -> None:
    """Whoever labels may write to the folder. A link showed what only the labeler may read, a FIFO
    held its thread for ever, and a file of brackets ended what attended all runs."""
    project = await backend.open_project(make_spec())
    await backend.add_tasks(project, RUN, TASKS)
    put(tmp_path / "uid-1" / RUN / "answers.json")
    for use in (lambda: backend.read_answers(project, RUN), lambda: backend.count_answers(project)):
        with pytest.raises((BackendUnavailable, BackendRefused), match=why):
            await use()


async def test_a_project_that_was_swapped_for_a_link_is_written_anew(
    backend: Backend, tmp_path: Path
) -> None:
    await backend.open_project(make_spec())
    kept = tmp_path / "kept.json"
    (tmp_path / "uid-1" / "project.json").rename(kept)
    before = kept.read_text()
    (tmp_path / "uid-1" / "project.json").symlink_to(kept)
    assert await backend.list_projects() == []
    await backend.open_project(make_spec(title="other"))
    assert len(await backend.list_projects()) == 1
    assert kept.read_text() == before
