"""Whether anything of a run can be evaluated, and if not, why."""

from __future__ import annotations

from evaluation_operator.domain.facts.dataset import Failure
from evaluation_operator.results.errors import NothingUsable
from evaluation_operator.tasks.item_files import ItemCounts


def check_usable(counts: ItemCounts) -> None:
    """Raises NothingUsable."""
    if counts.evaluated:
        return
    failures = [Failure(fault.code, fault.message) for fault in counts.first_faults]
    if counts.faulty and not counts.unlabeled:
        message = f"none of {counts.items} items can be read: correct the rows named here"
    elif counts.unlabeled:
        message = (
            f"none of {counts.items} items has ground truth ({counts.unlabeled} unlabelled, "
            f"{counts.faulty} faulty, {counts.failed_predictions} without prediction): import "
            "labels with `kubectl evaluations labels import`, or set spec.labelDelay if they "
            "come later"
        )
    else:
        message = f"none of {counts.items} items has a prediction: look at the model's server"
    raise NothingUsable(message, failures)
