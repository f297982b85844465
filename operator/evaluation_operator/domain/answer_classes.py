"""What a job says of its model's classes, against itself and against its label set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from evaluation_operator.api.input_config import InputConfig
from evaluation_operator.domain.faults import Fault

BACKGROUND: Final = "-"
"""The class of classNames that is no label."""
_CONFIG: Final = "spec.evaluationJobConfig.inputConfig"


def repeated_classes(config: InputConfig) -> Iterator[Fault]:
    for name, count in Counter(config.class_names).items():
        if count > 1 and name != BACKGROUND:
            yield Fault(
                f"{_CONFIG}.classNames",
                repr(name),
                "it is there twice: the label of a score would be unknown; give each class its own "
                f"label, {BACKGROUND} for those that are none",
                "Rule",
            )
            return


def unknown_classes(config: InputConfig, labels: Sequence[str]) -> Iterator[Fault]:
    """The first name that the label set does not have: no answer could be read by it."""
    named = [("classNames", name) for name in config.class_names if name != BACKGROUND]
    for field, label in (
        ("positiveLabel", config.positive_label),
        ("negativeLabel", config.negative_label),
    ):
        if label is not None:
            named.append((field, label))
    for field, name in named:
        if name not in labels:
            yield Fault(
                f"{_CONFIG}.{field}",
                repr(name),
                f"is no label of the AnnotationSpecSet: add it there, or write {BACKGROUND} for a "
                "class that is no label",
                "Rule",
            )
            return
