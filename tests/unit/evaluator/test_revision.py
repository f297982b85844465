"""A run evaluated again with the labels that came late."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import EvaluationSpec
from evaluation_operator.evaluator.revision import Source, count_new_labels
from evaluation_operator.evaluator.run import evaluate_dataset
from evaluation_operator.evaluator.run_rows import RunOptions
from evaluation_operator.results import layout
from evaluation_operator.results.errors import InvalidRun
from evaluation_operator.results.folder import Folder
from evaluation_operator.tables.open import open_table
from tests.unit.evaluator.labeled_site import LABEL_TIME, Site, answered, prediction, row, truths

LATER = LABEL_TIME + timedelta(days=2)


class RevisedSite(Site):
    """The same, and what comes after its run."""

    def revision(self, number: int = 1) -> Dataset:
        run = self.dataset.metadata.name
        spec = {
            "windows": [],
            "sourceDataset": run,
            "revision": {"run": run, "number": number, "supersedes": run},
        }
        return self.named(f"{run}-r{number}", spec)

    def revise(self, number: int = 1, now: datetime = LATER) -> EvaluationSpec:
        dataset = self.revision(number)
        return self.compute(dataset, self.folder_of(dataset), None, self.options(now))

    def compute(
        self, dataset: Dataset, folder: Folder | None, kept: Folder | None, options: RunOptions
    ) -> EvaluationSpec:
        with closing(open_table(self.uri)) as table:
            found = evaluate_dataset(dataset, table, folder, options, labels_from=kept)
        assert found.evaluation is not None
        return found.evaluation.spec

    def new_labels(self, now: datetime = LATER) -> int:
        options = self.options(now)
        with closing(open_table(self.uri)) as table:
            source = Source.open(self.folder)
            return count_new_labels(self.dataset, table, source, options.scratch, now)


@pytest.fixture
def site(tmp_path: Path) -> RevisedSite:
    """People are asked."""
    return RevisedSite(tmp_path)


@pytest.fixture
def own(tmp_path: Path) -> RevisedSite:
    """Labels are the user's alone."""
    return RevisedSite(tmp_path, labeling=None)


def accuracies(*specs: EvaluationSpec) -> object:
    """Of each how many items were evaluated, and the share that was right."""
    return [(spec.evaluated_item_count, spec.accuracy) for spec in specs]


def test_labels_that_a_user_imports_late_are_counted_and_evaluated(own: RevisedSite) -> None:
    own.fill(row("early", "ripe"), row("late"), row("never"), row("corrected", "ripe"))
    first = own.evaluate()
    assert own.new_labels() == 0
    own.own_label("late", truths("unripe"), LABEL_TIME)
    own.own_label("corrected", truths("unripe"), LABEL_TIME)
    own.own_label("early", truths("ripe"), LABEL_TIME)
    assert own.new_labels() == 2, "the same label again is none"
    second = own.revise()
    assert accuracies(first, second) == [(2, 1.0), (3, pytest.approx(1 / 3))]
    assert (first.coverage, second.coverage) == (0.5, 0.75)
    assert (first.supersedes, second.supersedes) == (None, own.dataset.metadata.name)
    assert second.label_cutoff_time == LATER
    assert second.evaluation_job_run_time == first.evaluation_job_run_time
    assert second.labeling is None


def test_it_is_as_if_the_labels_had_been_there_from_the_start(
    own: RevisedSite, tmp_path: Path
) -> None:
    own.fill(row("a"), row("b", "ripe"))
    own.evaluate()
    own.own_label("a", truths("unripe"), LABEL_TIME)
    other = RevisedSite(tmp_path / "other", labeling=None)
    other.fill(row("a", "unripe"), row("b", "ripe"))
    assert own.revise().digest == other.evaluate().digest


def test_labels_up_to_the_cut_off_count_and_no_later_ones(own: RevisedSite) -> None:
    own.fill(row("a"), row("b", "ripe"))
    own.evaluate()
    own.own_label("a", truths("unripe"), LATER + timedelta(hours=1))
    assert own.new_labels() == 0
    assert own.revise().evaluated_item_count == 1
    assert own.revise(2, LATER + timedelta(hours=1)).evaluated_item_count == 2


def test_rows_are_those_of_the_run_whatever_has_come_or_gone(own: RevisedSite) -> None:
    own.fill(row("a", "ripe"), row("b", "ripe"))
    own.evaluate()
    own.fill(row("c", "ripe"), row("0", "ripe"))
    assert own.new_labels() == 0
    for file in (own.place / "table").rglob("*.parquet"):
        file.unlink()
    assert own.new_labels() == 0
    assert accuracies(own.revise()) == [(2, 1.0)]


def test_items_are_counted_and_not_rows(own: RevisedSite) -> None:
    said = json.loads(prediction(("ripe", 0.9)))["predictions"] * 3
    own.fill(
        row(
            "three",
            raw_data=json.dumps({"instances": [{}] * 3}),
            raw_prediction=json.dumps({"predictions": said}),
            groundtruth=truths("ripe", None, None),
        )
    )
    own.evaluate()
    own.own_label("three", truths("ripe", "unripe", "ripe"), LABEL_TIME)
    assert own.new_labels() == 2
    assert accuracies(own.revise()) == [(3, pytest.approx(2 / 3))]


def test_ground_truth_that_cannot_be_read_any_more_is_a_fault_of_the_row(own: RevisedSite) -> None:
    own.fill(row("a", "ripe"), row("b", "ripe"))
    own.evaluate()
    own.own_label("a", "{", LABEL_TIME)
    assert own.new_labels() == 1
    assert own.revise().total_partial_failures == 1


def test_rows_of_one_id_that_differ_keep_what_they_had(own: RevisedSite) -> None:
    """Nobody can say which of them is meant."""
    other = {"sampled_at": None, "priority": None}
    own.fill(row("a", "ripe", **other), row("a", "unripe", **other), row("b", "ripe"))
    before = own.evaluate()
    assert own.new_labels() == 0
    assert own.revise().digest == before.digest


# Where people label.


def label_one_of_two(site: RevisedSite) -> EvaluationSpec:
    site.fill(row("a"), row("b"), row("known", "ripe"))
    site.cut()
    site.label([answered("a", "unripe")], asked=2)
    return site.evaluate()


def test_answers_after_the_deadline_are_counted_and_evaluated(site: RevisedSite) -> None:
    first = label_one_of_two(site)
    assert site.new_labels() == 0, "what people said in time is in the table by now"
    late = LATER - timedelta(hours=1)
    site.label([answered("a", "unripe"), answered("b", "ripe")], is_late=True, time=late)
    assert site.new_labels() == 1
    second = site.revise()
    assert accuracies(first, second) == [(2, 0.5), (3, pytest.approx(2 / 3))]
    assert first.labeling is not None
    assert second.labeling is not None
    assert (first.labeling.answered_item_count, second.labeling.answered_item_count) == (1, 2)
    assert site.table_labels()["b"] == truths("ripe")


def test_people_may_come_to_another_view(site: RevisedSite) -> None:
    label_one_of_two(site)
    site.label([answered("a", "ripe")], is_late=True)
    assert site.new_labels() == 1
    assert accuracies(site.revise()) == [(2, 1.0)]


def test_what_the_user_says_late_wins_over_people(site: RevisedSite) -> None:
    label_one_of_two(site)
    site.own_label("a", truths("ripe"), LATER)
    site.label([answered("a", "unripe"), answered("b", "unripe")], is_late=True)
    assert site.new_labels() == 2
    assert accuracies(site.revise()) == [(3, pytest.approx(2 / 3))]


def test_what_people_left_open_flatters_nothing_once_the_user_has_said_it(
    site: RevisedSite,
) -> None:
    site.fill(row("clear"), row("disputed"))
    site.cut()
    site.label([answered("clear", "ripe"), answered("disputed", None)])
    first = site.evaluate()
    site.own_label("disputed", truths("ripe"), LABEL_TIME)
    second = site.revise()

    assert [any("flatters" in text for text in it.warnings) for it in (first, second)] == [True, 0]
    assert second.labeling == first.labeling
    assert accuracies(first, second) == [(1, 1.0), (2, 1.0)]


def test_a_revision_keeps_the_labels_that_it_was_computed_from(site: RevisedSite) -> None:
    label_one_of_two(site)
    site.label([answered("a", "unripe"), answered("b", "ripe")], is_late=True)
    made = site.revise()
    site.label([answered("a", "ripe"), answered("b", "unripe")], is_late=True)
    site.own_label("known", truths("unripe"), LATER)
    assert site.revise().digest == made.digest, "another pod of the same revision"
    dataset, options = site.revision(), replace(site.options(LATER), keeps_labels=False)
    again = site.compute(dataset, None, site.folder_of(dataset), options)
    assert again.digest == made.digest, "the same on a laptop"
    assert site.revise(2).digest != made.digest


def test_a_revision_says_what_it_lacks(own: RevisedSite) -> None:
    with pytest.raises(InvalidRun, match="has no rows: its run has not cut any"):
        own.revise()
    options: Any = own.options(LATER)
    with pytest.raises(InvalidRun, match="give --results"):
        own.compute(own.revision(), None, None, options)


def test_a_run_that_is_cut_again_leaves_no_files_of_its_source_behind(own: RevisedSite) -> None:
    own.fill(row("a", "ripe"))
    own.evaluate()
    own.revise()
    folder = own.folder_of(own.revision())
    assert folder.exists(layout.ROWS)
    assert not folder.exists(layout.LABELED)
    assert not folder.exists(layout.SEEN)


def test_labels_of_another_model_version_are_no_new_labels(site: RevisedSite) -> None:
    """Two jobs share the table: what was imported for the other one's rows made a revision here,
    whose ground truth it was."""
    site.fill(row("a"), row("a", model_version="v2"), row("b", "ripe"))
    site.cut()
    site.label([])
    site.evaluate()
    site.own_label("a", truths("unripe"), LABEL_TIME + timedelta(days=1), "v2")
    assert site.new_labels() == 0
    site.own_label("a", truths("ripe"), LABEL_TIME + timedelta(days=1), "v1")
    assert site.new_labels() == 1
    spec = site.revise()
    assert (spec.evaluated_item_count, spec.accuracy) == (2, 1)
    assert not any("labels that name none" in text for text in spec.warnings)
