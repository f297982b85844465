"""A run that looks whole is whole: whenever its process is killed or its machine stops."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.layout import Manifest
from evaluation_operator.results.run import Run, write_run
from evaluation_operator.storage.options import TableOptions
from tests.builders import make_evaluation
from tests.unit.results.disk import Disk, Tree, write_tree
from tests.unit.results.run_site import boxed, classified

NAMES = ("curves.parquet", "items.parquet")


@pytest.mark.parametrize("made", [classified, boxed])
def test_a_run_that_is_stopped_anywhere_looks_whole_only_at_its_end(
    made: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    disk = Disk(place)
    with disk.watched(monkeypatch):
        made(place)
    run = next((place / "r").glob("*/*")).relative_to(place)
    whole = look_whole(disk, tmp_path, run)
    assert len(disk.images) > 100, "after every operation"
    assert [step for step, _ in disk.images[-4:]] == [step for step, _ in whole[-4:]], "its end"
    end = tree_of(place)
    for step, tree in disk.images:
        for path, content in tree.items():
            if path.startswith(f"{run}/") and not path.startswith(f"{run}/."):
                assert content == end[path], f"{step}: {path}"


def test_results_that_are_written_again_are_never_a_mixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that comes after another finds its files, of just the same sizes."""
    place = tmp_path / "place"
    place.mkdir()
    folder = folder_at(place / "run")
    disk = Disk(place)
    with disk.watched(monkeypatch):
        for letter in (b"1", b"2"):
            scratch = tmp_path / f"scratch-{letter.decode()}"
            write_tree(dict.fromkeys(NAMES, letter * 99), scratch)
            evaluation = Evaluation.from_dict(make_evaluation(f"evj-ripeness-{letter.decode()}"))
            write_run(
                folder,
                scratch,
                NAMES,
                evaluation,
                Manifest(digest=f"{letter!r}", cut={}, annotation_specs=["ripe"]),
            )
    whole = look_whole(disk, tmp_path, Path("run"))
    letters = [{found(tree, name)[:1] for name in NAMES} for _, tree in whole]
    assert {b"1"} in letters
    assert {b"2"} in letters
    assert all(len(each) == 1 for each in letters), letters
    assert letters[-4:] == 4 * [{b"2"}], "at the end nothing is lost any more"


def look_whole(disk: Disk, scratch: Path, run: Path) -> list[tuple[str, Tree]]:
    """The images in which a reader takes the run for whole."""
    whole = []
    for number, (step, tree) in enumerate(disk.images):
        image = scratch / "images" / str(number)
        write_tree(tree, image)
        if (image / run).is_dir() and Run(folder_at(image / run)).is_whole:
            whole.append((step, tree))
        shutil.rmtree(image, ignore_errors=True)
    return whole


def folder_at(path: Path) -> Folder:
    return Folder.open(path.as_uri(), TableOptions())


def tree_of(place: Path) -> Tree:
    files = (path for path in place.rglob("*") if path.is_file())
    return {str(path.relative_to(place)): path.read_bytes() for path in files}


def found(tree: Tree, name: str) -> bytes:
    return next(content for path, content in tree.items() if path.rpartition("/")[2] == name)
