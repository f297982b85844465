"""KServe's one slot for a request logger, as an InferenceService has it and as jobs want it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import cast

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.kubernetes import (
    Body,
    Logger,
    ManagedFields,
    StoredInferenceService,
)
from evaluation_operator.api.names import ResourceNameError, parse_model_version
from evaluation_operator.domain.conditions import Judgement
from evaluation_operator.domain.naming import (
    ANNOTATION_LOGGER_FOR,
    ANNOTATION_MODEL_VERSION,
    FIELD_MANAGER,
)
from evaluation_operator.domain.reasons import Reason

_SERVICE_KEY = "inferenceservicename"
_ANNOTATION_KEYS = "annotations."
_ANY_JOB = "*"
_JOB_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class LoggerSlot:
    """`spec.predictor.logger` of an InferenceService; `problem` says why it could not be read.

    `managers` are the field managers that have a hand in it. `welcome`: the jobs for which the
    service's owner lets it be set. `wanted_by_others`: another job of the namespace manages it
    too, rightly, and needs `others_annotations` passed on.
    """

    service: str
    uid: str = ""
    problem: Judgement | None = None
    is_set: bool = False
    url: str = ""
    mode: str = ""
    annotations: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    version: str | None = None
    welcome: tuple[str, ...] = ()
    wanted_by_others: bool = False
    others_annotations: tuple[str, ...] = ()

    @classmethod
    def from_body(cls, body: Body, others: Iterable[EvaluationJob]) -> LoggerSlot:
        service = cast(StoredInferenceService, body)
        meta = service["metadata"]
        annotations = meta.get("annotations") or {}
        welcome = parse_logger_for(annotations.get(ANNOTATION_LOGGER_FOR) or "")
        logger = ((service.get("spec") or {}).get("predictor") or {}).get("logger")
        found: Logger = logger if isinstance(logger, dict) else {}
        slot = cls(
            service=str(meta["name"]),
            uid=str(meta["uid"]),
            is_set=bool(logger),
            url=str(found.get("url") or ""),
            mode=str(found.get("mode") or ""),
            annotations=tuple(found.get("metadataAnnotations") or ()),
            managers=tuple(_managers(meta.get("managedFields") or ())),
            version=annotations.get(ANNOTATION_MODEL_VERSION),
            welcome=welcome,
        )
        rightful = [job for job in others if slot.welcomes(job) or slot.is_held_from_before(job)]
        return replace(
            slot,
            wanted_by_others=bool(rightful),
            others_annotations=tuple(key for job in rightful for key in needed_annotations(job)),
        )

    def welcomes(self, job: EvaluationJob) -> bool:
        """Whether the service's owner lets the logger be set for that job."""
        return _ANY_JOB in self.welcome or job.name in self.welcome

    def is_held_from_before(self, job: EvaluationJob) -> bool:
        """Whether it was set for that job when owners were not asked yet. Such a one stays."""
        status = job.status
        return (
            self.is_ours
            and status.managed_logger == self.service
            and not status.managed_logger_opted_in
        )

    @property
    def is_ours(self) -> bool:
        return self.is_set and FIELD_MANAGER in self.managers

    @property
    def strangers(self) -> tuple[str, ...]:
        return tuple(name for name in self.managers if name != FIELD_MANAGER)


@dataclass(frozen=True, slots=True)
class LoggerRefusal:
    """The API server did not let the operator write that service's logger."""

    service: str
    reason: Reason
    message: str


def logger_target(job: EvaluationJob) -> str | None:
    """The InferenceService whose logger the job wants to be managed; None: it wants none."""
    if not job.spec.manage_logger:
        return None
    if (named := job.spec.model_selector.get(_SERVICE_KEY)) is not None:
        return named
    try:
        return parse_model_version(job.spec.model_version, namespace=job.namespace).model
    except ResourceNameError:
        return None


def parse_logger_for(text: str) -> tuple[str, ...]:
    """The jobs that the annotation names, or `*` among them; what is no name is left out."""
    parts = (part.strip() for part in text.split(","))
    return tuple(part for part in parts if part == _ANY_JOB or _JOB_NAME.fullmatch(part))


def needed_annotations(job: EvaluationJob) -> tuple[str, ...]:
    """Annotations that events must carry for the sampler to tell the job's from others'."""
    keys = (
        key[len(_ANNOTATION_KEYS) :]
        for key in job.spec.model_selector
        if key.startswith(_ANNOTATION_KEYS)
    )
    return tuple(sorted({ANNOTATION_MODEL_VERSION, *keys}))


def _managers(entries: Iterable[ManagedFields]) -> list[str]:
    found = set()
    for entry in entries:
        fields: object = entry.get("fieldsV1")
        for key in ("f:spec", "f:predictor", "f:logger"):
            fields = fields.get(key) if isinstance(fields, dict) else None
        if fields is not None:
            found.add(str(entry.get("manager", "")))
    return sorted(found)
