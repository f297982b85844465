"""What a run leaves is read in one place: everything, by pages and by what is looked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.results import layout
from evaluation_operator.results.errors import InvalidRun, NotWhole, Unavailable
from evaluation_operator.results.items import ADDED_IN_2, ItemFilter
from evaluation_operator.results.run import Run
from evaluation_operator.tasks.items import Origin
from tests.unit.evaluator.labeled_site import Site, row
from tests.unit.results.run_site import LABEL_SET, boxed, classified, place_of


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return classified(tmp_path_factory.mktemp("classified"))


@pytest.fixture(scope="module")
def run(site: Site) -> Run:
    return Run(site.folder)


@pytest.fixture
def own(tmp_path: Path) -> Site:
    """A run whose files a test may change."""
    return classified(tmp_path)


def names(run: Run, **wanted: Any) -> list[str | None]:
    return [line.item_id for line in run.items(ItemFilter(**wanted)).lines]


def test_all_of_it_is_there(run: Run) -> None:
    assert run.is_whole
    assert run.labels == LABEL_SET
    assert run.manifest.version == layout.VERSION
    assert run.manifest.files is not None
    assert set(run.manifest.files) == {
        "confusion.parquet",
        "curves.parquet",
        "evaluation.json",
        "items.parquet",
        "scores.parquet",
    }


def test_the_evaluation_is_the_one_that_was_published(run: Run) -> None:
    evaluation = run.evaluation()
    assert evaluation.spec.digest == run.manifest.digest
    assert evaluation.spec.evaluated_item_count == 5
    assert evaluation.spec.results_uri == run.folder.uri


def test_curves_have_the_points_of_the_evaluation(run: Run) -> None:
    entries = summary_curve(run.evaluation()).confidence_metrics_entries
    every, best = run.curve(), run.curve(cut="at_1")
    assert len(entries) > 3
    assert [(it.confidence_threshold, it.precision, it.recall) for it in entries] == [
        (point.threshold, point.precision, point.recall) for point in every
    ]
    assert [it.recall_at1 for it in entries] == [point.recall for point in best]
    assert {point.area_under_curve for point in every} == {
        summary_curve(run.evaluation()).area_under_curve
    }
    assert {point.label for point in run.curve("ripe")} == {"ripe"}
    assert run.curve(weighted=True)[0].true_positives > every[0].true_positives
    assert run.curve("rotten") == ()
    for points in (every, best, run.curve("ripe"), run.curve(weighted=True)):
        thresholds = [point.threshold for point in points]
        assert thresholds == sorted(thresholds)
    assert None not in {point.area_under_curve for point in run.curve("ripe", weighted=True)}


def summary_curve(evaluation: Evaluation) -> Any:
    metrics = evaluation.spec.evaluation_metrics
    assert metrics is not None
    assert metrics.classification_metrics is not None
    return metrics.classification_metrics.pr_curve


def test_the_matrix_is_whole_and_counts_what_was_not_predicted(run: Run) -> None:
    matrix = run.confusion()
    assert matrix is not None
    assert matrix.labels == LABEL_SET
    assert matrix.cells.tolist() == [[2, 0, 1], [1, 1, 0]]
    weighted = run.confusion(weighted=True)
    assert weighted is not None
    assert weighted.cells.tolist() == [[3, 0, 1], [2, 1, 0]]


def test_there_is_no_weighted_matrix_where_every_item_stands_for_itself(tmp_path: Path) -> None:
    site = Site(tmp_path, labeling=None)
    site.fill(row("e1/0", "ripe"), row("e2/0", "unripe"))
    site.evaluate()
    run = Run(site.folder)
    assert run.confusion() is not None
    assert run.confusion(weighted=True) is None
    assert run.curve(weighted=True) == ()


def test_pages_give_every_item_once_and_in_order(run: Run) -> None:
    seen, after = [], None
    while True:
        page = run.items(after=after, limit=3)
        assert len(page.lines) <= 3
        seen += [line.item for line in page.lines]
        if (after := page.after) is None:
            break
    assert seen == list(range(8))


def test_a_page_that_ends_with_the_last_item_has_no_next(run: Run) -> None:
    assert run.items(limit=8).after is None
    assert run.items(limit=7).after == 6
    assert [line.item for line in run.items(limit=1, after=2).lines] == [3]
    with pytest.raises(ValueError, match="at least one item"):
        run.items(limit=0)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"cell": ("unripe", "ripe")}, ["e1/1"]),
        ({"cell": ("ripe", None)}, ["e3/0"]),
        ({"cell": ("ripe", "unripe")}, []),
        ({"label": "unripe"}, ["e1/0", "e1/1", "e2/0", "e4/0"]),
        ({"state": "evaluated", "confidence": (0.5, 0.8)}, ["e2/0"]),
        ({"confidence": (0.9, 1)}, ["e1/0", "e1/1", "e4/0"]),
        ({"state": "unlabeled"}, ["e5/0"]),
        ({"state": "failed_prediction"}, ["e6/0"]),
        ({"state": "faulty"}, ["e7/0"]),
        ({"label": "ripe", "state": "unlabeled"}, []),
        ({"label": "ripe", "state": "evaluated"}, ["e1/0", "e1/1", "e3/0", "e4/0"]),
        ({"label": "ripe", "cell": ("unripe", "ripe")}, ["e1/1"]),
        ({"cell": ("ripe", "ripe"), "state": "faulty"}, []),
        ({"cell": ("ripe", None), "state": "failed_prediction"}, []),
    ],
)
def test_items_are_found_by_what_became_of_them(
    run: Run, wanted: dict[str, Any], found: list[str]
) -> None:
    assert names(run, **wanted) == found


def test_pages_go_on_within_what_is_looked_for(run: Run) -> None:
    wanted = ItemFilter(label="unripe")
    first = run.items(wanted, limit=3)
    rest = run.items(wanted, after=first.after, limit=3)
    assert [line.item_id for line in (*first.lines, *rest.lines)] == names(run, label="unripe")
    assert rest.after is None


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"label": "rotten"}, "'rotten' is not in the label set"),
        ({"cell": ("ripe", "rotten")}, "'rotten' is not in the label set"),
        ({"label": "\ud800"}, "is not in the label set"),
        ({"state": "odd"}, "give one of evaluated, unlabeled, failed_prediction, faulty"),
        ({"cell": (None, "ripe")}, "cell: .* give a true label, and a predicted one or None"),
        ({"cell": ("ripe",)}, "cell: .* give a true label, and a predicted one or None"),
        ({"confidence": (0.9, 0.1)}, "confidence: .* give two numbers, the lower one first"),
        ({"confidence": (float("nan"), 1)}, "confidence: .* give two numbers"),
        ({"confidence": (0, float("nan"))}, "confidence: .* give two numbers"),
        ({"confidence": ("0", "1")}, "confidence: .* give two numbers"),
        ({"confidence": (0.5,)}, "confidence: .* give two numbers"),
    ],
)
def test_what_cannot_be_found_is_refused(run: Run, wanted: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        names(run, **wanted)


def test_an_item_has_what_comparing_needs(run: Run) -> None:
    lines = {line.item_id: line for line in run.items().lines}
    first, second = lines["e1/0"], lines["e1/1"]
    assert (first.request_id, second.request_id) == ("e1", "e1")
    assert (first.p, first.weight, second.p, second.weight) == (1, 1, 0.5, 2)
    assert first.time is not None
    assert first.time.isoformat() == "2026-03-02T09:00:00+00:00"
    assert (first.truth, first.labels, first.scores) == (["ripe"], ["ripe", "unripe"], [0.9, 0.1])
    assert lines["e3/0"].data_hash == lines["e4/0"].data_hash, "the same data, written otherwise"
    assert len({line.data_hash for line in lines.values()}) == 7
    fault = lines["e7/0"]
    assert (fault.code, fault.truth) == (3, None)
    assert "not in the annotation spec set" in (fault.message or "")


def test_boxes_and_overlaps_are_read(tmp_path: Path) -> None:
    run = Run(boxed(tmp_path).folder)
    assert run.is_whole
    assert run.confusion() is None
    kinds = [(box.item, box.is_truth, box.kind) for box in run.boxes([0, 1])]
    assert kinds == [
        (0, False, "true_positive"),
        (1, False, "background"),
        (0, True, "found"),
        (1, True, "missed"),
    ]
    assert {box.item for box in run.boxes([1])} == {1}
    assert [point.iou for point in run.overlaps()] == pytest.approx(
        [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    )
    assert {point.cut for point in run.curve()} == {"every"}
    assert [point.iou for point in run.overlaps(weighted=True)] == []


def test_a_classification_has_no_boxes(run: Run) -> None:
    assert run.boxes([0]) == ()
    assert run.overlaps() == ()


@pytest.mark.parametrize("odd", [2**63, -1, 1.5, "a", None])
def test_what_is_no_number_of_an_item_has_no_boxes(run: Run, odd: Any) -> None:
    with pytest.raises(ValueError, match=f"items: {odd!r}; give numbers of items"):
        run.boxes([0, odd])


def test_a_run_that_has_not_written_all_says_so(own: Site) -> None:
    own.folder.remove(layout.MANIFEST)
    run = Run(own.folder)
    assert not run.is_whole
    for read in (run.evaluation, run.items, run.confusion, run.curve):
        with pytest.raises(NotWhole, match=r"no manifest.json: the run has not written all"):
            read()


def test_a_file_that_is_gone_or_cut_off_is_named(own: Site) -> None:
    own.folder.remove(layout.CURVES)
    own.folder.write_json(layout.EVALUATION, {})
    run = Run(own.folder)
    assert not run.is_whole
    assert run.missing() == ("curves.parquet", "evaluation.json")


def test_results_of_version_1_are_read(own: Site, tmp_path: Path) -> None:
    """Without the columns that came later, the label set, and the list of files."""
    whole = Run(own.folder).items().lines
    as_of_version_1(own, tmp_path)
    run = Run(own.folder)
    assert run.is_whole
    assert run.labels == LABEL_SET
    lines = run.items(ItemFilter(label="unripe")).lines
    assert [line.item_id for line in lines] == ["e1/0", "e1/1", "e2/0", "e4/0"]
    for old, new in zip(run.items().lines, whole, strict=True):
        assert old == new._replace(data_hash=None, time=None)
    own.folder.remove(layout.CURVES)
    assert run.missing() == ("curves.parquet",)


def as_of_version_1(site: Site, scratch: Path) -> None:
    local = scratch / "items.parquet"
    site.folder.fetch(layout.ITEMS, local)
    table = pq.read_table(local)
    pq.write_table(table.drop_columns(sorted(ADDED_IN_2)), local)
    site.folder.store(local, layout.ITEMS)
    manifest = site.folder.read_json(layout.MANIFEST)
    old = {name: manifest[name] for name in ("digest", "cut")}
    site.folder.write_json(layout.MANIFEST, old)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"version": 3, "digest": "x", "cut": {}}, r"results of version 3, .* reads up to 2: use"),
        ({"cut": {}}, "Field required; not as written"),
    ],
)
def test_results_of_others_are_refused(own: Site, content: Any, message: str) -> None:
    own.folder.write_json(layout.MANIFEST, content)
    with pytest.raises(InvalidRun, match=message):
        assert Run(own.folder).is_whole


@pytest.mark.parametrize("files", [{}, {"evaluation.json": 0}])
def test_a_manifest_that_lists_less_than_every_run_has_says_nothing_of_a_whole(
    own: Site, files: dict[str, int]
) -> None:
    own.folder.write_json(layout.MANIFEST, own.folder.read_json(layout.MANIFEST) | {"files": files})
    run = Run(own.folder)
    assert not run.is_whole
    assert run.missing() == ("curves.parquet", "evaluation.json", "items.parquet")


def test_a_manifest_of_today_that_lists_no_files_is_refused(own: Site) -> None:
    manifest = own.folder.read_json(layout.MANIFEST)
    own.folder.write_json(layout.MANIFEST, {k: v for k, v in manifest.items() if k != "files"})
    with pytest.raises(InvalidRun, match="files: version 2 lists them; not as written"):
        assert Run(own.folder).is_whole


@pytest.mark.parametrize("name", ["../other/items.parquet", "..", ".", "", "a\0b", "\ud800"])
def test_no_file_of_a_run_lies_elsewhere(own: Site, name: str) -> None:
    manifest = own.folder.read_json(layout.MANIFEST) | {"files": {name: 1}}
    (place_of(own) / layout.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InvalidRun, match=f"files: {re.escape(repr(name))} is no name"):
        assert Run(own.folder).is_whole


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("version", "2", "version: Input should be a valid integer"),
        ("version", True, "version: Input should be a valid integer"),
        ("files", {"items.parquet": "5"}, "files.items.parquet: Input should be a valid integer"),
        ("annotationSpecs", [], "annotationSpecs: version 2 tells the label set"),
        ("annotationSpecs", ["ripe", "ripe"], "annotationSpecs: a label is there twice"),
        ("cut", 5, "cut: Input should be a valid dictionary"),
    ],
)
def test_a_manifest_that_no_run_writes_is_named(
    own: Site, field: str, value: object, message: str
) -> None:
    manifest = own.folder.read_json(layout.MANIFEST)
    own.folder.write_json(layout.MANIFEST, manifest | {field: value})
    with pytest.raises(InvalidRun, match=rf"manifest\.json: .*{message}; not as written"):
        assert Run(own.folder).is_whole


class Altered:
    """A run one of whose files somebody else has written anew."""

    def __init__(self, site: Site, name: str) -> None:
        self.run = Run(site.folder)
        self._path = place_of(site) / name
        self.table = pq.read_table(self._path)

    def write(self, table: pa.Table) -> None:
        pq.write_table(table, self._path)

    def with_column(self, name: str, values: pa.Array) -> None:
        place = self.table.schema.get_field_index(name)
        self.write(self.table.set_column(place, pa.field(name, values.type), values))


@pytest.fixture
def items(own: Site) -> Altered:
    return Altered(own, layout.ITEMS)


@pytest.fixture
def matrix(own: Site) -> Altered:
    return Altered(own, layout.CONFUSION)


@pytest.mark.parametrize("lines", [0, 8])
@pytest.mark.parametrize("column", ["item", "state", "request_id"])
def test_a_file_that_lacks_a_column_is_refused(items: Altered, column: str, lines: int) -> None:
    items.write(items.table.drop_columns([column]).slice(0, lines))
    with pytest.raises(InvalidRun, match=rf"items\.parquet: no column {column}; not as written"):
        items.run.items()


@pytest.mark.parametrize("lines", [0, 8])
@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("item", pa.string()),
        ("item", pa.float64()),
        ("item_id", pa.binary()),
        ("scores", pa.float64()),
        ("scores", pa.list_(pa.string())),
        ("time", pa.timestamp("us")),
        ("p", pa.struct([("p", pa.float64())])),
        ("weight", pa.null()),
    ],
)
def test_a_column_of_another_type_is_refused(
    items: Altered, column: str, kind: pa.DataType, lines: int
) -> None:
    items.table = items.table.slice(0, lines)
    items.with_column(column, pa.nulls(lines, kind))
    with pytest.raises(InvalidRun, match=rf"items\.parquet: column {column}: .*, not .*; not as"):
        items.run.items()


def test_a_column_that_is_there_twice_is_refused(items: Altered) -> None:
    items.write(items.table.append_column("state", items.table["state"]))
    with pytest.raises(InvalidRun, match=r"items\.parquet: more than one column state"):
        items.run.items()


def test_what_has_to_be_there_on_each_line_is_missed(items: Altered) -> None:
    items.with_column("state", pa.array([None] + ["evaluated"] * 7))
    with pytest.raises(InvalidRun, match=r"column state has lines without a value; not as written"):
        items.run.items(ItemFilter(label="ripe"))


def test_text_that_is_none_is_refused(items: Altered) -> None:
    broken = pa.array([b"\xff"] * 8).view(pa.string())
    items.with_column("message", broken)
    with pytest.raises(InvalidRun, match=r"items\.parquet: column message: .*UTF8"):
        items.run.items()


def test_a_time_after_the_last_year_is_refused(items: Altered) -> None:
    items.with_column("time", pa.array([2**60] * 8, pa.timestamp("us", "UTC")))
    with pytest.raises(InvalidRun, match=r"items\.parquet: .*; not as written"):
        items.run.items()


def test_other_types_of_the_same_values_are_read(items: Altered) -> None:
    """DuckDB, pandas and Spark choose their own."""
    before = items.run.items().lines
    table = items.table
    for name, values in {
        "item": table["item"].cast(pa.int32()),
        "state": table["state"].dictionary_encode(),
        "message": table["message"].cast(pa.large_string()),
        "time": table["time"].cast(pa.timestamp("ns", "UTC")),
        "p": table["p"].cast(pa.float32()),
        "scores": table["scores"].cast(pa.large_list(pa.float64())),
    }.items():
        items.with_column(name, values)
        items.table = pq.read_table(items._path)
    assert items.run.items().lines == before
    assert [line.item for line in items.run.items(ItemFilter(state="faulty")).lines] == [7]


@pytest.mark.parametrize(
    "numbers", [range(7, -1, -1), range(1, 9), [0, 0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6, 8]]
)
def test_items_that_are_not_counted_by_line_are_refused(
    items: Altered, numbers: Sequence[int]
) -> None:
    """Pages go by these numbers: some items would be on none."""
    items.with_column("item", pa.array(list(numbers), pa.int64()))
    with pytest.raises(InvalidRun, match="column item: does not count the lines from 0"):
        items.run.items()


def test_a_matrix_of_other_labels_is_refused(matrix: Altered) -> None:
    for column in ("truth", "predicted"):
        matrix.with_column(column, pa.array(["rotten"] * matrix.table.num_rows))
        with pytest.raises(InvalidRun, match=r"confusion\.parquet: .*'rotten'.* not in the label"):
            matrix.run.confusion()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("lines", [slice(1, None), [0, *range(12)], [0, 0, *range(2, 12)]])
def test_a_matrix_has_one_figure_for_each_cell(
    matrix: Altered, lines: slice | list[int], weighted: bool
) -> None:
    """Two matrices of six cells: none is taken to be 0, and none for the sum of two."""
    halves = [
        matrix.table.filter(pc.equal(matrix.table["weighted"], it)).to_pylist()
        for it in (weighted, not weighted)
    ]
    rows = [*halves[0], *halves[1]]
    rows = rows[lines] if isinstance(lines, slice) else [rows[it] for it in lines]
    matrix.write(pa.Table.from_pylist(rows, schema=matrix.table.schema))
    with pytest.raises(InvalidRun, match="not one figure for each of its 6 cells"):
        matrix.run.confusion(weighted=weighted)


def test_a_figure_that_is_none_is_refused(matrix: Altered) -> None:
    matrix.with_column("items", pa.array([float("nan")] * matrix.table.num_rows))
    with pytest.raises(InvalidRun, match="not one figure for each of its 6 cells"):
        matrix.run.confusion()


def test_a_matrix_without_lines_is_none_of_this_run(matrix: Altered) -> None:
    matrix.write(matrix.table.slice(0, 0))
    with pytest.raises(InvalidRun, match="not one figure"):
        matrix.run.confusion()
    assert matrix.run.confusion(weighted=True) is None


@pytest.mark.parametrize("name", [layout.CONFUSION, layout.ITEMS, layout.CURVES])
def test_a_file_that_is_listed_and_gone_is_not_taken_for_one_that_never_was(
    own: Site, name: str
) -> None:
    own.folder.remove(name)
    run = Run(own.folder)
    read: dict[str, Callable[[], object]] = {
        layout.CONFUSION: run.confusion,
        layout.ITEMS: run.items,
        layout.CURVES: run.curve,
    }
    with pytest.raises(Unavailable, match=name):
        read[name]()


def test_an_evaluation_that_is_none_is_refused(own: Site) -> None:
    own.folder.write_json(layout.EVALUATION, {"kind": "Evaluation"})
    with pytest.raises(InvalidRun, match=r"evaluation\.json: .*; not as written"):
        Run(own.folder).evaluation()


@pytest.mark.parametrize(
    "page",
    [
        {"limit": 2**63},
        {"limit": 100_001},
        {"limit": -1},
        {"limit": 1.5},
        {"after": -1},
        {"after": 1.5},
    ],
)
def test_a_page_that_there_cannot_be_is_refused(run: Run, page: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^(limit|after): {next(iter(page.values()))}; "):
        run.items(**page)


def test_data_that_is_nested_too_deeply_has_no_hash() -> None:
    """Such may be readable, and a run does not end with it."""
    data: object = []
    for _ in range(100_000):
        data = [data]
    assert Origin("e1", None, data).data_hash() is None
