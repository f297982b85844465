"""How far people are with the labels of a run: the condition Labeled of its Dataset."""

from __future__ import annotations

from collections.abc import Mapping

from evaluation_operator.domain.explanations.explanation import (
    EDIT,
    LABELER_LOGS,
    Explanation,
    Place,
)
from evaluation_operator.domain.reasons import Reason

_LABELED = (Place.LABELED,)
_TROUBLE = (Place.LABELED, Place.RUN)
_PROGRESS = "kubectl evaluations labeling JOB -n NAMESPACE"

OF_PEOPLE: Mapping[Reason, Explanation] = {
    Reason.LABELING: Explanation(
        _TROUBLE,
        "People label; the message says where and how far they are. The run waits for them, and no "
        "pod does.",
        "Wait, or look at the project that the message links to.",
        (_PROGRESS,),
        passes=True,
    ),
    Reason.ALL_LABELED: Explanation(
        _LABELED, "Every item is answered, or given up after the last opinion: the run goes on."
    ),
    Reason.DEADLINE_REACHED: Explanation(
        _LABELED,
        "`spec.labeling.deadline` is over, and the run goes on with the labels that are there.",
        "If too few were: give people longer, or ask them less by `exampleCount`.",
        (EDIT,),
    ),
    Reason.NOTHING_TO_LABEL: Explanation(
        _LABELED, "Every item has ground truth of your own, so nobody is asked: the run goes on."
    ),
    Reason.BACKEND_REFUSED: Explanation(
        _TROUBLE,
        "The tool that people label with says no: the token is revoked or lacks a right, somebody "
        "of `contributorEmails` has no account there, or `answers.json` cannot be read.",
        "What the message says. A new token is taken over within a minute.",
        (
            "kubectl create secret generic labeling-tokens -n NAMESPACE "
            "--from-file=label-studio=FILE --dry-run=client -o yaml",
            LABELER_LOGS,
        ),
    ),
    Reason.BACKEND_NOT_FOUND: Explanation(
        _TROUBLE,
        "The job names a tool that the labeler's `backends.yaml` lacks, or none where there are "
        "several.",
        "Add it there and apply the labeler again, or name one in `spec.labeling.backend`, which "
        "holds for runs that begin afterwards.",
        ("kubectl apply -n NAMESPACE -k manifests/labeler", EDIT),
    ),
    Reason.RESULTS_UNAVAILABLE: Explanation(
        _TROUBLE,
        "The labeler cannot read or write the run's folder below `resultsUri`.",
        "See the volume or the bucket, and the Secret `evaluation-labeler-stores`.",
        (LABELER_LOGS, "kubectl get secret evaluation-labeler-stores -n NAMESPACE"),
    ),
    Reason.LABELER_FAILED: Explanation(
        _TROUBLE,
        "The labeler failed in a way that nobody has foreseen; it tries again, and other runs go "
        "on.",
        "Its log has the whole error: report it.",
        (LABELER_LOGS,),
    ),
    Reason.LABELING_BEHIND: Explanation(
        (Place.EVENT,),
        "Earlier runs wait for people while the next is due. It starts all the same, over rows of "
        "its own; but it piles up.",
        "If that goes on: set `spec.labeling.deadline`, lower `exampleCount`, or choose a longer "
        "schedule.",
        (_PROGRESS, EDIT),
    ),
}
