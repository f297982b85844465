"""What a schema cannot say about a spec: faults that make an object Stalled.

Pure, and the same for the operator and for the validator on a laptop. A fault here stays until
somebody edits the object (or the operator's own limits), whatever else appears in the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_version import EvaluationJobVersion
from evaluation_operator.api.names import (
    ResourceNameError,
    parse_annotation_spec_set_name,
    parse_instruction_name,
    parse_model_version,
)
from evaluation_operator.api.run_template import RunTemplate
from evaluation_operator.domain.allowances import Allowances, job_breaches, template_breaches
from evaluation_operator.domain.answer_classes import repeated_classes
from evaluation_operator.domain.faults import Fault
from evaluation_operator.domain.schedule import ScheduleError, parse_schedule


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator's configuration lets jobs ask for.

    `allowed_images` are globs, like `registry.example/evaluator:*`; the operator's own evaluator
    needs no entry, since a job gets it by naming none. None: images, or what `allowances` are
    about, are not judged, for a validator that does not know the operator's configuration.
    """

    allowed_images: tuple[str, ...] | None = ()
    allowed_service_accounts: tuple[str, ...] = ("evaluation-runner",)
    strict_schedule: bool = False
    allowances: Allowances | None = field(default_factory=Allowances)


def stalled_faults(job: EvaluationJob, namespace: str, *, limits: Limits) -> list[Fault]:
    """Why the job cannot run as it is, in the order of its fields; empty when it can."""
    return [
        *_schedule_faults(job.spec.schedule, strict=limits.strict_schedule),
        *_name_faults(job, namespace),
        *repeated_classes(job.spec.evaluation_job_config.input_config),
        *_run_template_faults(job.spec.run_template, limits),
    ]


def stalled_version_faults(version: EvaluationJobVersion, *, limits: Limits) -> list[Fault]:
    """Why the version cannot run as it is; empty when it can."""
    return list(_run_template_faults(version.spec.run_template, limits))


def job_faults(job: EvaluationJob, namespace: str, *, limits: Limits) -> list[Fault]:
    """All that the operator holds against a job, whether it stalls it or is not allowed yet."""
    breaches = job_breaches(job, limits.allowances) if limits.allowances else []
    return [*stalled_faults(job, namespace, limits=limits), *breaches]


def version_faults(version: EvaluationJobVersion, *, limits: Limits) -> list[Fault]:
    """All that the operator holds against a version, like job_faults."""
    return pod_faults(version.spec.run_template, limits)


def pod_faults(template: RunTemplate | None, limits: Limits) -> list[Fault]:
    """Why no pod may be made by the template, whatever was allowed when its run began."""
    breaches = template_breaches(template, limits.allowances) if limits.allowances else []
    return [*_run_template_faults(template, limits), *breaches]


def _schedule_faults(text: str, *, strict: bool) -> Iterator[Fault]:
    try:
        parse_schedule(text, strict=strict)
    except ScheduleError as error:
        yield Fault("spec.schedule", repr(text), error.message, "Schedule")


def _name_faults(job: EvaluationJob, namespace: str) -> Iterator[Fault]:
    spec, config = job.spec, job.spec.evaluation_job_config
    names = [
        ("spec.modelVersion", spec.model_version, parse_model_version),
        ("spec.annotationSpecSet", spec.annotation_spec_set, parse_annotation_spec_set_name),
    ]
    prefix = "spec.evaluationJobConfig"
    if (human := config.human_annotation_config) is not None:
        field = f"{prefix}.humanAnnotationConfig.instruction"
        names.append((field, human.instruction, parse_instruction_name))
    if (image := config.image_classification_config) is not None:
        field = f"{prefix}.imageClassificationConfig.annotationSpecSet"
        names.append((field, image.annotation_spec_set, parse_annotation_spec_set_name))
    if (boxes := config.bounding_poly_config) is not None:
        field = f"{prefix}.boundingPolyConfig.annotationSpecSet"
        names.append((field, boxes.annotation_spec_set, parse_annotation_spec_set_name))
    if (text := config.text_classification_config) is not None:
        field = f"{prefix}.textClassificationConfig.annotationSpecSet"
        names.append((field, text.annotation_spec_set, parse_annotation_spec_set_name))
    for field, name, parse in names:
        try:
            parse(name, namespace=namespace, field=field)
        except ResourceNameError as error:
            yield Fault(error.field, repr(error.value), error.cure, "Name")


def _run_template_faults(template: RunTemplate | None, limits: Limits) -> Iterator[Fault]:
    if template is None:
        return
    image, allowed = template.image, limits.allowed_images
    if image and allowed is not None and not any(fnmatchcase(image, it) for it in allowed):
        yield Fault(
            "spec.runTemplate.image",
            repr(image),
            f"the operator allows {_listed(allowed)}; leave the field out to use its own "
            "evaluator, or have the image added to the operator's allowed images",
            "NotAllowed",
        )
    account = template.service_account_name
    if account is not None and account not in limits.allowed_service_accounts:
        yield Fault(
            "spec.runTemplate.serviceAccountName",
            repr(account),
            f"the operator allows {_listed(limits.allowed_service_accounts)}; leave the field "
            "out, or have the account added to the operator's allowed service accounts",
            "NotAllowed",
        )


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(values) if values else "none"
