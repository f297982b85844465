"""Tables of Parquet files in a folder."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation_operator.storage.errors import TableInvalid, TableUnavailable
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tables.files.table import FileTable
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import Table
from tests.unit.tables.contract import SIDES, Fill, TableContract
from tests.unit.tables.making import (
    Row,
    at,
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
    window,
    write_parquet,
)

LABEL_VERSION = ["model", "model_version"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "it's a [table]"


@pytest.fixture
def table(root: Path) -> Iterator[Table]:
    with closing(open_table(root.as_uri())) as opened:
        yield opened


class TestFileTable(TableContract):
    @pytest.fixture
    def fill(self, root: Path) -> Fill:
        def write(rows: pa.Table) -> None:
            write_parquet(root / "2026" / "rows.parquet", rows)

        return write


def test_files_of_others_and_ours_lie_side_by_side(root: Path, table: Table) -> None:
    """Four layouts: ours, the six, without ground truth, and with pandas' habits."""
    table.ensure()
    table.append_rows([row_batch(make_row(0))])
    write_parquet(root / "a" / "six.parquet", foreign_table(make_foreign_row(1)))
    write_parquet(
        root / "few.parquet",
        foreign_table(make_foreign_row(2))
        .drop_columns(["groundtruth"])
        .append_column("region", pa.array([7])),
    )
    habits = foreign_table(make_foreign_row(3))
    habits = (
        habits.set_column(0, "model", habits["model"].dictionary_encode())
        .set_column(2, "time", habits["time"].cast(pa.timestamp("ns")))
        .set_column(3, "raw_data", habits["raw_data"].cast(pa.large_string()))
        .set_column(5, "groundtruth", pa.nulls(1))
    )
    write_parquet(root / "habits.parquet", habits)
    assert {row["time"] for row in read(table)} == {at(number) for number in range(4)}
    assert len(read(table, windows=(window(3, 4),))) == 1


def test_what_is_hidden_or_underscored_is_no_row(root: Path, table: Table) -> None:
    for name in ("_results/r/rows.parquet", ".half.parquet", "_x.parquet", ".t/a.parquet", "a.pq"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PAR1 and nothing more")
    assert table.ensure().is_created is False
    assert read(table) == []


def test_names_that_look_like_patterns_are_names(root: Path, table: Table) -> None:
    for number, name in enumerate(
        ["x[1]*.parquet", "x1.parquet", "?.parquet", "model=q/%41.parquet"]
    ):
        write_parquet(root / name, foreign_table(make_foreign_row(number)))
    assert len(read(table)) == 4


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content[:-4] + b"PARX",
        lambda content: b"a,b\n1,2\n",
    ],
    ids=["half written", "empty", "without its end", "no Parquet"],
)
def test_a_file_that_cannot_be_read_is_named_not_skipped(
    root: Path, table: Table, spoil: Callable[[bytes], bytes]
) -> None:
    table.append_rows([row_batch(make_row(0))])
    path = write_parquet(root / "other.parquet", foreign_table(make_foreign_row(1)))
    path.write_bytes(spoil(path.read_bytes()))
    for use in (table.ensure, lambda: read(table), lambda: table.count_late(query(), [])):
        with pytest.raises(TableUnavailable, match=r"other.parquet.* half written .* finish or"):
            use()
    path.unlink()
    assert len(read(table)) == 1


def test_a_file_spoilt_in_the_middle_is_noticed(root: Path, table: Table) -> None:
    rows = [make_foreign_row(number, raw_data=f"{number}" * 50) for number in range(2000)]
    path = write_parquet(root / "other.parquet", foreign_table(*rows))
    content = bytearray(path.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    with pytest.raises(TableUnavailable, match="reading failed"):
        read(table)


def test_a_file_of_other_columns_is_refused_field_by_field(root: Path, table: Table) -> None:
    rows = foreign_table(make_foreign_row(0))
    rows = (
        rows.set_column(2, "time", rows["time"].cast(pa.string()))
        .set_column(3, "raw_data", rows["raw_data"].cast(pa.binary()))
        .set_column(1, "model_version", pa.array([1]))
        .drop_columns(["raw_prediction"])
        .append_column("p", pa.array([0.5], pa.float32()))
        .append_column("Model", pa.array(["x"]))
    )
    write_parquet(root / "other.parquet", rows)
    for use in (table.ensure, lambda: read(table)):
        with pytest.raises(TableInvalid, match=r"other\.parquet") as refused:
            use()
    assert {difference.column: difference.found for difference in refused.value.differences} == {
        "model_version": "type int64",
        "time": "type string",
        "raw_data": "type binary",
        "raw_prediction": "missing",
        "p": "type float",
        "Model": 'like "model" but for case',
    }
    assert 'column "time": type string, expected timestamp[us, tz=UTC]; convert it' in str(
        refused.value
    )


def test_labels_of_other_columns_are_refused(root: Path, table: Table) -> None:
    labels = pa.table({"id": ["a"], "groundtruth": ["b"]})
    write_parquet(root / "_labels" / "mine.parquet", labels)
    with pytest.raises(TableInvalid, match=r'mine.parquet.*column "labeled_at": missing'):
        table.ensure()


def test_rows_of_others_of_one_id_that_differ_stay_side_by_side(root: Path, table: Table) -> None:
    """Which one counts is not for the table to say; the same one twice is one."""
    for number, truth in enumerate(["a", "b", "a"]):
        own = (make_row(place, sampled_at=None) for place in (0, 2))
        rows = row_batch(*own, make_row(1, sampled_at=None, groundtruth=truth))
        write_parquet(root / f"{number}.parquet", pa.Table.from_batches([rows]))
    assert read_ids(table) == ["row-0000", "row-0001", "row-0001", "row-0002"]


def test_a_folder_appended_to_holds_only_whole_files(root: Path, table: Table) -> None:
    """Row groups are bounded, what is written is named by its content, and no draft is left."""
    seen_while_writing: list[int] = []
    one = row_batch(*[make_row(0)] * 20_000)

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, 140_000, one.num_rows):
            ids = pa.array([f"{number:06}" for number in range(start, start + one.num_rows)])
            yield one.set_column(one.schema.get_field_index("id"), "id", ids)
            seen_while_writing.append(len(list(root.rglob("*.parquet"))))

    for _ in range(2):
        table.append_rows(batches())
    assert set(seen_while_writing[:7]) == {0}
    (file,) = (path for path in root.rglob("*") if path.is_file())
    metadata = pq.ParquetFile(file).metadata
    assert metadata.num_rows == 140_000
    assert max(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)) <= 80_000
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_draft_that_a_killed_writer_left_is_no_row(root: Path, table: Table) -> None:
    table.append_rows([row_batch(make_row(0))])
    (root / ".draft-1.tmp").write_bytes(b"PAR1")
    assert read_ids(table) == ["row-0000"]


def test_a_file_in_place_of_the_folder_is_refused(root: Path, table: Table) -> None:
    root.write_text("")
    with pytest.raises(TableInvalid, match="give a folder"):
        table.ensure()


def test_the_engine_reaches_nothing_but_the_table(root: Path, tmp_path: Path) -> None:
    secret = write_parquet(tmp_path / "secret.parquet", foreign_table(make_foreign_row(0)))
    root.mkdir()
    around = f"{root}/../secret.parquet".replace("'", "''")
    with closing(FileTable(root.as_uri(), TableOptions())) as table, table.engine() as engine:
        for statement in (
            f"SELECT * FROM read_parquet('{secret}')",
            f"SELECT * FROM read_parquet('{around}')",
            f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
            f"ATTACH '{tmp_path}/out.db'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "SET memory_limit = '100GB'",
            "SELECT * FROM secret",
        ):
            with pytest.raises(duckdb.Error):
                engine.con.execute(statement)
        limits = engine.con.execute(
            "SELECT current_setting('memory_limit'), current_setting('threads')"
        ).fetchone()
        assert limits == ("512.0 MiB", 2)


def test_nothing_is_left_where_it_spilled(root: Path, tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    with closing(open_table(root.as_uri(), options=TableOptions(temp_directory=spill))) as table:
        table.append_rows([row_batch(make_row(0))])
        read(table)
    assert list(spill.iterdir()) == []


@contextmanager
def files_opened_at_most(count: int) -> Iterator[None]:
    """Beside those that are open already."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def sampled_rows(*days: int) -> list[Row]:
    return [make_row(24 * day, sampled_at=at(24 * day)) for day in days]


def test_sampled_rows_lie_in_folders_of_their_day_and_all_others_do_not(
    root: Path, table: Table
) -> None:
    """Days are those of UTC: 23:59:59.999999 and midnight are two."""
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    rows = (
        make_row(0, sampled_at=midnight - timedelta(microseconds=1)),
        make_row(1, sampled_at=None),
        make_row(2, sampled_at=midnight),
        make_row(3, sampled_at=midnight + timedelta(hours=23)),
    )
    table.append_rows([row_batch(*rows)])
    table.append_halves([half_batch(make_half("request", sampled_at=midnight))])
    folders = sorted(str(path.parent.relative_to(root)) for path in root.rglob("*.parquet"))
    days = ["sampled_on=2026-03-01", "sampled_on=2026-03-02"]
    assert folders == [".", f"_halves/{days[1]}", *days]
    assert read_ids(table) == [row["id"] for row in rows]


def test_reading_opens_nothing_of_other_days(root: Path, table: Table) -> None:
    table.append_rows([row_batch(*sampled_rows(*range(10)))])
    table.append_halves(
        [half_batch(*(make_half(side, 24 * n) for n in range(10) for side in SIDES))]
    )
    kept = {f"sampled_on=2026-03-0{day}" for day in (4, 5, 7)}
    kept_halves = kept | {"sampled_on=2026-03-03", "sampled_on=2026-03-06"}
    for path in root.rglob("*.parquet"):
        if path.parent.name not in (kept_halves if "_halves" in str(path) else kept):
            path.write_bytes(b"PAR1 and nothing more")
    asked = {"windows": (window(72, 96),), "context": (window(96, 97), window(144, 145))}
    assert read_ids(table, **asked) == ["row-0072", "row-0096", "row-0144"]
    assert table.count_late(query(**asked), []) == 0
    assert not table.ensure().is_created
    with pytest.raises(TableUnavailable, match="sampled_on=2026-03-06"):
        read(table, windows=(window(72, 121),))
    with pytest.raises(TableUnavailable, match="sampled_on="):
        read(table)


def test_files_of_others_are_read_beside_folders_of_days(root: Path, table: Table) -> None:
    table.append_rows([row_batch(*sampled_rows(0, 1))])
    for number, name in enumerate(["rows.parquet", "sampled_on=never/a.parquet", "2026/a.parquet"]):
        write_parquet(root / name, foreign_table(make_foreign_row(number)))
    assert len(read(table, windows=(window(0, 24),))) == 4


def test_rows_of_many_days_are_written_with_few_files_open(root: Path, table: Table) -> None:
    rows = sampled_rows(*range(300))
    with files_opened_at_most(150):
        table.append_rows([row_batch(*rows)])
    assert len(list(root.glob("sampled_on=*/*.parquet"))) == 300
    assert len(read_ids(table, windows=(window(0, 48),))) == 2


def test_a_day_appended_to_by_one_user_can_be_by_another_of_the_group(
    root: Path, table: Table
) -> None:
    table.append_halves([half_batch(make_half("request"))])
    folders = [path for path in root.rglob("*") if path.is_dir()]
    assert len(folders) == 2
    assert all(path.stat().st_mode & 0o020 for path in folders)


def test_of_rows_delivered_again_the_one_sampled_first_is_left(root: Path, table: Table) -> None:
    """Their texts may differ; of one instant too there is one, the same every time."""
    for hours, text in ((5, "late"), (2, "b"), (2, "a"), (9, "last")):
        again = make_row(1, sampled_at=at(hours), raw_prediction=text)
        table.append_rows([row_batch(make_row(0), again, make_row(2))])
    found = read(table)
    assert [row["id"] for row in found] == ["row-0000", "row-0001", "row-0002"]
    assert (found[1]["sampled_at"], found[1]["raw_prediction"]) == (at(2), "a")
    assert read_ids(table, windows=(window(4, 6),)) == ["row-0001"]


def test_one_id_a_thousand_times_is_one_row(root: Path, table: Table) -> None:
    """A client that gives every event the same id, over replicas that do not know each other."""
    rows = [make_row(0, sampled_at=at(number / 60)) for number in range(1000)]
    table.append_rows([row_batch(*rows)])
    halves = [
        make_half(side, 1, sampled_at=at(number / 60)) for number in range(1000) for side in SIDES
    ]
    table.append_halves([half_batch(*halves)])
    assert [row["sampled_at"] for row in read(table)] == [at(0), at(0)]


def test_label_files_of_before_count_as_they_did(root: Path, table: Table) -> None:
    """They have no columns for a model version, and lie beside those that have."""
    table.append_rows([row_batch(make_row(0), make_row(1), make_row(0, model="trees"))])
    old = label_batch(make_label("row-0000", "old", 1), make_label("row-0001", "old", 3))
    write_parquet(root / "_labels" / "old.parquet", pa.table(old).drop_columns(LABEL_VERSION))
    table.append_labels([label_batch(make_label("row-0000", "new", 2))])
    assert [row["groundtruth"] for row in read(table)] == ["new", "old"]
    assert [row["groundtruth"] for row in read(table, model="trees")] == ["old"]
    assert table.shares_labels()


def test_asking_for_the_model_versions_of_a_time_opens_nothing_of_other_days(
    root: Path, table: Table
) -> None:
    days = [row | {"model_version": f"v{n}"} for n, row in enumerate(sampled_rows(*range(3)))]
    table.append_rows([row_batch(*days)])
    (root / "sampled_on=2026-03-03").rename(root / "sampled_on=2026-03-09")
    for path in (root / "sampled_on=2026-03-09").iterdir():
        path.write_bytes(b"PAR1 and nothing more")
    assert table.model_versions(9, (window(0, 24),)) == [("flowers", "v0"), ("flowers", "v1")]
