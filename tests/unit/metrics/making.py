"""Random items for hypothesis, their counts in plain Python, and the comparison with the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from evaluation_operator.metrics import (
    THRESHOLDS,
    ClassificationResult,
    ConfusionCounts,
    CountBatch,
    Curve,
    Figures,
    Piece,
    Tally,
    Totals,
    classify,
    piece_weights,
    weightings,
)
from tests.unit.metrics import oracle
from tests.unit.metrics.oracle import OracleItem

EXACT = 1e-12

# Scores that tie, that sit on thresholds, one step beside them, and outside 0..1.
NASTY_SCORES = (
    *(0.0, 1.0, 0.5, 0.05, 0.15, 0.3, 0.35, 0.95, 0.96, 0.99, 3 * 0.05, 0.1 + 0.2),
    *(float(np.nextafter(0.15, 0)), float(np.nextafter(0.15, 1)), -3.25, 7.5, 1e-300, -1e300),
)


@st.composite
def make_items(
    draw: st.DrawFn, *, label_count: int, multi_label: bool, ps: Sequence[float] = (1.0,)
) -> list[OracleItem]:
    label = st.integers(0, label_count - 1)
    score = st.sampled_from(NASTY_SCORES) | st.floats(0, 1) | st.floats(-20, 20)
    truth = st.frozensets(label) if multi_label else label.map(lambda one: frozenset({one}))
    item = st.builds(
        OracleItem,
        truth=truth,
        scores=st.dictionaries(label, score, max_size=label_count),
        p=st.sampled_from(ps),
    )
    return draw(st.lists(item, min_size=1, max_size=12))


def count_batches(
    items: Sequence[OracleItem], ps: Sequence[float], *, together: bool, rows: int
) -> Iterator[CountBatch]:
    """The counts at each (label, score, piece), cut into batches of some rows."""
    cells: dict[tuple[int, float, int], np.ndarray] = {}
    for item in items:
        for rank, label in enumerate(item.best(None), start=1):
            key = (0 if together else label, item.scores[label] + 0.0, ps.index(item.p))
            cell = cells.setdefault(key, np.zeros((3, 2), dtype=np.int64))
            truth = 0 if label in item.truth else 1
            for cut, k in enumerate((None, 5, 1)):
                cell[cut, truth] += k is None or rank <= k
    keys = sorted(cells)
    for start in range(0, len(keys), rows):
        part = keys[start : start + rows]
        yield CountBatch(
            label=np.array([key[0] for key in part], dtype=np.int64),
            score=np.array([key[1] for key in part], dtype=np.float64),
            piece=np.array([key[2] for key in part], dtype=np.int64),
            counts=np.array([cells[key] for key in part])[:, : 1 if together else 3],
        )


def total_counts(items: Sequence[OracleItem], label_count: int, ps: Sequence[float]) -> Totals:
    shape = (label_count, len(ps))
    truths, true, false = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for item in items:
        piece = ps.index(item.p)
        for label in item.truth:
            truths[label, piece] += 1
        for label in item.scores:
            (true if label in item.truth else false)[label, piece] += 1
    scores = [score for item in items for score in item.scores.values()]
    return Totals(truths, true, false, min(scores, default=None), max(scores, default=None))


def result_of(
    items: Sequence[OracleItem],
    label_count: int,
    *,
    multi_label: bool,
    thresholds: tuple[float, ...] = THRESHOLDS,
    rows: int = 1_000,
) -> ClassificationResult:
    """The metrics under test, fed with counts made here in plain Python."""
    counted = Counter(item.p for item in items)
    ps = sorted(counted)
    weights = piece_weights(tuple(Piece(p, counted[p]) for p in ps))
    matrices = None
    if not multi_label:
        matrix = ConfusionCounts(label_count, weightings(len(ps), weights))
        for item in items:
            (truth,) = item.truth
            predicted = item.best(1)[0] if item.scores else -1
            matrix.add(*(np.array([n]) for n in (truth, predicted, ps.index(item.p), 1)))
        matrices = matrix.matrices()
    return classify(
        total_counts(items, label_count, ps),
        count_batches(items, ps, together=False, rows=rows),
        count_batches(items, ps, together=True, rows=rows),
        thresholds,
        weights,
        matrices,
    )


def assert_figures(
    figures: Figures,
    items: Sequence[OracleItem],
    label_count: int,
    *,
    multi_label: bool,
    weigh: oracle.Weigh = oracle.count_once,
) -> None:
    """Every figure equals the brute force's."""
    labels = range(label_count)
    assert_curve(figures.aggregate, items, labels, weigh)
    for label, curve in zip(labels, figures.labels, strict=True):
        assert curve.label == label
        assert_curve(curve, items, [label], weigh)
    assert_same(
        figures.mean_average_precision, oracle.mean_average_precision(items, label_count, weigh)
    )
    if multi_label:
        assert figures.confusion is None
        assert figures.accuracy is None
        return
    assert figures.confusion is not None
    expected = np.array(oracle.confusion(items, label_count, weigh), dtype=np.float64)
    np.testing.assert_allclose(figures.confusion.cells, expected, rtol=EXACT)
    assert_same(figures.accuracy, oracle.accuracy(items, weigh))


def assert_curve(
    curve: Curve, items: Sequence[OracleItem], labels: Sequence[int], weigh: oracle.Weigh
) -> None:
    assert_same(curve.area, oracle.average_precision(items, labels, weigh))
    entries = list(curve.entries())
    assert [entry.threshold for entry in entries] == list(curve.thresholds)
    for entry in entries:
        for got, k in ((entry.every, None), (entry.at_1, 1), (entry.at_5, 5)):
            _assert_tally(got, oracle.tally(items, labels, entry.threshold, k, weigh))


def _assert_tally(got: Tally, want: tuple[Fraction, ...]) -> None:
    hits, false_alarms, misses = want
    assert_same(got.precision, oracle.ratio(hits, hits + false_alarms))
    assert_same(got.recall, oracle.ratio(hits, hits + misses))
    assert_same(got.f1, oracle.ratio(2 * hits, 2 * hits + false_alarms + misses))


def assert_same(got: float | None, want: float | None) -> None:
    if got is None or want is None:
        assert got is want
    else:
        assert abs(got - want) <= EXACT, (got, want)
