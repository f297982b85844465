"""The figures of object detection, judged by brute force and by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pytest

from evaluation_operator.metrics import Tally
from evaluation_operator.metrics.detection import (
    DetectionFigures,
    DetectionResult,
    Detections,
    detect,
)
from evaluation_operator.metrics.detection_boxes import Boxes
from tests.unit.metrics import detection_oracle as oracle
from tests.unit.metrics.scenes import (
    Corners,
    Image,
    PredictedBox,
    TrueBox,
    detections_of,
    draw_scene,
)

LABELS = 3
GRID = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
UNIT: Corners = (0.0, 0.0, 10.0, 10.0)


def result_of(
    images: Sequence[Image], threshold: float = 0.5, ps: Sequence[float] = (1.0,)
) -> DetectionResult:
    weights = None if len(ps) == 1 else 1 / np.array(ps)
    return detect(detections_of(images, ps), LABELS, threshold, weights=weights)


def assert_tally(got: Tally, want: tuple[float, float, float]) -> None:
    found = (got.true_positives, got.false_positives, got.false_negatives)
    assert found == pytest.approx(want, abs=1e-9)


def assert_figures(
    figures: DetectionFigures, images: list[Image], threshold: float, weigh: oracle.Weigh
) -> None:
    every = range(LABELS)
    areas = [oracle.average_precision(images, [label], threshold, weigh) for label in every]
    assert [curve.area for curve in figures.scores.labels] == pytest.approx(areas)
    known = [value for value in areas if value is not None]
    assert figures.mean_average_precision == pytest.approx(sum(known) / len(known))
    pooled = oracle.average_precision(images, every, threshold, weigh)
    assert figures.scores.aggregate.area == pytest.approx(pooled)
    assert [entry.iou for entry in figures.overlaps] == sorted({*GRID, threshold})
    for overlap in figures.overlaps:
        assert_tally(overlap.tally, oracle.tally(images, overlap.iou, -np.inf, weigh))
    for point in figures.scores.aggregate.entries():
        assert_tally(point.every, oracle.tally(images, threshold, point.threshold, weigh))
    assert figures.best_f1 is not None
    f1, score = oracle.best_f1(images, threshold, weigh)
    assert figures.best_f1.tally.f1 == pytest.approx(f1)
    assert figures.best_f1.threshold == score


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.52, 0.75, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_every_figure_equals_the_brute_force(seed: int, threshold: float) -> None:
    images = draw_scene(seed)
    result = result_of(images, threshold)
    assert result.weighted is None
    assert_figures(result.plain, images, threshold, oracle.once)
    want = oracle.errors(images, threshold)
    got = asdict(result.errors.counts)
    assert got == {kind: want[kind] for kind in got}


@pytest.mark.parametrize("seed", range(4))
def test_weighted_figures_count_an_image_for_those_it_stands_for(seed: int) -> None:
    ps = (0.01, 0.3, 0.9)
    images = draw_scene(100 + seed, images=8, ps=ps)
    result = result_of(images, ps=ps)
    assert result.weighted is not None
    assert_figures(result.plain, images, 0.5, oracle.once)
    assert_figures(result.weighted, images, 0.5, oracle.by_inverse_p)


def test_weights_of_whole_numbers_are_as_good_as_copies_of_the_image() -> None:
    """COCO's figures too: an image of p 1/3 counts as three of it."""
    ps = (1 / 3, 1.0)
    images = draw_scene(7, images=8, ps=ps, scores=50)
    copies = [image for image in images for _ in range(round(1 / image.p))]
    weighted = result_of(images, ps=ps).weighted
    assert weighted is not None
    want = asdict(result_of([Image(it.true, it.predicted) for it in copies]).plain.coco)
    # Copies of a box share its score, and COCO takes boxes of one score one by one.
    assert asdict(weighted.coco) == pytest.approx(want, abs=0.02)
    assert weighted.coco.ar_100 == pytest.approx(want["ar_100"])


@pytest.mark.parametrize("seed", range(20))
def test_each_box_finds_the_true_one_that_the_slow_loop_gives_it(seed: int) -> None:
    images = draw_scene(seed, images=3, scores=2, most_true=15, most_predicted=40)
    matched = result_of(images).matched.tolist()
    want, first = [], 0
    for image in images:
        want += [-1 if m is None else first + m for m in oracle.matches(image, 0.5)]
        first += len(image.true)
    assert matched == want


def test_of_equal_overlaps_the_later_truth_is_taken() -> None:
    image = Image((TrueBox(0, UNIT), TrueBox(0, UNIT)), (PredictedBox(0, UNIT, 0.5),))
    assert result_of([image]).matched.tolist() == [1]


def test_a_better_box_goes_first_and_leaves_the_second_best_truth() -> None:
    near, far = (0.0, 0.0, 10.0, 9.0), (0.0, 0.0, 10.0, 8.0)
    image = Image(
        (TrueBox(0, UNIT), TrueBox(0, far)),
        (PredictedBox(0, near, 0.2), PredictedBox(0, UNIT, 0.9)),
    )
    assert result_of([image]).matched.tolist() == [1, 0]


def test_equal_scores_go_in_the_order_of_the_array() -> None:
    image = Image((TrueBox(0, UNIT),), (PredictedBox(0, UNIT, 0.5), PredictedBox(0, UNIT, 0.5)))
    assert result_of([image]).matched.tolist() == [0, -1]


def test_an_overlap_of_just_the_threshold_matches_and_one_is_reachable() -> None:
    half = Image((TrueBox(0, UNIT),), (PredictedBox(0, (0.0, 0.0, 10.0, 5.0), 0.5),))
    assert result_of([half], 0.5).matched.tolist() == [0]
    assert result_of([half], 0.51).matched.tolist() == [-1]
    same = Image((TrueBox(0, UNIT),), (PredictedBox(0, UNIT, 0.5),))
    assert result_of([same], 1.0).matched.tolist() == [0]


def test_boxes_of_no_area_never_match() -> None:
    point = (5.0, 5.0, 5.0, 5.0)
    result = result_of([Image((TrueBox(0, point),), (PredictedBox(0, point, 0.9),))])
    assert result.plain.mean_average_precision == 0.0
    assert result.errors.counts.background == 1
    assert result.errors.counts.missed == 1


def test_width_has_no_pixel_more_and_nothing_is_clipped() -> None:
    outside = (-30.0, -30.0, -10.0, -10.0)
    half = (-30.0, -30.0, -10.0, -20.0)
    image = Image((TrueBox(0, outside),), (PredictedBox(0, half, 0.5),))
    assert result_of([image]).best_iou.tolist() == [0.5]


def test_images_without_truth_give_false_positives_and_those_without_boxes_misses() -> None:
    images = [Image(predicted=(PredictedBox(0, UNIT, 0.9),)), Image(true=(TrueBox(0, UNIT),))]
    entry = result_of(images).plain.overlaps[0]
    assert_tally(entry.tally, (0, 1, 1))
    assert result_of(images).plain.mean_average_precision == 0.0


def test_without_any_truth_there_is_no_mean_and_without_boxes_it_is_0() -> None:
    none = result_of([Image(predicted=(PredictedBox(0, UNIT, 0.9),))]).plain
    assert none.mean_average_precision is None
    assert none.scores.aggregate.area is None
    assert none.best_f1 is None
    assert none.coco.ap is None
    missed = result_of([Image(true=(TrueBox(0, UNIT),))]).plain
    assert missed.mean_average_precision == 0.0
    assert missed.coco.ap == 0.0
    assert missed.best_f1 is None


def test_scaling_each_axis_changes_no_figure() -> None:
    """So it does not matter to them whether boxes are in pixels or normalised."""
    images = draw_scene(3)

    def scaled(box: Corners) -> Corners:
        return box[0] / 512, box[1] / 2048, box[2] / 512, box[3] / 2048

    smaller = [
        Image(
            tuple(TrueBox(box.label, scaled(box.corners)) for box in image.true),
            tuple(PredictedBox(it.label, scaled(it.corners), it.score) for it in image.predicted),
        )
        for image in images
    ]
    assert result_of(images).plain.coco == result_of(smaller).plain.coco
    assert result_of(images).plain.overlaps == result_of(smaller).plain.overlaps


def test_figures_by_area_are_there_only_where_areas_mean_something() -> None:
    detections = detections_of(draw_scene(3))
    assert detect(detections, LABELS, 0.5).plain.coco.ap_large is None
    assert detect(detections, LABELS, 0.5, by_area=True).plain.coco.ap_large is not None


def test_only_some_labels_is_as_if_there_were_no_others() -> None:
    images = draw_scene(5)
    alone = [
        Image(
            tuple(box for box in image.true if box.label == 1),
            tuple(box for box in image.predicted if box.label == 1),
        )
        for image in images
    ]
    some = detect(detections_of(images), LABELS, 0.5, only_labels=[1])
    assert some.plain.overlaps == result_of(alone).plain.overlaps
    assert some.plain.coco == result_of(alone).plain.coco
    assert some.plain.mean_average_precision == result_of(alone).plain.mean_average_precision
    assert some.errors.counts == result_of(images).errors.counts


def test_a_crowd_in_one_image_takes_little_memory_and_time() -> None:
    """A thousand true boxes and three thousand predicted: three million pairs."""
    chance = np.random.default_rng(1)
    true, predicted = (chance.uniform(0, 100, (count, 2)) for count in (1000, 3000))
    crowd = Detections(
        Boxes(np.zeros(1000, np.int64), np.zeros(1000, np.int64), np.hstack([true, true + 20])),
        Boxes(
            np.zeros(3000, np.int64),
            np.zeros(3000, np.int64),
            np.hstack([predicted, predicted + 20]),
        ),
        chance.random(3000),
        np.zeros(1, np.int64),
    )
    figures = detect(crowd, 1, 0.5).plain
    assert figures.overlaps[0].tally.true_positives > 900


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ((2.0, 0.0, 1.0, 1.0), "left of right"),
        ((0.0, 2.0, 1.0, 1.0), "top above bottom"),
        ((0.0, np.nan, 1.0, 1.0), "finite"),
        ((0.0, 0.0, np.inf, 1.0), "finite"),
    ],
)
def test_boxes_that_are_none_are_refused(corners: Corners, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        detections_of([Image((TrueBox(0, corners),))])


def test_boxes_so_large_that_their_area_is_none_do_not_match() -> None:
    huge = (-1e200, -1e200, 1e200, 1e200)
    result = result_of([Image((TrueBox(0, huge),), (PredictedBox(0, huge, 0.9),))])
    assert result.matched.tolist() == [-1]
