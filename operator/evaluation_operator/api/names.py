"""Names of other resources: a plain object name, or a path of the old service.

A namespace stands for a project. Nothing reaches across namespaces, so a path whose project is
not the object's own namespace is a fault, which the operator shows as Stalled.
"""

from __future__ import annotations

import re

from pydantic import Field

from .base import DNS_SUBDOMAIN, DNS_SUBDOMAIN_TEXT, Model

_PROJECT = r"projects/[a-z0-9]([-a-z0-9.:]*[a-z0-9])?/"
_MODEL = r"models/[A-Za-z0-9][-A-Za-z0-9._]*/versions/[A-Za-z0-9][-A-Za-z0-9._]*"

ANNOTATION_SPEC_SET_PATTERN = f"^({_PROJECT}annotationSpecSets/)?{DNS_SUBDOMAIN_TEXT}$"
INSTRUCTION_PATTERN = f"^({_PROJECT}instructions/)?{DNS_SUBDOMAIN_TEXT}$"
MODEL_VERSION_PATTERN = f"^({_PROJECT})?{_MODEL}$"

_PATH = re.compile(r"^(?:projects/(?P<project>[^/]+)/(?P<collection>[^/]+)/)?(?P<name>[^/]+)$")
_MODEL_VERSION = re.compile(
    r"^(?:projects/(?P<project>[^/]+)/)?models/(?P<model>[^/]+)/versions/(?P<version>[^/]+)$"
)
_OBJECT_NAME = re.compile(DNS_SUBDOMAIN)


class ResourceNameError(ValueError):
    """A name that cannot lead to an object of this namespace."""

    def __init__(self, field: str, value: str, cure: str) -> None:
        super().__init__(f"{field}: {value!r}: {cure}")
        self.field = field
        self.value = value
        self.cure = cure


class ModelVersion(Model):
    """A version of a model, by the names that the serving system uses."""

    model: str = Field(description="Name of the model.", min_length=1, max_length=253)
    version: str = Field(description="Name of its version.", min_length=1, max_length=253)

    def __str__(self) -> str:
        return f"models/{self.model}/versions/{self.version}"


def _check_project(project: str | None, *, field: str, value: str, namespace: str) -> None:
    if project is not None and project != namespace:
        raise ResourceNameError(
            field,
            value,
            f"project {project!r} is not this namespace: a job only uses what lies in its own "
            f"namespace, so write projects/{namespace}/… or leave the projects/ part out",
        )


def parse_resource_name(text: str, *, collection: str, field: str, namespace: str) -> str:
    """The plain object name of `flowers` or `projects/{namespace}/annotationSpecSets/flowers`.

    `collection` is the part of the path that names the kind, like `annotationSpecSets`.
    Raises ResourceNameError for any other form, another project, or a name no object can have.
    """
    match = _PATH.fullmatch(text)
    if match is None or match["collection"] not in (None, collection):
        raise ResourceNameError(
            field, text, f"write the object's name, or projects/{namespace}/{collection}/NAME"
        )
    _check_project(match["project"], field=field, value=text, namespace=namespace)
    name = match["name"]
    if len(name) > 253 or not _OBJECT_NAME.fullmatch(name):
        raise ResourceNameError(
            field,
            text,
            "no object can have this name: use lower-case letters, digits, '-' and '.', "
            "at most 253, and begin and end with a letter or digit",
        )
    return name


def parse_annotation_spec_set_name(
    text: str, *, namespace: str, field: str = "spec.annotationSpecSet"
) -> str:
    """Plain name of the AnnotationSpecSet; ResourceNameError as parse_resource_name."""
    return parse_resource_name(
        text, collection="annotationSpecSets", field=field, namespace=namespace
    )


def parse_instruction_name(
    text: str,
    *,
    namespace: str,
    field: str = "spec.evaluationJobConfig.humanAnnotationConfig.instruction",
) -> str:
    """Plain name of the Instruction; ResourceNameError as parse_resource_name."""
    return parse_resource_name(text, collection="instructions", field=field, namespace=namespace)


def parse_model_version(
    text: str, *, namespace: str, field: str = "spec.modelVersion"
) -> ModelVersion:
    """Model and version of `models/{m}/versions/{v}`, with or without `projects/{namespace}/`.

    Raises ResourceNameError for any other form and for another project.
    """
    match = _MODEL_VERSION.fullmatch(text)
    if match is None:
        raise ResourceNameError(
            field, text, f"write models/M/versions/V or projects/{namespace}/models/M/versions/V"
        )
    _check_project(match["project"], field=field, value=text, namespace=namespace)
    return ModelVersion(model=match["model"], version=match["version"])
