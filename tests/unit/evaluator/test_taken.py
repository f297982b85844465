"""Which rows earlier runs of a job have: exact, whatever became of them, and soon known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.domain.naming import revision_name, run_name, version_run_name
from evaluation_operator.evaluator.taken import TakenRows
from evaluation_operator.results import layout
from evaluation_operator.results.errors import InvalidRun
from evaluation_operator.results.folder import Folder, run_folder
from evaluation_operator.results.rows import Cut, CutFigures, write_record
from evaluation_operator.results.taken import hashed
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tables.protocol import RowQuery, Window
from tests.builders import make_dataset

FIRST = datetime(2026, 3, 2, 10, tzinfo=UTC)
DAY = timedelta(days=1)
FIGURES = CutFigures(row_count=1, item_count=1, digest="sha256:1", time=FIRST)


@dataclass
class History:
    """The runs of a job, one a day; `rows` are those that a run has cut."""

    root: Path
    committed: dict[str, set[str]] = field(default_factory=dict)
    running: dict[str, set[str]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    day: int = 0

    def folder(self, name: str) -> Folder:
        return run_folder(self.root.as_uri(), "uid-of-ripeness", name, TableOptions())

    def begin(self, ids: set[str], *, again: int | None = None) -> tuple[str, TakenRows]:
        """A run over the next day, or, instead of one that failed, over that day again."""
        self.day += 1
        day = self.day if again is None else again
        name = run_name("ripeness", FIRST + self.day * DAY)
        start, end = FIRST + (day - 1) * DAY, FIRST + day * DAY
        window = {"startTime": start.isoformat(), "endTime": end.isoformat()}
        dataset = Dataset.from_dict(make_dataset(name, spec={"windows": [window]}))
        folder, scratch = self.folder(name), self.root / "scratch"
        scratch.mkdir(exist_ok=True)
        taken = TakenRows(folder, dataset)
        rows = scratch / "own.parquet"
        pq.write_table(pa.table({"id": pa.array(sorted(ids), pa.string())}), rows)
        folder.store(rows, layout.ROWS)
        query = RowQuery("ripeness", "v1", windows=(Window(start, end),))
        runs = taken.store(rows, folder, scratch)
        write_record(folder, Cut(rows, FIGURES).record(query, runs))
        self.running[name] = ids
        return name, taken

    def commit(self, name: str) -> None:
        self.folder(name).write_json(layout.COMMITTED, {})
        self.committed[name] = self.running.pop(name)

    def fail(self, name: str) -> None:
        """Its rows are passed on: to a run over the same day, which is told of it no more."""
        del self.running[name]
        self.failed.add(name)


def probe(history: History, ids: set[str], *, again: int | None = None) -> set[str]:
    """What the next run finds taken of these."""
    _, taken = history.begin(set(), again=again)
    return taken.among(sorted(ids))


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def test_what_any_run_before_has_is_taken(history: History) -> None:
    for number in range(20):
        name, _ = history.begin({f"row-{number}"})
        history.commit(name)
    wanted = {f"row-{number}" for number in range(25)}
    assert probe(history, wanted) == {f"row-{number}" for number in range(20)}


def test_a_run_that_is_working_has_its_rows_and_one_that_failed_has_none(history: History) -> None:
    history.begin({"working"})
    failed, _ = history.begin({"lost"})
    day = history.day
    history.fail(failed)
    again, taken = history.begin({"lost"}, again=day)
    assert taken.among(["working", "lost", "new"]) == {"working"}
    history.commit(again)
    assert probe(history, {"working", "lost", "new"}) == {"working", "lost"}


def test_a_run_that_commits_late_is_found_beside_those_that_did_not_know(history: History) -> None:
    late, _ = history.begin({"late"})
    for number in range(9):
        name, _ = history.begin({f"row-{number}"})
        history.commit(name)
    history.commit(late)
    assert probe(history, {"late", "row-0", "row-8"}) == {"late", "row-0", "row-8"}


def test_versions_take_nothing_and_revisions_what_their_run_has(history: History) -> None:
    name, _ = history.begin({"drawn"})
    history.commit(name)
    for other, ids in (
        (version_run_name("again"), ["of-a-version"]),
        (revision_name(name, 1), ["drawn"]),
    ):
        folder, rows = history.folder(other), history.root / "rows.parquet"
        pq.write_table(pa.table({"id": ids}), rows)
        folder.store(rows, layout.ROWS)
        write_record(folder, Cut(rows, FIGURES).record(RowQuery("ripeness", "v1"), None))
        folder.write_json(layout.COMMITTED, {})
    assert probe(history, {"drawn", "of-a-version"}) == {"drawn"}


def test_folders_of_before_these_files_are_read_row_by_row(history: History) -> None:
    for number in range(3):
        name, _ = history.begin({f"row-{number}"})
        history.commit(name)
        folder = history.folder(name)
        write_record(folder, Cut(Path(), FIGURES).record(RowQuery("ripeness", "v1"), None))
        folder.remove(layout.TAKEN)
    assert probe(history, {"row-0", "row-2", "row-3"}) == {"row-0", "row-2"}


def test_what_is_deleted_of_old_runs_stays_taken_by_those_that_carry_it(history: History) -> None:
    for number in range(4):
        name, _ = history.begin({f"row-{number}"})
        history.commit(name)
        if number < 3:
            first = sorted(history.committed)[0]
    history.folder(first).delete()
    assert probe(history, {"row-0", "row-3"}) == {"row-0", "row-3"}


@contextmanager
def opened_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    opened: list[str] = []
    read = Folder.parquet

    def noting(self: Folder, name: str) -> object:
        opened.append(f"{self.uri}/{name}")
        return read(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "parquet", noting)
        yield opened


def test_the_files_that_are_read_grow_by_the_logarithm_of_the_runs(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 40):
        with opened_files(monkeypatch) as opened:
            name, _ = history.begin({f"row-{number}"})
        history.commit(name)
        assert len(opened) <= 1 + math.log2(number), number


STEPS = st.lists(
    st.tuples(st.sampled_from(["commit", "work", "fail", "end one"]), st.sets(st.integers(0, 30))),
    max_size=25,
)


@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_so_it_is_in_any_history(steps: list[tuple[str, set[int]]]) -> None:
    with TemporaryDirectory() as place:
        history = History(Path(place))
        for what, numbers in steps:
            ids = {f"row-{number}" for number in numbers}
            if what == "end one" and history.running:
                history.commit(min(history.running))
                continue
            name, taken = history.begin(ids)
            held = [*history.committed.values(), *history.running.values()]
            del held[-1]
            assert taken.among(sorted(ids)) == ids & set().union(*held)
            if what == "commit":
                history.commit(name)
            elif what == "fail":
                day = history.day
                history.fail(name)
                again, _ = history.begin(set(), again=day)
                history.commit(again)


def test_hashes_are_of_blake2b_whatever_the_id_holds() -> None:
    empty, *others = (int(number) for number in hashed(["", "ü", "\ud800"]))
    assert hex(empty) == "0xe4a6a0577479b2b4"
    assert len({empty, *others}) == 3


@pytest.mark.parametrize(
    "ids", [pa.array([None, "a"]), pa.array([1, 2]), pa.nulls(0, pa.int64()), None]
)
def test_rows_that_no_run_has_cut_are_named(history: History, ids: pa.Array | None) -> None:
    """They cannot be told from new ones, and would be evaluated twice."""
    name, _ = history.begin({"a"})
    history.commit(name)
    folder, rows = history.folder(name), history.root / "rows.parquet"
    write_record(folder, Cut(rows, FIGURES).record(RowQuery("ripeness", "v1"), None))
    pq.write_table(pa.table({"x": [1]} if ids is None else {"id": ids}), rows)
    folder.store(rows, layout.ROWS)
    with pytest.raises(InvalidRun, match=rf"{name}/rows\.parquet: .*column id.*remove the run's"):
        probe(history, {"a"})
