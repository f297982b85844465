"""What the administrator of the operator lets jobs ask for, beyond what every job may.

Whoever may create a job gets pods made, so a job must not get one that stands out among those of
its namespace: by its priority, its node, its size, its life, or by what pulls its image. What is
not allowed is no fault of the schema and may be allowed tomorrow, so the job is not Ready, and what
it samples waits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase

from evaluation_operator.api.email_address import is_email_address, is_in_domains
from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.run_template import (
    RESERVED_SECRET_PATTERN,
    RunTemplate,
    Toleration,
)
from evaluation_operator.domain.faults import Fault
from evaluation_operator.domain.naming import LABEL_TABLE
from evaluation_operator.domain.quantities import parse_quantity

DEFAULT_NODE_LABELS = (
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
)
DEFAULT_RESOURCES: Mapping[str, str] = {
    "cpu": "8",
    "memory": "32Gi",
    "ephemeral-storage": "100Gi",
}
DEFAULT_DEADLINE_SECONDS = 24 * 3600

CLAIM_PREFIX = "evaluations"

_TEMPLATE = "spec.runTemplate"
_ASK = "or ask who runs the operator to add it there"


@dataclass(frozen=True, slots=True)
class Allowances:
    """Globs, and what is most. Each field is a variable `EVALUATION_ALLOWED_…` or
    `EVALUATION_MAX_…` of the operator.

    `max_resources`: by name, in whole units; what is not named may not be asked for at all.
    `email_domains`: None allows all of them.
    """

    priority_classes: tuple[str, ...] = ()
    tolerations: tuple[str, ...] = ()
    node_labels: tuple[str, ...] = DEFAULT_NODE_LABELS
    pull_secrets: tuple[str, ...] = ("evaluation-*",)
    email_domains: tuple[str, ...] | None = None
    max_resources: Mapping[str, Decimal] = field(
        default_factory=lambda: {
            name: parse_quantity(most) for name, most in DEFAULT_RESOURCES.items()
        }
    )
    max_deadline_seconds: int = DEFAULT_DEADLINE_SECONDS


def job_breaches(job: EvaluationJob, allowances: Allowances) -> list[Fault]:
    """What of a job is not allowed, in the order of its fields; empty when all is."""
    return [
        *_address_breaches(job, allowances),
        *template_breaches(job.spec.run_template, allowances),
    ]


def template_breaches(template: RunTemplate | None, allowances: Allowances) -> list[Fault]:
    """What a run's pod may not look like."""
    if template is None:
        return []
    return [
        *_secret_breaches(template),
        *_resource_breaches(template, allowances),
        *_node_breaches(template, allowances),
        *_toleration_breaches(template.tolerations, allowances),
        *_priority_breaches(template, allowances),
        *_pull_secret_breaches(template, allowances),
        *_deadline_breaches(template, allowances),
    ]


def is_claim_for_tables(name: str, labels: Mapping[str, str]) -> bool:
    """Whether jobs may have that volume claim, which says so by its name or by a label.

    Otherwise a job would get at the files of whatever else runs in its namespace.
    """
    return name.startswith(CLAIM_PREFIX) or labels.get(LABEL_TABLE) == "true"


def claim_breach(job: EvaluationJob, name: str) -> Fault:
    """A claim that jobs may not have, and who can change that."""
    message = (
        f"{name!r} is not made for tables: name a claim that begins with {CLAIM_PREFIX!r}, or have "
        f"its owner label it: kubectl label persistentvolumeclaim {name} -n "
        f"{job.metadata.namespace} {LABEL_TABLE}=true"
    )
    path = "spec.evaluationJobConfig.inputConfig.tableSource.persistentVolumeClaimName"
    return Fault(path, repr(name), message, "NotAllowed")


def _breach(path: str, value: object, allowed: Iterable[str], variable: str, cure: str) -> Fault:
    listed = ", ".join(allowed) or "none"
    message = f"{value!r}: the operator allows {listed} ({variable}): {cure}, {_ASK}"
    return Fault(path, repr(value), message, "NotAllowed")


def _is_allowed(value: str, allowed: Iterable[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in allowed)


def _resource_breaches(template: RunTemplate, allowances: Allowances) -> Iterator[Fault]:
    if template.resources is None:
        return
    asked = (("requests", template.resources.requests), ("limits", template.resources.limits))
    most = {name: f"{name}={amount:f}" for name, amount in allowances.max_resources.items()}
    for part, amounts in asked:
        for name, amount in amounts.items():
            if not _is_within(amount, allowances.max_resources.get(name, Decimal(0))):
                path = f"{_TEMPLATE}.resources.{part}.{name}"
                variable = "EVALUATION_MAX_RESOURCES"
                yield _breach(path, amount, most.values(), variable, "ask for less")


def _is_within(amount: int | str, most: Decimal) -> bool:
    try:
        return parse_quantity(amount) <= most
    except ValueError:
        return False


def _secret_breaches(template: RunTemplate) -> Iterator[Fault]:
    """Also of objects from before the schema refused it."""
    for index, source in enumerate(template.env_from):
        name = source.secret_ref.name
        if re.match(RESERVED_SECRET_PATTERN, name):
            path = f"{_TEMPLATE}.envFrom[{index}].secretRef.name"
            message = (
                f"{name!r} belongs to a part of the operator itself, so runs may not have it: make "
                "a Secret of another name for your table"
            )
            yield Fault(path, repr(name), message, "NotAllowed")


def _node_breaches(template: RunTemplate, allowances: Allowances) -> Iterator[Fault]:
    asked = [(f"{_TEMPLATE}.nodeSelector", key) for key in template.node_selector]
    if template.affinity is not None:
        path = f"{_TEMPLATE}.affinity.nodeAffinity"
        asked += [(path, item.key) for item in template.affinity.node_requirements]
    for path, key in asked:
        if not _is_allowed(key, allowances.node_labels):
            variable = "EVALUATION_ALLOWED_NODE_LABELS"
            yield _breach(path, key, allowances.node_labels, variable, "leave it out")


def _toleration_breaches(
    tolerations: Iterable[Toleration], allowances: Allowances
) -> Iterator[Fault]:
    """One without a key puts up with every taint, so only a list that says `*` allows it."""
    for index, toleration in enumerate(tolerations):
        if not _is_allowed(toleration.key or "", allowances.tolerations):
            yield _breach(
                f"{_TEMPLATE}.tolerations[{index}].key",
                toleration.key or "",
                allowances.tolerations,
                "EVALUATION_ALLOWED_TOLERATIONS",
                "leave the toleration out",
            )


def _priority_breaches(template: RunTemplate, allowances: Allowances) -> Iterator[Fault]:
    name = template.priority_class_name
    if name is not None and not _is_allowed(name, allowances.priority_classes):
        yield _breach(
            f"{_TEMPLATE}.priorityClassName",
            name,
            allowances.priority_classes,
            "EVALUATION_ALLOWED_PRIORITY_CLASSES",
            "leave it out",
        )


def _pull_secret_breaches(template: RunTemplate, allowances: Allowances) -> Iterator[Fault]:
    for index, secret in enumerate(template.image_pull_secrets):
        if not _is_allowed(secret.name, allowances.pull_secrets):
            yield _breach(
                f"{_TEMPLATE}.imagePullSecrets[{index}].name",
                secret.name,
                allowances.pull_secrets,
                "EVALUATION_ALLOWED_PULL_SECRETS",
                "give the Secret such a name",
            )


def _deadline_breaches(template: RunTemplate, allowances: Allowances) -> Iterator[Fault]:
    seconds = template.active_deadline_seconds
    if seconds is not None and seconds > allowances.max_deadline_seconds:
        yield _breach(
            f"{_TEMPLATE}.activeDeadlineSeconds",
            seconds,
            (f"at most {allowances.max_deadline_seconds}",),
            "EVALUATION_MAX_DEADLINE",
            "ask for less",
        )


def _address_breaches(job: EvaluationJob, allowances: Allowances) -> Iterator[Fault]:
    """Addresses of objects from before the schema was as strict as it is are judged here, too."""
    domains = allowances.email_domains
    for path, address in _addresses(job):
        if not is_email_address(address):
            message = "is not the address of one mailbox: write it like name@corp.example"
            yield Fault(path, repr(address), f"{address!r} {message}", "NotAllowed")
        elif domains is not None and not is_in_domains(address, domains):
            variable = "EVALUATION_ALLOWED_EMAIL_DOMAINS"
            yield _breach(path, address, domains, variable, "write one of these")


def _addresses(job: EvaluationJob) -> Iterator[tuple[str, str]]:
    config, prefix = job.spec.evaluation_job_config, "spec.evaluationJobConfig"
    if (human := config.human_annotation_config) is not None:
        for index, address in enumerate(human.contributor_emails):
            yield f"{prefix}.humanAnnotationConfig.contributorEmails[{index}]", address
        if human.user_email_address is not None:
            yield f"{prefix}.humanAnnotationConfig.userEmailAddress", human.user_email_address
    if (alert := config.evaluation_job_alert_config) is not None:
        yield f"{prefix}.evaluationJobAlertConfig.email", alert.email
