"""What the API server refuses, in words that people can act on."""

from __future__ import annotations

from evaluation_operator.domain.conditions import Judgement
from evaluation_operator.domain.facts.obstacle import Obstacle
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.kube import (
    ApiError,
    Forbidden,
    NotFound,
    Rejected,
)

KSERVE = "manifests/kserve"
NO_SUCH_KIND = ("could not find the requested resource", "page not found")


def kserve_fault(error: ApiError) -> Judgement:
    """Why an InferenceService cannot be read or written, and what to do about it."""
    match error:
        case Forbidden():
            message = f"{error.message}; give the operator the right: kubectl apply -k {KSERVE}"
            return Judgement(False, Reason.PERMISSION_DENIED, message)
        case NotFound() if any(text in error.message for text in NO_SUCH_KIND):
            message = "KServe is not installed in this cluster: set spec.manageLogger to false"
            return Judgement(False, Reason.KSERVE_NOT_FOUND, message)
        case NotFound():
            message = (
                f"{error.message}; name it in spec.modelSelector.inferenceservicename where it is "
                "not the model's name"
            )
            return Judgement(False, Reason.INFERENCE_SERVICE_NOT_FOUND, message)
        case _:
            return Judgement(False, Reason.LOGGER_REFUSED, error.message)


def obstacle_of(error: ApiError, namespace: str) -> Obstacle | None:
    """What to tell people about an error that the next attempt may well meet again."""
    if isinstance(error, NotFound) and error.reason == Reason.NAMESPACE_TERMINATING:
        text = (
            f"namespace {namespace!r} is being deleted, and nothing can be created in it; what it "
            f"waits for: kubectl describe namespace {namespace}"
        )
        return Obstacle(Reason.NAMESPACE_TERMINATING, text)
    if isinstance(error, Forbidden):
        return Obstacle(Reason.PERMISSION_DENIED, f"the API server refuses: {error.message}")
    if isinstance(error, Rejected):
        return Obstacle(Reason.CREATE_REFUSED, f"the API server refuses: {error.message}", True)
    return None
