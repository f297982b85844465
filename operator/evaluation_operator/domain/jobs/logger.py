"""KServe's one slot for a request logger, for jobs with `spec.manageLogger`.

An InferenceService has room for one logger, so the operator takes the slot only while it is free,
by server-side apply without force, and gives it back when no job wants it any more. It takes it
only where the service's owner says so by an annotation: who may write a job may not be one who may
change that service, and the operator is nobody's deputy. Whatever stands in the way is a condition
of the job and nothing else: sampling by other means goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.kubernetes import (
    Logger,
)
from evaluation_operator.api.names import parse_model_version
from evaluation_operator.domain.conditions import Judgement
from evaluation_operator.domain.facts.logger import (
    LoggerRefusal,
    LoggerSlot,
    logger_target,
    needed_annotations,
)
from evaluation_operator.domain.jobs.draft import JobDraft
from evaluation_operator.domain.naming import (
    ANNOTATION_LOGGER_FOR,
    ANNOTATION_MODEL_VERSION,
)
from evaluation_operator.domain.plan import ApplyLogger, EventRecord
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.reasons import Reason

LOGGER_MANAGED = "LoggerManaged"
LOOK_AGAIN = timedelta(hours=1)
"""A service that is made anew has no logger, and nobody tells."""
MODE = "all"


def opt_in_command(namespace: str, service: str, jobs: Iterable[str]) -> str:
    """How the service's owner lets the operator set its logger for these jobs."""
    return (
        f"kubectl annotate inferenceservice {service} -n {namespace} --overwrite "
        f"{ANNOTATION_LOGGER_FOR}={','.join(jobs)}"
    )


def follow_logger(
    draft: JobDraft,
    job: EvaluationJob,
    slots: Mapping[str, LoggerSlot],
    refusals: Iterable[LoggerRefusal],
    now: datetime,
    policy: Policy,
) -> None:
    """Take the slot, keep it, or give it back."""
    refused = {refusal.service: refusal for refusal in refusals}
    wanted, held = logger_target(job), job.status.managed_logger
    opted_in = job.status.managed_logger_opted_in
    stuck = None
    if held is not None and held != wanted:
        stuck = _release(draft, slots[held], refused.get(held))
        held = held if stuck is not None else None
    told = stuck
    if wanted is not None:
        slot = slots[wanted]
        told, holds = _follow_wanted(draft, job, slot, refused.get(wanted), policy)
        if stuck is None:
            held = wanted if holds else None
            # What cannot be read says nothing: the last word stands.
            opted_in = opted_in if slot.problem is not None else slot.welcomes(job) or opted_in
    draft.told[LOGGER_MANAGED] = told
    draft.status = draft.status.changed(
        managed_logger=held, managed_logger_opted_in=opted_in if held else None
    )
    if told is not None:
        is_well = told.reason is Reason.LOGGER_SET and stuck is None
        draft.wake_times.append(now + (LOOK_AGAIN if is_well else policy.logger_retry))


def release_logger(
    draft: JobDraft,
    job: EvaluationJob,
    slots: Mapping[str, LoggerSlot],
    refusals: Iterable[LoggerRefusal],
) -> None:
    """For a job that is being deleted, which does not wait for what cannot be written."""
    refused = {refusal.service: refusal for refusal in refusals}
    for name, slot in slots.items():
        stuck = _release(draft, slot, refused.get(name))
        if stuck is not None and (name in refused or name == job.status.managed_logger):
            draft.events.append(EventRecord(stuck.reason, stuck.message, warning=True))


def _release(draft: JobDraft, slot: LoggerSlot, refusal: LoggerRefusal | None) -> Judgement | None:
    """Give it back, if it is the operator's and nobody else's wish; tells why that cannot be."""
    fault = refusal or slot.problem
    if fault is None:
        if slot.is_ours and not slot.wanted_by_others:
            draft.actions.append(ApplyLogger(slot.service, slot.uid, None))
        return None
    if fault.reason in (Reason.INFERENCE_SERVICE_NOT_FOUND, Reason.KSERVE_NOT_FOUND):
        return None
    message = (
        f"the logger of InferenceService {slot.service!r} could not be removed: {fault.message}; "
        "or take spec.predictor.logger out of it by hand"
    )
    return Judgement(False, fault.reason, message)


def _follow_wanted(
    draft: JobDraft,
    job: EvaluationJob,
    slot: LoggerSlot,
    refusal: LoggerRefusal | None,
    policy: Policy,
) -> tuple[Judgement, bool]:
    """What to tell of the slot that the job wants, and whether the job holds it."""
    was_held = job.status.managed_logger == slot.service
    if slot.problem is not None:
        return slot.problem, was_held
    url = policy.sampler_url.replace("{namespace}", job.namespace)
    annotations = {*needed_annotations(job), *slot.others_annotations}
    fits = slot.url == url and slot.mode == MODE and annotations <= set(slot.annotations)
    if slot.is_set and not fits and (slot.strangers or not slot.is_ours):
        return _taken(job, slot), was_held
    if fits and not slot.is_ours:
        return _set(job, slot, url), False
    if not slot.welcomes(job):
        return _without_welcome(draft, job, slot, refusal, fits)
    if refusal is not None:
        message = f"the logger of InferenceService {slot.service!r} is not set: {refusal.message}"
        return Judgement(False, refusal.reason, message), was_held
    if not fits:
        logger: Logger = {"mode": MODE, "url": url, "metadataAnnotations": sorted(annotations)}
        draft.actions.append(ApplyLogger(slot.service, slot.uid, logger))
    return _set(job, slot, url), True


def _set(job: EvaluationJob, slot: LoggerSlot, url: str) -> Judgement:
    by = "" if slot.is_ours or not slot.is_set else f", as {', '.join(slot.strangers)} has set"
    message = f"InferenceService {slot.service!r} sends its predictions to {_host(url)}{by}"
    if fault := _version_fault(job, slot):
        return Judgement(True, Reason.VERSION_UNKNOWN, f"{message}; {fault}")
    return Judgement(True, Reason.LOGGER_SET, message)


def _without_welcome(
    draft: JobDraft,
    job: EvaluationJob,
    slot: LoggerSlot,
    refusal: LoggerRefusal | None,
    fits: bool,
) -> tuple[Judgement, bool]:
    """Nothing is written for the job but what takes back what the owner does not want any more."""
    names = [*slot.welcome, job.name]
    cure = f"its owner asks for it with: {opt_in_command(job.namespace, slot.service, names)}"
    if slot.is_held_from_before(job):
        is_what = "stays as it is" if fits else "is out of date and stays so"
        message = (
            f"the logger of InferenceService {slot.service!r}, set before owners were asked, "
            f"{is_what} until {cure}"
        )
        return Judgement(fits, Reason.NOT_OPTED_IN, message), True
    stuck = _release(draft, slot, refusal)
    if stuck is not None:
        return stuck, True
    message = (
        f"the logger of InferenceService {slot.service!r} is not set, since the service does not "
        f"ask for it; {cure}"
    )
    return Judgement(False, Reason.NOT_OPTED_IN, message), False


def _taken(job: EvaluationJob, slot: LoggerSlot) -> Judgement:
    message = (
        f"the logger of InferenceService {slot.service!r} is set by "
        f"{', '.join(slot.strangers) or 'somebody else'} and sends to {_host(slot.url)}: "
        "take spec.predictor.logger out of it, or let it send to a Knative Broker, which hands "
        f"every event to both (`kubectl evaluations attach {job.name} --to knative`)"
    )
    return Judgement(False, Reason.LOGGER_SLOT_TAKEN, message)


def _host(url: str) -> str:
    """Not the whole address: it may hold a password."""
    try:
        return urlsplit(url).hostname or "a store"
    except ValueError:  # its owner may have written anything
        return "a store"


def _version_fault(job: EvaluationJob, slot: LoggerSlot) -> str:
    """Why its events will not be taken for this model version, and what would help."""
    if job.spec.model_selector:
        return ""
    version = parse_model_version(job.spec.model_version, namespace=job.namespace).version
    if slot.version == version:
        return ""
    is_what = "is missing" if slot.version is None else f"is {slot.version!r}"
    return (
        f"its annotation {ANNOTATION_MODEL_VERSION} {is_what}, so they do not count for version "
        f"{version!r}: kubectl annotate inferenceservice {slot.service} -n {job.namespace} "
        f"--overwrite {ANNOTATION_MODEL_VERSION}={version}"
    )
