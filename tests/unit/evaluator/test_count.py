"""From rows to figures through Parquet and DuckDB, judged by the brute force."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from evaluation_operator.metrics import THRESHOLDS, ClassificationResult, Piece
from evaluation_operator.tasks.classification import count
from evaluation_operator.tasks.classification.count import (
    CountedScores,
    compute_figures,
)
from evaluation_operator.tasks.classification.pairs import write_outcomes
from evaluation_operator.tasks.classification.reader import LabelReader
from evaluation_operator.tasks.forms import Keys
from evaluation_operator.tasks.item_files import ItemCounts
from evaluation_operator.tasks.items import (
    Fault,
    Item,
    LeftOut,
    Outcome,
    Reason,
    Row,
)
from evaluation_operator.tasks.kind import Limits
from evaluation_operator.tasks.label_names import LabelNames
from tests.unit.metrics import oracle
from tests.unit.metrics.making import NASTY_SCORES, assert_figures
from tests.unit.metrics.oracle import OracleItem

# ibis 12.0.0 reads a table's schema by a method that DuckDB has renamed (ibis pull request 12001).
pytestmark = pytest.mark.filterwarnings(
    r"ignore:fetch_arrow_table\(\) is deprecated:DeprecationWarning"
)

LABELS = ("ant", "bee", "cow", "dog", "elk", "fox", "gnu")


def make_items(seed: int, *, multi_label: bool, ps: Sequence[float]) -> list[OracleItem]:
    """Thirty items with ties, missing labels, logits, nothing predicted; "gnu" is never true."""
    chance = random.Random(seed)
    true_labels = range(len(LABELS) - 1)
    return [
        OracleItem(
            truth=frozenset(chance.sample(true_labels, chance.randint(0, 3) if multi_label else 1)),
            scores={
                label: chance.choice([chance.choice(NASTY_SCORES), round(chance.random(), 1)])
                for label in chance.sample(range(len(LABELS)), chance.randint(0, len(LABELS)))
            },
            p=chance.choice(ps),
        )
        for _ in range(30)
    ]


def as_row(number: int, item: OracleItem) -> Row:
    prediction = {
        "label": [LABELS[label] for label in item.scores],
        "score": list(item.scores.values()),
    }
    truth = {"label": [LABELS[label] for label in item.truth]}
    return Row(
        f"row-{number}",
        None,
        json.dumps({"predictions": [prediction]}),
        json.dumps({"predictions": [truth]}),
        item.p,
    )


def write(folder: Path, outcomes: Iterable[Outcome]) -> ItemCounts:
    return write_outcomes(outcomes, LABELS, folder / "scores.parquet", folder / "items.parquet")


def opened(folder: Path, threads: int = 1) -> CountedScores:
    return CountedScores(
        folder / "scores.parquet",
        folder / "items.parquet",
        len(LABELS),
        Limits(folder, threads=threads),
    )


def figures_of(
    folder: Path, items: Sequence[OracleItem], *, multi_label: bool, threads: int = 1
) -> ClassificationResult:
    reader = LabelReader(LabelNames(LABELS), Keys("label", "score"), is_multi_label=multi_label)
    write(folder, (o for n, item in enumerate(items) for o in reader.read(as_row(n, item))))
    with opened(folder, threads) as counted:
        return compute_figures(counted, is_multi_label=multi_label, thresholds=(0.0, 0.15, 0.9))


@pytest.mark.parametrize("multi_label", [False, True], ids=["single-label", "multi-label"])
@pytest.mark.parametrize("ps", [(1.0,), (0.004, 0.3, 0.9)], ids=["one p", "several p"])
def test_every_figure_equals_the_brute_force(
    tmp_path: Path, multi_label: bool, ps: tuple[float, ...]
) -> None:
    items = make_items(len(ps), multi_label=multi_label, ps=ps)
    result = figures_of(tmp_path, items, multi_label=multi_label)
    assert_figures(result.plain, items, len(LABELS), multi_label=multi_label)
    assert (result.weighted is None) == (len(ps) == 1)
    if result.weighted is not None:
        assert_figures(
            result.weighted,
            items,
            len(LABELS),
            multi_label=multi_label,
            weigh=oracle.by_inverse_p,
        )


def test_neither_threads_nor_batches_change_a_digit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = make_items(5, multi_label=True, ps=(0.01, 0.7))
    one = figures_of(tmp_path, items, multi_label=True)
    monkeypatch.setattr(count, "_BATCH_ROWS", 3)
    other = figures_of(tmp_path, items, multi_label=True, threads=2)
    for before, after in ((one.plain, other.plain), (one.weighted, other.weighted)):
        assert before is not None
        assert after is not None
        assert before.aggregate.area == after.aggregate.area
        assert before.mean_average_precision == after.mean_average_precision
        assert list(before.aggregate.entries()) == list(after.aggregate.entries())


class TestFiles:
    faults = (Fault("d", 0, "item d/0: bad"), Fault("e", None, "row e: bad"))
    outcomes: tuple[Outcome, ...] = (
        Item("a", 0, 0.5, truth=(1,), labels=(1, 0), scores=(0.8, 0.2)),
        Item("a", 1, 0.5, truth=(2,), labels=(), scores=()),
        LeftOut("b", 0, 0.5, Reason.UNLABELED),
        LeftOut("c", 0, 0.5, Reason.FAILED_PREDICTION),
        *faults,
    )

    def test_every_outcome_is_counted_once(self, tmp_path: Path) -> None:
        counts = write(tmp_path, self.outcomes)
        assert counts == ItemCounts(2, 1, 1, 2, first_faults=self.faults)
        assert counts.items == len(self.outcomes)

    def test_pairs_are_what_is_scored_or_true(self, tmp_path: Path) -> None:
        write(tmp_path, self.outcomes)
        assert [
            tuple(p.values()) for p in pq.read_table(tmp_path / "scores.parquet").to_pylist()
        ] == [
            (0, 1, 0.8, True, 1, 0.5),
            (0, 0, 0.2, False, 2, 0.5),
            (1, 2, None, True, None, 0.5),
        ]

    def test_items_can_be_read_beside_their_truth(self, tmp_path: Path) -> None:
        write(tmp_path, self.outcomes)
        lines = pq.read_table(tmp_path / "items.parquet").to_pylist()
        assert [(line["item_id"], line["state"]) for line in lines] == [
            ("a/0", "evaluated"),
            ("a/1", "evaluated"),
            ("b/0", "unlabeled"),
            ("c/0", "failed_prediction"),
            ("d/0", "faulty"),
            (None, "faulty"),
        ]
        assert (lines[0]["truth"], lines[0]["labels"]) == (["bee"], ["bee", "ant"])
        assert (lines[0]["truth_index"], lines[0]["predicted_index"]) == (1, 1)
        assert (lines[1]["labels"], lines[1]["predicted_index"]) == ([], None)
        assert (lines[4]["code"], lines[4]["message"]) == (3, "item d/0: bad")

    def test_only_evaluated_items_are_pieces(self, tmp_path: Path) -> None:
        write(tmp_path, self.outcomes)
        with opened(tmp_path) as counted:
            assert counted.pieces == (Piece(0.5, 2),)

    def test_nothing_to_evaluate_has_no_figures(self, tmp_path: Path) -> None:
        write(tmp_path, self.outcomes[2:])
        with opened(tmp_path) as counted:
            result = compute_figures(counted, is_multi_label=False)
        assert result.plain.mean_average_precision is None
        assert result.plain.accuracy is None
        assert result.plain.aggregate.thresholds == THRESHOLDS

    def test_logits_have_a_grid_of_their_own(self, tmp_path: Path) -> None:
        write(tmp_path, [Item("a", 0, 1.0, truth=(0,), labels=(0, 1), scores=(9.5, 0.97))])
        with opened(tmp_path) as counted:
            result = compute_figures(counted, is_multi_label=False)
        assert result.plain.aggregate.thresholds == (0.97, 9.5)

    def test_a_p_of_its_own_for_every_item_is_refused(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            (Item("a", n, 1 / (n + 1), (0,), (), ()) for n in range(count.MAXIMUM_PIECES + 1)),
        )
        with pytest.raises(ValueError, match="different inclusion probabilities"):
            opened(tmp_path)


@pytest.mark.parametrize("ps", [(1.0,), (0.004, 0.3)], ids=["one p", "several p"])
def test_quantiles_of_the_scores_are_those_of_numpy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ps: tuple[float, ...]
) -> None:
    monkeypatch.setattr(count, "_BATCH_ROWS", 3)
    items = make_items(7, multi_label=True, ps=ps)
    figures_of(tmp_path, items, multi_label=True)
    scores = [score for item in items for score in item.scores.values()]
    shares = [place / 23 for place in range(24)]
    with opened(tmp_path) as counted:
        found = counted.quantiles(shares)
    assert found == np.quantile(scores, shares, method="inverted_cdf").tolist()


def unscored(
    folder: Path, answers: Sequence[Sequence[int]], truths: Sequence[Sequence[int]], *, multi: bool
) -> ClassificationResult:
    outcomes = (
        Item(f"r{number}", 0, 1.0, truth=tuple(truth), labels=tuple(labels), scores=None)
        for number, (labels, truth) in enumerate(zip(answers, truths, strict=True))
    )
    counts = write(folder, outcomes)
    assert counts.unscored == len(answers)
    with CountedScores(
        *(folder / "scores.parquet", folder / "items.parquet", len(LABELS), Limits(folder)),
        ignores_scores=True,
        is_multi_label=multi,
    ) as counted:
        return compute_figures(counted, is_multi_label=multi, thresholds=[0.0]).without_scores()


@pytest.mark.parametrize("multi", [False, True], ids=["single-label", "multi-label"])
def test_labels_without_scores_have_the_figures_of_scikit_learn(
    tmp_path: Path, multi: bool
) -> None:
    draw = np.random.default_rng(11)
    most = len(LABELS) if multi else 1
    truths = [
        sorted(draw.choice(len(LABELS), draw.integers(1, most + 1), False)) for _ in range(60)
    ]
    answers = [
        [int(it) for it in draw.choice(len(LABELS), draw.integers(1, most + 1), False)]
        for _ in range(60)
    ]
    found = unscored(tmp_path, answers, truths, multi=multi)
    said, true = np.zeros((2, 60, len(LABELS)), dtype=int)
    for row, (labels, truth) in enumerate(zip(answers, truths, strict=True)):
        said[row, labels], true[row, truth] = 1, 1
    precision, recall, f1, _ = precision_recall_fscore_support(true, said, average="micro")
    [entry] = found.plain.aggregate.entries()
    tally = entry.every
    assert (tally.precision, tally.recall, tally.f1) == pytest.approx((precision, recall, f1))
    assert found.plain.aggregate.area is None
    assert found.plain.mean_average_precision is None
    assert not found.is_scored
    accuracy = None if multi else accuracy_score(true.argmax(1), said.argmax(1))
    assert found.plain.accuracy == (None if accuracy is None else pytest.approx(accuracy))
