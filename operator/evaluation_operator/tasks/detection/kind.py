"""Object detection: labelled boxes in an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from evaluation_operator.api.dataset import DatasetSpec
from evaluation_operator.api.detection_metrics import DetectionErrors
from evaluation_operator.api.evaluation import (
    EvaluationMetrics,
    EvaluationSpec,
    ObjectDetectionMetrics,
)
from evaluation_operator.api.evaluation_options import BoundingBoxUnits, ImportKeys
from evaluation_operator.domain.answer_spec import AnswerSpec, answers_of
from evaluation_operator.tasks.answers import Answer
from evaluation_operator.tasks.detection.agreement import pairwise_f1
from evaluation_operator.tasks.detection.boxes import iou_threshold
from evaluation_operator.tasks.detection.reader import BoxReader
from evaluation_operator.tasks.detection.truth import entry_of
from evaluation_operator.tasks.detection.votes import vote
from evaluation_operator.tasks.forms import answer_problems, keys_of
from evaluation_operator.tasks.items import Outcome, RowReader
from evaluation_operator.tasks.kind import Control, Curve, Highlights, Judged, Limits, TaskKind
from evaluation_operator.tasks.label_names import LabelNames
from evaluation_operator.tasks.votes import Rules, Verdict

_ERRORS: Final = (
    ("poor place", "poor_place"),
    ("wrong class", "wrong_class"),
    ("both", "both"),
    ("duplicate", "duplicate"),
    ("background", "background"),
    ("missed", "missed"),
)


class Detection(TaskKind):
    control = Control.BOXES

    def check(self, spec: DatasetSpec) -> None:
        iou_threshold(spec)
        self.reader(answers_of(spec))

    def reader(self, answers: AnswerSpec) -> RowReader:
        given, keys = answers.config, answers.keys
        with answer_problems():
            return BoxReader(
                LabelNames(answers.labels, given.class_names),
                keys_of(keys),
                keys.bounding_box_json_key or "box",
                box_format=given.box_format,
                count_key=keys.bounding_box_count_json_key,
                is_one_item=given.is_one_item,
            )

    def dependencies(self, spec: DatasetSpec) -> Mapping[str, object]:
        given = spec.input_configs[0]
        said = {
            "classNames": given.class_names,
            "boxFormat": str(given.box_format) if given.box_format else None,
            "itemsPerRequest": "ONE" if given.is_one_item else None,
        }
        units = {"boundingBoxUnits": str(spec.bounding_box_units or BoundingBoxUnits.PIXELS)}
        return units | {name: value for name, value in said.items() if value}

    def judge(self, spec: DatasetSpec, outcomes: Iterable[Outcome], limits: Limits) -> Judged:
        from evaluation_operator.tasks.detection.judging import judge

        return judge(spec, outcomes, limits)

    def tell(self, spec: EvaluationSpec) -> Highlights:
        both = spec.evaluation_metrics or EvaluationMetrics()
        metrics = both.object_detection_metrics
        if metrics is None:
            return Highlights(counted="boxes")
        overlap = metrics.pr_curve
        return Highlights(
            counted="boxes",
            area_under_curve=overlap.area_under_curve if overlap is not None else None,
            mean_average_precision=overlap.mean_average_precision if overlap is not None else None,
            facts=tuple(_facts(metrics)),
            curves=tuple(_curves(metrics)),
            errors=_errors(metrics.errors) if metrics.errors is not None else (),
        )

    def is_countable(self, answer: Answer, rules: Rules) -> bool:
        return answer.boxes is not None and {it.label for it in answer.boxes} <= set(rules.labels)

    def vote(self, answers: Sequence[Answer], rules: Rules) -> Verdict:
        return vote(answers, rules)

    def agreement(self, first: Sequence[Sequence[Answer]], rules: Rules) -> float | None:
        return pairwise_f1(first)

    def entry_of(
        self,
        truth: Verdict,
        rules: Rules,
        keys: ImportKeys,
        image_size: tuple[int, int] | None,
    ) -> dict[str, object]:
        return entry_of(truth.boxes, keys, rules.units, image_size)


def _facts(metrics: ObjectDetectionMetrics) -> Iterable[tuple[str, str]]:
    """An empty text where there is nothing to say."""
    coco = metrics.coco.to_dict() if metrics.coco is not None else {}
    counts = (metrics.truth_box_count or 0, metrics.predicted_box_count or 0)
    yield "Boxes", f"{counts[0]} true, {counts[1]} predicted"
    yield "COCO", ", ".join(f"{name} {value:.4f}" for name, value in coco.items())
    best = metrics.best_f1
    f1 = "-" if best is None or best.f1_score is None else f"{best.f1_score:.4f}"
    yield "Best F1", f"{f1} from score {best.score_threshold:g} on" if best else ""


def _curves(metrics: ObjectDetectionMetrics) -> Iterable[Curve]:
    score, overlap = metrics.score_pr_curve, metrics.pr_curve
    if score is not None:
        entries = tuple(score.confidence_metrics_entries)
        yield Curve("Curve over the score", "score", entries)
    if overlap is not None:
        yield Curve("Curve over the overlap", "IoU", tuple(overlap.confidence_metrics_entries))


def _errors(errors: DetectionErrors) -> tuple[tuple[str, int], ...]:
    found = [(name, int(getattr(errors, field))) for name, field in _ERRORS]
    return tuple(sorted(found, key=lambda line: -line[1]))
