"""What every table must do, whatever holds its rows: a suite that each backend runs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta

import pyarrow as pa
import pytest

from evaluation_operator.storage.errors import TableInvalid
from evaluation_operator.tables.protocol import RowQuery, Table
from evaluation_operator.tables.schema import ID_SCHEMA, READ_SCHEMA, TRUTH_SCHEMA, row_ids
from tests.unit.tables.making import (
    FLOWERS,
    TREES,
    Row,
    at,
    expected_rows,
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
)

Fill = Callable[[pa.Table], None]
SIDES = ("request", "response")
MICROSECOND = timedelta(microseconds=1)


class TableContract:
    """A backend gives the fixtures `table` (not yet made) and `fill` (as others fill it)."""

    @pytest.fixture
    def made(self, table: Table) -> Table:
        table.ensure()
        return table

    def test_a_missing_table_is_made_once(self, table: Table) -> None:
        first, second = table.ensure(), table.ensure()
        assert (first.is_created, second.is_created) == (True, False)
        assert first.has_labels
        assert second.has_labels
        assert read(table) == []

    def test_rows_come_back_as_they_were_appended(self, made: Table) -> None:
        odd = make_row(
            1,
            time=at(1) + MICROSECOND,
            raw_data='é🌹 "quoted", comma\nnew line \\ \' %s $1',
            raw_prediction="",
            priority=0.1 + 0.2,
        )
        made.append_rows([row_batch(make_row(0), odd)])
        batches = list(made.read_rows(query()))
        assert batches[0].schema == READ_SCHEMA
        read_only = {"labeled_at": None, "is_inside": True}
        assert read(made) == [row | read_only for row in (make_row(0), odd)]

    def test_rows_appended_again_are_the_same_rows(self, made: Table) -> None:
        made.append_rows([row_batch(make_row(0), make_row(1))])
        made.append_rows([row_batch(make_row(1), make_row(2))])
        assert read_ids(made) == ["row-0000", "row-0001", "row-0002"]

    def test_an_append_that_fails_leaves_nothing(self, made: Table) -> None:
        def batches() -> Iterator[pa.RecordBatch]:
            yield row_batch(make_row(0))
            yield row_batch(make_row(1)).set_column(
                6, ID_SCHEMA.field("id"), pa.array([None], pa.string())
            )

        with pytest.raises(TableInvalid, match='column "id": a row has no value'):
            made.append_rows(batches())
        assert read(made) == []

    def test_a_window_holds_its_start_and_not_its_end(self, made: Table) -> None:
        before = make_row(0, sampled_at=at(2) - MICROSECOND)
        start = make_row(1, sampled_at=at(2))
        last = make_row(2, sampled_at=at(4) - MICROSECOND)
        end = make_row(3, sampled_at=at(4))
        made.append_rows([row_batch(before, start, last, end)])
        assert read_ids(made, windows=(window(2, 4),)) == ["row-0001", "row-0002"]
        assert read_ids(made, windows=(window(4, None),)) == ["row-0003"]
        assert read_ids(made, windows=()) == []

    def test_windows_run_on_the_time_of_sampling(self, made: Table) -> None:
        made.append_rows([row_batch(make_row(0, time=at(0), sampled_at=at(9)))])
        assert read_ids(made, windows=(window(0, 1),)) == []
        assert read_ids(made, windows=(window(9, 10),)) == ["row-0000"]

    def test_hundreds_of_windows_are_one_query(self, made: Table) -> None:
        made.append_rows([row_batch(*(make_row(number) for number in range(40)))])
        windows = tuple(window(2 * i, 2 * i + 1) for i in range(100))
        assert len(read(made, windows=windows, paused_spans=windows)) == 20

    def test_only_rows_of_the_model_version_are_read(self, made: Table) -> None:
        others = (make_row(1, model_version="v2"), make_row(2, model="trees"))
        made.append_rows([row_batch(make_row(0), *others)])
        assert read_ids(made) == ["row-0000"]
        assert read_ids(made, model="o'Brien\\'; DROP TABLE rows; --") == []

    def test_the_newest_label_up_to_the_cutoff_beats_the_row(self, made: Table) -> None:
        made.append_rows([row_batch(make_row(0, groundtruth="own"))])
        assert read(made)[0]["groundtruth"] == "own"
        assert read(made)[0]["labeled_at"] is None
        made.append_labels([label_batch(make_label("row-0000", "z", 5))])
        made.append_labels([label_batch(make_label("row-0000", "a", 7, "someone"))])
        made.append_labels([label_batch(make_label("row-9999", "of no row", 9))])
        truths = [
            read(made, label_cutoff=cutoff)[0]["groundtruth"]
            for cutoff in (at(5) - MICROSECOND, at(5), at(7), None)
        ]
        assert truths == ["own", "z", "a", "a"]
        assert read(made)[0]["labeled_at"] == at(7)

    def test_labels_may_be_appended_again(self, made: Table) -> None:
        made.append_rows([row_batch(make_row(0))])
        for _ in range(2):
            made.append_labels([label_batch(make_label("row-0000", "a", 5))])
        assert [row["groundtruth"] for row in read(made)] == ["a"]

    def test_a_label_is_truth_of_its_own_model_version_alone(self, made: Table) -> None:
        """Two jobs of a namespace named one table. Labels were joined by the row's id alone, and
        clients choose the ids of events: who imported a label for a row of a job of their own
        made it the ground truth of the other job's row."""
        made.append_rows([row_batch(make_row(0), make_row(1), make_row(3, model="trees"))])
        made.append_halves([half_batch(*(make_half(side, 2) for side in SIDES))])
        forged = [make_label(f"row-{number:04}", "forged", 9, of=TREES) for number in range(4)]
        made.append_labels([label_batch(*forged, make_label("row-0001", "own", 5))])
        assert [row["groundtruth"] for row in read(made)] == [None, "own", None]
        assert truths_in_order(made, query()) == [None, "own", None]
        assert truths_in_order(made, query(model="trees")) == ["forged"]
        assert not made.shares_labels()

    def test_a_label_of_no_model_version_is_taken_where_there_is_one(self, made: Table) -> None:
        made.append_labels([label_batch(make_label("row-0000", "a", of=None))])
        made.append_rows([row_batch(make_row(0), make_row(1))])
        made.append_labels([label_batch(make_label("row-0001", "b", of=None))])
        assert [row["groundtruth"] for row in read(made)] == ["a", "b"]
        assert made.shares_labels()

    def test_a_label_of_no_model_version_is_refused_where_there_are_several(
        self, made: Table
    ) -> None:
        """Unless somebody says that it is meant for all."""
        made.append_rows([row_batch(make_row(0), make_row(1, model_version="v2"))])
        labels = [
            label_batch(make_label("row-0000", "a")),
            label_batch(make_label("x", "b", of=None)),
        ]
        with pytest.raises(TableInvalid, match=r'"x": it names no model version.* --all-versions'):
            made.append_labels(labels)
        assert [row["groundtruth"] for row in read(made)] == [None]
        assert not made.shares_labels()
        made.append_labels(labels, for_all_versions=True)
        assert [row["groundtruth"] for row in read(made)] == ["a"]
        assert made.shares_labels()

    def test_labels_that_differ_in_their_model_version_alone_are_two(self, made: Table) -> None:
        made.append_rows([row_batch(make_row(0), make_row(1, model="trees", id="row-000"))])
        for label_of in (FLOWERS, TREES):
            made.append_labels(
                [label_batch(*(make_label(f"row-000{end}", "a", of=label_of) for end in ("", "0")))]
            )
        assert [row["groundtruth"] for row in read(made)] == ["a"]
        assert [row["groundtruth"] for row in read(made, model="trees")] == ["a"]

    def test_model_versions_are_those_of_rows_and_halves(self, made: Table) -> None:
        assert made.model_versions(9) == []
        versions = [make_row(number, model_version=f"v{number}") for number in range(4)]
        made.append_rows([row_batch(*versions, make_row(9, model_version="v0"))])
        made.append_halves([half_batch(make_half("request", 5, model="é"))])
        assert made.model_versions(9) == [*(("flowers", f"v{n}") for n in range(4)), ("é", "v1")]
        assert len(made.model_versions(2)) == 2
        assert set(made.model_versions(9, (window(0, 1),))) <= set(made.model_versions(9))
        assert ("flowers", "v0") in made.model_versions(9, (window(0, 1),))

    def test_rows_of_others_without_a_model_are_of_no_version(
        self, table: Table, fill: Fill
    ) -> None:
        fill(foreign_table(make_foreign_row(0), make_foreign_row(1, model_version=None)))
        table.ensure()
        assert table.model_versions(9) == [FLOWERS]

    def test_ground_truth_is_read_without_the_rows(self, made: Table) -> None:
        made.append_rows([row_batch(make_row(1, groundtruth="own"), make_row(0))])
        made.append_halves([half_batch(make_half("request", 2), make_half("response", 2))])
        made.append_labels([label_batch(make_label("row-0000", "a", 5))])
        made.append_labels([label_batch(make_label("row-0000", "b", 7))])
        (first, *_) = batches = list(made.read_truth(query(label_cutoff=at(6))))
        assert first.schema == TRUTH_SCHEMA
        assert [row for batch in batches for row in batch.to_pylist()] == [
            {"id": "row-0000", "groundtruth": "a", "labeled_at": at(5)},
            {"id": "row-0001", "groundtruth": "own", "labeled_at": None},
            {"id": "row-0002", "groundtruth": None, "labeled_at": None},
        ]
        assert list(made.read_truth(query(model="others"))) == []

    def test_a_table_of_six_columns_works(self, table: Table, fill: Fill) -> None:
        rows = foreign_table(*(make_foreign_row(number) for number in range(3)))
        fill(rows)
        table.ensure()
        assert sorted(read_ids(table), key=str) == sorted(row_ids(rows))
        found = read(table, windows=(window(1, 2),))
        assert [row["raw_data"] for row in found] == [make_row(1)["raw_data"]]
        assert found[0]["sampled_at"] is None

    def test_labels_join_rows_of_others_by_their_computed_ids(
        self, table: Table, fill: Fill
    ) -> None:
        rows = foreign_table(make_foreign_row(0), make_foreign_row(1), make_foreign_row(1))
        fill(rows)
        table.ensure()
        _, first, second = row_ids(rows)
        table.append_labels([label_batch(make_label(second, "later"))])
        assert second == f"{first}-1"
        assert {row["id"]: row["groundtruth"] for row in read(table)}[second] == "later"
        assert [row["groundtruth"] for row in read(table)].count(None) == 2

    def test_paused_spans_leave_out_rows_of_others_alone(self, table: Table, fill: Fill) -> None:
        fill(foreign_table(*(make_foreign_row(number) for number in range(4))))
        table.ensure()
        paused = (window(1, 3),)
        rows = read(table, paused_spans=paused)
        assert len(rows) == 2
        assert {row["time"] for row in rows} == {at(0), at(3)}
        assert len(read(table, paused_spans=(window(2, None),))) == 2

    def test_the_sampler_leaves_out_pauses_by_itself(self, made: Table) -> None:
        made.append_rows([row_batch(make_row(1))])
        assert read_ids(made, paused_spans=(window(0, None),)) == ["row-0001"]

    def test_late_rows_of_others_are_counted(self, table: Table, fill: Fill) -> None:
        rows = foreign_table(*(make_foreign_row(number) for number in range(6)))
        fill(rows)
        table.ensure()
        known = pa.RecordBatch.from_arrays([pa.array(row_ids(rows)[:2])], schema=ID_SCHEMA)
        assert table.count_late(query(windows=(window(0, 4),)), [known]) == 2
        assert table.count_late(query(windows=(window(0, 4),)), []) == 4
        assert table.count_late(query(paused_spans=(window(3, 4),)), [known, known]) == 3

    def test_sampled_rows_are_never_late(self, made: Table) -> None:
        made.append_rows([row_batch(make_row(0))])
        assert made.count_late(query(), []) == 0

    def test_large_results_come_in_small_batches_in_order(self, made: Table) -> None:
        numbers = list(range(10_000))
        random.Random(1).shuffle(numbers)
        for part in (numbers[:3000], numbers[3000:]):
            made.append_rows([row_batch(*(make_row(n, sampled_at=at(n % 9)) for n in part))])
        batches = list(made.read_rows(query()))
        assert max(batch.num_rows for batch in batches) <= 2048
        ids = [row_id for batch in batches for row_id in batch.column("id").to_pylist()]
        assert ids == sorted(f"row-{number:04}" for number in numbers)

    def test_rows_of_the_context_are_told_apart(self, made: Table) -> None:
        made.append_rows([row_batch(*(make_row(number) for number in range(8)))])
        found = read(made, windows=(window(3, 5),), context=(window(2, 4), window(6, 7)))
        assert [(row["id"], row["is_inside"]) for row in found] == [
            ("row-0002", False),
            ("row-0003", True),
            ("row-0004", True),
            ("row-0006", False),
        ]

    def test_rows_of_others_in_the_context_are_never_late(self, table: Table, fill: Fill) -> None:
        fill(foreign_table(*(make_foreign_row(number) for number in range(4))))
        table.ensure()
        asked = query(windows=(window(0, 1),), context=(window(1, 3),))
        assert table.count_late(asked, []) == 1

    def test_an_event_delivered_again_is_the_row_that_was_sampled_first(self, made: Table) -> None:
        """Once as a whole row, and once as halves."""
        late = make_row(0, sampled_at=at(40), raw_prediction="late")
        made.append_rows([row_batch(late, make_row(1))])
        made.append_halves([half_batch(*(make_half(side, n) for side in SIDES for n in (0, 1)))])
        first, other = read(made)
        assert (first["id"], first["sampled_at"]) == ("row-0000", make_half(SIDES[1])["sampled_at"])
        assert (other["id"], other["sampled_at"]) == ("row-0001", at(1))

    def test_two_halves_are_a_row_once_both_are_there(self, made: Table) -> None:
        request = make_half("request", 1, p=0.25, example_count=7.0)
        response = make_half("response", 1, example_sample_percentage=0.125, interval_start=at(1))
        made.append_halves([half_batch(response)])
        assert read(made) == []
        made.append_halves([half_batch(request)])
        (found,) = read(made)
        assert found == make_row(1) | {
            "sampled_at": response["sampled_at"],
            "interval_start": at(1),
            "p": 0.25,
            "example_count": 7.0,
            "example_sample_percentage": 0.125,
            "labeled_at": None,
            "is_inside": True,
        }

    def test_the_later_half_says_when_and_the_request_the_time(self, made: Table) -> None:
        request = make_half("request", 9, time=at(8), sampled_at=at(30), interval_start=at(24))
        made.append_halves([half_batch(request, make_half("response", 9))])
        (found,) = read(made, windows=(window(30, 31),))
        assert (found["time"], found["sampled_at"], found["interval_start"]) == (
            at(8),
            at(30),
            at(24),
        )
        assert read(made, windows=(window(0, 30),)) == []

    def test_halves_of_other_jobs_and_other_requests_do_not_meet(self, made: Table) -> None:
        request = make_half("request")
        made.append_halves(
            [
                half_batch(
                    request,
                    make_half("response", item_count=2.0),
                    make_half("response", job_uid="uid-2"),
                    make_half("response", id="row-0001"),
                )
            ]
        )
        assert read(made) == []

    def test_a_half_written_again_is_the_same_half(self, made: Table) -> None:
        for _ in range(2):
            made.append_halves([half_batch(make_half("request"))])
            made.append_halves([half_batch(make_half("response"), make_half("response", 1))])
        assert read_ids(made) == ["row-0000"]

    def test_labels_find_rows_that_were_halves(self, made: Table) -> None:
        made.append_halves([half_batch(make_half("request"), make_half("response"))])
        made.append_labels([label_batch(make_label("row-0000", "late"))])
        assert [row["groundtruth"] for row in read(made)] == ["late"]

    def test_a_half_without_what_it_must_have_is_refused(self, made: Table) -> None:
        with pytest.raises(TableInvalid, match='column "job_uid": a row has no value'):
            made.append_halves([half_batch(make_half("request", job_uid=None))])

    @pytest.mark.parametrize("seed", range(2))
    def test_any_mixture_of_the_samplers_rows_and_halves_reads_as_by_hand(
        self, made: Table, seed: int
    ) -> None:
        """Halves of both sides in any order, of rows that are there as well, near all borders."""
        dice = random.Random(seed)
        rows = [make_row(number, sampled_at=at(dice.uniform(0, 96))) for number in range(20)]
        halves = [
            make_half(
                side,
                number,
                sampled_at=at(dice.uniform(0, 96)),
                interval_start=at(24 * dice.randrange(4)),
                p=dice.choice([0.25, 0.5]),
                example_count=dice.choice([5.0, 9.0]),
                example_sample_percentage=dice.choice([0.5, 1.0]),
                item_count=dice.choice([1.0, 1.0, 2.0]),
                job_uid=dice.choice(["uid-1", "uid-1", "uid-2"]),
            )
            for number in range(10, 60)
            for side in ("request", "response")
            if dice.random() < 0.8
        ]
        dice.shuffle(halves)
        made.append_rows([row_batch(*rows)])
        for start in range(0, len(halves), 45):
            made.append_halves([half_batch(*halves[start : start + 45])])
        labels: list[Row] = [make_label(f"row-{n:04}", "true", 1) for n in range(5, 50, 7)]
        made.append_labels([label_batch(*labels)])
        for asked in (
            query(),
            query(windows=(window(24, 40),)),
            query(windows=(window(30, 31), window(50, None)), context=(window(40, 60),)),
        ):
            found = [row for batch in made.read_rows(asked) for row in batch.to_pylist()]
            assert found == expected_rows(rows, labels, asked, halves)
            assert truths_of(found) <= truths(made, asked)

    def test_any_mixture_of_rows_reads_as_by_hand(self, table: Table, fill: Fill) -> None:
        """Random rows of others, many of them equal or with the strangest texts."""
        dice = random.Random(7)
        texts = [None, "", "1:a", "é🌹", "a\nb", "~", '{"instances": []}']
        rows = [
            make_foreign_row(
                0,
                model=dice.choice(["flowers", "trees"]),
                time=at(dice.randrange(-600_000, 10)) + dice.randrange(3) * MICROSECOND,
                raw_data=dice.choice(texts),
                raw_prediction=dice.choice(texts),
                groundtruth=dice.choice(texts),
            )
            for _ in range(300)
        ]
        fill(foreign_table(*rows, *rows[:40]))
        table.ensure()
        ids = row_ids(foreign_table(*rows, *rows[:40]))
        labels: list[Row] = [
            make_label(
                dice.choice(ids),
                dice.choice(["a", "b", "é"]),
                dice.randrange(3),
                of=dice.choice([None, FLOWERS, TREES]),
            )
            for _ in range(200)
        ]
        table.append_labels([label_batch(*labels)], for_all_versions=True)
        for asked in _queries(dice):
            found = [row for batch in table.read_rows(asked) for row in batch.to_pylist()]
            assert found == expected_rows([*rows, *rows[:40]], labels, asked)
            assert truths_of(found) == truths(table, asked)


def truths_in_order(table: Table, asked: RowQuery) -> list[object]:
    rows = [row for batch in table.read_truth(asked) for row in batch.to_pylist()]
    return [row["groundtruth"] for row in rows]


def truths(table: Table, asked: RowQuery) -> set[tuple[object, ...]]:
    batches = list(table.read_truth(asked))
    ids = [row["id"] for batch in batches for row in batch.to_pylist()]
    assert ids == sorted(ids, key=lambda text: text.encode())
    return {tuple(row.values()) for batch in batches for row in batch.to_pylist()}


def truths_of(rows: list[Row]) -> set[tuple[object, ...]]:
    """What is to be read of the rows that are not context."""
    names = TRUTH_SCHEMA.names
    return {tuple(row[name] for name in names) for row in rows if row["is_inside"]}


def _queries(dice: random.Random) -> Iterator[RowQuery]:
    yield query()
    for _ in range(4):
        starts = [dice.randrange(-600_000, 10) for _ in range(6)]
        yield query(
            windows=tuple(window(start, start + 90_000) for start in starts[:4]),
            paused_spans=tuple(window(start, start + 30_000) for start in starts[2:]),
            label_cutoff=at(dice.randrange(3)),
            context=(window(starts[4], starts[4] + 50_000),),
        )
