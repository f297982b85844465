"""The figures of a classification equal a brute force written from their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.metrics import (
    THRESHOLDS,
    CountBatch,
    Totals,
    classify,
    reported_thresholds,
)
from tests.unit.metrics import oracle
from tests.unit.metrics.making import (
    assert_figures,
    assert_same,
    count_batches,
    make_items,
    result_of,
    total_counts,
)
from tests.unit.metrics.oracle import OracleItem

FEW_THRESHOLDS = (0.0, 0.15, 0.3, 0.96)


def truth(*labels: int) -> frozenset[int]:
    return frozenset(labels)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans(), st.integers(1, 7), st.integers(1, 5))
def test_every_figure_equals_the_brute_force(
    data: st.DataObject, multi_label: bool, label_count: int, rows: int
) -> None:
    items = data.draw(make_items(label_count=label_count, multi_label=multi_label))
    result = result_of(
        items, label_count, multi_label=multi_label, thresholds=FEW_THRESHOLDS, rows=rows
    )
    assert_figures(result.plain, items, label_count, multi_label=multi_label)
    assert result.weighted is None


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans(), st.integers(1, 4), st.integers(1, 5))
def test_weighted_figures_equal_the_brute_force_weighted_by_inverse_p(
    data: st.DataObject, multi_label: bool, label_count: int, rows: int
) -> None:
    ps = (0.005, 0.3, 1.0)
    items = data.draw(make_items(label_count=label_count, multi_label=multi_label, ps=ps))
    result = result_of(
        items, label_count, multi_label=multi_label, thresholds=FEW_THRESHOLDS, rows=rows
    )
    assert_figures(result.plain, items, label_count, multi_label=multi_label)
    assert (result.weighted is None) == (len({item.p for item in items}) == 1)
    if result.weighted is not None:
        assert_figures(
            result.weighted,
            items,
            label_count,
            multi_label=multi_label,
            weigh=oracle.by_inverse_p,
        )


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_where_batches_end_changes_no_digit(data: st.DataObject) -> None:
    items = data.draw(make_items(label_count=3, multi_label=True, ps=(0.1, 0.7)))
    whole = result_of(items, 3, multi_label=True)
    cut = result_of(items, 3, multi_label=True, rows=1)
    for one, other in ((whole.plain, cut.plain), (whole.weighted, cut.weighted)):
        if one is None or other is None:
            assert one is other
            continue
        assert one.aggregate.area == other.aggregate.area
        assert [curve.area for curve in one.labels] == [curve.area for curve in other.labels]
        np.testing.assert_array_equal(one.aggregate.positives, other.aggregate.positives)


def test_two_intervals_of_unequal_probability_weigh_as_what_they_stand_for() -> None:
    """100,000 predictions at accuracy 0.60 and 1,000 at 0.95, 500 sampled of each."""
    right, wrong = {0: 0.9, 1: 0.1}, {0: 0.1, 1: 0.9}
    items = [
        OracleItem(truth(0), right if i < accuracy * 500 else wrong, p)
        for p, accuracy in ((500 / 100_000, 0.60), (500 / 1_000, 0.95))
        for i in range(500)
    ]
    result = result_of(items, 2, multi_label=False)
    assert result.plain.accuracy == 0.775
    assert result.weighted is not None
    assert result.weighted.accuracy == pytest.approx(0.6035, abs=5e-5)
    assert_same(result.weighted.accuracy, oracle.accuracy(items, oracle.by_inverse_p))


def test_an_unlisted_label_is_never_positive_and_its_truth_never_recalled() -> None:
    items = [OracleItem(truth(1), {0: 0.9}), OracleItem(truth(1), {1: 0.8})]
    curve = result_of(items, 2, multi_label=False).plain.labels[1]
    lowest = next(curve.entries())
    assert lowest.threshold == 0.0
    assert (lowest.every.true_positives, lowest.every.false_negatives) == (1, 1)
    assert curve.area == 0.5


def test_nothing_predicted_gives_area_zero_and_not_none() -> None:
    figures = result_of([OracleItem(truth(0))], 2, multi_label=False).plain
    assert figures.labels[0].area == 0.0
    assert figures.labels[1].area is None
    assert figures.mean_average_precision == 0.0
    assert figures.aggregate.area == 0.0
    assert figures.accuracy == 0.0
    assert next(figures.aggregate.entries()).every.precision is None


def test_no_label_with_truth_gives_no_mean_average_precision() -> None:
    figures = result_of([OracleItem(truth(), {0: 0.5})], 2, multi_label=True).plain
    assert figures.mean_average_precision is None
    assert figures.aggregate.area is None
    entry = next(figures.aggregate.entries())
    assert entry.every.recall is None
    assert entry.every.precision == 0.0
    assert entry.every.f1 == 0.0


def test_labels_without_truth_count_in_the_aggregate_and_not_in_the_mean() -> None:
    items = [OracleItem(truth(0), {0: 0.6, 1: 0.9})]
    figures = result_of(items, 2, multi_label=False).plain
    assert figures.mean_average_precision == 1.0
    assert figures.aggregate.area == 0.5


def test_the_envelope_takes_the_best_precision_at_any_lower_score() -> None:
    items = [
        OracleItem(truth(), {0: 0.9}),
        OracleItem(truth(0), {0: 0.8}),
        OracleItem(truth(0), {0: 0.7}),
    ]
    assert_same(result_of(items, 1, multi_label=True).plain.labels[0].area, 2 / 3)
    assert_same(oracle.average_precision(items, [0], envelope=False), (1 / 2 + 2 / 3) / 2)


def test_equal_scores_form_one_point() -> None:
    items = [OracleItem(truth(0), {0: 0.5}), OracleItem(truth(), {0: 0.5})]
    assert result_of(items, 1, multi_label=True).plain.labels[0].area == 0.5


def test_at_1_and_at_5_cut_before_the_threshold_and_divide_by_all_truth() -> None:
    scores = {label: 0.9 - label / 10 for label in range(7)}
    items = [OracleItem(truth(0, 4, 6), scores)]
    figures = result_of(items, 7, multi_label=True).plain
    entry = next(figures.aggregate.entries())
    assert (entry.at_1.precision, entry.at_1.recall) == (1.0, 1 / 3)
    assert (entry.at_5.precision, entry.at_5.recall) == (2 / 5, 2 / 3)
    assert (entry.every.precision, entry.every.recall) == (3 / 7, 1.0)
    seventh = next(figures.labels[6].entries())
    assert (seventh.at_5.precision, seventh.at_5.recall) == (None, 0.0)
    assert (seventh.every.precision, seventh.every.recall) == (1.0, 1.0)


def test_ties_inside_an_item_are_ranked_by_label_order() -> None:
    figures = result_of([OracleItem(truth(1), {1: 0.5, 0: 0.5})], 2, multi_label=False).plain
    assert figures.confusion is not None
    assert figures.confusion.cells.tolist() == [[0, 0, 0], [1, 0, 0]]


def test_cells_sum_to_the_items_with_a_column_for_nothing_predicted() -> None:
    items = [OracleItem(truth(0), {0: 0.2}), OracleItem(truth(2), {0: 0.9}), OracleItem(truth(2))]
    confusion = result_of(items, 3, multi_label=False).plain.confusion
    assert confusion is not None
    assert confusion.cells.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]]
    assert confusion.total == len(items)


@pytest.mark.parametrize("score", [0.15, 0.3, 0.35, 0.6, 0.7, 0.95])
def test_a_score_equal_to_a_threshold_meets_it(score: float) -> None:
    curve = result_of([OracleItem(truth(0), {0: score})], 1, multi_label=False).plain.aggregate
    met = [entry.threshold for entry in curve.entries() if entry.every.true_positives]
    assert max(met) == score


class TestStreams:
    """A stream that is not what was promised is an error, never a wrong number."""

    items = (OracleItem(truth(0), {0: 0.5, 1: 0.2}), OracleItem(truth(1), {0: 0.4, 1: 0.9}))

    def batches(self, *, together: bool = False) -> list[CountBatch]:
        return list(count_batches(self.items, [1.0], together=together, rows=1))

    def compute(self, by_label: list[CountBatch], over_all: list[CountBatch]) -> None:
        classify(total_counts(self.items, 2, [1.0]), by_label, over_all, THRESHOLDS)

    def test_the_right_streams_pass(self) -> None:
        self.compute(self.batches(), self.batches(together=True))

    def test_scores_that_fall(self) -> None:
        with pytest.raises(ValueError, match="ascending"):
            self.compute(self.batches(), self.batches(together=True)[::-1])

    def test_a_label_that_comes_back(self) -> None:
        batches = self.batches()
        with pytest.raises(ValueError, match="out of order"):
            self.compute(batches + batches[:1], self.batches(together=True))

    def test_a_label_outside_the_set(self) -> None:
        batches = self.batches()
        batches[-1].label[:] = 2
        with pytest.raises(ValueError, match="label 2"):
            self.compute(batches, self.batches(together=True))

    def test_pairs_that_went_missing(self) -> None:
        with pytest.raises(ValueError, match="add up"):
            self.compute(self.batches()[:-1], self.batches(together=True))
        with pytest.raises(ValueError, match="add up"):
            self.compute(self.batches(), self.batches(together=True)[1:])

    def test_pairs_too_many(self) -> None:
        twice = [batch for batch in self.batches() for _ in range(2)]
        with pytest.raises(ValueError, match="add up"):
            self.compute(twice, self.batches(together=True))

    def test_scores_that_are_not_numbers(self) -> None:
        batches = self.batches()
        batches[0].score[:] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            self.compute(batches, self.batches(together=True))

    def test_totals_that_contradict_themselves(self) -> None:
        one, two = np.ones((1, 1), dtype=np.int64), np.full((1, 1), 2)
        with pytest.raises(ValueError, match="true pairs"):
            Totals(one, two, one, 0.0, 1.0)


def test_logits_are_reported_at_quantiles_of_them() -> None:
    items = [OracleItem(truth(0), {0: 0.42}), OracleItem(truth(0), {0: 8.0})]
    totals = total_counts(items, 1, [1.0])
    thresholds = reported_thresholds(totals.lowest, totals.highest, None, lambda _: [0.42, 8.0])
    assert thresholds == (0.42, 8.0)
    result = result_of(items, 1, multi_label=True, thresholds=thresholds)
    assert_figures(result.plain, items, 1, multi_label=True)
