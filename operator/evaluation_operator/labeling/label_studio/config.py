"""A project's settings: what people see and may choose, as Label Studio writes it down."""

from __future__ import annotations

from html import escape
from typing import Final
from xml.etree import ElementTree

from evaluation_operator.api.evaluation_options import AnnotationType
from evaluation_operator.labeling.answers import Sentiment
from evaluation_operator.labeling.backend import BackendRefused, ProjectSpec

LABEL: Final = "label"
BOX: Final = "box"
SENTIMENT: Final = "sentiment"
COMMENT: Final = "comment"
_SHOWN: Final = "shown"
IMAGE_KEY: Final = "image"
TEXT_KEY: Final = "text"

_MANY_LABELS = 25


def is_of_images(kind: AnnotationType) -> bool:
    return kind in (AnnotationType.IMAGE_CLASSIFICATION, AnnotationType.IMAGE_BOUNDING_BOX)


def label_config(spec: ProjectSpec) -> str:
    """The XML of the page for one item; raises BackendRefused for what cannot be shown.

    Nothing in it is in any language but the labels: what to do is said by the instruction.
    """
    if spec.annotation_type is AnnotationType.GENERAL_CLASSIFICATION:
        raise BackendRefused(
            f"annotationType: {spec.annotation_type.value}: people cannot be shown data of any "
            "kind: give ground truth yourself, and set labelMissingGroundTruth: false"
        )
    view = ElementTree.Element("View")
    if is_of_images(spec.annotation_type):
        _add(view, "Image", name=_SHOWN, value=f"${IMAGE_KEY}", zoom="true")
    else:
        _add(view, "Text", name=_SHOWN, value=f"${TEXT_KEY}", valueType="text")
    if spec.annotation_type is AnnotationType.IMAGE_BOUNDING_BOX:
        boxes = _add(view, "RectangleLabels", name=BOX, toName=_SHOWN, canRotate="false")
        for label in spec.labels:
            _add(boxes, "Label", **_named(label))
    else:
        _add_choices(view, spec)
    _add(
        view,
        "TextArea",
        name=COMMENT,
        toName=_SHOWN,
        rows="1",
        maxSubmissions="1",
        editable="true",
        placeholder="…",
    )
    return ElementTree.tostring(view, encoding="unicode")


def _add_choices(view: ElementTree.Element, spec: ProjectSpec) -> None:
    """One of them must be chosen; of several at once, none is an answer too."""
    choice, required = ("multiple", "false") if spec.is_multi_label else ("single", "true")
    options = {"choice": choice, "required": required}
    options |= {"layout": "select"} if len(spec.labels) > _MANY_LABELS else {"showInline": "true"}
    choices = _add(view, "Choices", name=LABEL, toName=_SHOWN, **options)
    for label in spec.labels:
        _add(choices, "Choice", **_named(label))
    if spec.has_sentiment:
        moods = _add(
            view, "Choices", name=SENTIMENT, toName=_SHOWN, choice="single", showInline="true"
        )
        for sentiment in (Sentiment.POSITIVE, Sentiment.NEGATIVE):
            _add(moods, "Choice", value=sentiment.value)


def _named(label: str) -> dict[str, str]:
    """A dollar sign before a word would name a field of the task's data, so they are parted by a
    space without width; the answer has the label as it is."""
    if "$" not in label:
        return {"value": label}
    return {"value": label.replace("$", "$\u200b"), "alias": label}


def _add(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes)


def instruction_html(spec: ProjectSpec) -> str:
    """What Label Studio shows before the first item; in the job's language, so marked as such."""
    paragraphs = [
        f"<p>{escape(part).replace(chr(10), '<br>')}</p>"
        for part in spec.instruction.split("\n\n")
        if part.strip()
    ]
    if spec.instruction_pdf is not None:
        address = escape(spec.instruction_pdf)
        is_link = spec.instruction_pdf.startswith(("http://", "https://"))
        link = f'<a href="{address}" rel="noopener">{address}</a>'
        paragraphs.append(f"<p>{link if is_link else address}</p>")
    return f'<div lang="{escape(spec.language)}">{"".join(paragraphs)}</div>'
