"""A project's settings: what people see and may choose, as Label Studio writes it down."""

from __future__ import annotations

import re
from html import escape
from typing import Final
from xml.etree import ElementTree  # nosec B405 # it only writes: nothing is parsed

from evaluation_operator.api.evaluation_options import AnnotationType
from evaluation_operator.labeling.backend import BackendRefused, ProjectSpec
from evaluation_operator.labeling.backends.label_studio.web import is_web_address
from evaluation_operator.tasks.answers import Sentiment
from evaluation_operator.tasks.kind import Control
from evaluation_operator.visible import visible, without_hidden

LABEL: Final = "label"
BOX: Final = "box"
SENTIMENT: Final = "sentiment"
COMMENT: Final = "comment"
_SHOWN: Final = "shown"
IMAGE_KEY: Final = "image"
TEXT_KEY: Final = "text"

_MANY_LABELS = 25
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


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
    if spec.annotation_type.is_of_images:
        _add(view, "Image", name=_SHOWN, value=f"${IMAGE_KEY}", zoom="true")
    else:
        _add(view, "Text", name=_SHOWN, value=f"${TEXT_KEY}", valueType="text")
    if spec.control is Control.BOXES:
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


def answer_of(label: str) -> str:
    """What an answer with the label has in its place: what XML cannot hold is written out."""
    return _NOT_IN_XML.sub(lambda found: visible(found[0]), label)


def _named(label: str) -> dict[str, str]:
    """As people see it, and as it is answered. A dollar sign before a word would name a field of
    the task's data, so they are parted by a space without width. Control characters, and what turns
    the order of others, are not shown."""
    shown, answer = without_hidden(label).replace("$", "$\u200b"), answer_of(label)
    return {"value": answer} if shown == answer else {"value": shown, "alias": answer}


def _add(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes)


def instruction_html(spec: ProjectSpec) -> str:
    """What Label Studio shows before the first item; in the job's language, so marked as such."""
    paragraphs = [
        f"<p>{escape(part).replace(chr(10), '<br>')}</p>"
        for part in without_hidden(spec.instruction).split("\n\n")
        if part.strip()
    ]
    if spec.instruction_pdf is not None:
        address = escape(visible(spec.instruction_pdf))
        link = f'<a href="{address}" rel="noopener noreferrer">{address}</a>'
        paragraphs.append(f"<p>{link if is_web_address(spec.instruction_pdf) else address}</p>")
    return f'<div lang="{escape(visible(spec.language))}">{"".join(paragraphs)}</div>'
