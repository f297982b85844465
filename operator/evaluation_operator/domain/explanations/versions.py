"""Where a version is, how it ended, and what it waits for."""

from __future__ import annotations

from collections.abc import Mapping

from evaluation_operator.domain.explanations.explanation import (
    DESCRIBE,
    Explanation,
    Place,
)
from evaluation_operator.domain.reasons import Reason

_VERSION = (Place.VERSION,)
_END = (Place.VERSION, Place.EVENT)
_ANOTHER = "kubectl evaluations run JOB -n NAMESPACE --wait"

OF_VERSIONS: Mapping[Reason, Explanation] = {
    Reason.JOB_NOT_FOUND: Explanation(
        _VERSION,
        "`spec.evaluationJob` names no job of the namespace, or the job was deleted and another "
        "has its name.",
        "Apply the job, or delete the version.",
        ("kubectl get evj -n NAMESPACE", "kubectl delete evjv VERSION -n NAMESPACE"),
    ),
    Reason.JOB_STALLED: Explanation(
        _VERSION,
        "Its job is Stalled, and only an edit of the job helps; the message is that of the job.",
        "Cure the job; the version goes on by itself.",
        (DESCRIBE,),
        passes=True,
    ),
    Reason.JOB_NOT_READY: Explanation(
        _VERSION,
        "Its job is not ready; the message is that of the job.",
        "Cure the job; the version goes on by itself.",
        (DESCRIBE,),
        passes=True,
    ),
    Reason.DATASET_NOT_FOUND: Explanation(
        _VERSION,
        "`spec.dataset` names no Dataset of the job. Old ones are pruned, see "
        "`spec.evaluationsHistoryLimit`.",
        "Make a version that names one that is there, or a `window`.",
        ("kubectl get datasets -n NAMESPACE -l evaluations.dev/job=JOB", _ANOTHER),
    ),
    Reason.UNKNOWN_LABEL: Explanation(
        _END,
        "`spec.labels` has a label that is not in the job's AnnotationSpecSet, so the version is "
        "Failed.",
        "Make another one with labels that are.",
        ("kubectl get specset -n NAMESPACE -o yaml", _ANOTHER),
    ),
    Reason.RUNNING: Explanation(_VERSION, "Its pod is at work."),
    Reason.COMPLETED: Explanation(_END, "Its Evaluation is published; `status.evaluation` has it."),
    Reason.FAILED: Explanation(
        _END,
        "Its run has failed. `status.partialFailures` has the codes and messages; it is not "
        "started again.",
        "Cure what they say, and make another version.",
        ("kubectl describe evjv VERSION -n NAMESPACE", _ANOTHER),
    ),
    Reason.TERMINATED: Explanation(_END, "It was ended by `spec.terminate`, before it ran."),
    Reason.TERMINATE_REFUSED: Explanation(
        (Place.REFUSAL,),
        "`spec.terminate` is honoured while a version is Creating or Queuing; this one runs, or "
        "has ended. The administrator may allow it for running ones, by "
        "EVALUATION_ALLOW_TERMINATE_RUNNING.",
        "Delete the version to be rid of it.",
        ("kubectl delete evjv VERSION -n NAMESPACE",),
    ),
}
