"""What people are asked about a cut, and what their labels make of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from evaluation_operator.evaluator.labels import filled_truth
from evaluation_operator.results import layout
from evaluation_operator.results.errors import NothingUsable, Unavailable
from evaluation_operator.storage.errors import TableUnavailable
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import Table
from evaluation_operator.tables.sample import hashed_priority
from tests.builders import make_detection_job
from tests.unit.evaluator.labeled_site import (
    CUT_TIME,
    LABEL_TIME,
    WINDOW_START,
    Site,
    answered,
    entry,
    label_line,
    prediction,
    row,
    truths,
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# What people are asked.


def test_people_are_asked_for_what_is_missing_and_nothing_else(site: Site) -> None:
    site.fill(
        row("known", "ripe"),
        row("wanted"),
        row("unpredicted", raw_prediction=None),
        row("unreadable", raw_prediction="{"),
        row("strange", raw_prediction=prediction(("blue", 0.5))),
        row("lost", raw_data='{"gone": 1}'),
    )
    assert site.cut().tasks == 1
    (task,) = site.tasks()
    assert (task["item_id"], task["row_id"], task["index"]) == ("wanted", "wanted", 0)
    assert json.loads(task["instance"]) == {"image": "s3://fruit/wanted.png"}


def test_a_task_says_nothing_of_the_prediction(site: Site) -> None:
    site.fill(row("wanted"))
    site.cut()
    assert "ripe" not in json.dumps(site.tasks()[0]).replace("ripeness", "")
    assert sorted(site.tasks()[0]) == ["index", "instance", "item_id", "priority", "row_id"]


def test_tasks_come_by_the_priority_that_items_are_sampled_by(site: Site) -> None:
    foreign = row("foreign", priority=None, sampled_at=None, p=None, interval_start=None)
    site.fill(row("late", priority=0.75), row("early", priority=0.001), foreign)
    site.cut()
    tasks = site.tasks()
    assert [task["priority"] for task in tasks] == sorted(task["priority"] for task in tasks)
    by_id = {task["item_id"]: task["priority"] for task in tasks}
    assert by_id == {"early": 0.001, "late": 0.75, "foreign/0": hashed_priority("foreign/0")}


def test_of_a_row_with_several_items_those_are_asked_that_lack_truth(site: Site) -> None:
    site.fill(_several("several", truths("ripe", None, None)))
    assert site.cut().tasks == 2
    assert {task["item_id"]: task["instance"] for task in site.tasks()} == {
        "several/1": '"b"',
        "several/2": '"c"',
    }


def _several(name: str, truth: str | None) -> dict[str, Any]:
    one = json.loads(prediction(("ripe", 0.9)))["predictions"][0]
    return row(
        name,
        raw_data=json.dumps({"instances": ["a", "b", "c"]}),
        raw_prediction=json.dumps({"predictions": [one, one, one]}),
        groundtruth=truth,
        priority=None,
        sampled_at=None,
        p=None,
        interval_start=None,
    )


def test_tasks_written_again_are_the_same(site: Site) -> None:
    site.fill(*(row(f"row-{n}", priority=1 / (n + 1)) for n in range(40)))
    site.cut()
    first = site.tasks()
    site.cut()
    assert site.tasks() == first


def test_large_instances_are_not_held_in_memory(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation_operator.evaluator.asked._GROUP_BYTES", 3000)
    for n in range(10):
        content = {"instances": [{"image": "x" * 1000}]}
        site.fill(row(f"row-{n}", raw_data=json.dumps(content)))
    site.cut()
    assert len(site.tasks()) == 10
    assert pq.ParquetFile(site.place / "tasks.parquet").metadata.num_row_groups == 4


# What their labels make of it.


def test_labels_fill_what_is_missing_and_make_an_evaluation(site: Site) -> None:
    site.fill(row("a"), row("b"), row("c", "ripe"))
    site.cut()
    site.label([answered("a", "ripe"), answered("b", "unripe")])
    spec = site.evaluate()

    assert spec.evaluated_item_count == 3
    assert spec.accuracy == pytest.approx(2 / 3)
    assert spec.coverage == 1
    assert spec.label_cutoff_time == LABEL_TIME
    labeling = spec.labeling
    assert labeling is not None
    assert (labeling.asked_item_count, labeling.answered_item_count) == (2, 2)
    assert (labeling.annotator_count, labeling.agreement) == (3, -0.25)


def test_the_users_own_truth_wins(site: Site) -> None:
    site.fill(row("own", "ripe"), row("other"))
    site.cut()
    site.label([answered("own", "unripe"), answered("other", "ripe")])

    assert site.evaluate().accuracy == 1
    assert site.table_labels()["own"] == truths("ripe")


def test_what_people_do_not_agree_on_is_left_out_and_told(site: Site) -> None:
    site.fill(row("clear"), row("disputed"), row("unanswered"))
    site.cut()
    most_said = json.dumps(entry("ripe"))
    disputed = answered("disputed", None)._replace(groundtruth=most_said)
    site.label([answered("clear", "ripe"), disputed], asked=3)
    spec = site.evaluate()

    assert spec.item_counts is not None
    assert (spec.item_counts.labeled, spec.item_counts.unlabeled) == (1, 2)
    assert spec.labeling is not None
    assert spec.labeling.unresolved_item_count == 1
    assert spec.coverage == pytest.approx(1 / 3)
    assert any("1 of 2 items that people answered" in text for text in spec.warnings)


def test_a_later_version_has_the_labels_and_the_same_digest(site: Site) -> None:
    site.fill(row("a"), row("b"), row("c", "ripe"), row("open"))
    site.cut()
    site.label([answered("a", "ripe"), answered("b", "unripe")])
    spec = site.evaluate()

    assert site.evaluate_version().digest == spec.digest
    again = site.evaluate_version(sourceDataset=site.dataset.metadata.name, windows=[])
    assert again.digest == spec.digest
    assert again.labeling is None


def test_other_labels_give_another_digest(site: Site, tmp_path: Path) -> None:
    digests = []
    for label in ("ripe", "unripe", None):
        (tmp_path / str(label)).mkdir()
        other = Site(tmp_path / str(label))
        other.fill(row("a"), row("b", "ripe"))
        other.cut()
        other.label([answered("a", label)])
        digests.append(other.evaluate().digest)
    assert len(set(digests)) == 3


def test_evaluating_again_adds_no_label_twice(site: Site) -> None:
    site.fill(row("a"), row("b"))
    site.cut()
    site.label([answered("a", "ripe"), answered("b", None)])
    first = site.evaluate()
    files = sorted((site.place / "table" / "_labels").iterdir())
    again = site.evaluate()

    assert again.digest == first.digest
    assert sorted((site.place / "table" / "_labels").iterdir()) == files
    assert site.table_labels() == {"a": truths("ripe"), "b": None}


def test_labels_of_a_row_with_several_items_keep_what_the_user_gave(site: Site) -> None:
    site.fill(_several("several", truths("ripe", None, None)))
    site.cut()
    site.label([answered("several/2", "unripe", row_id="several", index=2)])
    spec = site.evaluate()

    assert spec.evaluated_item_count == 2
    assert site.table_labels() == {"several": truths("ripe", None, "unripe")}


def test_what_people_label_is_truth_of_their_jobs_model_version_alone(site: Site) -> None:
    """Another job of the namespace shares the table, and its clients use the same ids: what people
    had said of one model's answer was the other's ground truth."""
    site.fill(row("a"), row("a", model_version="v2"))
    site.cut()
    site.label([answered("a", "ripe")])
    site.evaluate()

    assert site.table_labels() == {"a": truths("ripe")}
    assert site.table_labels("v2") == {"a": None}


@pytest.mark.parametrize("versions", [("v1",), ("v1", "v2")])
@pytest.mark.parametrize("of", [None, "v1"])
def test_labels_that_name_no_model_version_are_warned_of_where_there_are_several(
    site: Site, versions: tuple[str, ...], of: str | None
) -> None:
    """Tables of before have no columns for it, and go on as they did."""
    site.fill(*(row("a", model_version=version) for version in versions))
    site.own_label("a", truths("ripe"), WINDOW_START, of)
    spec = site.evaluate_version(allRows=True, windows=[], labeling=None)
    is_warned = any("labels that name none" in text for text in spec.warnings)
    assert is_warned == (len(versions) == 2 and of is None)
    assert spec.accuracy == 1


def test_a_table_that_takes_no_labels_is_warned_of_only(site: Site) -> None:
    class ReadOnly:
        def __init__(self, table: Table) -> None:
            self._table = table

        def __getattr__(self, name: str) -> Any:
            return getattr(self._table, name)

        def append_labels(self, batches: Any, *, for_all_versions: bool = False) -> None:
            raise TableUnavailable("the volume is mounted read-only")

    site.fill(row("a"))
    site.cut()
    site.label([answered("a", "ripe")])
    spec = site.evaluate(ReadOnly(open_table(site.uri)))

    assert spec.evaluated_item_count == 1
    assert any("mounted read-only" in text for text in spec.warnings)


def test_where_everything_has_truth_people_are_not_asked(site: Site) -> None:
    site.fill(row("a", "ripe"), row("b", "unripe"))
    assert site.cut().tasks == 0
    spec = site.evaluate()

    assert spec.evaluated_item_count == 2
    assert spec.labeling is not None
    assert spec.labeling.asked_item_count == 0
    assert spec.labeling.agreement is None


def test_before_people_have_done_nothing_is_evaluated(site: Site) -> None:
    site.fill(row("a"), row("b", "ripe"))
    site.cut()
    with pytest.raises(Unavailable, match=r"no labels\.json.*have not labelled it yet"):
        site.evaluate()


def test_labels_that_settle_nothing_end_the_run_with_their_number(site: Site) -> None:
    site.fill(row("a"))
    site.cut()
    site.label([answered("a", None)])
    with pytest.raises(NothingUsable, match=r"asked about 1 items, answered 1, and left 1 of"):
        site.evaluate()


def test_the_cut_of_the_first_step_stays_as_it_is(site: Site) -> None:
    site.fill(row("a"))
    before = site.cut().cut
    site.label([answered("a", "ripe")])
    site.evaluate()

    stored = site.folder.read_json(layout.CUT)
    assert stored["digest"] == before.figures.digest
    assert datetime.fromisoformat(stored["time"]) == CUT_TIME


def test_boxes_that_people_drew_are_truth_like_any_other(tmp_path: Path) -> None:
    job = make_detection_job()["spec"]["evaluationJobConfig"]
    site = Site(
        tmp_path,
        _input=job["inputConfig"],
        bigqueryImportKeys=job["bigqueryImportKeys"],
        evaluationConfig=job["evaluationConfig"],
    )
    box = {"top_left": {"x": 1, "y": 1}, "bottom_right": {"x": 9, "y": 9}}
    said = {"labels": ["ripe"], "scores": [0.8], "boxes": [box]}
    site.fill(row("a", raw_prediction=json.dumps({"predictions": [said]})))
    site.cut()
    site.label([label_line("a", "a", 0, {"boxes": [box], "labels": ["ripe"]})])
    spec = site.evaluate()

    assert spec.evaluation_metrics is not None
    found = spec.evaluation_metrics.object_detection_metrics
    assert found is not None
    assert found.pr_curve is not None
    assert found.pr_curve.mean_average_precision == 1


def test_entries_that_no_row_has_a_place_for_change_nothing() -> None:
    plain = row("a") | {"is_duplicate": False}
    fill: Callable[[Mapping[int, str]], str | None] = lambda it: filled_truth(plain, it)  # noqa: E731
    assert fill({}) is None
    assert fill({1: '{"labels": ["ripe"]}'}) is None
    assert fill({0: '{"labels": ["ripe"]}'}) == truths("ripe")
    assert filled_truth(plain | {"is_duplicate": True}, {0: "{}"}) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"predictions": ' + "[" * 3000 + "]" * 3000 + "}",
        '{"predictions": [' + "[]," * 4_000_000 + "[]]}",
    ],
    ids=["deep", "wide"],
)
def test_a_row_that_cannot_be_read_keeps_its_ground_truth(text: str) -> None:
    """Of a row with people's labels its texts are read once more, and there without a bound: one
    row, written by somebody else, ended every run of the job that asks people."""
    row = {"id": "r", "is_duplicate": False, "raw_prediction": text, "groundtruth": None}
    assert filled_truth(row, {0: "{}"}) is None
    assert filled_truth(row | {"raw_prediction": "{}", "groundtruth": text}, {0: "{}"}) is None
