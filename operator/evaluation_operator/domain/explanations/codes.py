"""The gRPC codes of attempts and partial failures: what failed in a word, and what happens next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation_operator.api.codes import Code
from evaluation_operator.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """`reasons` are those that a failure of this code comes with."""

    meaning: str
    next: str
    reasons: tuple[Reason, ...] = ()


CODES: Mapping[Code, CodeMeaning] = {
    Code.CANCELLED: CodeMeaning(
        "Somebody ended the run: its Dataset was deleted, or the version terminated.",
        "the rows go to the next run",
        (Reason.RUN_MISSING, Reason.TERMINATED),
    ),
    Code.UNKNOWN: CodeMeaning(
        "The pod ended without a word, or the Job failed for a reason of Kubernetes' own.",
        "see the pod's log and the Job",
        (Reason.POD_FAILED,),
    ),
    Code.INVALID_ARGUMENT: CodeMeaning(
        "The run asks for what cannot be done. Beside another code: one row or item that cannot be "
        "read, with its id.",
        "edit what the message names",
        (Reason.INVALID_RUN, Reason.UNKNOWN_LABEL),
    ),
    Code.DEADLINE_EXCEEDED: CodeMeaning(
        "The run took longer than `spec.runTemplate.activeDeadlineSeconds`. What held it up last "
        "stands beside it.",
        "cure that, or give it more time",
        (Reason.DEADLINE_EXCEEDED,),
    ),
    Code.RESOURCE_EXHAUSTED: CodeMeaning(
        "Memory, or a node to run on, was not there.",
        "raise `spec.runTemplate.resources`, or make room",
        (Reason.OOM_KILLED, Reason.UNSCHEDULABLE),
    ),
    Code.FAILED_PRECONDITION: CodeMeaning(
        "Something that the run needs is not as it has to be: the table, the labels, an image, a "
        "Secret, a right.",
        "repair it; trying again changes nothing",
        (
            Reason.NOTHING_USABLE,
            Reason.TABLE_INVALID,
            Reason.FAILED_CREATE,
            Reason.IMAGE_PULL_BACK_OFF,
        ),
    ),
    Code.ABORTED: CodeMeaning(
        "The rows are given up after five runs over them have failed.",
        "evaluate them by hand once the cause is cured",
        (Reason.WINDOW_ABANDONED,),
    ),
    Code.INTERNAL: CodeMeaning(
        "A fault of the program, or the API server finds what is written invalid.",
        "see the log, and report it",
        (Reason.INTERNAL, Reason.CREATE_REFUSED),
    ),
    Code.UNAVAILABLE: CodeMeaning(
        "The table, the results, the API server or the node was away.",
        "nothing, if it comes back: it is tried again",
        (
            Reason.TABLE_UNAVAILABLE,
            Reason.API_UNAVAILABLE,
            Reason.EVICTED,
            Reason.POD_LOST,
            Reason.POD_STOPPED,
            Reason.FAILED_CREATE_POD_SANDBOX,
        ),
    ),
}
