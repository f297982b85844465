"""Conditions beside Ready: how good the model is, the sampler, and the logger that it gets from."""

from __future__ import annotations

from collections.abc import Mapping

from evaluation_operator.domain.explanations.explanation import (
    DESCRIBE,
    EDIT,
    Explanation,
    Place,
)
from evaluation_operator.domain.reasons import Reason

_QUALITY = (Place.QUALITY,)
_LOGGER = (Place.LOGGER, Place.EVENT)
_SERVICE = "kubectl get inferenceservice SERVICE -n NAMESPACE -o yaml"
_TRY = "kubectl evaluations try -f FILE --response FILE"
_SAMPLING = "kubectl evaluations sampling JOB -n NAMESPACE"

OF_QUALITY: Mapping[Reason, Explanation] = {
    Reason.QUALITY_ACCEPTABLE: Explanation(
        _QUALITY,
        "The newest Evaluation's mean average precision is not below "
        "`evaluationJobAlertConfig.minAcceptableMeanAveragePrecision`.",
    ),
    Reason.QUALITY_BELOW_THRESHOLD: Explanation(
        (Place.QUALITY, Place.EVENT),
        "The model has got worse than `minAcceptableMeanAveragePrecision` allows, by the newest "
        "Evaluation. The job itself is well, so `Ready` stays True.",
        "Look at the Evaluation: how many items it compared, its warnings, which labels fell. Then "
        "the model is your affair.",
        (DESCRIBE, "kubectl get evaluation -n NAMESPACE"),
    ),
    Reason.QUALITY_UNKNOWN: Explanation(
        _QUALITY,
        "The newest Evaluation has no mean average precision, since no label of it has ground "
        "truth.",
        "See whether labels arrive, and whether they are those of the job's `annotationSpecSet`.",
        (DESCRIBE,),
    ),
    Reason.NO_SCORES: Explanation(
        _QUALITY,
        "The model answers with labels without scores. Accuracy, the confusion matrix, and "
        "precision and recall of its first label are counted; a curve and a mean average "
        "precision, which alerts go by, need scores.",
        "Have the server answer with scores, for example probabilities and `classNames` "
        "(attach.md), or watch the accuracy in the Evaluations.",
        (DESCRIBE,),
    ),
    Reason.NO_EVALUATION: Explanation(
        _QUALITY,
        "No scheduled run has been evaluated yet.",
        "Wait for the first run, or see why there is none.",
        (DESCRIBE,),
        passes=True,
    ),
    Reason.STALE: Explanation(
        _QUALITY,
        "The newest Evaluation is older than two intervals and `labelDelay`, so nothing is said of "
        "the model as it is now.",
        "See how the last runs ended, and whether rows arrive.",
        (DESCRIBE, _SAMPLING),
    ),
}

OF_THE_SAMPLER: Mapping[Reason, Explanation] = {
    Reason.ANSWERS_UNREADABLE: Explanation(
        (Place.READABLE,),
        "More than half of the newest responses that were sampled cannot be read by a run: the "
        "model answers in another form than the job says, or with labels that its set does not "
        "have. They are kept, and read once the job says how its model answers.",
        "Do what the message says; answers.md has all forms. Try it with one answer first.",
        (_SAMPLING, _TRY, EDIT),
    ),
    Reason.SOME_UNREADABLE: Explanation(
        (Place.READABLE,),
        "Some of the newest responses cannot be read by a run, though not most.",
        "See which, and why.",
        (_SAMPLING,),
    ),
    Reason.ANSWERS_READABLE: Explanation(
        (Place.READABLE,), "The newest responses that were sampled can be read by a run."
    ),
    Reason.FEW_ANSWERS: Explanation(
        (Place.READABLE,),
        "Fewer than 20 of the newest responses were sampled and read, which says nothing yet.",
        "Wait for more predictions, or see whether any arrive.",
        (_SAMPLING,),
        passes=True,
    ),
    Reason.REPLICAS_BEHIND: Explanation(
        (Place.SAMPLER,),
        "The last run waited for a replica of the sampler, for an hour at most, and went on "
        "without the rows that it may still hold. None is lost: a later run takes them.",
        "See why it does not write its table. If it is gone for good, delete its Lease, which the "
        "message names, so that runs wait no more.",
        (
            _SAMPLING,
            "kubectl logs -n NAMESPACE statefulset/evaluation-sampler --tail=50",
            "kubectl delete lease LEASE -n NAMESPACE",
        ),
    ),
    Reason.ALL_FLUSHED: Explanation(
        (Place.SAMPLER,), "The last run had the rows of every replica: all is well again."
    ),
}

OF_LOGGERS: Mapping[Reason, Explanation] = {
    Reason.LOGGER_SET: Explanation(
        (Place.LOGGER,), "The InferenceService sends its predictions to the sampler."
    ),
    Reason.VERSION_UNKNOWN: Explanation(
        (Place.LOGGER,),
        "The logger is set, but the InferenceService does not say which model version answers, or "
        "names another, so its events do not count for this job.",
        "Annotate it; the message has the command with your names.",
        (
            "kubectl annotate inferenceservice SERVICE -n NAMESPACE --overwrite "
            "evaluations.dev/model-version=MODELVERSION",
        ),
    ),
    Reason.NOT_OPTED_IN: Explanation(
        (Place.LOGGER,),
        "The owner of the InferenceService has not asked for its logger to be set for this job, "
        "so it is not touched.",
        "Let the owner say so; it rolls the model's pods.",
        (
            "kubectl annotate inferenceservice SERVICE -n NAMESPACE --overwrite "
            "evaluations.dev/logger-for=JOB",
        ),
    ),
    Reason.LOGGER_SLOT_TAKEN: Explanation(
        _LOGGER,
        "Somebody else has set the logger of the InferenceService, and it is never taken by force. "
        "The message says who.",
        "Take `spec.predictor.logger` out of it, or let it send to a Knative Broker, which hands "
        "every event to both.",
        (_SERVICE, "kubectl evaluations attach JOB -n NAMESPACE --to knative"),
    ),
    Reason.LOGGER_REFUSED: Explanation(
        _LOGGER,
        "The API server or KServe's webhook did not take the logger, or gave no answer within five "
        "seconds. Runs go on; it is tried again every five minutes.",
        "See whether KServe's webhooks work.",
        ("kubectl get pods -n kserve", _SERVICE),
    ),
    Reason.INFERENCE_SERVICE_NOT_FOUND: Explanation(
        _LOGGER,
        "There is no InferenceService of the model's name in the namespace.",
        "Name it in `spec.modelSelector.inferenceservicename` where it has another name.",
        ("kubectl get inferenceservices -n NAMESPACE", EDIT),
    ),
    Reason.KSERVE_NOT_FOUND: Explanation(
        _LOGGER,
        "KServe is not installed in this cluster, so there is no logger to manage.",
        "Set `spec.manageLogger` to false, and attach your server in another way.",
        (EDIT, "kubectl evaluations attach JOB -n NAMESPACE --to http"),
    ),
}
