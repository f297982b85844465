"""What becomes of runs: Events of the job, its attempts, and the last words of their pods."""

from __future__ import annotations

from collections.abc import Mapping

from evaluation_operator.domain.explanations.explanation import (
    DESCRIBE,
    EDIT,
    LOGS,
    OPERATOR_LOGS,
    PODS,
    Explanation,
    Place,
)
from evaluation_operator.domain.reasons import Reason

_EVENT = (Place.EVENT,)
_WORDS = (Place.POD, Place.ATTEMPT)

OF_RUNS: Mapping[Reason, Explanation] = {
    Reason.RUN_CREATED: Explanation(
        _EVENT, "A run has begun: its Dataset and its Job are there. The message names it."
    ),
    Reason.RUN_SUCCEEDED: Explanation(
        _EVENT, "A run has ended, and its Evaluation is published; the message has the figure."
    ),
    Reason.EVALUATION_SUPERSEDED: Explanation(
        _EVENT,
        "A run was evaluated again with labels that came later. The new Evaluation takes the place "
        "of the one before, which stays readable.",
    ),
    Reason.RUN_FAILED: Explanation(
        _EVENT,
        "A run has failed. It is an attempt in `status.attempts`, with gRPC codes and messages, "
        "and its rows go to the next run: nothing is lost.",
        "Cure what the message says. To see at once whether that helped, evaluate outside of the "
        "schedule; it covers nothing.",
        (DESCRIBE, "kubectl evaluations run JOB -n NAMESPACE --wait"),
    ),
    Reason.NO_DATA: Explanation(
        (Place.EVENT, Place.VERSION),
        "The run found no row in its windows. That is no failure: there is no Evaluation and no "
        "attempt.",
        "If there should be rows: see whether predictions arrive, and whether their model and "
        "version are those of the job.",
        ("kubectl evaluations sampling JOB -n NAMESPACE",),
    ),
    Reason.NOTHING_TO_COVER: Explanation(
        _EVENT,
        "A run was due, and every row up to now is covered by other runs, or `spec.labelDelay` "
        "leaves none yet. The next one comes on schedule.",
    ),
    Reason.TOO_MANY_RUNS: Explanation(
        (Place.WAITING, Place.READY, Place.RUN, Place.VERSION, Place.EVENT),
        "What is due waits for a place: the namespace has as many Jobs that have not ended as "
        "EVALUATION_MAX_ACTIVE_RUNS allows. As an Event of a job: 20 of its own runs have not "
        "ended, and the next one takes the rows of this time too.",
        "See what does not end. What waits goes on by itself, the first that was due first.",
        (
            "kubectl get jobs -n NAMESPACE -l app.kubernetes.io/managed-by=evaluation-operator",
            "kubectl get evj -n NAMESPACE",
        ),
        passes=True,
    ),
    Reason.WINDOW_ABANDONED: Explanation(
        (Place.EVENT, Place.ATTEMPT),
        "Runs over the same rows have failed five times, so the schedule gives those rows up. The "
        "attempt has code 10, and `status.abandonedWindows` the times.",
        "Cure what the attempts say, then evaluate the rows once more by hand.",
        (
            DESCRIBE,
            "kubectl evaluations run JOB -n NAMESPACE --window "
            "2026-03-01T10:00:00Z/2026-03-02T10:00:00Z --wait",
        ),
    ),
    Reason.RUN_MISSING: Explanation(
        (Place.EVENT, Place.ATTEMPT),
        "Somebody has deleted the Dataset under an active run, and with it the run. The attempt "
        "has code 1; its rows go to the next run.",
        "Nothing. If it was not you, your audit log says who.",
        ("kubectl get datasets -n NAMESPACE -l evaluations.dev/job=JOB",),
        passes=True,
    ),
    Reason.STOPPED: Explanation(
        _EVENT,
        "The job is being deleted: its active runs are ended, its versions, Datasets and "
        "Evaluations go with it. Rows and results stay where the table and `resultsUri` are.",
        "Nothing. If it does not go, see the operator's log.",
        (OPERATOR_LOGS,),
    ),
    Reason.INVALID_RUN: Explanation(
        _WORDS,
        "The run asks for what no attempt can do: an option that contradicts the data, a Dataset "
        "to read again whose rows are gone, a `resultsUri` of a kind that is not known, or the API "
        "server refuses the run's pod for lack of rights. Code 3; not tried again.",
        "Edit what the message names. Rights come with the namespace's part.",
        (EDIT, "kubectl apply -n NAMESPACE -k manifests/namespace"),
    ),
    Reason.NOTHING_USABLE: Explanation(
        _WORDS,
        "Rows are there, and none can be evaluated: they have no ground truth, or all of them are "
        "faulty; the first faults stand beside it. Code 9; not tried again, the next run takes the "
        "rows too.",
        "Bring the labels in, or give them time to come: `spec.labelDelay`. Where rows are faulty, "
        "see whether `bigqueryImportKeys` name the right keys.",
        (
            DESCRIBE,
            "kubectl evaluations labels import FILE --job JOB -n NAMESPACE --table TABLE",
            EDIT,
        ),
    ),
    Reason.API_UNAVAILABLE: Explanation(
        _WORDS,
        "The run could not reach the API server, so it could not commit. Code 14; tried again, "
        "and what it has computed is found there.",
        "If it goes on: see whether the NetworkPolicy `evaluation-runs` lets pods of runs reach "
        "the API server's port.",
        ("kubectl describe networkpolicy evaluation-runs -n NAMESPACE", LOGS),
    ),
    Reason.POD_STOPPED: Explanation(
        (Place.POD,),
        "The run's pod was deleted, evicted or drained, or was past its deadline, and its program "
        "ended between two writes. Code 14; the Job's next pod goes on from what is written, and "
        "`backoffLimit` does not count it.",
        "Nothing. If it happens again and again: see who deletes the pods.",
        (PODS,),
    ),
    Reason.INTERNAL: Explanation(
        _WORDS,
        "The run's program failed in a way that nobody has foreseen, or the API server found what "
        "it wrote invalid. Code 13; tried again.",
        "Its log has the whole error: report it. Evaluator and operator have to be of one version.",
        (LOGS, PODS),
    ),
}
