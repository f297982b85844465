"""Classification: one label an item, or several of it, of images, texts or anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from evaluation_operator.api.dataset import DatasetSpec
from evaluation_operator.api.evaluation import ConfusionMatrix, EvaluationMetrics, EvaluationSpec
from evaluation_operator.api.evaluation_options import ImportKeys
from evaluation_operator.domain.answer_spec import AnswerSpec, answers_of
from evaluation_operator.tasks.answers import Answer
from evaluation_operator.tasks.classification.agreement import agreement
from evaluation_operator.tasks.classification.reader import LabelReader
from evaluation_operator.tasks.classification.votes import vote
from evaluation_operator.tasks.forms import Pair, answer_problems, keys_of
from evaluation_operator.tasks.items import Outcome, RowReader
from evaluation_operator.tasks.kind import Control, Curve, Highlights, Judged, Limits, TaskKind
from evaluation_operator.tasks.label_names import LabelNames
from evaluation_operator.tasks.votes import Rules, Verdict

CONFUSIONS: Final = 5
NOTHING: Final = "(nothing)"


class Classification(TaskKind):
    control = Control.LABELS

    def check(self, spec: DatasetSpec) -> None:
        self.reader(answers_of(spec))

    def reader(self, answers: AnswerSpec) -> RowReader:
        given = answers.config
        pair = None
        if given.positive_label is not None and given.negative_label is not None:
            pair = Pair(given.positive_label, given.negative_label)
        with answer_problems():
            names = LabelNames(answers.labels, given.class_names)
            keys = keys_of(answers.keys)
            return LabelReader(
                *(names, keys, pair),
                is_multi_label=given.is_multi_label,
                is_one_item=given.is_one_item,
            )

    def dependencies(self, spec: DatasetSpec) -> Mapping[str, object]:
        given = spec.input_configs[0]
        said = {
            "classNames": given.class_names,
            "positiveLabel": given.positive_label,
            "negativeLabel": given.negative_label,
            "itemsPerRequest": "ONE" if given.is_one_item else None,
        }
        return {name: value for name, value in said.items() if value}

    def judge(self, spec: DatasetSpec, outcomes: Iterable[Outcome], limits: Limits) -> Judged:
        # DuckDB takes long to import, and those who ask people or tell of figures do without it.
        from evaluation_operator.tasks.classification.judging import judge

        return judge(spec, outcomes, limits)

    def tell(self, spec: EvaluationSpec) -> Highlights:
        both = spec.evaluation_metrics or EvaluationMetrics()
        metrics = both.classification_metrics
        curve = metrics.pr_curve if metrics is not None else None
        if metrics is None or curve is None:
            return Highlights(counted="items")
        return Highlights(
            counted="items",
            area_under_curve=curve.area_under_curve,
            mean_average_precision=curve.mean_average_precision,
            curves=(Curve("Curve", "threshold", tuple(curve.confidence_metrics_entries), True),),
            confusions=worst_confusions(metrics.confusion_matrix),
        )

    def is_countable(self, answer: Answer, rules: Rules) -> bool:
        given = answer.labels
        if given is None or not set(given) <= set(rules.labels):
            return False
        return rules.is_multi_label or len(set(given)) <= 1

    def vote(self, answers: Sequence[Answer], rules: Rules) -> Verdict:
        return vote(answers, rules)

    def agreement(self, first: Sequence[Sequence[Answer]], rules: Rules) -> float | None:
        return agreement(first, rules)

    def entry_of(
        self,
        truth: Verdict,
        rules: Rules,
        keys: ImportKeys,
        image_size: tuple[int, int] | None,
    ) -> dict[str, object]:
        return {keys.label_json_key: list(truth.labels)}


def worst_confusions(matrix: ConfusionMatrix | None) -> tuple[tuple[str, str, int], ...]:
    """(truth, predicted, items) of the largest cells off the diagonal, largest first."""
    cells = []
    for row in matrix.row if matrix is not None else ():
        truth = (row.annotation_spec.display_name if row.annotation_spec else None) or NOTHING
        for entry in row.entries:
            spec = entry.annotation_spec
            predicted = (spec.display_name if spec else None) or NOTHING
            if truth != predicted and entry.item_count:
                cells.append((truth, predicted, entry.item_count))
    return tuple(sorted(cells, key=lambda cell: -cell[2])[:CONFUSIONS])
