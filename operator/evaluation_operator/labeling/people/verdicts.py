"""What all answers of a run come to by now: what is still open, and what would be written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation_options import BoundingBoxUnits, ImportKeys
from evaluation_operator.domain.labeled import labeling_of
from evaluation_operator.labeling.kept_answers import KeptAnswers, format_answers
from evaluation_operator.labeling.people.agreement import agreement
from evaluation_operator.labeling.people.decision import Decision, decide, groundtruth_of
from evaluation_operator.labeling.progress import FAILURES_KEPT
from evaluation_operator.results.labels import LabelLine
from evaluation_operator.results.tasks import AskedItem
from evaluation_operator.tasks.answers import NOBODY, ItemAnswers
from evaluation_operator.tasks.votes import MOST_FURTHER, Rules


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Of all items of a run. `open`: ids of those that wait for somebody; `disputed`: of these,
    those that everybody who was asked has answered. `failures` tell of answers that do not count.
    """

    items: tuple[AskedItem, ...]
    rules: Rules
    keys: ImportKeys
    decisions: Mapping[str, Decision]
    open: frozenset[str]
    disputed: frozenset[str]
    failures: tuple[str, ...]

    def lines(self) -> list[LabelLine]:
        """For labels.parquet: one for each item that somebody has answered."""
        return [
            self._line(it, self.decisions[it.item_id])
            for it in self.items
            if self.decisions[it.item_id].answers
        ]

    def annotators(self) -> int:
        return len({it.annotator for found in self.decisions.values() for it in found.answers})

    def agreement(self) -> float | None:
        """See agreement.py: of what everybody was asked at first."""
        return agreement(
            (ItemAnswers(item, found.answers) for item, found in self.decisions.items()),
            self.rules,
        )

    def _line(self, item: AskedItem, found: Decision) -> LabelLine:
        groundtruth = None
        if found.is_resolved:
            groundtruth = groundtruth_of(found, self.rules, self.keys, found.image_size)
        return LabelLine(
            item_id=item.item_id,
            row_id=item.row_id,
            place=item.place,
            is_resolved=found.is_resolved,
            groundtruth=groundtruth,
            score=found.score,
            total_votes=found.total_votes,
            label_votes=found.label_votes,
            comments=[it.comment for it in found.answers if it.comment],
            sentiment=found.sentiment,
            answers=format_answers(found.answers),
        )


def rules_of(dataset: Dataset) -> Rules:
    """How the answers to a Dataset's items become labels."""
    spec, labeling = dataset.spec, labeling_of(dataset)
    return Rules(
        annotation_type=spec.input_configs[0].annotation_type,
        labels=tuple(spec.annotation_specs),
        is_multi_label=labeling.allow_multi_label,
        aggregation=labeling.answer_aggregation_type,
        replica_count=labeling.replica_count,
        units=spec.bounding_box_units or BoundingBoxUnits.PIXELS,
    )


def judge(
    dataset: Dataset,
    items: Sequence[AskedItem],
    kept: Mapping[str, KeptAnswers],
    bad: Mapping[str, ItemAnswers],
) -> Verdicts:
    """An answer that does not count is asked for again, like one that somebody else contradicts;
    nobody is asked for what nobody can be shown."""
    rules = rules_of(dataset)
    decisions: dict[str, Decision] = {}
    still: set[str] = set()
    disputed: set[str] = set()
    for item in (it.item_id for it in items):
        known = kept.get(item, KeptAnswers())
        found = decisions[item] = decide(ItemAnswers(item, known.answers), rules)
        if not found.needed:
            continue
        people = {it.annotator for it in known.answers}
        people |= {it.annotator for it in bad[item].bad} if item in bad else set()
        if NOBODY in people:
            continue
        if len(people) < rules.replica_count + known.further:
            still.add(item)
        elif known.further < MOST_FURTHER:
            still.add(item)
            disputed.add(item)
    return Verdicts(
        items=tuple(items),
        rules=rules,
        keys=dataset.spec.bigquery_import_keys,
        decisions=decisions,
        open=frozenset(still),
        disputed=frozenset(disputed),
        failures=_failures(bad),
    )


def _failures(bad: Mapping[str, ItemAnswers]) -> tuple[str, ...]:
    told = (
        f"item {item}, annotator {it.annotator}: {it.message}"
        for item in sorted(bad)
        for it in bad[item].bad
    )
    return tuple(text for text, _ in zip(told, range(FAILURES_KEPT), strict=False))
