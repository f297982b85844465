"""What somebody may put into a table's folder in place of a file: no reader is led astray by it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from evaluation_operator.results.errors import Unavailable
from evaluation_operator.results.folder import Folder
from evaluation_operator.storage.errors import TableInvalid, TableUnavailable
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.storage.plain_files import NotPlainError
from evaluation_operator.storage.storage import LocalStorage, list_parquet, local_files
from evaluation_operator.tables.files import parquet
from evaluation_operator.tables.files import table as file_table
from evaluation_operator.tables.files.parquet import Footer, read_footers
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import Table
from tests.unit.tables.making import (
    foreign_table,
    half_batch,
    label_batch,
    make_foreign_row,
    make_half,
    make_label,
    make_row,
    query,
    read,
    read_ids,
    row_batch,
    write_parquet,
)

NARROW, WIDE = 10, 40_000
LITTLE = TableOptions(memory_limit_bytes=64 * 2**20)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "table"
    folder.mkdir()
    return folder


@pytest.fixture
def table(root: Path) -> Iterator[Table]:
    with closing(open_table(root.as_uri(), options=LITTLE)) as opened:
        yield opened


@pytest.fixture
def private(tmp_path: Path) -> Callable[[int], Path]:
    """A Parquet file of rows of so many random bytes each, on another mount of the pod."""

    def write(size: int) -> Path:
        rows = (make_foreign_row(n, raw_data=os.urandom(size).hex()) for n in range(80))
        return write_parquet(tmp_path / "other-mount" / "private.parquet", foreign_table(*rows))

    return write


Put = Callable[[Path, Path], None]


def _link_to_file(root: Path, target: Path) -> None:
    (root / "x.parquet").symlink_to(target)


def _link_to_folder(root: Path, target: Path) -> None:
    (root / "x").symlink_to(target.parent)


def _link_within_a_folder(root: Path, target: Path) -> None:
    (root / "2026").mkdir()
    (root / "2026" / "x").symlink_to(target.parent)


def _link_for_the_labels(root: Path, target: Path) -> None:
    (root / "_labels").symlink_to(target.parent)


def _link_for_the_halves(root: Path, target: Path) -> None:
    (root / "_halves").symlink_to(target.parent)


def _link_for_the_table(root: Path, target: Path) -> None:
    root.rmdir()
    root.symlink_to(target.parent)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize(
    "put",
    [
        _link_to_file,
        _link_to_folder,
        _link_within_a_folder,
        _link_for_the_labels,
        _link_for_the_halves,
        _link_for_the_table,
    ],
)
def test_no_row_is_read_through_a_link_however_wide_it_is(
    root: Path, table: Table, private: Callable[[int], Path], put: Put, size: int
) -> None:
    """A tenant with pod rights on a volume put a link to another mount of the run's pod into the
    table. DuckDB's sandbox refused it, but rows that were wide were read by pyarrow, past that
    sandbox: the rows of the other mount became items of the tenant's Evaluation."""
    write_parquet(root / "own.parquet", foreign_table(make_foreign_row(0)))
    if put is _link_for_the_table:
        (root / "own.parquet").unlink()
    put(root, private(size))
    with pytest.raises(TableInvalid, match="symbolic link") as refused:
        read(table)
    assert str(root) in str(refused.value)


def test_a_table_below_a_link_is_no_table(
    root: Path, tmp_path: Path, private: Callable[[int], Path]
) -> None:
    """The job named `file://…/table/up/other-mount`, where `up` was a link out of the volume."""
    private(NARROW)
    (root / "up").symlink_to(tmp_path)
    with closing(open_table(f"{root.as_uri()}/up/other-mount")) as table:
        for use in (
            table.ensure,
            lambda: read(table),
            lambda: table.append_rows([row_batch(make_row(0))]),
        ):
            with pytest.raises(TableInvalid, match=r'up" is a symbolic link'):
                use()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [_fifo, _socket, _dangling])
@pytest.mark.parametrize("place", ["x.parquet", "_labels/x.parquet"])
def test_a_special_file_is_refused_by_its_name(
    root: Path, table: Table, make: Callable[[Path], None], place: str
) -> None:
    """A FIFO named x.parquet: opening it waited for a writer for ever, and so did the run's pod,
    until its deadline."""
    table.append_rows([row_batch(make_row(0))])
    (root / "_labels").mkdir()
    make(root / place)
    for use in (table.ensure, lambda: read(table)):
        with pytest.raises(TableInvalid, match=place):
            use()


def test_opening_a_fifo_is_refused_and_does_not_wait(root: Path) -> None:
    os.mkfifo(root / "x")
    for opening in ("open_input_file", "open_output_stream"):
        with pytest.raises(NotPlainError, match="is a FIFO"):
            getattr(local_files(), opening)(f"{root}/x")


def test_hidden_and_underscored_links_are_nobodys_rows(root: Path, table: Table) -> None:
    """Such as a mounted ConfigMap's `..data`; and the way out for who wants to keep a link."""
    write_parquet(root / "own.parquet", foreign_table(make_foreign_row(0)))
    (root / ".latest").symlink_to(root)
    (root / "_latest").symlink_to(root)
    assert len(read(table)) == 1


def test_a_cycle_ends(root: Path, table: Table) -> None:
    """Two links to the folder itself made more paths than could ever be listed. With a file system
    that follows them, as a bind mount may look, the depth ends it."""
    write_parquet(root / "own.parquet", foreign_table(make_foreign_row(0)))
    for name in ("a", "b"):
        (root / name).symlink_to(".")
    with pytest.raises(TableInvalid, match=f'{root}/a" is a symbolic link'):
        read(table)
    with pytest.raises(TableInvalid, match="deeper than 32 folders"):
        list(list_parquet(pafs.LocalFileSystem(), str(root)))


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("moment", ["read_footers", "check_footer"])
def test_a_file_swapped_for_a_link_while_it_is_read_is_not_followed(
    root: Path,
    table: Table,
    private: Callable[[int], Path],
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    size: int,
) -> None:
    """Who may write to the volume changes the file after it was listed, or after its footer was
    judged: what is then opened is opened as carefully."""
    outside = private(size)
    own = root / "x.parquet"
    own.write_bytes(outside.read_bytes())
    step = getattr(file_table, moment)

    def swapped_before(*arguments: object, **how: bool) -> object:
        own.unlink(missing_ok=True)
        own.symlink_to(outside)
        return step(*arguments, **how)

    monkeypatch.setattr(file_table, moment, swapped_before)
    with pytest.raises((TableInvalid, TableUnavailable), match="symbolic link"):
        read(table)


def test_a_file_that_vanishes_while_it_is_read_is_named(
    root: Path, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(root / "own.parquet", foreign_table(make_foreign_row(0)))

    def gone_before(filesystem: pafs.FileSystem, paths: Iterable[str], **how: bool) -> list[Footer]:
        path.unlink()
        return read_footers(filesystem, paths, **how)

    monkeypatch.setattr(file_table, "read_footers", gone_before)
    with pytest.raises(TableUnavailable, match=r'own\.parquet" was there and is gone'):
        read(table)


@pytest.mark.parametrize("folder", ["", "_labels"])
def test_a_name_is_no_pattern(root: Path, table: Table, folder: str) -> None:
    """`[o]ther.parquet` beside `other.parquet` was read as a pattern that matches the latter: the
    rows of the one were there twice, and those of the other not at all."""
    names = ["[o]ther", "other", "*", "?ther", "{other,x}", "a;b", "it's", 'so "it" is', "a%2fb"]
    for number, name in enumerate(names):
        path = root / folder / f"{name}.parquet"
        if folder:
            table.append_rows([row_batch(make_row(number))])
            label = label_batch(make_label(f"row-{number:04}", name))
            write_parquet(path, pa.Table.from_batches([label]))
        else:
            row = make_foreign_row(number, raw_data=name, groundtruth=name)
            write_parquet(path, foreign_table(row))
    assert sorted(str(row["groundtruth"]) for row in read(table)) == sorted(names)


def test_writing_leaves_the_table_by_no_link(root: Path, table: Table, tmp_path: Path) -> None:
    """The folder of the day was a link to where the sampler may write and the tenant may not."""
    outside = tmp_path / "outside"
    outside.mkdir()
    table.append_rows([row_batch(make_row(24))])
    (day,) = root.glob("sampled_on=*")
    (day.parent / "sampled_on=2026-03-01").symlink_to(outside)
    for name in ("_labels", "_halves"):
        (root / name).symlink_to(outside)
    appends: tuple[Callable[[], None], ...] = (
        lambda: table.append_rows([row_batch(make_row(0))]),
        lambda: table.append_labels([label_batch(make_label("row-0000", "a"))]),
        lambda: table.append_halves([half_batch(make_half("request"))]),
    )
    for append in appends:
        with pytest.raises(TableInvalid, match="symbolic link"):
            append()
    assert list(outside.iterdir()) == []
    assert not list(root.glob(".draft-*"))


def test_results_are_read_and_written_through_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "labels.json").write_text('{"private": true}')
    results = tmp_path / "results"
    (results / "run").mkdir(parents=True)
    (results / "run" / "labels.json").symlink_to(outside / "labels.json")
    (results / "swapped").symlink_to(outside)
    folder = Folder.open(results.as_uri(), TableOptions())

    assert folder.children() == ["run"]
    assert not folder.child("run").exists("labels.json")
    with pytest.raises(Unavailable, match=r'labels\.json" is a symbolic link'):
        folder.child("run").read_json("labels.json")
    for use in (
        lambda: folder.child("swapped").read_json("labels.json"),
        lambda: folder.child("swapped").write_json("labels.json", {}),
        lambda: folder.child("swapped").exists("labels.json"),
    ):
        with pytest.raises(Unavailable, match=r'swapped" is a symbolic link'):
            use()
    folder.child("run").write_json("labels.json", {"own": 1})
    folder.child("swapped").delete()
    assert folder.child("run").read_json("labels.json") == {"own": 1}
    assert (outside / "labels.json").read_text() == '{"private": true}'


def test_deleting_a_folder_ends_at_its_links(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text("{}")
    project = tmp_path / "root" / "project"
    project.mkdir(parents=True)
    (project / "x.json").symlink_to(kept)
    (project / "up").symlink_to(tmp_path)
    Folder.open((tmp_path / "root").as_uri(), TableOptions()).child("project").delete()
    assert not project.exists()
    assert kept.exists()


def test_a_payload_is_written_in_place_of_a_link(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"private")
    (root / "x.png").symlink_to(outside)
    storage = LocalStorage(str(root))
    assert not storage.filesystem.get_file_info(f"{root}/x.png").is_file
    draft = storage.draft()
    with draft.filesystem.open_output_stream(draft.path) as sink:
        sink.write(b"image")
    storage.publish(draft, f"{root}/x.png")
    assert not (root / "x.png").is_symlink()
    assert outside.read_bytes() == b"private"


@pytest.mark.parametrize("path", ["relative", "/a/../b", "/a/./b"])
def test_a_path_says_by_itself_where_it_leads(path: str) -> None:
    with pytest.raises(ValueError, match="must be absolute, without"):
        local_files().open_input_file(path)


def test_a_footer_that_is_too_large_is_refused_unread(root: Path, table: Table) -> None:
    """Twenty-nine megabytes of descriptions of 180,000 column chunks were six times as many in
    memory, and eight files are opened at once."""
    path = root / "x.parquet"
    path.write_bytes(b"PAR1" + bytes(40 * 2**20) + (30 * 2**20).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(TableInvalid, match=r'x\.parquet" has a footer of 31457280 bytes'):
        read(table)


def test_a_row_that_fits_in_no_memory_is_named_with_its_file(root: Path, table: Table) -> None:
    """A text of 300 MB compresses to a few kilobytes; the engine ended with an error that named
    its allocator."""
    rows = foreign_table(make_foreign_row(0, raw_data="x" * 20_000_000))
    pq.write_table(rows, root / "x.parquet", compression="zstd")
    assert (root / "x.parquet").stat().st_size < 100_000
    with pytest.raises(TableInvalid, match=r'x\.parquet" has a row of 2000\d+ bytes'):
        read(table)
    assert list(table.read_rows(query(model="trees"))) == []


def test_columns_nested_without_end_are_refused(root: Path, table: Table) -> None:
    deep = pa.int8()
    for _ in range(500):
        deep = pa.struct([("a", deep)])
    rows = foreign_table(make_foreign_row(0)).append_column("deep", pa.nulls(1, deep))
    pq.write_table(rows, root / "x.parquet")
    with pytest.raises(TableUnavailable, match=r"x\.parquet.*too deeply nested"):
        read(table)


def test_ids_that_look_like_statements_are_ids(root: Path, table: Table) -> None:
    odd = ["'; ATTACH '/x' AS y;--", "\0", "a" * 100_000]
    table.append_rows([row_batch(*(make_row(0, id=each) for each in odd))])
    assert sorted(map(str, read_ids(table))) == sorted(odd)


def test_a_column_whose_name_is_no_text_is_refused(root: Path, table: Table) -> None:
    """The reader of the footer raised an error of Python's, which nobody had expected there."""
    path = write_parquet(root / "x.parquet", foreign_table(make_foreign_row(0)))
    path.write_bytes(path.read_bytes().replace(b"groundtruth", b"\x80roundtruth"))
    with pytest.raises(TableUnavailable, match=r"x\.parquet.*can't decode byte 0x80"):
        read(table)


def test_the_check_of_a_table_looks_at_no_column_chunk(
    root: Path, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A footer whose chunk was of another type than its column ended the process that looked at it,
    by a C++ error that nothing catches: the sampler of the namespace, which checks a table before
    it writes, and every other job with it."""
    write_parquet(root / "x.parquet", foreign_table(make_foreign_row(0)))
    write_parquet(root / "_labels" / "x.parquet", pa.table(label_batch(make_label("a", "b"))))
    looked: list[object] = []

    def look(*at: object) -> tuple[()]:
        looked.append(at)
        return ()

    monkeypatch.setattr(parquet, "_columns", look)
    monkeypatch.setattr(parquet, "_is_full", look)
    table.ensure()
    assert looked == []
    table.append_rows([row_batch(make_row(1))])
    read(table)
    assert looked
