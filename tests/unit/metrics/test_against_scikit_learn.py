"""scikit-learn as a second judge, of what it defines alike.

Its average precision has no envelope, and a label without a score cannot be told to it: so
every label has a score here, and its sum is compared with ours without the envelope, taken
from the same counts.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from evaluation_operator.metrics import ClassificationResult
from tests.unit.metrics.making import EXACT, count_batches, result_of
from tests.unit.metrics.oracle import OracleItem

LABELS = 6
ITEMS = 400


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return np.random.default_rng(3).integers(0, LABELS, ITEMS)


@pytest.fixture(scope="module")
def scores(truth: np.ndarray) -> np.ndarray:
    """Half-right scores with many ties, every label scored."""
    noise = np.random.default_rng(4).random((ITEMS, LABELS))
    scores: np.ndarray = np.round(np.clip(noise + 0.35 * np.eye(LABELS)[truth], 0, 1), 2)
    return scores


@pytest.fixture(scope="module")
def items(truth: np.ndarray, scores: np.ndarray) -> list[OracleItem]:
    return [
        OracleItem(frozenset({int(t)}), dict(enumerate(s.tolist())))
        for t, s in zip(truth, scores, strict=True)
    ]


@pytest.fixture(scope="module")
def result(items: list[OracleItem]) -> ClassificationResult:
    return result_of(items, LABELS, multi_label=False)


def test_confusion_matrix_and_accuracy(
    result: ClassificationResult, truth: np.ndarray, scores: np.ndarray
) -> None:
    predicted = scores.argmax(axis=1)
    confusion = result.plain.confusion
    assert confusion is not None
    expected = sklearn_metrics.confusion_matrix(truth, predicted, labels=range(LABELS))
    np.testing.assert_array_equal(confusion.cells[:, :-1], expected)
    assert not confusion.cells[:, -1].any()
    assert result.plain.accuracy == sklearn_metrics.accuracy_score(truth, predicted)


def test_precision_recall_and_f1_at_every_threshold(
    result: ClassificationResult, truth: np.ndarray, scores: np.ndarray
) -> None:
    one_hot = np.eye(LABELS, dtype=int)[truth]
    for entry in result.plain.aggregate.entries():
        precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
            one_hot.ravel(), (scores >= entry.threshold).ravel(), average="binary"
        )
        assert entry.every.precision == pytest.approx(precision, abs=EXACT)
        assert entry.every.recall == pytest.approx(recall, abs=EXACT)
        assert entry.every.f1 == pytest.approx(f1, abs=EXACT)


def test_the_sum_without_envelope_is_its_average_precision(
    items: list[OracleItem], truth: np.ndarray, scores: np.ndarray
) -> None:
    one_hot = np.eye(LABELS, dtype=int)[truth]
    (batch,) = count_batches(items, [1.0], together=False, rows=10**6)
    for label, run in batch.by_label():
        hits = np.cumsum(run.counts[::-1, 0, 0])
        positives = np.cumsum(run.counts[::-1, 0].sum(axis=1))
        area = float((np.diff(hits, prepend=0) / hits[-1] * (hits / positives)).sum())
        expected = sklearn_metrics.average_precision_score(one_hot[:, label], scores[:, label])
        assert area == pytest.approx(expected, abs=EXACT)


def test_the_envelope_lies_above_its_average_precision_and_touches_the_same_points(
    result: ClassificationResult, truth: np.ndarray, scores: np.ndarray
) -> None:
    one_hot = np.eye(LABELS, dtype=int)[truth]
    for label, curve in enumerate(result.plain.labels):
        precision, recall, _ = sklearn_metrics.precision_recall_curve(
            one_hot[:, label], scores[:, label]
        )
        envelope = np.maximum.accumulate(precision[:-1])
        expected = float((-np.diff(recall) * envelope).sum())
        assert curve.area == pytest.approx(expected, abs=EXACT)
        plain = sklearn_metrics.average_precision_score(one_hot[:, label], scores[:, label])
        assert curve.area > plain
