"""The condition Labeled of a Dataset: how far people are with a run that they label.

The labeler says it, and the run itself where there is nothing to label; operator, labeler and
command line read it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, TypedDict, cast

from evaluation_operator.api.base import Condition, ConditionStatus, parse_duration
from evaluation_operator.api.dataset import Dataset, DatasetLabeling
from evaluation_operator.api.kubernetes import Body
from evaluation_operator.domain.conditions import condition
from evaluation_operator.domain.reasons import Reason

LABELED: Final = "Labeled"
ENDS: Final = frozenset({Reason.NOTHING_TO_LABEL, Reason.ALL_LABELED, Reason.DEADLINE_REACHED})
"""With these the condition is True and the run goes on."""


class _Status(TypedDict, total=False):
    conditions: list[dict[str, object]] | None


def labeled_of(status: Body) -> Condition | None:
    """As it stands in a Dataset's status; None before anybody has set it."""
    conditions = cast(_Status, status).get("conditions") or ()
    found = next((item for item in conditions if item.get("type") == LABELED), None)
    return Condition.from_dict(found) if found is not None else None


def is_labeled(status: Body) -> bool:
    """Whether the run goes on without further labels."""
    found = labeled_of(status)
    return found is not None and found.status is ConditionStatus.TRUE


def with_labeled(
    status: Body, reason: Reason, message: str, *, generation: int, now: datetime
) -> dict[str, object]:
    """The status with the condition as it is now; the others stay, in their order."""
    before = labeled_of(status)
    entry = condition(
        LABELED,
        reason in ENDS,
        reason,
        message,
        generation=generation,
        now=now.replace(microsecond=0),
        before=[before] if before is not None else [],
    ).to_dict()
    conditions = list(cast(_Status, status).get("conditions") or ())
    places = [place for place, item in enumerate(conditions) if item.get("type") == LABELED]
    if places:
        conditions[places[0]] = entry
    else:
        conditions.append(entry)
    return {**status, "conditions": conditions}


def deadline_of(dataset: Dataset) -> datetime | None:
    """None: people have all the time that they need."""
    text, cut = labeling_of(dataset).deadline, dataset.status.cut
    if text is None or cut is None or cut.time is None:
        return None
    return cut.time + timedelta(seconds=parse_duration(text))


def labeling_of(dataset: Dataset) -> DatasetLabeling:
    assert dataset.spec.labeling is not None, "only such Datasets are worked on"
    return dataset.spec.labeling
