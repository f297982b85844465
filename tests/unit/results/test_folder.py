"""The folder of a run: where it lies, what stands in it, and what others find there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluation_operator.results.ending import ending
from evaluation_operator.results.errors import InvalidRun, Unavailable
from evaluation_operator.results.folder import Folder, run_folder
from evaluation_operator.storage.options import TableOptions

OPTIONS = TableOptions()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return run_folder(tmp_path.as_uri(), "uid-1", "run-1", OPTIONS)


def test_runs_lie_side_by_side_below_the_uid_of_their_job(tmp_path: Path, folder: Folder) -> None:
    assert folder.uri == f"{tmp_path.as_uri()}/uid-1/run-1"
    assert folder.child("a", "b").uri == f"{folder.uri}/a/b"
    assert folder.sibling("run-2").uri == f"{tmp_path.as_uri()}/uid-1/run-2"
    folder.write_json("x.json", {})
    folder.sibling("run-2").write_json("x.json", {})
    folder.child("below").write_json("x.json", {})
    assert (tmp_path / "uid-1" / "run-2" / "x.json").is_file()
    assert (tmp_path / "uid-1" / "run-1" / "below" / "x.json").is_file()
    assert folder.siblings() == ["run-1", "run-2"]
    assert folder.children() == ["below"]


def test_what_is_wrong_with_the_folder_of_all_runs_names_it(tmp_path: Path) -> None:
    (tmp_path / "uid-1").write_text("no folder")
    runs = run_folder(tmp_path.as_uri(), "uid-1", "run-1", OPTIONS)
    with pytest.raises(Unavailable) as raised:
        runs.siblings()
    assert f"resultsUri: {tmp_path.as_uri()}/uid-1/list: " in str(raised.value)
    assert str(raised.value).endswith(
        "; check that the storage is there and that the run may write to it"
    )


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRun, match=r"such an address$"):
        Folder.open("gopher://x", OPTIONS)


def test_json_is_written_for_people_and_the_same_each_time(tmp_path: Path, folder: Folder) -> None:
    folder.write_json("x.json", {"b": "ü", "a": [1]})
    text = (tmp_path / "uid-1" / "run-1" / "x.json").read_text(encoding="utf-8")
    assert text == '{\n  "a": [\n    1\n  ],\n  "b": "ü"\n}\n'
    assert folder.read_json("x.json") == {"a": [1], "b": "ü"}


def test_large_files_are_stored_a_piece_at_a_time(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tmp_path / "large"
    local.write_bytes(b"x" * (3 << 20))
    sizes = []
    write = Folder._write

    def watched(self: Folder, name: str, chunks: Iterator[bytes]) -> None:
        write(self, name, (sizes.append(len(chunk)) or chunk for chunk in chunks))  # type: ignore[func-returns-value]

    monkeypatch.setattr(Folder, "_write", watched)
    folder.store(local, "large")
    assert sum(sizes) == folder.size("large") == 3 << 20
    assert len(sizes) > 1


def test_a_write_that_is_taken_back_leaves_nothing(tmp_path: Path, folder: Folder) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        assert len(list((tmp_path / "uid-1" / "run-1").iterdir())) == 1
        ending.take_back()

    with pytest.raises(Unavailable):
        folder._write("x", chunks())
    assert list((tmp_path / "uid-1" / "run-1").iterdir()) == []
